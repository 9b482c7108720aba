/**
 * Statements that are given up in each phase of their lives, on real servers: while they wait for their turn, half
 * written, sent, in the first byte of the reply, in the middle of the rows, and in COMMIT. Lines halt there, so that the
 * phase is certain, and time is the test's, so that each KILL is wanted. (Before: `opening`, `login`. While a file goes up:
 * `loadData`.)
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import type { MysqlConnection, QueryOptions } from "../src/MysqlConnection.ts"
import type { MysqlError } from "../src/MysqlError.ts"
import { Transport } from "../src/Transport.ts"
import * as Halting from "./support/halting.ts"
import { lineWithBackPressure } from "./support/runtimes.ts"
import { reasonOf } from "./support/script.ts"
import { awaitGone, awaitIdle, awaitRunning, connect, connectToDatabase, scalar } from "./support/servers.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

type Running = Fiber.Fiber<unknown, MysqlError>

/** How a statement is given up, and the options that it needs for that. */
const ways: ReadonlyArray<
  readonly [how: string, options: QueryOptions<never>, giveUp: (running: Running) => Effect.Effect<void>]
> = [
  ["is interrupted", {}, Fiber.interrupt],
  [
    "takes too long",
    { timeout: "1 minute" },
    (running) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 minute")
        expect(reasonOf(yield* Fiber.await(running))).toMatchObject({ _tag: "StatementTimeout", by: "client" })
      })
  ]
]

/** A billion rows of a kilobyte. */
const numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
const endless = `${numbers} SELECT /* marked */ REPEAT('x', 1000) AS x FROM n a, n b, n c`

const padding = `/* ${"x".repeat(100_000)} */`

/** Over lines that halt there. */
const over = <A, E, R>(halting: Halting.Halting, make: (config: MysqlConfig) => Effect.Effect<A, E, R>) =>
  Effect.provideService(make(lineWithBackPressure), Transport, halting.transport)

const expectInUse = (connection: MysqlConnection) =>
  Effect.map(scalar(connection, "SELECT CONNECTION_ID()"), (id) => expect(id).toBe(connection.info.connectionId))

