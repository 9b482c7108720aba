/**
 * Who borrows while he has a connection: what can never end is told at once where the pool can see it, and ends in time
 * where it cannot. Over a server in memory.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type * as MysqlError from "../src/MysqlError.ts"
import type { MysqlPool } from "../src/MysqlPool.ts"
import * as pools from "./poolSupport/pools.ts"
import { now, outcomeOf, reasonOf } from "./poolSupport/pools.ts"
import * as Scripted from "./poolSupport/scripted.ts"

const connectionId = (pool: MysqlPool) => pool.use((connection) => Effect.succeed(connection.info.connectionId))

describe("nested borrowing", () => {
  it.effect("that could never end is reported, and what was borrowed before comes back", () =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: 1 })
      const nested = yield* Effect.exit(pool.use(() => connectionId(pool)))
      expect(reasonOf(nested)).toMatchObject({ _tag: "PoolDeadlock", used: 1, max: 1 })
      expect(reasonOf(nested)?.message).toContain("nested borrowing")
      const scoped = yield* Effect.exit(Effect.scoped(Effect.andThen(pool.get, pool.reserve)))
      expect(outcomeOf(scoped)).toBe("PoolDeadlock")
      expect(yield* pool.stats).toEqual({ idle: 1, used: 0, connecting: 0, pending: 0, max: 1 })
    })
  )

  it.effect("of several fibers fails the one that completes the circle; the others are served", () =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: 3 })
      const inside = Latch.makeUnsafe()
      let count = 0
      const fiber = Effect.exit(
        pool.use(() => {
          if (++count === 3) inside.openUnsafe()
          return Effect.andThen(inside.await, connectionId(pool))
        })
      )
      const exits = yield* Effect.all([fiber, fiber, fiber], { concurrency: 3 })
      expect(exits.map(outcomeOf).sort()).toEqual(["PoolDeadlock", "success", "success"])
      expect(yield* pool.stats).toMatchObject({ used: 0, pending: 0 })
    })
  )

  const within: ReadonlyArray<
    readonly [string, string, (pool: MysqlPool) => Effect.Effect<unknown, MysqlError.MysqlError>]
  > = [
    ["`get` in a scope of its own within `use`", "PoolDeadlock", (pool) => pool.use(() => Effect.scoped(pool.get))],
    [
      "borrowing one after the other within `use`",
      "PoolDeadlock",
      (pool) => pool.use(() => Effect.all([connectionId(pool), connectionId(pool)]))
    ],
    [
      "borrowing at once within `use`",
      "AcquireTimeout",
      (pool) => pool.use(() => Effect.all([connectionId(pool), connectionId(pool)], { concurrency: 2 }))
    ],
    [
      "a timeout around borrowing within `use`",
      "AcquireTimeout",
      (pool) => pool.use(() => Effect.timeoutOption(connectionId(pool), "1 hour"))
    ],
    [
      "`use` within a scope that has one",
      "AcquireTimeout",
      (pool) => Effect.scoped(Effect.andThen(pool.get, connectionId(pool)))
    ],
    [
      "a scope within a scope that has one",
      "AcquireTimeout",
      (pool) => Effect.scoped(Effect.andThen(pool.get, Effect.scoped(pool.get)))
    ]
  ]
  it.effect.each(within)("by %s ends with %s", ([, outcome, nested]) =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: 1 })
      const fiber = yield* Effect.forkChild(nested(pool), now)
      expect(fiber.pollUnsafe() !== undefined).toBe(outcome === "PoolDeadlock")
      yield* TestClock.adjust("30 seconds")
      expect(reasonOf(yield* Fiber.await(fiber))).toMatchObject({ _tag: outcome, used: 1, max: 1 })
      expect(yield* pool.stats).toMatchObject({ idle: 1, used: 0, pending: 0 })
    })
  )

  it.effect("that another fiber's end lets go on goes on", () =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: 2 })
      const scope = yield* Scope.make()
      const other = yield* Scope.provide(pool.get, scope)
      const nested = yield* Effect.forkChild(
        pool.use(() => connectionId(pool)),
        now
      )
      yield* pools.until(pool, { used: 2, pending: 1 })
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(nested)).toBe(other.info.connectionId)
    })
  )
})
