/**
 * How a pool makes sure that what it lends lives, and how it is taken out of service and put back as a whole. Over a
 * server in memory, with time in the test's hands.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { MysqlPool } from "../src/MysqlPool.ts"
import * as pools from "./poolSupport/pools.ts"
import { now, outcomeOf, reasonOf } from "./poolSupport/pools.ts"
import * as Scripted from "./poolSupport/scripted.ts"

const connectionId = (pool: MysqlPool) => pool.use((connection) => Effect.succeed(connection.info.connectionId))

const borrow = Effect.fnUntraced(function* (pool: MysqlPool) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const connection = yield* Scope.provide(pool.get, scope)
  return { connection, giveBack: Scope.close(scope, Exit.void) }
})

const pingsOf = (server: Scripted.Server): ReadonlyArray<number> =>
  server.lines.map(({ commands }) => commands.filter((command) => command === "PING").length)

/** So many connections that nobody has. */
const withIdle = Effect.fnUntraced(function* (count: number, config?: Parameters<typeof pools.over>[1]) {
  const server = Scripted.make()
  const pool = yield* pools.over(server, config)
  const held = yield* Effect.forEach(Array.from({ length: count }), () => borrow(pool), { concurrency: "unbounded" })
  for (const { giveBack } of held) yield* giveBack
  return { server, pool }
})

describe("a connection that was idle", () => {
  it.effect("is lent without a round trip within half a second, and asked for a sign of life after that", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* withIdle(1)
      yield* TestClock.adjust(499)
      yield* connectionId(pool)
      yield* TestClock.adjust(499)
      expect(yield* connectionId(pool)).toBe(42)
      expect(pingsOf(server)).toEqual([0])
      yield* TestClock.adjust(500)
      expect(yield* connectionId(pool)).toBe(42)
      expect(pingsOf(server)).toEqual([1])
      expect(yield* connectionId(pool)).toBe(42)
      expect(pingsOf(server)).toEqual([1])
    })
  )

  it.effect("and gives no sign of life is replaced, and nobody notices more than the time", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* withIdle(1)
      yield* server.pings.close
      yield* TestClock.adjust(500)
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      yield* pools.awaiting(() => pingsOf(server)[0] === 1)
      expect(yield* pool.stats).toMatchObject({ idle: 1, pending: 1 })
      yield* TestClock.adjust(1999)
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(yield* Fiber.join(waiting)).toBe(43)
      yield* pools.awaiting(() => !server.lines[0]!.open)
    })
  )

  it.effect("one silent line makes all others prove that they live, at the same time", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* withIdle(4, { maxConnections: 4 })
      yield* server.pings.close
      yield* TestClock.adjust(500)
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      yield* pools.awaiting(() => pingsOf(server).includes(1))
      yield* TestClock.adjust(2000)
      yield* pools.awaiting(() => pingsOf(server).join() === "1,1,1,1")
      yield* TestClock.adjust(2000)
      expect(yield* Fiber.join(waiting)).toBe(46)
      yield* pools.until(pool, { idle: 1, used: 0 })
    })
  )

  it.effect("acquireTimeout covers the sign of life", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* withIdle(1, { acquireTimeout: 1500, maxConnections: 1 })
      yield* server.pings.close
      yield* TestClock.adjust(500)
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      yield* TestClock.adjust(1500)
      expect(reasonOf(yield* Fiber.await(waiting))).toMatchObject({ _tag: "AcquireTimeout", idle: 1, pending: 1 })
      yield* server.pings.open
      yield* pools.until(pool, { idle: 1, pending: 0 })
      expect(yield* connectionId(pool)).toBe(42)
    })
  )

  it.effect("whoever is interrupted while it is asked leaves no trace", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* withIdle(1, { maxConnections: 1 })
      yield* server.pings.close
      yield* TestClock.adjust(500)
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      yield* pools.awaiting(() => pingsOf(server)[0] === 1)
      yield* Fiber.interrupt(waiting)
      const next = yield* Effect.forkChild(connectionId(pool), now)
      yield* server.pings.open
      expect(yield* Fiber.join(next)).toBe(42)
      expect(pingsOf(server)).toEqual([1])
      expect(yield* pool.stats).toEqual({ idle: 1, used: 0, connecting: 0, pending: 0, max: 1 })
    })
  )

  it.effect("a line that dies in somebody's hands makes the idle ones prove that they live", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* withIdle(3)
      const died = yield* pool.use((connection) => {
        const line = server.lines.find(({ connectionId }) => connectionId === connection.info.connectionId)!
        return Effect.andThen(line.cut, Effect.exit(connection.query("SELECT 1")))
      })
      expect(outcomeOf(died)).toBe("ConnectionLost")
      yield* pools.awaiting(() => pingsOf(server).join() === "1,1,0")
      yield* pools.until(pool, { idle: 2, used: 0 })
    })
  )

  it.effect("is watched: a dead one goes without anybody asking for it, and the minimum is filled up", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* withIdle(2, { minConnections: 2 })
      yield* server.lines[0]!.cut
      yield* TestClock.adjust("30 seconds")
      yield* pools.until(pool, { idle: 2, connecting: 0 })
      expect(server.lines.map((line) => line.open)).toEqual([false, true, true])
    })
  )
})