for (const server of SharedServers.all) {
  describe.skipIf(!server.available).each(ways)(`a statement on ${server.name} that %s`, (_, options, giveUp) => {
    it.effect("while it waits for its turn is never sent, and nothing is killed", () =>
      Effect.gen(function* () {
        const halting = yield* Halting.make()
        const connection = yield* over(halting, connect)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* connection.reserve
            yield* giveUp(yield* fork(connection.query("SELECT 1 /* marked */", [], options)))
          })
        )
        yield* expectInUse(connection)
        expect([halting.hasSent("marked"), halting.kills()]).toEqual([false, []])
      }).pipe(Effect.provide(server.layer))
    )

    it.effect("half written is written, stopped, and its connection used on", () =>
      Effect.gen(function* () {
        const halting = yield* Halting.make({ at: "marked", of: "command", afterBytes: 50_000 })
        const connection = yield* over(halting, connect)
        const { connectionId } = connection.info
        const observer = yield* connect()
        const running = yield* fork(connection.query(`SELECT SLEEP(60) /* marked */ ${padding}`, [], options))
        yield* halting.reached
        const ending = yield* fork(giveUp(running))
        // The server has half of a packet: there is nothing to kill. Whoever dials now comes later than a KILL would.
        for (let time = 0; time < 3; time++) yield* Effect.scoped(connect({ connectTimeout: "1 hour" }))
        yield* awaitIdle(observer, connectionId)
        const before = [halting.kills(), ending.pollUnsafe()]
        yield* halting.goOn
        // A KILL that comes before its statement is lost: it is sent again.
        yield* Effect.raceFirst(Fiber.await(ending), awaitRunning(observer, connectionId, "SLEEP(60)"))
        yield* TestClock.adjust("100 millis")
        yield* Fiber.join(ending)
        yield* expectInUse(connection)
        expect(before).toEqual([[], undefined])
        expect([1, 2]).toContain(halting.kills().length)
      }).pipe(Effect.provide(server.layer))
    )

    it.effect("half written, where the rest does not go, has not run: its connection is cut after a bound", () =>
      Effect.gen(function* () {
        const halting = yield* Halting.make({ at: "marked", of: "command", afterBytes: 50_000 })
        const connection = yield* over(halting, connectToDatabase)
        const observer = yield* connect()
        yield* connection.query("CREATE TABLE t (n INT)")
        const table = `${connection.statusUnsafe().database}.t`
        const running = yield* fork(connection.query(`INSERT INTO t VALUES (1) /* marked */ ${padding}`, [], options))
        yield* halting.reached
        const ending = yield* fork(giveUp(running))
        yield* awaitIdle(observer, connection.info.connectionId)
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(ending)
        expect(connection.statusUnsafe().closed).toBe(true)
        yield* awaitGone(observer, connection.info.connectionId)
        expect(yield* scalar(observer, `SELECT COUNT(*) FROM ${table}`)).toBe(0)
        expect(halting.kills()).toEqual([])
      }).pipe(Effect.provide(server.layer))
    )

    it.effect("when it has been sent is stopped by one KILL", () =>
      Effect.gen(function* () {
        const halting = yield* Halting.make()
        const connection = yield* over(halting, connect)
        const { connectionId } = connection.info
        const observer = yield* connect()
        const running = yield* fork(connection.query("SELECT SLEEP(60)", [], options))
        yield* awaitRunning(observer, connectionId, "SLEEP")
        yield* giveUp(running)
        yield* awaitIdle(observer, connectionId)
        yield* expectInUse(connection)
        expect(halting.kills()).toEqual([`KILL QUERY ${connectionId}`])
      }).pipe(Effect.provide(server.layer))
    )

    const replies = [
      ["in the first byte of its reply", 1],
      ["in the middle of its rows", 1_000_000]
    ] as const

    it.effect.each(replies)("%s is stopped by one KILL", ([, afterBytes]) =>
      Effect.gen(function* () {
        const halting = yield* Halting.make({ at: "marked", of: "reply", afterBytes })
        const connection = yield* over(halting, connect)
        const { connectionId } = connection.info
        const observer = yield* connect()
        const running = yield* fork(connection.query(endless, [], options))
        yield* halting.reached
        const ending = yield* fork(giveUp(running))
        yield* halting.killed
        yield* halting.goOn
        yield* Fiber.join(ending)
        yield* awaitIdle(observer, connectionId)
        yield* expectInUse(connection)
        expect(halting.kills()).toEqual([`KILL QUERY ${connectionId}`])
      }).pipe(Effect.provide(server.layer))
    )
  })

  describe.skipIf(!server.available || !server.canOwn)(`a COMMIT on ${server.name} that is interrupted`, () => {
    /** A row in a transaction whose COMMIT the server is kept from. */
    const held = Effect.gen(function* () {
      const halting = yield* Halting.make()
      const connection = yield* over(halting, connectToDatabase)
      const observer = yield* connect()
      yield* connection.query("CREATE TABLE t (n INT)")
      const own = yield* connection.reserve
      yield* own.begin()
      yield* own.query("INSERT INTO t VALUES (1)")
      yield* observer.query("FLUSH TABLES WITH READ LOCK")
      const running = yield* fork(own.commit)
      yield* awaitRunning(observer, connection.info.connectionId, "COMMIT")
      const ending = yield* fork(Fiber.interrupt(running))
      return { connection, ending, halting, observer, own }
    })

    it.effect("is waited for; one for which the server takes too long costs the connection; none is killed", () =>
      Effect.gen(function* () {
        const waiting = yield* held
        const { connection, ending, observer, own } = waiting
        const rows = scalar(observer, `SELECT COUNT(*) FROM ${connection.statusUnsafe().database}.t`)
        yield* TestClock.adjust("4 seconds")
        expect([ending.pollUnsafe(), yield* rows]).toEqual([undefined, 0])
        yield* observer.query("UNLOCK TABLES")
        yield* Fiber.join(ending)
        expect(yield* rows).toBe(1)
        expect(own.statusUnsafe().inTransaction).toBe(false)
        expect(yield* scalar(own, "SELECT CONNECTION_ID()")).toBe(connection.info.connectionId)

        const late = yield* held
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(late.ending)
        expect(late.connection.statusUnsafe().closed).toBe(true)
        yield* late.observer.query("UNLOCK TABLES")
        yield* awaitGone(late.observer, late.connection.info.connectionId)
        expect([waiting.halting.kills(), late.halting.kills()]).toEqual([[], []])
      }).pipe(Effect.provide(server.own()))
    )
  })
}
