/**
 * Folders that are built once: by one of several, whole or not at all.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { folder } from "../src/internal/cache.ts"

const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "effect-mysql-cache-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

const silent = () => Effect.void

const write = (text: string) => (path: string) =>
  Effect.promise(async () => {
    await mkdir(path)
    await writeFile(join(path, "content"), text)
  })

const content = (path: string) => Effect.promise(() => readFile(join(path, "content"), "utf8"))

describe("a cached folder", () => {
  it.live("is built once, and found the next time", () =>
    Effect.gen(function* () {
      const target = join(yield* temporary, "deep", "target")
      yield* folder(target, silent, write("first"))
      yield* folder(target, silent, write("second"))
      expect(yield* content(target)).toBe("first")
      expect(readdirSync(join(target, ".."))).toEqual(["target"])
    })
  )

  it.live("is built by one of two who want it at once; the other waits and says so", () =>
    Effect.gen(function* () {
      const target = join(yield* temporary, "target")
      const building = yield* Deferred.make<void>()
      const waiting = yield* Deferred.make<string>()
      const slow = (path: string) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(building, undefined)
          yield* Deferred.await(waiting)
          yield* write("one")(path)
        })
      const one = yield* Effect.forkChild(folder(target, silent, slow))
      yield* Deferred.await(building)
      yield* folder(target, (line) => Effect.asVoid(Deferred.succeed(waiting, line)), write("other"))
      yield* Fiber.join(one)
      expect(yield* content(target)).toBe("one")
      expect(yield* Deferred.await(waiting)).toContain(`${process.pid}`)
    })
  )

  it.live("is not there when its build fails or is interrupted, and nothing else is either", () =>
    Effect.gen(function* () {
      const parent = yield* temporary
      const target = join(parent, "target")
      const half = (path: string) => Effect.andThen(write("half")(path), Effect.fail("broken" as const))
      expect(yield* Effect.flip(folder(target, silent, half))).toBe("broken")
      const written = yield* Deferred.make<void>()
      const endless = (path: string) =>
        Effect.andThen(write("half")(path), Effect.andThen(Deferred.succeed(written, undefined), Effect.never))
      const fiber = yield* Effect.forkChild(folder(target, silent, endless))
      yield* Deferred.await(written)
      yield* Fiber.interrupt(fiber)
      expect(readdirSync(parent)).toEqual([])
    })
  )

  it.live("is built although a process that was building it is dead, and what that left is removed", () =>
    Effect.gen(function* () {
      const parent = yield* temporary
      const target = join(parent, "target")
      const { pid } = spawnSync("true")
      yield* Effect.promise(() => writeFile(`${target}.lock`, String(pid)))
      yield* write("left")(`${target}.0a0b0c0d.partial`)
      yield* folder(target, silent, write("new"))
      expect(yield* content(target)).toBe("new")
      expect(existsSync(`${target}.0a0b0c0d.partial`)).toBe(false)
      expect(readdirSync(parent)).toEqual(["target"])
    })
  )

  it.live("that cannot be created is a typed error with advice", () =>
    Effect.gen(function* () {
      const parent = yield* temporary
      yield* Effect.promise(() => writeFile(join(parent, "file"), ""))
      const error = yield* Effect.flip(folder(join(parent, "file", "target"), silent, write("x")))
      expect(error._tag).toBe("MysqlServerError")
      expect(error.message).toContain("XDG_CACHE_HOME")
    })
  )
})
