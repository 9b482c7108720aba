/**
 * Prepared statements on real servers: what is prepared, for how long, and what happens when columns change or the
 * server forgets.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import { reasonOf } from "./support/script.ts"
import { awaitRunning, connect, connectToDatabase, scalar } from "./support/servers.ts"
import { counting } from "./support/watching.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** A counter of the session. */
const status = (connection: MysqlConnection, name: string) =>
  Effect.map(
    connection.query<ReadonlyArray<string>>(`SHOW SESSION STATUS LIKE '${name}'`, [], { rows: "array" }),
    ({ rows }) => Number(rows[0]![1])
  )

/**
 * How many statements were prepared, closed and executed on this connection. Without those that do nothing, of which
 * MariaDB is sent one behind each, see `lastPrepared.ts`.
 */
const statements = (connection: MysqlConnection) =>
  Effect.map(
    Effect.all({
      prepared: status(connection, "Com_stmt_prepare"),
      closed: status(connection, "Com_stmt_close"),
      executed: status(connection, "Com_stmt_execute")
    }),
    ({ closed, executed, prepared }) => {
      const nothing = connection.info.product === "mariadb" ? prepared / 2 : 0
      return { prepared: prepared - nothing, closed: closed - nothing, executed }
    }
  )

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`prepared statements on ${server.name}`, () => {
    it.live("are prepared once for each text, and not at all without parameters", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const before = yield* statements(connection)
        for (const n of Arr.range(1, 10)) yield* scalar(connection, "SELECT ? + 1", [n])
        for (const n of Arr.range(1, 10)) yield* scalar(connection, `SELECT ${n}`)
        for (const n of Arr.range(1, 10)) yield* connection.query("SELECT ? + 2", [n], { prepare: false })
        const after = yield* statements(connection)
        expect(after.prepared - before.prepared).toBe(1)
        expect(after.executed - before.executed).toBe(10)
        const text = yield* connect({ prepare: false })
        const none = yield* statements(text)
        expect(yield* scalar(text, "SELECT ? + 3", [1])).toBe(4)
        expect(yield* statements(text)).toEqual(none)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("on the server are at most as many as the cache has room for", () =>
      Effect.gen(function* () {
        for (const concurrency of [1, "unbounded"] as const) {
          const connection = yield* connect({ statementCacheSize: 16 })
          yield* Effect.forEach(
            Arr.range(1, 300),
            (n) => Effect.map(scalar(connection, `SELECT ${n} + ?`, [n]), (sum) => expect(sum).toBe(2 * n)),
            { concurrency, discard: true }
          )
          // What is closed rides in front of the next statement.
          yield* connection.query("SELECT 1")
          const { closed, prepared } = yield* statements(connection)
          expect(prepared).toBe(300)
          expect(prepared - closed).toBeLessThanOrEqual(16)
        }
      }).pipe(Effect.provide(server.layer))
    )

    // MariaDB prepares nearly everything.
    if (server.flavour === "mysql-9.7") {
      it.live("that the server cannot prepare go as text from then on", () =>
        Effect.gen(function* () {
          const connection = yield* connectToDatabase()
          const before = yield* statements(connection)
          const sql = "CREATE PROCEDURE p() SELECT ? AS x"
          for (const x of ["it's", "\\"]) {
            yield* connection.query(sql, [x])
            expect((yield* connection.query("CALL p()")).rows).toEqual([{ x }])
            yield* connection.query("DROP PROCEDURE p")
          }
          expect(yield* Stream.runCollect(connection.stream(sql, [3]))).toEqual([])
          const after = yield* statements(connection)
          expect(after.prepared - before.prepared).toBe(1)
          expect(after.executed - before.executed).toBe(0)
        }).pipe(Effect.provide(server.layer))
      )
    }

    it.live("give the new columns after the table has changed", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const select = connection.query("SELECT * FROM t WHERE 1 = ?", [1])
        yield* connection.query("CREATE TABLE t (a INT)")
        yield* connection.query("INSERT INTO t VALUES (1)")
        expect((yield* select).rows).toEqual([{ a: 1 }])
        yield* connection.query("ALTER TABLE t MODIFY a VARCHAR(10)")
        expect((yield* select).rows).toEqual([{ a: "1" }])
        yield* connection.query("ALTER TABLE t ADD b DATETIME DEFAULT '2024-01-01'")
        expect((yield* select).rows).toEqual([{ a: "1", b: new Date("2024-01-01T00:00:00Z") }])
        yield* connection.query("ALTER TABLE t DROP a")
        expect((yield* select).rows).toEqual([{ b: new Date("2024-01-01T00:00:00Z") }])
        expect(yield* Stream.runCollect(connection.stream("SELECT * FROM t WHERE 1 = ?", [1]))).toEqual([
          { b: new Date("2024-01-01T00:00:00Z") }
        ])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("give the new columns when several executions are under way, and when one of them was interrupted", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const database = connection.statusUnsafe().database
        const other = yield* connect({ database })
        const observer = yield* connect()
        const sql = "SELECT a, SLEEP(?) AS slept FROM t"
        yield* connection.query("CREATE TABLE t (a INT)")
        yield* connection.query("INSERT INTO t VALUES (1)")
        yield* connection.query(sql, [0])
        yield* other.query("ALTER TABLE t MODIFY a VARCHAR(10)")
        const three = yield* Effect.all(
          [connection.query(sql, [0]), connection.query(sql, [0]), connection.query(sql, [0])],
          {
            concurrency: "unbounded"
          }
        )
        expect(three.map(({ rows }) => rows[0]!.a)).toEqual(["1", "1", "1"])
        yield* other.query("ALTER TABLE t MODIFY a DOUBLE")
        const interrupted = yield* fork(connection.query(sql, [60]))
        yield* awaitRunning(observer, connection.info.connectionId, "SLEEP")
        yield* Fiber.interrupt(interrupted)
        expect((yield* connection.query(sql, [0])).rows[0]!.a).toBe(1)
        expect((yield* connection.query(sql, [0], { rows: "array" })).rows[0]).toEqual([1, 0])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("survive that the server has forgotten them", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const own = yield* connection.reserve
        const pinned = yield* own.prepare("SELECT ? AS pinned")
        yield* pinned.query([1])
        yield* own.query("SELECT ? AS cached", [1])
        yield* own.reset
        expect((yield* own.query("SELECT ? AS cached", [2])).rows).toEqual([{ cached: 2 }])
        expect((yield* pinned.query([2])).rows).toEqual([{ pinned: 2 }])
        yield* own.reset
        expect(yield* Stream.runCollect(pinned.stream([3]))).toEqual([{ pinned: 3 }])
        yield* own.reset
        expect(yield* Stream.runCollect(own.stream("SELECT ? AS cached", [3]))).toEqual([{ cached: 3 }])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("of a user stay prepared until their scope closes", () =>
      Effect.gen(function* () {
        const connection = yield* connect({ statementCacheSize: 1 })
        const open = (counted: { readonly prepared: number; readonly closed: number }) =>
          counted.prepared - counted.closed
        yield* Effect.scoped(
          Effect.gen(function* () {
            const statement = yield* connection.prepare("SELECT ? AS n, ? AS m")
            expect(statement.parameterCount).toBe(2)
            expect(statement.fields.map(({ name }) => name)).toEqual(["n", "m"])
            for (const n of Arr.range(1, 5)) {
              yield* connection.query(`SELECT ${n} + ?`, [n])
              expect((yield* statement.query([n, null])).rows).toEqual([{ n, m: null }])
              expect(yield* Stream.runCollect(statement.stream([n, "x"], { rows: "array" }))).toEqual([[n, "x"]])
            }
            yield* connection.query("SELECT 1")
            expect(open(yield* statements(connection))).toBeLessThanOrEqual(2)
          })
        )
        yield* connection.query("SELECT 1")
        expect(open(yield* statements(connection))).toBeLessThanOrEqual(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("with an error in the text say so, and nothing stays", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const exit = yield* Effect.exit(Effect.scoped(connection.prepare("SELECT FROM ?")))
        expect(reasonOf(exit)).toMatchObject({ _tag: "ServerError", errno: 1064, sql: "SELECT FROM ?" })
        expect(Exit.isFailure(yield* Effect.exit(connection.query("SELECT FROM ?", [1])))).toBe(true)
        const { closed, prepared } = yield* statements(connection)
        expect(prepared - closed).toBeLessThanOrEqual(2)
        expect(yield* scalar(connection, "SELECT ?", ["still here"])).toBe("still here")
      }).pipe(Effect.provide(server.layer))
    )

    it.live.skipIf(!server.canOwn)(
      "for which the server has no room go as text, and no other runs in their place",
      () =>
        Effect.gen(function* () {
          const connection = yield* connectToDatabase()
          yield* connection.query("CREATE TABLE t (text INT, n INT)")
          for (const concurrency of [1, "unbounded"] as const) {
            yield* connection.query("DELETE FROM t")
            yield* Effect.forEach(Arr.range(1, 40), (n) => connection.query(`INSERT INTO t VALUES (${n}, ?)`, [n]), {
              concurrency,
              discard: true
            })
            const { rows } = yield* connection.query("SELECT text, n FROM t ORDER BY text, n")
            expect(rows).toEqual(Arr.range(1, 40).map((n) => ({ text: n, n })))
          }
        }).pipe(Effect.provide(server.own({ settings: { max_prepared_stmt_count: 3 } })))
    )

    it.live.skipIf(!server.canOwn)(
      "of a thousand texts, of streams and of interrupted fibers leave no more than the cache has room for",
      () =>
        Effect.gen(function* () {
          const connection = yield* connect({ statementCacheSize: 32 })
          const observer = yield* connect()
          // Of all sessions. What one has prepared so far counts those as well that were refused, or stopped.
          const onServer = Effect.map(
            observer.query<ReadonlyArray<string>>("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'", [], {
              rows: "array"
            }),
            ({ rows }) => Number(rows[0]![1])
          )
          for (const n of Arr.range(1, 1000)) expect(yield* scalar(connection, `SELECT ${n} + ?`, [1])).toBe(n + 1)
          // It has a place in the cache too, though it is not prepared.
          yield* connection.query("SELECT 1")
          expect(yield* onServer).toBe(31)
          for (const n of Arr.range(1, 40)) {
            yield* Stream.runDrain(connection.stream(`SELECT ${n} - ?`, [n]))
            yield* Fiber.interrupt(yield* fork(connection.query(`SELECT ${n} * ?`, [n])))
            yield* Fiber.interrupt(yield* fork(Effect.scoped(connection.prepare(`SELECT ${n} / ?`))))
          }
          yield* connection.query("SELECT 1")
          expect(yield* onServer).toBeLessThanOrEqual(32)
        }).pipe(Effect.provide(server.own()))
    )

    it.live("belong to the database that was current: USE in between is seen", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const first = String(yield* scalar(connection, "SELECT DATABASE()"))
        const second = String(yield* scalar(yield* connectToDatabase(), "SELECT DATABASE()"))
        for (const [n, database] of [first, second].entries()) {
          yield* connection.query(`CREATE TABLE ${database}.t (n INT)`)
          yield* connection.query(`INSERT INTO ${database}.t VALUES (${n})`)
        }
        const read = scalar(connection, "SELECT n FROM t WHERE n >= ?", [0])
        const kept = yield* connection.prepare("SELECT n FROM t WHERE n >= ?")
        const readKept = Effect.map(kept.query<{ readonly n: number }>([0]), ({ rows }) => rows[0]?.n)
        expect([yield* read, yield* readKept]).toEqual([0, 0])
        const before = yield* statements(connection)
        for (const _ of Arr.range(1, 3)) {
          yield* connection.query(`USE ${second}`)
          expect([yield* read, yield* readKept]).toEqual([1, 0])
          yield* connection.query(`USE ${first}`)
          expect([yield* read, yield* readKept]).toEqual([0, 0])
        }
        expect((yield* statements(connection)).prepared - before.prepared).toBe(1)
        // Prepared anew elsewhere, it still reads the table that it was meant for.
        yield* connection.query(`USE ${second}`)
        yield* Effect.scoped(Effect.flatMap(connection.reserve, (own) => own.reset))
        yield* connection.query(`USE ${second}`)
        expect(yield* readKept).toBe(0)
        expect(yield* scalar(connection, "SELECT DATABASE()")).toBe(second)
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    if (server.flavour !== "mysql-9.7") {
      it.live("are prepared and executed in one flight, which leaves alone what is told of the execution", () =>
        Effect.gen(function* () {
          const writes: Array<number> = []
          const connection = yield* counting(connectToDatabase, () => void writes.push(1)).connect()
          yield* connection.query("CREATE TABLE t (n INT)")
          for (const n of Arr.range(1, 3)) {
            writes.length = 0
            yield* connection.query(`INSERT INTO t VALUES (?), (${n})`, [n])
            expect(writes.length).toBe(1)
            expect(yield* scalar(connection, "SELECT ROW_COUNT()")).toBe(2)
            writes.length = 0
            yield* Stream.runDrain(connection.stream(`SELECT n, 'abc' + ${n} FROM t WHERE n = ?`, [n]))
            expect(writes.length).toBe(1)
            const { rows } = yield* connection.query("SHOW WARNINGS")
            expect(rows).toMatchObject([{ Code: 1292 }, { Code: 1292 }])
          }
          expect(yield* scalar(connection, "SELECT GROUP_CONCAT(n ORDER BY n) FROM t")).toBe("1,1,2,2,3,3")
          const failed = yield* Effect.exit(connection.query("SELECT ? FROM nowhere", [1]))
          expect(reasonOf(failed)).toMatchObject({ _tag: "ServerError", errno: 1146 })
        }).pipe(Effect.provide(server.layer))
      )
    }
  })
}
