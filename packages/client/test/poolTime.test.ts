/**
 * The pool over a server in memory, and time in the test's hands: what happens when, to the millisecond.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as MysqlError from "../src/MysqlError.ts"
import type { MysqlPool } from "../src/MysqlPool.ts"
import * as pools from "./poolSupport/pools.ts"
import { now, outcomeOf, reasonOf } from "./poolSupport/pools.ts"
import * as Scripted from "./poolSupport/scripted.ts"

const refused = MysqlError.make(new MysqlError.ConnectError({ address: "db:3306", problem: "ECONNREFUSED" }))

const connectionId = (pool: MysqlPool): Effect.Effect<number, MysqlError.MysqlError> =>
  pool.use((connection) => Effect.succeed(connection.info.connectionId))

/** Borrows until it is given back, which is at the end of the test at the latest. */
const borrow = Effect.fnUntraced(function* (pool: MysqlPool) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const connection = yield* Scope.provide(pool.get, scope)
  return { connection, giveBack: Scope.close(scope, Exit.void) }
})

/** The test's clock, and how many sleep by it. */
const watchedClock = Effect.map(Clock.Clock, (clock) => {
  let slept = 0
  let sleeping = 0
  const watched: Clock.Clock = {
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
    currentTimeMillis: clock.currentTimeMillis,
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
    currentTimeNanos: clock.currentTimeNanos,
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) =>
      Effect.suspend(() => {
        slept++
        sleeping++
        return Effect.ensuring(
          clock.sleep(duration),
          Effect.sync(() => sleeping--)
        )
      })
  }
  return { ...watched, slept: () => slept, sleeping: () => sleeping }
})

