/**
 * Commands that run to their end, or do not.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { existsSync, readFileSync } from "node:fs"
import { run } from "../src/internal/command.ts"

/** Neither gone nor a zombie, which answers signals too. */
const isRunning = (pid: string): boolean => {
  try {
    process.kill(Number(pid), 0)
  } catch {
    return false
  }
  const status = `/proc/${pid}/stat`
  return !existsSync(status) || !/\) Z /.test(readFileSync(status, "utf8"))
}

describe("a command", () => {
  it.live("gives its standard output; every line is told, those of standard error too", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const output = yield* run("sh", ["-c", "echo one; echo two >&2; echo three"], {
        onLine: (line) => lines.push(line)
      })
      expect(output).toBe("one\nthree")
      expect(lines.toSorted()).toEqual(["one", "three", "two"])
    })
  )

  it.live("that fails says which it was, how it ended and its last words", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run("sh", ["-c", "seq 100; echo no >&2; exit 3"]))
      expect(error).toMatchObject({ _tag: "CommandError", exitCode: 3 })
      expect(error.output).toContain("no")
      expect(error.output).toHaveLength(15)
      expect(error.message).toMatch(/^`sh -c seq .*` ended with code 3: /)
    })
  )

  it.live("that does not exist could not be run", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run("effect-mysql-no-such-command", []))
      expect(error.message).toBe(
        "`effect-mysql-no-such-command` could not be run: spawn effect-mysql-no-such-command ENOENT"
      )
    })
  )

  it.live("reads what another writes, and fails when that fails", () =>
    Effect.gen(function* () {
      expect(yield* run("wc", ["-c"], { inputFrom: ["printf", "12345"] })).toMatch(/^\s*5$/)
      const error = yield* Effect.flip(run("cat", [], { inputFrom: ["sh", "-c", "exit 4"] }))
      expect(error.output).toContain("sh ended with code 4")
    })
  )

  it.live("is killed by interruption, together with what it has started", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<string>()
      const fiber = yield* Effect.forkChild(
        run("sh", ["-c", "sleep 1000 & echo $!; wait"], {
          onLine: (pid) => Deferred.doneUnsafe(started, Effect.succeed(pid))
        })
      )
      const pid = yield* Deferred.await(started)
      expect(isRunning(pid)).toBe(true)
      yield* Fiber.interrupt(fiber)
      yield* Effect.repeat(
        Effect.sync(() => isRunning(pid)),
        { while: (running) => running, schedule: Schedule.spaced("10 millis") }
      ).pipe(Effect.timeout("5 seconds"))
    })
  )
})
