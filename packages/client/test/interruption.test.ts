/**
 * What becomes of a statement whose fiber is interrupted, on real servers: it is stopped there, whatever it does, and the
 * connection is used on. Each phase of its life is in `phases`.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import * as LateKills from "./support/lateKills.ts"
import { reasonOf } from "./support/script.ts"
import { awaitIdle, awaitRunning, connect, connectToDatabase, scalar } from "./support/servers.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
const hugeResult = `${numbers} SELECT REPEAT('x', 1000) AS x FROM n a, n b, n c`

/** Statements that take long, each busy or waiting in another way, and a part of the text that tells them apart. */
const slow: ReadonlyArray<readonly [what: string, sql: string, params: ReadonlyArray<unknown>]> = [
  ["sleeps", "SELECT SLEEP(60)", []],
  ["sleeps, prepared", "SELECT SLEEP(?)", [60]],
  ["computes", "SELECT BENCHMARK(1000000000, SHA2('x', 512))", []],
  ["joins", `${numbers} SELECT COUNT(*) FROM n a, n b, n c`, []],
  ["joins, prepared", `${numbers} SELECT COUNT(*) FROM n a, n b, n c WHERE a.i > ?`, [-1]],
  ["sorts", `${numbers} SELECT a.i FROM n a, n b, n c ORDER BY SHA2(a.i * b.i * c.i, 512) LIMIT 1`, []]
]