describe("acquireTimeout", () => {
  it.effect("fails a borrower exactly when his time is over, with the counts", () =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: 1, acquireTimeout: "2 seconds" })
      const held = yield* borrow(pool)
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      yield* TestClock.adjust(1999)
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      const reason = reasonOf(yield* Fiber.await(waiting))
      expect(reason).toMatchObject({ _tag: "AcquireTimeout", idle: 0, used: 1, pending: 1, max: 1, cause: undefined })
      expect(yield* pool.stats).toEqual({ idle: 0, used: 1, connecting: 0, pending: 0, max: 1 })
      yield* held.giveBack
      expect(yield* connectionId(pool)).toBe(held.connection.info.connectionId)
    })
  )

  it.effect("counts from each borrower's own beginning", () =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: 1, acquireTimeout: 1000 })
      yield* borrow(pool)
      const first = yield* Effect.forkChild(connectionId(pool), now)
      yield* TestClock.adjust(600)
      const second = yield* Effect.forkChild(connectionId(pool), now)
      yield* TestClock.adjust(400)
      expect(reasonOf(yield* Fiber.await(first))).toMatchObject({ _tag: "AcquireTimeout", pending: 2 })
      yield* TestClock.adjust(599)
      expect(second.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(reasonOf(yield* Fiber.await(second))).toMatchObject({ _tag: "AcquireTimeout", pending: 1 })
    })
  )

  it.effect("covers connecting; what is ready too late serves the next", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      server.connecting = () => Effect.sleep("3 seconds")
      const pool = yield* pools.over(server, { initialization: "lazy", acquireTimeout: "1 second" })
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      yield* TestClock.adjust("1 second")
      expect(outcomeOf(yield* Fiber.await(waiting))).toBe("AcquireTimeout")
      yield* TestClock.adjust("2 seconds")
      yield* pools.until(pool, { idle: 1, connecting: 0 })
      expect(yield* connectionId(pool)).toBe(server.lines[0]!.connectionId)
      expect(server.attempts).toHaveLength(1)
    })
  )

  it.effect("leaves no timer behind where somebody was served in time, or gave up", () =>
    Effect.gen(function* () {
      const clock = yield* watchedClock
      const pool = yield* Effect.provideService(
        pools.over(Scripted.make(), { maxConnections: 1, acquireTimeout: "2 seconds" }),
        Clock.Clock,
        clock
      )
      const atRest = clock.sleeping()
      const held = yield* borrow(pool)
      const waiting = yield* Effect.forkChild(borrow(pool), now)
      const another = yield* Effect.forkChild(borrow(pool), now)
      expect(clock.sleeping()).toBe(atRest + 2)
      yield* Fiber.interrupt(another)
      yield* held.giveBack
      yield* Fiber.join(waiting)
      expect(clock.sleeping()).toBe(atRest)
    })
  )

  it.effect("without a server tells the last failure to connect, and connecting was not tried in a hurry", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      server.connecting = (attempt) =>
        Effect.fail(MysqlError.make(new MysqlError.ConnectError({ address: "db", problem: `failure ${attempt}` })))
      const pool = yield* pools.over(server, { initialization: "lazy", acquireTimeout: 2000 })
      const waiting = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(connectionId(pool), now))
      yield* TestClock.adjust(2000)
      expect(server.attempts[0]).toBe(0)
      const pauses = server.attempts.slice(1).map((time, index) => time - server.attempts[index]!)
      const longest = (index: number) => Math.min(500, 10 * 2 ** index)
      pauses.forEach((pause, index) => {
        expect(pause).toBeGreaterThanOrEqual(longest(index) / 2)
        expect(pause).toBeLessThanOrEqual(longest(index))
      })
      const attempts = server.attempts.length
      expect(attempts).toBeLessThan(14)
      for (const fiber of waiting) {
        const reason = reasonOf(yield* Fiber.await(fiber))
        expect(reason).toMatchObject({ _tag: "AcquireTimeout", idle: 0, used: 0, max: 10 })
        expect(reason?.message).toContain(`Cannot connect to db: failure ${attempts - 1}`)
      }
      // Nobody waits any more: nobody tries any more.
      yield* TestClock.adjust("1 minute")
      expect(server.attempts).toHaveLength(attempts)
      expect(yield* pool.stats).toEqual({ idle: 0, used: 0, connecting: 0, pending: 0, max: 10 })
    })
  )

  it.effect("serves those who still wait when the server is back, the first of them first", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      server.connecting = () => Effect.fail(refused)
      const pool = yield* pools.over(server, { initialization: "lazy", maxConnections: 1 })
      const served: Array<string> = []
      const waiting = yield* Effect.forEach(["first", "second", "third"], (name) =>
        Effect.forkChild(
          pool.use(() => Effect.sync(() => served.push(name))),
          now
        )
      )
      yield* TestClock.adjust("5 seconds")
      server.connecting = () => Effect.void
      yield* TestClock.adjust(500)
      yield* Fiber.joinAll(waiting)
      expect(served).toEqual(["first", "second", "third"])
    })
  )
})

describe("idleTimeout", () => {
  const settings = { minConnections: 1, maxConnections: 4, idleTimeout: "20 seconds" } as const

  it.effect("closes what nobody needed for so long, down to the minimum", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, settings)
      const held = yield* Effect.forEach([1, 2, 3, 4], () => borrow(pool), { concurrency: "unbounded" })
      yield* TestClock.adjust("1 minute")
      expect(yield* pool.stats).toMatchObject({ idle: 0, used: 4 })
      for (const { giveBack } of held) yield* giveBack
      yield* TestClock.adjust(19_999)
      expect(yield* pool.stats).toMatchObject({ idle: 4 })
      yield* TestClock.adjust("20 seconds")
      yield* pools.until(pool, { idle: 1, used: 0 })
      yield* pools.awaiting(() => server.lines.filter((line) => line.open).length === 1)
      yield* TestClock.adjust("10 minutes")
      expect(yield* pool.stats).toMatchObject({ idle: 1 })
    })
  )

  it.effect("lets the surplus age while light use keeps one warm", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { ...settings, minConnections: 0 })
      const held = yield* Effect.forEach([1, 2, 3], () => borrow(pool), { concurrency: "unbounded" })
      for (const { giveBack } of held) yield* giveBack
      const warm = held.at(-1)!.connection.info.connectionId
      for (let turn = 0; turn < 10; turn++) {
        yield* TestClock.adjust("5 seconds")
        expect(yield* connectionId(pool)).toBe(warm)
      }
      expect(yield* pool.stats).toMatchObject({ idle: 1 })
    })
  )

  it.effect("of nothing does not keep the machine busy", () =>
    Effect.gen(function* () {
      const clock = yield* watchedClock
      const pool = yield* Effect.provideService(pools.over(Scripted.make(), { idleTimeout: 0 }), Clock.Clock, clock)
      yield* connectionId(pool)
      yield* TestClock.adjust("1 minute")
      yield* pools.until(pool, { idle: 0 })
      const before = clock.slept()
      yield* Effect.repeat(Effect.yieldNow, { times: 1000 })
      expect(clock.slept()).toBe(before)
    })
  )
})

