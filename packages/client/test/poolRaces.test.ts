/**
 * The pool over a server in memory, where things happen at the same time: interruption against granting, returning
 * against closing, several fibers on one lease.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Redacted from "effect/Redacted"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as MysqlError from "../src/MysqlError.ts"
import type { MysqlPool } from "../src/MysqlPool.ts"
import * as chaos from "./poolSupport/chaos.ts"
import * as pools from "./poolSupport/pools.ts"
import { now, outcomeOf, reasonOf } from "./poolSupport/pools.ts"
import * as Scripted from "./poolSupport/scripted.ts"

const atRest = (idle: number, max: number) => ({ idle, used: 0, connecting: 0, pending: 0, max })

describe("interruption", () => {
  it.effect("of somebody who waits leaves no trace, and the next in line is served", () =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: 1 })
      const served: Array<string> = []
      const borrow = (name: string) =>
        Effect.forkChild(
          pool.use(() => Effect.sync(() => served.push(name))),
          now
        )
      yield* pool.use(() =>
        Effect.gen(function* () {
          const [first, second, third] = [yield* borrow("first"), yield* borrow("second"), yield* borrow("third")]
          expect(yield* pool.stats).toMatchObject({ used: 1, pending: 3 })
          yield* Fiber.interrupt(first)
          yield* Fiber.interrupt(third)
          expect(yield* pool.stats).toMatchObject({ used: 1, pending: 1 })
          return second
        })
      )
      yield* pools.until(pool, atRest(1, 1))
      expect(served).toEqual(["second"])
    })
  )

  it.effect("of a borrower stops his statement and gives the connection back usable", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1 })
      const borrower = yield* Effect.forkChild(
        pool.use((connection) => connection.query("SELECT HOLD it")),
        now
      )
      yield* server.running("SELECT HOLD it")
      const waiting = yield* Effect.forkChild(
        pool.use((connection) => connection.query("SELECT MINE")),
        now
      )
      yield* Fiber.interrupt(borrower)
      expect((yield* Fiber.join(waiting)).rows).toEqual([{ x: "MINE" }])
      expect(server.lines[0]!.commands).toEqual(["SELECT HOLD it", "SELECT MINE"])
      expect(yield* pool.stats).toEqual(atRest(1, 1))
    })
  )

  it.effect("of two fibers on one lease stops both statements before anybody else has the connection", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1 })
      const borrower = yield* Effect.forkChild(
        pool.use((connection) =>
          Effect.all([connection.query("SELECT HOLD one"), connection.query("SELECT HOLD two")], { concurrency: 2 })
        ),
        now
      )
      yield* server.running("SELECT HOLD one")
      const waiting = yield* Effect.forkChild(
        pool.use((connection) => connection.query("SELECT MINE")),
        now
      )
      yield* Fiber.interrupt(borrower)
      expect((yield* Fiber.join(waiting)).rows).toEqual([{ x: "MINE" }])
      expect(yield* pool.stats).toEqual(atRest(1, 1))
    })
  )

  it.effect("of one fiber of a lease while another reads: its statement is stopped, and nothing more is needed", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1 })
      yield* pool.use((connection) =>
        Effect.gen(function* () {
          const first = yield* Effect.forkChild(connection.query("SELECT HOLD first"), now)
          const second = yield* Effect.forkChild(connection.query("SELECT HOLD second"), now)
          yield* server.running("SELECT HOLD first")
          yield* Fiber.interrupt(second)
          server.release("first")
          yield* Fiber.join(first)
          yield* server.running("SELECT HOLD second")
        })
      )
      expect(yield* pool.stats).toMatchObject({ idle: 0, used: 1 })
      const { rows } = yield* pool.use((connection) => connection.query("SELECT MINE"))
      expect(rows).toEqual([{ x: "MINE" }])
      expect(server.lines[0]!.commands).toEqual(["SELECT HOLD first", "SELECT HOLD second", "SELECT MINE"])
    })
  )

  const ways: ReadonlyArray<readonly [string, (pool: MysqlPool) => Effect.Effect<unknown, MysqlError.MysqlError>]> = [
    ["use", (pool) => pool.use(() => Effect.void)],
    ["get", (pool) => Effect.scoped(pool.get)]
  ]
  it.effect.each(ways)("of whoever borrows by `%s`, at whatever step, leaves nothing lent", ([, borrow]) =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: 1 })
      let parkings = 0
      for (let step = 1; step <= 40; step++) {
        const parked = chaos.parking(step)
        const fiber = yield* Effect.forkChild(
          Effect.provideService(borrow(pool), Scheduler.Scheduler, parked.scheduler),
          now
        )
        if (fiber.pollUnsafe() === undefined) parkings++
        fiber.interruptUnsafe()
        parked.resume()
        yield* pools.awaiting(() => fiber.pollUnsafe() !== undefined)
        yield* pools.until(pool, atRest(1, 1))
      }
      expect(parkings).toBeGreaterThan(3)
      // There is no step beyond those.
      expect(parkings).toBeLessThan(40)
    })
  )

  it.effect("while making a pool closes the connection that was being opened", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const making = yield* Effect.forkChild(Effect.scoped(pools.over(server, { password: Effect.never })), now)
      yield* pools.awaiting(() => server.lines.length === 1)
      yield* Fiber.interrupt(making)
      expect(server.lines.map((line) => line.open)).toEqual([false])
    })
  )
})

describe("a lease", () => {
  it.effect("ends where the function that was to use it throws", () =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: 1 })
      const exit = yield* Effect.exit(
        pool.use((): Effect.Effect<void> => {
          throw new Error("before there was an effect")
        })
      )
      expect(outcomeOf(exit)).toBe("defect")
      expect(yield* pool.stats).toEqual(atRest(1, 1))
    })
  )

  it.effect("that ends while a fiber left behind uses it: nobody else has the connection before it is through", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1 })
      const leftBehind = yield* pool.use((connection) =>
        Effect.tap(Effect.forkDetach(connection.query("SELECT HOLD late"), now), () =>
          server.running("SELECT HOLD late")
        )
      )
      const waiting = yield* Effect.forkChild(
        pool.use((connection) => connection.query("SELECT MINE")),
        now
      )
      yield* Effect.repeat(Effect.yieldNow, { times: 100 })
      expect(server.lines[0]!.commands).not.toContain("SELECT MINE")
      server.release("late")
      expect((yield* Fiber.join(leftBehind)).rows).toEqual([{ x: "late" }])
      expect((yield* Fiber.join(waiting)).rows).toEqual([{ x: "MINE" }])
      const { commands } = server.lines[0]!
      expect(commands.indexOf("RESET")).toBeGreaterThan(commands.indexOf("SELECT HOLD late"))
      expect(commands.indexOf("SELECT MINE")).toBeGreaterThan(commands.indexOf("RESET"))
    })
  )

  it.effect("that ends while a fiber left behind keeps it busy for good: the connection is replaced", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1, connectTimeout: "4 seconds" })
      const leftBehind = yield* pool.use((connection) =>
        Effect.tap(Effect.forkDetach(connection.query("SELECT HOLD for ever"), now), () =>
          server.running("SELECT HOLD for ever")
        )
      )
      const waiting = yield* Effect.forkChild(
        pool.use((connection) => connection.query("SELECT MINE")),
        now
      )
      yield* TestClock.adjust("4 seconds")
      expect((yield* Fiber.join(waiting)).rows).toEqual([{ x: "MINE" }])
      expect(outcomeOf(yield* Fiber.await(leftBehind))).toBe("ConnectionLost")
      const said = server.lines.flatMap(({ commands, open }) => commands.map((command) => [command, open]))
      expect(said).toContainEqual(["SELECT HOLD for ever", false])
      expect(said).toContainEqual(["KILL CONNECTION 42", true])
      expect(said).toContainEqual(["SELECT MINE", true])
    })
  )

  it.effect("is the exclusive use that reserving asks for: the same again, and no waiting for oneself", () =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: 1 })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* pool.reserve
          const again = yield* connection.reserve
          expect((yield* connection.query("SELECT OUTER")).rows).toEqual([{ x: "OUTER" }])
          expect((yield* again.query("SELECT INNER")).rows).toEqual([{ x: "INNER" }])
        })
      )
      expect(yield* pool.stats).toEqual(atRest(1, 1))
    })
  )

  it.effect("cannot be kept beyond its end by a reservation", () =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: 1 })
      yield* pool.use((connection) => connection.reserve)
      const rows = yield* pool.use((connection) => connection.query("SELECT MINE"))
      expect(rows.rows).toEqual([{ x: "MINE" }])
    }).pipe(Effect.scoped)
  )

  it.effect("that ends in the middle of a stream stops the statement and keeps the connection", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1 })
      const borrower = yield* Effect.forkChild(
        pool.use((connection) => Stream.runCollect(connection.stream("SELECT HOLD stream"))),
        now
      )
      yield* server.running("SELECT HOLD stream")
      yield* Fiber.interrupt(borrower)
      yield* pool.use((connection) => connection.query("SELECT MINE"))
      expect(server.lines[0]!.commands).toEqual(["SELECT HOLD stream", "SELECT MINE"])
    })
  )

  it.effect("of a connection that is invalid ends with it; the next borrower has another", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1 })
      const rows = yield* pool.use((connection) =>
        Effect.andThen(pool.invalidate(connection), connection.query("SELECT STILL HERE"))
      )
      expect(rows.rows).toEqual([{ x: "STILL HERE" }])
      yield* pools.awaiting(() => !server.lines[0]!.open)
      expect(yield* pool.stats).toEqual(atRest(0, 1))
      expect(yield* pool.use((connection) => Effect.succeed(connection.info.connectionId))).toBe(43)
    })
  )

  it.effect("invalid while others wait: they get another", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1 })
      const waiting = yield* pool.use((connection) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkDetach(
            pool.use((other) => Effect.succeed(other.info.connectionId)),
            now
          )
          yield* pool.invalidate(connection)
          return fiber
        })
      )
      expect(yield* Fiber.join(waiting)).toBe(43)
    })
  )
})

describe("a line that died", () => {
  const dying: ReadonlyArray<readonly [string, (line: Scripted.ServerLine) => Effect.Effect<void>]> = [
    ["was closed by the server", (line) => line.cut],
    [
      "said something unasked",
      (line) =>
        line.say(
          Buffer.from("ff bf 0f 23 48 59 30 30 30 69 64 6c 65".split(" ").map((byte) => Number.parseInt(byte, 16)))
        )
    ]
  ]

  it.effect.each(dying)("and %s while idle is never lent", ([, die]) =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 2 })
      yield* die(server.lines[0]!)
      expect(yield* pool.use((connection) => Effect.succeed(connection.info.connectionId))).toBe(43)
      expect(yield* pool.stats).toEqual(atRest(1, 2))
      yield* pools.awaiting(() => !server.lines[0]!.open)
    })
  )

  it.effect.each(dying)("and %s while it was lent is not handed to the one who waits", ([, die]) =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1 })
      const waiting = yield* pool.use(() =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkDetach(
            pool.use((other) => Effect.succeed(other.info.connectionId)),
            now
          )
          yield* die(server.lines[0]!)
          return fiber
        })
      )
      expect(yield* Fiber.join(waiting)).toBe(43)
    })
  )

  it.effect("during a statement fails the borrower, and the one who waits gets another", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1 })
      const borrower = yield* Effect.forkChild(
        pool.use((connection) => connection.query("SELECT HOLD it")),
        now
      )
      yield* server.running("SELECT HOLD it")
      const waiting = yield* Effect.forkChild(
        pool.use((connection) => connection.query("SELECT MINE")),
        now
      )
      yield* server.lines[0]!.cut
      expect(reasonOf(yield* Fiber.await(borrower))).toMatchObject({ _tag: "ConnectionLost", phase: "sent" })
      expect((yield* Fiber.join(waiting)).rows).toEqual([{ x: "MINE" }])
      expect(yield* pool.stats).toEqual(atRest(1, 1))
    })
  )

  it.effect("during the reset is replaced for the one who waits", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1 })
      yield* server.resets.close
      yield* pool.use((connection) => connection.query("SET @a = 1"))
      yield* server.running("RESET")
      const waiting = yield* Effect.forkChild(
        pool.use((connection) => connection.query("SELECT MINE")),
        now
      )
      yield* server.lines[0]!.cut
      expect((yield* Fiber.join(waiting)).rows).toEqual([{ x: "MINE" }])
      expect(server.lines).toHaveLength(2)
    })
  )

  it.effect("and a server that never answers the reset: the connection is given up in time", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1, connectTimeout: "4 seconds" })
      yield* server.resets.close
      yield* pool.use((connection) => connection.query("SET @a = 1"))
      yield* server.running("RESET")
      expect(yield* pool.stats).toMatchObject({ used: 1 })
      yield* TestClock.adjust("10 seconds")
      yield* pools.until(pool, { used: 0 })
      yield* pools.awaiting(() => !server.lines[0]!.open)
    })
  )
})

describe("connecting", () => {
  const denied = MysqlError.make(
    new MysqlError.LoginError({ errno: 1045, plugin: "caching_sha2_password", problem: "Access denied" })
  )

  it.effect("is tried once where the login is refused, however many wait, and all are told why", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const answered = Latch.makeUnsafe()
      server.connecting = () => Effect.andThen(answered.await, Effect.fail(denied))
      const pool = yield* pools.over(server, { initialization: "lazy" })
      const waiting = yield* Effect.forEach(Array.from({ length: 8 }), () =>
        Effect.forkChild(
          pool.use((connection) => connection.query("SELECT NEVER")),
          now
        )
      )
      expect(yield* pool.stats).toMatchObject({ connecting: 1, pending: 8 })
      yield* answered.open
      const exits = yield* Effect.forEach(waiting, Fiber.await)
      expect(exits.map(outcomeOf)).toEqual(Array.from({ length: 8 }, () => "LoginError"))
      expect(server.attempts).toHaveLength(1)
      yield* TestClock.adjust("1 minute")
      expect(server.attempts).toHaveLength(1)
      expect(yield* pool.stats).toEqual(atRest(0, 10))
    })
  )

  it.effect.each([1040, 1203, 1226])("is tried again where the server only has too many connections (%i)", (errno) =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const full = MysqlError.make(new MysqlError.LoginError({ errno, plugin: "", problem: "too many" }))
      const pool = yield* pools.over(server, { maxConnections: 3 })
      server.connecting = () => Effect.fail(full)
      const waiting = yield* pool.use(() =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkDetach(
            pool.use((connection) => connection.query("SELECT MINE")),
            now
          )
          yield* TestClock.adjust("1 second")
          expect(fiber.pollUnsafe()).toBeUndefined()
          return fiber
        })
      )
      expect((yield* Fiber.join(waiting)).rows).toEqual([{ x: "MINE" }])
    })
  )

  it.effect("does not lose its place when the password effect dies", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      let dies = true
      const pool = yield* pools.over(server, {
        initialization: "lazy",
        maxConnections: 1,
        acquireTimeout: 1000,
        password: Effect.suspend(() => (dies ? Effect.die(new Error("no secret today")) : Effect.succeed(""))).pipe(
          Effect.map(Redacted.make)
        )
      })
      const waiting = yield* Effect.forkChild(
        Effect.exit(pool.use((connection) => connection.query("SELECT MINE"))),
        now
      )
      yield* TestClock.adjust(1000)
      const reason = reasonOf(yield* Fiber.join(waiting))
      expect(reason).toMatchObject({ _tag: "AcquireTimeout", cause: { reason: { _tag: "ConnectError" } } })
      expect(server.lines.every((line) => !line.open)).toBe(true)
      dies = false
      const later = yield* Effect.forkChild(
        pool.use((connection) => connection.query("SELECT MINE")),
        now
      )
      yield* TestClock.adjust(500)
      expect((yield* Fiber.join(later)).rows).toEqual([{ x: "MINE" }])
    })
  )
})
