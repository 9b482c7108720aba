/**
 * What users of aiomysql rely on, case by case, where no other test says it: layers, queries, warnings, streams of DML.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import * as MysqlPool from "../src/MysqlPool.ts"
import * as ScrollableRows from "../src/ScrollableRows.ts"
import { reasonOf } from "./support/script.ts"
import { awaitGone, collectSets, connect, connectToDatabase, scalar } from "./support/servers.ts"

const idOf = (connection: MysqlConnection.MysqlConnection) => scalar(connection, "SELECT CONNECTION_ID()")
const idOfConnection = Effect.flatMap(MysqlConnection.MysqlConnection, idOf)
const idOfPooled = Effect.flatMap(MysqlPool.MysqlPool, (pool) => pool.use(idOf))

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`cases of aiomysql on ${server.name}`, () => {
    it.live("a connection and a pool are layers, of a record or of a Config, and end with them", () =>
      Effect.gen(function* () {
        const { url } = yield* MysqlServer.MysqlServer
        const observer = yield* connect()
        const said = (values: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromUnknown(values))
        const there = said({ DATABASE_URL: Redacted.value(url) })
        const config = { url: Config.Redacted("DATABASE_URL") }
        const ids = [
          yield* Effect.provide(idOfConnection, MysqlConnection.layer({ url })),
          yield* Effect.provide(idOfConnection, Layer.provide(MysqlConnection.layerConfig(config), there)),
          yield* Effect.provide(idOfPooled, MysqlPool.layer({ url })),
          yield* Effect.provide(idOfPooled, Layer.provide(MysqlPool.layerConfig(config), there))
        ]
        expect(new Set(ids).size).toBe(4)
        for (const id of ids) yield* awaitGone(observer, Number(id))
        const nothing = [
          Effect.provide(idOfConnection, Layer.provide(MysqlConnection.layerConfig(config), said({}))),
          Effect.provide(idOfPooled, Layer.provide(MysqlPool.layerConfig(config), said({})))
        ]
        for (const missing of nothing) expect((yield* Effect.flip(missing))._tag).toBe("ConfigError")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("a ping tells whether a connection lives, and never makes a new one", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const observer = yield* connect()
        yield* connection.ping
        expect(yield* idOf(connection)).toBe(connection.info.connectionId)
        yield* observer.kill(connection.info.connectionId, "CONNECTION")
        yield* awaitGone(observer, connection.info.connectionId)
        for (const _ of [1, 2]) {
          expect(reasonOf(yield* Effect.exit(connection.ping))).toMatchObject({ _tag: "ConnectionLost" })
        }
        expect(connection.statusUnsafe().closed).toBe(true)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("rows of a stream are skipped, numbered, and taken so many at a time", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const rows = connection.stream<{ readonly n: number }>("SELECT 5 AS n UNION ALL SELECT 6 UNION ALL SELECT 7")
        const some = rows.pipe(
          Stream.map(({ n }) => n),
          Stream.zipWithIndex,
          Stream.drop(1),
          Stream.rechunk(1),
          Stream.chunks
        )
        expect(yield* Stream.runCollect(some)).toEqual([[[6, 1]], [[7, 2]]])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("a result is scrolled; one without rows has nowhere to go", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (n INT)")
        const inserted = ScrollableRows.make(yield* connection.query("INSERT INTO t VALUES (1), (2), (3)"))
        expect(reasonOf(yield* Effect.exit(inserted.scroll(1)))).toMatchObject({ _tag: "ParameterError" })
        const rows = ScrollableRows.make(yield* connection.query("SELECT n FROM t ORDER BY n", [], { rows: "array" }))
        expect(yield* rows.fetchMany(2)).toEqual([[1], [2]])
        yield* rows.scroll(-1)
        expect(yield* rows.fetchAll).toEqual([[2], [3]])
        yield* rows.scroll(0, "absolute")
        expect(reasonOf(yield* Effect.exit(rows.scroll(3)))).toMatchObject({ _tag: "ParameterError" })
        expect(yield* rows.fetchOne).toEqual(Option.some([1]))
      }).pipe(Effect.provide(server.layer))
    )

    it.live("text is had as bytes where that is asked for", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (a VARCHAR(9), d DECIMAL(5,2))")
        yield* connection.query("INSERT INTO t VALUES ('aü', 1.5)")
        for (const prepare of [true, false]) {
          const { rows } = yield* connection.query("SELECT CAST(a AS BINARY) AS a, d FROM t WHERE 1 = ?", [1], {
            prepare
          })
          expect(rows).toEqual([{ a: Uint8Array.of(0x61, 0xc3, 0xbc), d: "1.50" }])
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("changed rows, generated ids, NULL beside empty text, sums and bytes", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, v INT, b VARBINARY(9))")
        yield* connection.query("INSERT INTO t (id, v) VALUES (1, 1), (2, 1)")
        const changed = (sql: string) => Effect.map(connection.query(sql), ({ affectedRows }) => affectedRows)
        expect(yield* changed("UPDATE t SET v = 1 WHERE id = 1")).toBe(0)
        expect(yield* changed("UPDATE t SET v = 5 WHERE id < 3")).toBe(2)
        expect(yield* changed("DELETE FROM t WHERE id = 1")).toBe(1)
        for (const [next, id] of [
          ["9007199254740993", 9_007_199_254_740_993n],
          ["18446744073709551614", 18_446_744_073_709_551_614n]
        ] as const) {
          yield* connection.query(`ALTER TABLE t AUTO_INCREMENT = ${next}`)
          expect((yield* connection.query("INSERT INTO t (v) VALUES (?)", [0])).insertId).toBe(id)
        }
        expect((yield* connection.query("SELECT 1")).insertId).toBe(0)
        for (const prepare of [true, false]) {
          const rows = { prepare, rows: "array" } as const
          expect((yield* connection.query("SELECT NULL, '', ?", [1], rows)).rows).toEqual([[null, "", 1]])
          expect((yield* connection.query("SELECT '', NULL, ?", [1], rows)).rows).toEqual([["", null, 1]])
          const bytes = Uint8Array.of(0xb0, 0x17)
          const inserted = yield* connection.query("UPDATE t SET b = ? WHERE id = 2", [bytes], { prepare })
          expect([inserted.warningCount]).toEqual([0])
          expect(yield* scalar(connection, "SELECT b FROM t WHERE id = 2")).toEqual(bytes)
        }
        expect(yield* scalar(connection, "SELECT SUM(n) FROM (SELECT 20 AS n UNION SELECT 25) s")).toBe("45")
        const tables = yield* connection.query("SELECT * FROM information_schema.tables")
        expect(tables.rows.length).toBeGreaterThan(0)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("warnings are counted with the result, and told when they are asked for", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const own = yield* connection.reserve
        const { rows, warningCount } = yield* own.query("SELECT 1/0 AS a, CAST('abc' AS SIGNED) AS b")
        expect([rows, warningCount]).toEqual([[{ a: null, b: 0 }], 2])
        expect((yield* own.warnings).map(({ errno }) => errno)).toEqual([1365, 1292])
        expect((yield* own.query("DROP TABLE IF EXISTS nope_x")).warningCount).toBe(1)
        expect(yield* own.warnings).toMatchObject([{ errno: 1051 }])
        const streamed = yield* own.results("SELECT CAST('abc' AS SIGNED) AS a").pipe(
          Stream.mapEffect((set) => Effect.map(Stream.runDrain(set.rows), () => set.warningCount)),
          Stream.runCollect
        )
        expect(streamed).toEqual([1])
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("columns tell their own names and those of their tables", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE dd (id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, v VARCHAR(10))")
        const { fields } = yield* connection.query("SELECT id, v AS vv FROM dd AS t")
        const database = yield* scalar(connection, "SELECT DATABASE()")
        expect(fields).toMatchObject([
          { name: "id", type: "INT UNSIGNED", nullable: false, table: "t", originalTable: "dd", database },
          { name: "vv", originalName: "v", type: "VARCHAR", nullable: true, table: "t", originalTable: "dd", database }
        ])
        // NOT_NULL, PRI_KEY, UNSIGNED and AUTO_INCREMENT.
        expect(fields[0]!.flags & 0x0223).toBe(0x0223)
        expect((yield* connection.query("DROP TABLE IF EXISTS foobar")).fields).toEqual([])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("statements without rows can be streamed, and `results` tells what they changed", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE tz (zone VARCHAR(9))")
        for (const zone of ["a", "b"]) {
          const [set] = yield* collectSets(connection.results("INSERT INTO tz VALUES (?)", [zone]))
          expect(set).toMatchObject({ affectedRows: 1, rows: [] })
        }
        const [updated] = yield* collectSets(connection.results("UPDATE tz SET zone = 'Foo'"))
        expect(updated).toMatchObject({ affectedRows: 2 })
        const first = yield* Stream.runCollect(Stream.take(connection.stream("SELECT zone FROM tz"), 1))
        expect(first).toEqual([{ zone: "Foo" }])
        expect(yield* scalar(connection, "SELECT 9")).toBe(9)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("rows as objects, and JSON parsed or as text", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE dictcursor (name CHAR(20), age INT, DOB DATETIME, j JSON)")
        const json = { hello: "こんにちは", k2: [18, 25] }
        yield* connection.query("INSERT INTO dictcursor VALUES ('bob', 21, '1990-02-06 23:04:56', ?)", [
          JSON.stringify(json)
        ])
        const bob = { name: "bob", age: 21, DOB: new Date("1990-02-06T23:04:56Z"), j: json }
        expect((yield* connection.query("SELECT * FROM dictcursor")).rows).toEqual([bob])
        const text = yield* connection.query("SELECT j FROM dictcursor", [], { decoding: { json: "text" } })
        expect(JSON.parse(String(text.rows[0]!.j))).toEqual(json)
        expect(typeof text.rows[0]!.j).toBe("string")
      }).pipe(Effect.provide(server.layer))
    )
  })
}