describe("maxLifetime", () => {
  const minute = 60_000

  it.effect("ends each connection a little earlier, so that those of one moment do not end together", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, {
        minConnections: 20,
        maxConnections: 20,
        maxLifetime: "100 minutes",
        idleTimeout: "1000 minutes"
      })
      yield* pools.until(pool, { idle: 20 })
      yield* TestClock.adjust(97.5 * minute - 30_000)
      expect(server.lines).toHaveLength(20)
      const died: Array<number> = []
      while (died.length < 20) {
        yield* TestClock.adjust(30_000)
        yield* pools.until(pool, { idle: 20 })
        const time = yield* Clock.currentTimeMillis
        const open = server.lines.slice(0, 20).filter((line) => line.open).length
        while (died.length < 20 - open) died.push(time)
      }
      expect(died.at(-1)).toBeLessThanOrEqual(100 * minute)
      expect(new Set(died).size).toBeGreaterThan(3)
      expect(died.at(-1)! - died[0]!).toBeGreaterThan(minute)
      expect(server.lines.filter((line) => line.open)).toHaveLength(20)
    }).pipe(Random.withSeed("lifetimes"))
  )

  it.effect("never ends what is in use, and never lends what is too old", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1, maxLifetime: "1 minute" })
      const held = yield* borrow(pool)
      const statement = yield* Effect.forkChild(held.connection.query("SELECT HOLD long"), now)
      yield* server.running("SELECT HOLD long")
      yield* TestClock.adjust("1 hour")
      expect(statement.pollUnsafe()).toBeUndefined()
      server.release("long")
      expect((yield* Fiber.join(statement)).rows).toEqual([{ x: "long" }])
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      yield* held.giveBack
      expect(yield* Fiber.join(waiting)).toBe(server.lines[1]!.connectionId)
      yield* pools.awaiting(() => !server.lines[0]!.open)
    })
  )

  it.effect("ends what is idle at the next look, and whoever comes before that gets a young one", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxLifetime: "10 seconds" })
      expect(yield* connectionId(pool)).toBe(42)
      yield* TestClock.adjust(9_749)
      expect(yield* connectionId(pool)).toBe(42)
      yield* TestClock.adjust(251)
      expect(yield* pool.stats).toMatchObject({ idle: 1 })
      expect(yield* connectionId(pool)).toBe(43)
      yield* TestClock.adjust("30 seconds")
      yield* pools.until(pool, { idle: 0, connecting: 0 })
    })
  )
})