describe("keepaliveTime", () => {
  it.effect("is after how long an idle connection is asked for a sign of life, a little earlier for each", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* withIdle(6, { keepaliveTime: "100 seconds", minConnections: 6 })
      yield* TestClock.adjust("88 seconds")
      expect(pingsOf(server)).toEqual([0, 0, 0, 0, 0, 0])
      yield* TestClock.adjust("32 seconds")
      yield* pools.awaiting(() => pingsOf(server).every((count) => count === 1))
      yield* pools.until(pool, { idle: 6 })
      expect(server.lines).toHaveLength(6)
    }).pipe(Random.withSeed("keepalive"))
  )

  it.effect("does not keep more connections than the minimum from being closed", () =>
    Effect.gen(function* () {
      const { pool } = yield* withIdle(3, { keepaliveTime: "10 seconds", idleTimeout: "1 minute", minConnections: 1 })
      for (let turn = 0; turn < 20; turn++) yield* TestClock.adjust("5 seconds")
      yield* pools.until(pool, { idle: 1 })
    })
  )

  it.effect("replaces what gives no sign of life", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* withIdle(1, { keepaliveTime: "10 seconds", minConnections: 1 })
      yield* server.pings.close
      yield* TestClock.adjust("20 seconds")
      yield* pools.until(pool, { idle: 1 })
      expect(server.lines.map((line) => line.open)).toEqual([false, true])
    })
  )
})

describe("the time of day", () => {
  it.effect("may be set an hour back or forth: nobody waits longer, and nothing ends earlier", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let shift = 0
      const shifted: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + shift,
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        sleep: (duration) => clock.sleep(duration)
      }
      const server = Scripted.make()
      const pool = yield* Effect.provideService(
        pools.over(server, { maxConnections: 1, maxLifetime: "30 minutes", acquireTimeout: 1000 }),
        Clock.Clock,
        shifted
      )
      for (const hours of [1, -1]) {
        shift = hours * 3_600_000
        yield* TestClock.adjust("30 seconds")
        expect(yield* connectionId(pool)).toBe(42)
        const held = yield* borrow(pool)
        const waiting = yield* Effect.forkChild(connectionId(pool), now)
        yield* TestClock.adjust(1000)
        expect(outcomeOf(yield* Fiber.await(waiting))).toBe("AcquireTimeout")
        yield* held.giveBack
      }
    })
  )
})

describe("evictAll", () => {
  it.effect("replaces every connection under load, and nobody notices", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 3 })
      const seen: Array<number> = []
      const visit = pool.use((connection) =>
        Effect.map(connection.query("SELECT 1"), () => void seen.push(connection.info.connectionId))
      )
      const crowd = (borrowers: number) =>
        Effect.forEach(Array.from({ length: borrowers }), () => Effect.repeat(visit, { times: 20 }), {
          concurrency: "unbounded"
        })
      const before = yield* Effect.forkChild(crowd(9), now)
      yield* pools.awaiting(() => seen.length > 50)
      yield* pool.evictAll
      const old = server.lines.map((line) => line.connectionId)
      yield* Fiber.join(before)
      const count = seen.length
      yield* crowd(9)
      expect(seen.slice(count).filter((id) => old.includes(id))).toEqual([])
      yield* pools.awaiting(() =>
        server.lines.filter((line) => line.open).every((line) => !old.includes(line.connectionId))
      )
      expect(yield* pool.stats).toMatchObject({ used: 0, pending: 0 })
    })
  )

  it.effect("also replaces a connection that was being opened", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const gate = Latch.makeUnsafe()
      server.connecting = (attempt) => (attempt === 0 ? gate.await : Effect.void)
      const pool = yield* pools.over(server, { initialization: "lazy" })
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      yield* pool.evictAll
      yield* gate.open
      expect(yield* Fiber.join(waiting)).toBe(43)
      yield* pools.awaiting(() => !server.lines[0]!.open)
    })
  )
})

describe("suspend", () => {
  it.effect("makes borrowers wait and lets others finish; resume serves them in their order", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* withIdle(1, { maxConnections: 1 })
      const served: Array<string> = []
      const held = yield* borrow(pool)
      yield* pool.suspend
      const waiting = yield* Effect.forEach(["first", "second", "third"], (name) =>
        Effect.forkChild(
          pool.use(() => Effect.sync(() => served.push(name))),
          now
        )
      )
      expect((yield* held.connection.query("SELECT still")).rows).toEqual([{ x: "still" }])
      yield* held.giveBack
      yield* TestClock.adjust("10 seconds")
      expect(served).toEqual([])
      expect(yield* pool.stats).toMatchObject({ idle: 1, used: 0, pending: 3 })
      yield* pool.resume
      yield* Fiber.joinAll(waiting)
      expect(served).toEqual(["first", "second", "third"])
      expect(server.lines).toHaveLength(1)
    })
  )

  it.effect("does not stop acquireTimeout", () =>
    Effect.gen(function* () {
      const { pool } = yield* withIdle(1, { acquireTimeout: 1000 })
      yield* pool.suspend
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      yield* TestClock.adjust(1000)
      expect(outcomeOf(yield* Fiber.await(waiting))).toBe("AcquireTimeout")
    })
  )

  it.effect("does not keep the end of the pool from those who wait", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { pool } = yield* Scope.provide(withIdle(1), scope)
      yield* pool.suspend
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      yield* Scope.close(scope, Exit.void)
      expect(outcomeOf(yield* Fiber.await(waiting))).toBe("PoolClosed")
    })
  )
})
