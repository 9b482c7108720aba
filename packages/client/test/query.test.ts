/**
 * Statements on real servers: what comes back beside the rows, what is prepared and what is not, and errors.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { reasonOf } from "./support/script.ts"
import { connect, connectToDatabase, scalar } from "./support/servers.ts"
import { counting } from "./support/watching.ts"

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`statements on ${server.name}`, () => {
    it.live("tell how many rows were changed, which id was generated, and the server's words", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, n INT)")
        const inserted = yield* connection.query("INSERT INTO t (n) VALUES (?), (?), (?)", [1, 2, 3])
        expect(inserted).toMatchObject({
          affectedRows: 3,
          insertId: 1,
          warningCount: 0,
          info: "Records: 3  Duplicates: 0  Warnings: 0",
          rows: [],
          fields: []
        })
        const updated = yield* connection.query("UPDATE t SET n = 2")
        expect(updated).toMatchObject({
          affectedRows: 2,
          insertId: 0,
          info: "Rows matched: 3  Changed: 2  Warnings: 0"
        })
        const warned = yield* connection.query("INSERT IGNORE INTO t VALUES (1, 1), (4, 'x')")
        expect(warned).toMatchObject({ affectedRows: 1, warningCount: 2 })
        const large = yield* connection.query("INSERT INTO t VALUES (18446744073709551614, 1)")
        expect(large.insertId).toBe(18_446_744_073_709_551_614n)
        expect(yield* scalar(connection, "SELECT MAX(id) FROM t WHERE n = ?", [1])).toBe(18_446_744_073_709_551_614n)
        const edge = yield* connection.query("INSERT INTO t VALUES (9007199254740991, 1)")
        expect(edge.insertId).toBe(Number.MAX_SAFE_INTEGER)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("describe the columns of their rows", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const database = connection.statusUnsafe().database
        yield* connection.query(
          "CREATE TABLE t (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, name VARCHAR(10), d DECIMAL(5,2))"
        )
        for (const sql of [
          "SELECT id AS number, name, d FROM t AS x",
          "SELECT id AS number, name, d FROM t AS x WHERE id > ?"
        ]) {
          const { fields } = yield* connection.query(sql, sql.includes("?") ? [0] : [])
          expect(fields).toMatchObject([
            {
              name: "number",
              originalName: "id",
              table: "x",
              originalTable: "t",
              database,
              type: "BIGINT UNSIGNED",
              nullable: false
            },
            { name: "name", type: "VARCHAR", nullable: true, length: 40 },
            { name: "d", type: "DECIMAL", nullable: true, decimals: 2 }
          ])
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("give rows as objects or as arrays, with every column of a name", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE a (id INT)")
        yield* connection.query("CREATE TABLE b (id INT)")
        yield* connection.query("INSERT INTO a VALUES (1)")
        yield* connection.query("INSERT INTO b VALUES (2)")
        for (const [sql, params] of [
          ["SELECT a.id, b.id, 3 AS id FROM a, b", []],
          ["SELECT a.id, b.id, 3 AS id FROM a, b WHERE ? = 1", [1]]
        ] as const) {
          expect((yield* connection.query(sql, params)).rows).toEqual([{ id: 1, "b.id": 2, "id#2": 3 }])
          expect((yield* connection.query(sql, params, { rows: "array" })).rows).toEqual([[1, 2, 3]])
          const refused = yield* Effect.exit(connection.query(sql, params, { decoding: { duplicateColumns: "error" } }))
          expect(reasonOf(refused)).toMatchObject({ _tag: "DecodeError", column: "id" })
          expect((yield* connection.query(sql, params)).rows).toEqual([{ id: 1, "b.id": 2, "id#2": 3 }])
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("keep a column called __proto__ as a property of its own", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        for (const [sql, params] of [
          ["SELECT 1 AS __proto__, 2 AS constructor, 3 AS toString", []],
          ["SELECT ? AS __proto__, 2 AS constructor, 3 AS toString", [1]]
        ] as const) {
          const row = (yield* connection.query(sql, params)).rows[0]!
          expect(Object.keys(row)).toEqual(["__proto__", "constructor", "toString"])
          expect(Object.getOwnPropertyDescriptor(row, "__proto__")?.value).toBe(1)
          expect(Object.getPrototypeOf(row)).toBe(Object.prototype)
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("with an error say which, and leave the connection usable", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (id INT PRIMARY KEY)")
        yield* connection.query("INSERT INTO t VALUES (1)")
        for (const [sql, params] of [
          ["INSERT INTO t VALUES (1)", []],
          ["INSERT INTO t VALUES (?)", [1]]
        ] as const) {
          expect(reasonOf(yield* Effect.exit(connection.query(sql, params)))).toMatchObject({
            _tag: "ServerError",
            errno: 1062,
            sqlState: "23000",
            symbol: "ER_DUP_ENTRY",
            serverMessage: expect.stringContaining("Duplicate entry '1'"),
            sql
          })
        }
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("whose rows cannot be decoded leave the connection usable", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase({ sqlMode: "" })
        yield* connection.query("CREATE TABLE t (id INT, d DATETIME)")
        yield* connection.query("INSERT INTO t VALUES (1, '2024-01-01'), (2, 0), (3, '2024-01-03')")
        for (const params of [[], [0]]) {
          const sql = `SELECT * FROM t${params.length === 0 ? "" : " WHERE id > ?"} ORDER BY id`
          const exit = yield* Effect.exit(connection.query(sql, params))
          expect(reasonOf(exit)).toMatchObject({ _tag: "DecodeError", column: "d", type: "DATETIME" })
          const seen: Array<unknown> = []
          const streamed = yield* connection.stream(sql, params).pipe(
            Stream.runForEach((row) => Effect.sync(() => seen.push(row))),
            Effect.exit
          )
          expect(reasonOf(streamed)).toMatchObject({ _tag: "DecodeError", column: "d" })
          expect(seen).toEqual([{ id: 1, d: new Date("2024-01-01T00:00:00Z") }])
          expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(3)
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("with too many or too few values send nothing", () =>
      Effect.gen(function* () {
        const { connect: connectCounting, counts } = counting(connect)
        const connection = yield* connectCounting()
        const prepared = yield* connection.prepare("SELECT ?, '?', `?` /* ? */ FROM (SELECT 1 AS `?`) AS t -- ?")
        expect(prepared.parameterCount).toBe(1)
        yield* prepared.query([1])
        const before = counts().written
        const wrong: ReadonlyArray<Effect.Effect<unknown, { readonly reason: unknown }>> = [
          connection.query("SELECT ?, ?", [1]),
          connection.query("SELECT ?, ?", [1, 2, 3]),
          connection.query("SELECT 1", [1]),
          connection.query("SELECT ?", [undefined]),
          connection.query("SELECT ?, ?", [1], { prepare: false }),
          connection.query("SELECT ?", [Number.NaN], { prepare: false }),
          Stream.runDrain(connection.stream("SELECT ?", [1, 2])),
          Stream.runDrain(connection.stream("SELECT ?", [{}])),
          Stream.runDrain(connection.results("SELECT ?; SELECT ?", [1])),
          connection.query("SELECT :a, :b", { a: 1 }),
          connection.query("SELECT :a", { a: 1, b: 2 }),
          connection.query("SELECT :a, ?", { a: 1 }),
          connection.query("SELECT :a", { a: Number.NaN }),
          Stream.runDrain(connection.stream("SELECT :a", { b: 1 })),
          prepared.query([]),
          prepared.query([1, 2]),
          Stream.runDrain(prepared.stream([undefined]))
        ]
        for (const effect of wrong) {
          expect((yield* Effect.flip(effect)).reason).toMatchObject({ _tag: "ParameterError" })
        }
        expect(counts().written).toBe(before)
        expect(yield* scalar(connection, "SELECT ?", [1])).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("return the first of several results", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE PROCEDURE p() BEGIN SELECT 1 AS a; SELECT 2 AS b, 3 AS c; SELECT 4 AS d; END")
        expect((yield* connection.query("CALL p()")).rows).toEqual([{ a: 1 }])
        expect((yield* connection.query("CALL p()", [], { rows: "array" })).rows).toEqual([[1]])
        expect(yield* Stream.runCollect(connection.stream("CALL p()"))).toEqual([{ a: 1 }])
        yield* connection.query("CREATE PROCEDURE q(n INT) BEGIN SELECT n AS a; SELECT REPEAT('x', 100000) AS b; END")
        expect((yield* connection.query("CALL q(?)", [7])).rows).toEqual([{ a: 7 }])
        expect(yield* Stream.runCollect(connection.stream("CALL q(?)", [8]))).toEqual([{ a: 8 }])
        expect(yield* scalar(connection, "SELECT 9")).toBe(9)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