describe("shutdownTimeout", () => {
  /** A pool whose end is begun by the test. */
  const closing = Effect.fnUntraced(function* (server: Scripted.Server, config?: Parameters<typeof pools.over>[1]) {
    const scope = yield* Scope.make()
    const pool = yield* Scope.provide(pools.over(server, { maxConnections: 2, ...config }), scope)
    return { pool, end: Effect.forkChild(Scope.close(scope, Exit.void), now) }
  })

  it.effect("is what a lent connection gets; then the line is cut under whoever has it", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const { end, pool } = yield* closing(server, { shutdownTimeout: "3 seconds" })
      const held = yield* borrow(pool)
      const statement = yield* Effect.forkChild(held.connection.query("SELECT HOLD it"), now)
      yield* server.running("SELECT HOLD it")
      const ended = yield* end
      yield* TestClock.adjust(2999)
      expect(ended.pollUnsafe()).toBeUndefined()
      expect(statement.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      yield* Fiber.join(ended)
      expect(reasonOf(yield* Fiber.await(statement))).toMatchObject({ _tag: "ConnectionLost" })
      yield* held.giveBack
      expect(yield* pool.stats).toEqual({ idle: 0, used: 0, connecting: 0, pending: 0, max: 2 })
      // The session is ended on the server, by a line of its own: closing one from here would let the statement run on.
      expect(server.lines.map(({ commands, open }) => [commands.at(-1), open])).toEqual([
        ["SELECT HOLD it", false],
        ["KILL CONNECTION 42", false]
      ])
    })
  )

  it.effect("is not waited for when the last connection comes back", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const { end, pool } = yield* closing(server)
      const one = yield* borrow(pool)
      const two = yield* borrow(pool)
      const statement = yield* Effect.forkChild(one.connection.query("SELECT HOLD it"), now)
      yield* server.running("SELECT HOLD it")
      const ended = yield* end
      yield* two.giveBack
      expect(ended.pollUnsafe()).toBeUndefined()
      server.release("it")
      yield* Fiber.join(statement)
      yield* one.giveBack
      yield* Fiber.join(ended)
      expect(yield* Clock.currentTimeMillis).toBe(0)
      expect(server.lines.map((line) => line.open)).toEqual([false, false])
    })
  )

  it.effect("is not waited for when the last connection was being reset", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const { end, pool } = yield* closing(server)
      yield* server.resets.close
      yield* pool.use((connection) => connection.query("SET @a = 1"))
      yield* server.running("RESET")
      expect(yield* pool.stats).toMatchObject({ used: 1 })
      const ended = yield* end
      expect(ended.pollUnsafe()).toBeUndefined()
      yield* server.resets.open
      yield* Fiber.join(ended)
      expect(yield* Clock.currentTimeMillis).toBe(0)
      expect(server.lines.map((line) => line.open)).toEqual([false])
    })
  )

  it.effect("those who wait are told at once, and so is whoever comes later", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const { end, pool } = yield* closing(server, { maxConnections: 1 })
      yield* borrow(pool)
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      const ended = yield* end
      expect(outcomeOf(yield* Fiber.await(waiting))).toBe("PoolClosed")
      expect(outcomeOf(yield* Effect.exit(connectionId(pool)))).toBe("PoolClosed")
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(ended)
      expect(outcomeOf(yield* Effect.exit(connectionId(pool)))).toBe("PoolClosed")
    })
  )

  it.effect("an attempt to connect is given up at once", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      let given = 0
      server.connecting = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => given++))
      const { end, pool } = yield* closing(server, { initialization: "lazy" })
      const waiting = yield* Effect.forkChild(connectionId(pool), now)
      expect(yield* pool.stats).toMatchObject({ connecting: 1 })
      yield* Fiber.join(yield* end)
      expect(outcomeOf(yield* Fiber.await(waiting))).toBe("PoolClosed")
      expect(given).toBe(1)
      expect(yield* Clock.currentTimeMillis).toBe(0)
      expect(yield* pool.stats).toEqual({ idle: 0, used: 0, connecting: 0, pending: 0, max: 2 })
    })
  )

  it.effect("a login that is half done is given up at once, and its line closed", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const { end, pool } = yield* closing(server, {
        initialization: "lazy",
        password: Effect.never
      })
      yield* Effect.forkChild(connectionId(pool), now)
      yield* pools.awaiting(() => server.lines.length === 1)
      yield* Fiber.join(yield* end)
      expect(server.lines.map((line) => line.open)).toEqual([false])
      expect(yield* Clock.currentTimeMillis).toBe(0)
    })
  )

  it.effect("a pause before the next attempt is not waited for", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      server.connecting = () => Effect.fail(refused)
      const { end, pool } = yield* closing(server, { initialization: "lazy" })
      yield* Effect.forkChild(connectionId(pool), now)
      yield* TestClock.adjust(1000)
      expect(yield* pool.stats).toMatchObject({ connecting: 1, pending: 1 })
      const before = server.attempts.length
      yield* Fiber.join(yield* end)
      expect(yield* pool.stats).toEqual({ idle: 0, used: 0, connecting: 0, pending: 0, max: 2 })
      yield* TestClock.adjust(1000)
      expect(server.attempts).toHaveLength(before)
    })
  )
})
