/**
 * The state machine of a server, over a driver that only writes down what it is told.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { type Driver, type Lifecycle, make } from "../src/internal/lifecycle.ts"
import { MysqlServerError } from "../src/MysqlServerError.ts"

const fake = (launching: Effect.Effect<void, MysqlServerError> = Effect.void) => {
  const steps: Array<string> = []
  let alive = false
  const step = (name: string, after?: boolean) =>
    Effect.sync(() => {
      steps.push(name)
      if (after !== undefined) alive = after
    })
  const driver: Driver = {
    name: "a server",
    launch: Effect.andThen(step("launch"), Effect.andThen(launching, step("launched", true))),
    answers: step("answers"),
    terminate: step("terminate", false),
    kill: step("kill", false),
    pause: step("pause"),
    resume: step("resume"),
    isAlive: Effect.sync(() => alive)
  }
  return { lifecycle: make(driver), steps, crash: step("crash", false) }
}

const started = ["launch", "launched"]

const cases: ReadonlyArray<readonly [after: ReadonlyArray<keyof Lifecycle>, steps: ReadonlyArray<string>]> = [
  [["start"], started],
  [["start", "start"], started],
  [["stop"], []],
  [["kill"], []],
  [
    ["start", "stop", "start"],
    [...started, "terminate", ...started]
  ],
  [
    ["start", "kill", "start"],
    [...started, "kill", ...started]
  ],
  [
    ["start", "kill", "kill"],
    [...started, "kill"]
  ],
  [
    ["start", "pause", "pause"],
    [...started, "pause"]
  ],
  [
    ["start", "pause", "resume", "resume"],
    [...started, "pause", "resume"]
  ],
  // What is stopped by SIGSTOP does not hear SIGTERM.
  [
    ["start", "pause", "stop"],
    [...started, "pause", "resume", "terminate"]
  ],
  [
    ["start", "pause", "kill", "start"],
    [...started, "pause", "kill", ...started]
  ],
  [
    ["start", "pause", "kill", "start", "pause"],
    [...started, "pause", "kill", ...started, "pause"]
  ],
  [
    ["start", "pause", "start", "stop"],
    [...started, "pause", "resume", "answers", "terminate"]
  ]
]

describe("the lifecycle of a server", () => {
  it.effect.each(cases)("%j does %j", ([verbs, expected]) =>
    Effect.gen(function* () {
      const { lifecycle, steps } = fake()
      for (const verb of verbs) yield* lifecycle[verb]
      expect(steps).toEqual(expected)
    })
  )

  it.effect("a server that is not running is neither paused nor resumed", () =>
    Effect.gen(function* () {
      const { lifecycle, steps } = fake()
      for (const verb of ["pause", "resume"] as const) {
        const error = yield* Effect.flip(lifecycle[verb])
        expect(error.message).toBe(`Could not ${verb} a server: it is not running. Run \`start\` first.`)
      }
      expect(steps).toEqual([])
    })
  )

  it.effect("a server that ended by itself counts as stopped", () =>
    Effect.gen(function* () {
      const { crash, lifecycle, steps } = fake()
      yield* lifecycle.start
      yield* lifecycle.pause
      yield* crash
      yield* lifecycle.stop
      yield* lifecycle.start
      yield* lifecycle.pause
      expect(steps).toEqual([...started, "pause", "crash", ...started, "pause"])
    })
  )

  it.effect("of two that start it at once one does, and the other waits until it serves", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { lifecycle, steps } = fake(Deferred.await(gate))
      const [one, two] = [
        yield* Effect.forkChild(lifecycle.start, { startImmediately: true }),
        yield* Effect.forkChild(lifecycle.start, { startImmediately: true })
      ]
      expect(steps).toEqual(["launch"])
      expect(two.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.joinAll([one, two])
      expect(steps).toEqual(started)
    })
  )

  it.effect("a start may be given up; the next one launches anew", () =>
    Effect.gen(function* () {
      const { lifecycle, steps } = fake(Effect.never)
      const start = yield* Effect.forkChild(lifecycle.start, { startImmediately: true })
      yield* Fiber.interrupt(start)
      expect(Exit.isFailure(yield* Fiber.await(start))).toBe(true)
      const again = yield* Effect.forkChild(lifecycle.start, { startImmediately: true })
      expect(steps).toEqual(["launch", "launch"])
      yield* Fiber.interrupt(again)
    })
  )

  it.effect("a start that fails leaves it stopped", () =>
    Effect.gen(function* () {
      const failure = new MysqlServerError({ operation: "start a server", tried: ["no"] })
      const { lifecycle, steps } = fake(Effect.fail(failure))
      expect(yield* Effect.flip(lifecycle.start)).toBe(failure)
      yield* lifecycle.kill
      expect(steps).toEqual(["launch"])
    })
  )
})
