/**
 * What rows come as, on real servers: objects, arrays, what a function of the caller's makes of them, and what a Schema
 * decodes. And values by name.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Stream from "effect/Stream"
import type { Field, RowDecoder } from "../src/MysqlConnection.ts"
import type { MysqlError } from "../src/MysqlError.ts"
import { reasonOf } from "./support/script.ts"
import { collectSets, connect, connectToDatabase, scalar } from "./support/servers.ts"
import { counting } from "./support/watching.ts"

const both = [{ prepare: true }, { prepare: false }] as const

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`rows of ${server.name}`, () => {
    it.live("are what a function makes of them, asked once for a set of columns", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        for (const { prepare } of both) {
          const asked: Array<ReadonlyArray<string>> = []
          const pairs: RowDecoder<string> = (fields: ReadonlyArray<Field>) => {
            const names = fields.map(({ name, type }) => `${name} ${type}`)
            asked.push(names)
            return (values) => values.map((value, index) => `${names[index]}=${value}`).join(", ")
          }
          const options = { prepare, rows: pairs }
          for (const n of Arr.range(1, 5)) {
            const sql = "SELECT CAST(CONCAT('1', ?) AS DECIMAL(4)) AS a, 'x' AS a UNION ALL SELECT 2, NULL"
            const result = yield* connection.query(sql, [n], options)
            expect(result.rows).toEqual([`a DECIMAL=1${n}, a VARCHAR=x`, "a DECIMAL=2, a VARCHAR=null"])
            expect(result.fields.length).toBe(2)
            expect(yield* Stream.runCollect(connection.stream(sql, [n], options))).toEqual(result.rows)
            expect((yield* collectSets(connection.results(sql, [n], options)))[0]!.rows).toEqual(result.rows)
          }
          expect(asked.length).toBeLessThanOrEqual(2)
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that a function throws on are a typed error, and the connection goes on", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const problem = new Error("not this one")
        const bad: ReadonlyArray<RowDecoder<unknown>> = [
          () => {
            throw problem
          },
          () => () => {
            throw problem
          },
          () => (values) => (values[0] === 2 ? [][0]!["x"] : values)
        ]
        for (const rows of bad) {
          for (const { prepare } of both) {
            const options = { prepare, rows }
            const sql = "SELECT ? AS a UNION ALL SELECT 2 UNION ALL SELECT 3"
            const effects: ReadonlyArray<Effect.Effect<unknown, MysqlError>> = [
              connection.query(sql, [1], options),
              Stream.runCollect(connection.stream(sql, [1], options)),
              collectSets(connection.results(sql, [1], options))
            ]
            for (const effect of effects) {
              const reason = reasonOf(yield* Effect.exit(effect))
              expect(reason).toMatchObject({ _tag: "DecodeError", column: "*", type: "row" })
            }
          }
        }
        expect(yield* scalar(connection, "SELECT 1")).toBe(1)
        const before: Array<unknown> = []
        yield* Effect.exit(
          Stream.runForEach(connection.stream("SELECT 1 UNION ALL SELECT 2", [], { rows: bad[2]! }), (row) =>
            Effect.sync(() => before.push(row))
          )
        )
        expect(before).toEqual([[1]])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are decoded by a Schema", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query(
          "CREATE TABLE people (id BIGINT PRIMARY KEY, name VARCHAR(20), address JSON, born DATE)"
        )
        yield* connection.query(`INSERT INTO people VALUES (1, 'Ada', '{"city":"London"}', '1815-12-10')`)
        class Person extends Schema.Class<Person>("Person")({
          id: Schema.Int,
          name: Schema.NonEmptyString,
          address: Schema.Struct({ city: Schema.String }),
          born: Schema.String
        }) {}
        for (const { prepare } of both) {
          const query = connection.query("SELECT * FROM people WHERE id > ?", [0], { prepare, rows: Person })
          const { rows } = yield* query
          expect(rows).toEqual([new Person({ id: 1, name: "Ada", address: { city: "London" }, born: "1815-12-10" })])
          const name: string = rows[0]!.name
          expect(name).toBe("Ada")
        }
        yield* connection.query(`UPDATE people SET address = '{"city":3}'`)
        const path = yield* Effect.exit(connection.query("SELECT * FROM people", [], { rows: Person }))
        expect(reasonOf(path)).toMatchObject({ _tag: "DecodeError", column: "address.city" })
        const missing = yield* Effect.exit(connection.query("SELECT id FROM people", [], { rows: Person }))
        expect(reasonOf(missing)).toMatchObject({ _tag: "DecodeError", column: "name", type: "row" })
        const typed = yield* Effect.exit(
          connection.query("SELECT name AS id FROM people", [], { rows: Schema.Struct({ id: Schema.Int }) })
        )
        expect(reasonOf(typed)).toMatchObject({ _tag: "DecodeError", column: "id", type: "VARCHAR" })
        const waits = Schema.String.pipe(
          Schema.decodeTo(Schema.String, {
            decode: SchemaGetter.transformEffect((text: string) => Effect.delay(Effect.succeed(text), "1 millis")),
            encode: SchemaGetter.passthrough()
          })
        )
        const late = yield* Effect.exit(
          connection.query("SELECT name FROM people", [], { rows: Schema.Struct({ name: waits }) })
        )
        expect(reasonOf(late)).toMatchObject({ _tag: "DecodeError", column: "*" })
        expect(yield* scalar(connection, "SELECT 1")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("lose no column to another of the same name", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const sql = "SELECT 1 AS a, 2 AS a, 3 AS a"
        expect((yield* connection.query(sql)).rows).toEqual([{ a: 1, "a#2": 2, "a#3": 3 }])
        expect((yield* connection.query(sql, [], { rows: "array" })).rows).toEqual([[1, 2, 3]])
        const refused = { decoding: { duplicateColumns: "error" } } as const
        const effects: ReadonlyArray<Effect.Effect<unknown, MysqlError>> = [
          connection.query(sql, [], refused),
          connection.query("SELECT ? AS a, 2 AS a", [1], refused),
          Stream.runCollect(connection.stream(sql, [], refused))
        ]
        for (const effect of effects) {
          expect(reasonOf(yield* Effect.exit(effect))).toMatchObject({ _tag: "DecodeError", column: "a" })
        }
        expect((yield* connection.query(sql, [], { ...refused, rows: "array" })).rows).toEqual([[1, 2, 3]])
        yield* connection.query("CREATE TABLE t (id INT, n INT)")
        yield* connection.query("INSERT INTO t VALUES (1, 2)")
        const joined = yield* connection.query("SELECT * FROM t a JOIN t b JOIN t c")
        expect(joined.rows).toEqual([{ id: 1, n: 2, "b.id": 1, "b.n": 2, "c.id": 1, "c.n": 2 }])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are empty where there are none, and where a statement has none by its nature", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const name = yield* connection.query("CREATE TABLE t (n INT)")
        expect([name.rows, name.fields]).toEqual([[], []])
        const none = yield* connection.query("SELECT n FROM t")
        expect([none.rows, none.fields.map((field) => field.name)]).toEqual([[], ["n"]])
      }).pipe(Effect.provide(server.layer))
    )
  })

  describe.skipIf(!server.available)(`named values on ${server.name}`, () => {
    it.live("take the places of their names, each as often as it stands there", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const sql = "SELECT :b AS b, :a AS a, :b AS again, '10:20 :a' AS text -- :c"
        for (const { prepare } of both) {
          for (const n of [1, 2]) {
            const values = { a: `it's ${n}`, b: n }
            const row = { b: n, a: `it's ${n}`, again: n, text: "10:20 :a" }
            expect((yield* connection.query(sql, values, { prepare })).rows).toEqual([row])
            expect(yield* Stream.runCollect(connection.stream(sql, values, { prepare }))).toEqual([row])
          }
        }
        expect((yield* connection.query("SELECT 1 AS a", {})).rows).toEqual([{ a: 1 }])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that are missing, too many or no values are named, and nothing is sent", () =>
      Effect.gen(function* () {
        const { connect: watched, counts } = counting(connect)
        const connection = yield* watched()
        const before = counts().written
        for (const [sql, values, parameter] of [
          ["SELECT :a, :b", { a: 1 }, "b"],
          ["SELECT :a", { a: 1, b: 2 }, "b"],
          ["SELECT :a", { a: undefined }, "a"],
          ["SELECT :constructor", {}, "constructor"],
          ["SELECT :b, :a", { b: 1, a: Number.NaN }, "a"],
          ["SELECT :a, ?", { a: 1 }, 1]
        ] as const) {
          for (const { prepare } of both) {
            const effects: ReadonlyArray<Effect.Effect<unknown, MysqlError>> = [
              connection.query(sql, values, { prepare }),
              Stream.runCollect(connection.stream(sql, values, { prepare }))
            ]
            for (const effect of effects) {
              const reason = reasonOf(yield* Effect.exit(effect))
              expect(reason).toMatchObject({ _tag: "ParameterError", parameter })
            }
          }
        }
        expect(counts().written).toBe(before)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