const linesTo = (server: MysqlServer.Server): ReadonlyArray<readonly [string, MysqlConfig]> => [
  ["without TLS", { tls: { mode: "disabled" } }],
  ...(server.certificates === undefined
    ? []
    : [["in TLS", { tls: { mode: "required" } }] satisfies readonly [string, MysqlConfig]]),
  ...(server.socketPath === undefined
    ? []
    : [["over the unix socket", { socketPath: server.socketPath }] satisfies readonly [string, MysqlConfig]])
]

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`interruption on ${server.name}`, () => {
    it.live.each(slow)("stops a statement that $0, and the connection is used on", ([, sql, params]) =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const { connectionId } = connection.info
        const observer = yield* connect()
        const fiber = yield* fork(connection.query(sql, params))
        yield* awaitRunning(observer, connectionId, sql.replaceAll("?", "").slice(0, 13))
        yield* Fiber.interrupt(fiber)
        yield* awaitIdle(observer, connectionId)
        expect(yield* scalar(connection, "SELECT CONNECTION_ID()")).toBe(connectionId)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("stops a statement on every kind of line, by another line of the same kind", () =>
      Effect.gen(function* () {
        const { url, ...rest } = yield* MysqlServer.MysqlServer
        const observer = yield* connect()
        for (const [kind, config] of linesTo({ url, ...rest })) {
          const connection = yield* connect({ url, ...config })
          const { connectionId } = connection.info
          const fiber = yield* fork(connection.query("SELECT SLEEP(60)"))
          yield* awaitRunning(observer, connectionId, "SLEEP")
          yield* Fiber.interrupt(fiber)
          expect([kind, yield* scalar(connection, "SELECT CONNECTION_ID()")]).toEqual([kind, connectionId])
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("stops a statement that waits for a lock", () =>
      Effect.gen(function* () {
        const holder = yield* connectToDatabase()
        const database = holder.statusUnsafe().database!
        yield* holder.query("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
        yield* holder.query("INSERT INTO t VALUES (1, 0)")
        const own = yield* holder.reserve
        yield* own.begin()
        yield* own.query("UPDATE t SET n = 1")
        const waiting = yield* connect({ database })
        const observer = yield* connect()
        const fiber = yield* fork(waiting.query("UPDATE t SET n = 2"))
        yield* awaitRunning(observer, waiting.info.connectionId, "UPDATE")
        yield* Fiber.interrupt(fiber)
        yield* own.commit
        expect(yield* scalar(waiting, "SELECT n FROM t")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("undoes the statement and keeps the transaction that it is in", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const observer = yield* connect()
        yield* connection.query("CREATE TABLE t (n INT)")
        const own = yield* connection.reserve
        yield* own.begin()
        yield* own.query("INSERT INTO t VALUES (1)")
        const fiber = yield* fork(
          own.query(
            "INSERT INTO t SELECT 2 + SLEEP(0.01) FROM information_schema.collations a, information_schema.collations b"
          )
        )
        yield* awaitRunning(observer, connection.info.connectionId, "SLEEP")
        yield* Fiber.interrupt(fiber)
        expect(own.statusUnsafe().inTransaction).toBe(true)
        expect(yield* scalar(own, "SELECT COUNT(*) FROM t")).toBe(1)
        yield* own.commit
        expect(yield* scalar(own, "SELECT COUNT(*) FROM t")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("stops a result in the middle of its rows", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const { connectionId } = connection.info
        const observer = yield* connect()
        const seen = yield* Deferred.make<void>()
        const fiber = yield* connection.stream(hugeResult).pipe(
          Stream.tap(() => Deferred.succeed(seen, undefined)),
          Stream.runDrain,
          fork
        )
        yield* Deferred.await(seen)
        yield* Fiber.interrupt(fiber)
        yield* awaitIdle(observer, connectionId)
        expect(yield* scalar(connection, "SELECT CONNECTION_ID()")).toBe(connectionId)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("a stream that has seen enough does not wait for the rest", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const { connectionId } = connection.info
        const observer = yield* connect()
        const rows = yield* Stream.runCollect(Stream.take(connection.stream(hugeResult), 1))
        expect(rows).toEqual([{ x: "x".repeat(1000) }])
        yield* awaitIdle(observer, connectionId)
        expect(yield* scalar(connection, "SELECT CONNECTION_ID()")).toBe(connectionId)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("a statement that only waited in the queue is forgotten, and nothing is stopped for it", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const observer = yield* connect()
        const own = yield* connection.reserve
        const running = yield* fork(own.query("SELECT SLEEP(0.3) AS slept"))
        yield* awaitRunning(observer, connection.info.connectionId, "SLEEP")
        const waiting = yield* fork(connection.query("SELECT 1"))
        yield* Fiber.interrupt(waiting)
        // A SLEEP that is stopped returns 1 on MySQL and fails on MariaDB.
        expect((yield* Fiber.join(running)).rows).toEqual([{ slept: 0 }])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("30 statements that are interrupted right away leave the connection in use", () =>
      Effect.gen(function* () {
        let connection = yield* connect()
        let kept = 0
        for (let round = 0; round < 30; round++) {
          const { connectionId } = connection.info
          const fiber = yield* fork(connection.query("SELECT SLEEP(10)"))
          yield* Fiber.interrupt(fiber)
          const id = yield* Effect.option(scalar(connection, "SELECT CONNECTION_ID()"))
          if (id._tag === "Some" && id.value === connectionId) kept++
          else connection = yield* connect()
        }
        expect(kept).toBeGreaterThanOrEqual(29)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("a KILL never hits the statement behind the one that it was for", () =>
      Effect.gen(function* () {
        expect(yield* LateKills.run(yield* connect(), 150, 1)).toBeGreaterThan(0)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("the bound of a statement stops it, and says that it was we", () =>
      Effect.gen(function* () {
        const connection = yield* connect({ statementTimeout: "100 millis" })
        const { connectionId } = connection.info
        const byDefault = yield* Effect.exit(connection.query("SELECT SLEEP(60)"))
        expect(reasonOf(byDefault)).toMatchObject({ _tag: "StatementTimeout", by: "client" })
        const asked = yield* Effect.exit(connection.query("SELECT SLEEP(?)", [60], { timeout: "50 millis" }))
        expect(reasonOf(asked)).toMatchObject({ _tag: "StatementTimeout", by: "client" })
        const enough = yield* connection.query("SELECT SLEEP(0.2) AS slept", [], { timeout: "1 minute" })
        expect(enough.rows).toEqual([{ slept: 0 }])
        expect(yield* scalar(connection, "SELECT CONNECTION_ID()")).toBe(connectionId)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("a bound that the server has is told from ours", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        yield* connection.query(
          connection.info.product === "mysql" ? "SET max_execution_time = 100" : "SET max_statement_time = 0.1"
        )
        const exit = yield* Effect.exit(connection.query(`${numbers} SELECT COUNT(*) FROM n a, n b, n c`))
        expect(reasonOf(exit)).toMatchObject({ _tag: "StatementTimeout", by: "server" })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("a KILL that was not ours is an error of the server", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const { connectionId } = connection.info
        const observer = yield* connect()
        const fiber = yield* fork(connection.query(`${numbers} SELECT COUNT(*) FROM n a, n b, n c`))
        yield* awaitRunning(observer, connectionId, "COUNT")
        yield* observer.query(`KILL QUERY ${connectionId}`)
        expect(reasonOf(yield* Fiber.await(fiber))).toMatchObject({ _tag: "ServerError", errno: 1317 })
        expect(yield* scalar(connection, "SELECT CONNECTION_ID()")).toBe(connectionId)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
