/**
 * Cursors: on real servers, where rows wait until they are fetched, and over the rows of a result that is here.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import * as ScrollableRows from "../src/ScrollableRows.ts"
import { reasonOf } from "./support/script.ts"
import { connect, connectToDatabase, scalar } from "./support/servers.ts"
import { counting } from "./support/watching.ts"

const numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"

interface Numbered {
  readonly i: number
}

const numbered = (from: number, to: number) => Arr.range(from, to).map((i) => ({ i }))

/** Statements of this connection that are prepared now. What a server prepares anew by itself, MySQL counts too. */
const prepared = (connection: MysqlConnection) =>
  Effect.map(
    connection.query<ReadonlyArray<string>>("SHOW SESSION STATUS LIKE 'Com_stmt_%'", [], { rows: "array" }),
    ({ rows }) => {
      const count = (name: string) => Number(rows.find(([counter]) => counter === name)?.[1])
      const anew = connection.info.product === "mysql" ? count("Com_stmt_reprepare") : 0
      return count("Com_stmt_prepare") - anew - count("Com_stmt_close")
    }
  )

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`cursors on ${server.name}`, () => {
    it.live("give the rows so many at a time, and none at the end", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const cursor = yield* connection.cursor<Numbered>(`${numbers} SELECT i FROM n WHERE i <= ?`, [10], {
          fetchSize: 4
        })
        expect(cursor.fields.map(({ name }) => name)).toEqual(["i"])
        expect(yield* cursor.fetch()).toEqual(numbered(1, 4))
        expect(yield* cursor.fetch(1)).toEqual(numbered(5, 5))
        expect(yield* cursor.fetch()).toEqual(numbered(6, 9))
        expect(yield* cursor.fetch()).toEqual(numbered(10, 10))
        expect(yield* cursor.fetch()).toEqual([])
        expect(yield* cursor.fetch()).toEqual([])
        const exact = yield* connection.cursor(`${numbers} SELECT i FROM n WHERE i <= 8`, [], { fetchSize: 4 })
        expect(yield* Stream.runCollect(exact.stream)).toEqual(numbered(1, 8))
        const arrays = yield* connection.cursor("SELECT :a AS a, 2 AS a", { a: 1 }, { rows: "array" })
        expect(yield* arrays.fetch()).toEqual([[1, 2]])
        const none = yield* connection.cursor("SELECT 1 FROM DUAL WHERE 1 = ?", [2])
        expect(yield* none.fetch()).toEqual([])
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("stream all values as they are stored, and hold no more than was asked for", () =>
      Effect.gen(function* () {
        const { connect: watched, counts } = counting(connect)
        const connection = yield* watched()
        const sql = `${numbers} SELECT i, REPEAT('x', 1000) AS x, TIMESTAMP '2024-02-29 01:02:03' AS at, NULL AS nothing FROM n`
        const before = counts().pulled
        const cursor = yield* connection.cursor<Numbered>(sql, [], { fetchSize: 10 })
        const first = yield* cursor.fetch()
        expect(first[0]).toEqual({ i: 1, x: "x".repeat(1000), at: new Date("2024-02-29T01:02:03Z"), nothing: null })
        expect(counts().pulled - before).toBeLessThan(20_000)
        const rest = yield* Stream.runCollect(Stream.map(cursor.stream, ({ i }) => i))
        expect(rest).toEqual(Arr.range(11, 1000))
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("leave the connection to other statements and other cursors between two fetches", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (i INT PRIMARY KEY)")
        yield* connection.query(`INSERT INTO t ${numbers} SELECT i FROM n`)
        const sql = "SELECT i FROM t WHERE i > ? ORDER BY i"
        const [one, other] = yield* Effect.all([
          connection.cursor<Numbered>(sql, [0], { fetchSize: 100 }),
          connection.cursor<Numbered>(sql, [500], { fetchSize: 100 })
        ])
        expect(yield* one.fetch(2)).toEqual(numbered(1, 2))
        expect(yield* other.fetch(2)).toEqual(numbered(501, 502))
        yield* connection.query("DELETE FROM t WHERE i = ?", [3])
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(999)
        expect(yield* scalar(connection, sql, [998])).toBe(999)
        expect(yield* one.fetch(2)).toEqual(numbered(3, 4))
        const [rest, others, queries] = yield* Effect.all(
          [
            Stream.runCollect(one.stream),
            Stream.runCollect(other.stream),
            Effect.forEach(Arr.range(1, 20), (n) => scalar(connection, "SELECT ?", [n]))
          ],
          { concurrency: "unbounded" }
        )
        expect(rest).toEqual(numbered(5, 1000))
        expect(others).toEqual(numbered(503, 1000))
        expect(queries).toEqual(Arr.range(1, 20))
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("of fibers that fetch at once give each row once", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const cursor = yield* connection.cursor<Numbered>(`${numbers} SELECT i FROM n`, [], { fetchSize: 90 })
        const fetched = yield* Effect.all(
          Arr.makeBy(20, () => cursor.fetch()),
          { concurrency: "unbounded" }
        )
        expect(fetched.flat()).toEqual(numbered(1, 1000))
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("are closed with their scope, also those that fail or are interrupted", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const before = yield* prepared(connection)
        const scope = yield* Scope.make()
        const cursor = yield* Scope.provide(connection.cursor(`${numbers} SELECT i FROM n`), scope)
        yield* cursor.fetch()
        yield* Scope.close(scope, Exit.void)
        expect(reasonOf(yield* Effect.exit(cursor.fetch()))).toMatchObject({ _tag: "ResultSetClosed" })
        const early = Effect.flatMap(connection.cursor(`${numbers} SELECT i FROM n WHERE i > ?`, [1]), ({ stream }) =>
          Stream.runDrain(Stream.take(stream, 1))
        )
        yield* Effect.scoped(early)
        const failed = yield* Effect.exit(Effect.scoped(connection.cursor("SELECT (SELECT 1 UNION SELECT ?)", [2])))
        expect(reasonOf(failed)).toMatchObject({ _tag: "ServerError", errno: 1242 })
        yield* Effect.scoped(Effect.timeoutOption(connection.cursor("SELECT SLEEP(10), ?", [1]), "50 millis"))
        yield* connection.query("SELECT 1")
        expect(yield* prepared(connection)).toBe(before)
        expect((yield* connection.status).closed).toBe(false)
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("are opened by nobody for some statements, and work all the same", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (n INT)")
        const shown = yield* connection.cursor("SHOW TABLES", [], { rows: "array", fetchSize: 1 })
        expect(yield* shown.fetch()).toEqual([["t"]])
        expect(yield* shown.fetch()).toEqual([])
        const inserted = yield* connection.cursor("INSERT INTO t VALUES (?)", [1])
        expect(yield* inserted.fetch()).toEqual([])
        yield* connection.query("CREATE PROCEDURE p(n INT) BEGIN SELECT n AS a UNION SELECT n + 1; SELECT 3 AS b; END")
        const called = yield* connection.cursor("CALL p(?)", [1], { fetchSize: 1 })
        expect(yield* Stream.runCollect(called.stream)).toEqual([{ a: 1 }, { a: 2 }])
        // A statement that the servers do not prepare.
        const text = yield* connection.cursor("CREATE PROCEDURE q() SELECT 1", [])
        expect(yield* text.fetch()).toEqual([])
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("of a prepared statement are its own, and outlive its other executions", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const statement = yield* connection.prepare(`${numbers} SELECT i FROM n WHERE i > ?`)
        const cursor = yield* statement.cursor<Numbered>([990], { fetchSize: 3 })
        expect(yield* cursor.fetch()).toEqual(numbered(991, 993))
        expect((yield* statement.query([998])).rows).toEqual(numbered(999, 1000))
        expect(yield* Stream.runCollect(cursor.stream)).toEqual(numbered(994, 1000))
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("stay usable where a row cannot be decoded, and refuse numbers that are none of rows", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const refuses = () => (values: ReadonlyArray<unknown>) => {
          if (values[0] === 3) throw new Error("three")
          return values[0]
        }
        const cursor = yield* connection.cursor(`${numbers} SELECT i FROM n LIMIT 6`, [], {
          rows: refuses,
          fetchSize: 2
        })
        expect(yield* cursor.fetch()).toEqual([1, 2])
        expect(reasonOf(yield* Effect.exit(cursor.fetch()))).toMatchObject({ _tag: "DecodeError" })
        expect(yield* Stream.runCollect(cursor.stream)).toEqual([5, 6])
        for (const rows of [0, -1, 1.5, Number.NaN]) {
          expect(reasonOf(yield* Effect.exit(cursor.fetch(rows)))).toMatchObject({ _tag: "ParameterError" })
          const opened = yield* Effect.exit(connection.cursor("SELECT 1", [], { fetchSize: rows }))
          expect(reasonOf(opened)).toMatchObject({ _tag: "ParameterError" })
        }
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("outlive the commit of the transaction that they read in", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const own = yield* connection.reserve
        yield* own.begin()
        const cursor = yield* own.cursor<Numbered>(`${numbers} SELECT i FROM n`, [], { fetchSize: 500 })
        expect(yield* cursor.fetch()).toEqual(numbered(1, 500))
        yield* own.commit
        expect(yield* cursor.fetch()).toEqual(numbered(501, 1000))
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )
  })
}

describe("scrollable rows", () => {
  const rows = ["a", "b", "c", "d"]

  it.effect("are taken one, some or all at a time", () =>
    Effect.gen(function* () {
      const scrollable = ScrollableRows.make({ rows })
      expect(scrollable.position).toBe(0)
      expect(yield* scrollable.fetchOne).toEqual(Option.some("a"))
      expect(yield* scrollable.fetchMany(2)).toEqual(["b", "c"])
      expect(scrollable.position).toBe(3)
      expect(yield* scrollable.fetchMany(0)).toEqual([])
      expect(yield* scrollable.fetchAll).toEqual(["d"])
      expect(yield* scrollable.fetchOne).toEqual(Option.none())
      expect(yield* scrollable.fetchMany(9)).toEqual([])
      expect(scrollable.position).toBe(4)
    })
  )

  it.effect("move to where there is a row, and stay where there is none", () =>
    Effect.gen(function* () {
      const scrollable = ScrollableRows.make({ rows })
      yield* scrollable.scroll(2)
      yield* scrollable.scroll(-1)
      expect(yield* scrollable.fetchOne).toEqual(Option.some("b"))
      yield* scrollable.scroll(3, "absolute")
      expect(yield* scrollable.fetchAll).toEqual(["d"])
      yield* scrollable.scroll(0, "absolute")
      for (const [by, mode] of [
        [4, "absolute"],
        [-1, "absolute"],
        [4, "relative"],
        [-1, "relative"],
        [0.5, "relative"],
        [Number.NaN, "absolute"]
      ] as const) {
        const exit = yield* Effect.exit(scrollable.scroll(by, mode))
        expect(reasonOf(exit)).toMatchObject({ _tag: "ParameterError", parameter: "by" })
        expect(scrollable.position).toBe(0)
      }
      const empty = ScrollableRows.make({ rows: [] })
      expect(reasonOf(yield* Effect.exit(empty.scroll(0)))).toMatchObject({ _tag: "ParameterError" })
    })
  )
})
