/**
 * Values on real servers: what comes out is what the table of the documentation says, in the text and in the binary
 * protocol alike, and what goes in as a parameter comes out again.
 */
import { describe, expect, it } from "@effect/vitest"
import type { DecodingOptions } from "@effect-mysql/protocol/row/Decoding"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import { connect, connectToDatabase, scalar } from "./support/servers.ts"
import { markdown, sections } from "./support/valueTable.ts"

const bytes = (...values: ReadonlyArray<number>): Uint8Array => Uint8Array.from(values)

/** Values that are sent as parameters, and what `SELECT ?` gives back for them. */
const parameters: ReadonlyArray<readonly [sent: unknown, back: unknown]> = [
  [null, null],
  [true, 1],
  [false, 0],
  [0, 0],
  [-1, -1],
  [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  [Number.MIN_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  [2n ** 63n - 1n, 2n ** 63n - 1n],
  [-(2n ** 63n), -(2n ** 63n)],
  [2n ** 64n - 1n, 2n ** 64n - 1n],
  [7n, 7],
  [10n ** 30n, `1${"0".repeat(30)}`],
  [0.1, 0.1],
  [-1.5e300, -1.5e300],
  ["", ""],
  [`it's "quoted" \\ with ; -- # /* */ ? and %`, `it's "quoted" \\ with ; -- # /* */ ? and %`],
  ["äöü 🙂\0\n\r\x1a", "äöü 🙂\0\n\r\x1a"],
  [BigDecimal.fromStringUnsafe("-123456789012345678901234567890.5"), "-123456789012345678901234567890.5"]
]

/** Those whose type a bare `SELECT ?` does not keep: into a column of the type, and out again. */
const stored: ReadonlyArray<readonly [type: string, sent: unknown, back: unknown]> = [
  ["DATETIME(3)", new Date("2024-02-29T12:34:56.789Z"), new Date("2024-02-29T12:34:56.789Z")],
  ["DATETIME", new Date("1000-01-01T00:00:00Z"), new Date("1000-01-01T00:00:00Z")],
  ["DATETIME(3)", DateTime.makeUnsafe("2024-02-29T12:34:56.789Z"), new Date("2024-02-29T12:34:56.789Z")],
  ["TIMESTAMP(3) NULL", new Date("2024-07-01T00:00:00.001Z"), new Date("2024-07-01T00:00:00.001Z")],
  ["DATE", "2024-02-29", "2024-02-29"],
  ["TIME(6)", Duration.millis(90_061_001), "25:01:01.001000"],
  ["TIME(6)", Duration.millis(-1), "-00:00:00.001000"],
  ["JSON", `{"a":"\\\\ü'"}`, { a: "\\ü'" }],
  ["BIT(12)", bytes(8, 1), bytes(8, 1)],
  ["VARBINARY(9)", bytes(0, 39, 92, 255), bytes(0, 39, 92, 255)],
  ["BLOB", bytes(), bytes()],
  [
    "DECIMAL(65,30)",
    BigDecimal.fromStringUnsafe("0.000000000000000000000000000001"),
    "0.000000000000000000000000000001"
  ]
]

const refused: ReadonlyArray<readonly [what: string, value: unknown]> = [
  ["undefined", undefined],
  ["NaN", Number.NaN],
  ["infinity", Number.POSITIVE_INFINITY],
  ["an array", [1, 2]],
  ["an object", { a: 1 }],
  ["a function", () => 1],
  ["a symbol", Symbol("s")],
  ["an invalid date", new Date(Number.NaN)],
  ["half a character", "\ud800"],
  ["too many digits", 10n ** 65n],
  ["a time beyond TIME", Duration.hours(839)]
]

it("the page shows the table that the servers are held against", () => {
  const page = readFileSync(new URL("../../../docs/values.md", import.meta.url), "utf8")
  // To write the page anew: put in place of the old table what is expected here.
  expect(page).toContain(`<!-- table -->\n\n${markdown()}\n\n<!-- /table -->`)
})

for (const server of SharedServers.all) {
  const known = sections
    .flatMap(({ cases }) => cases)
    .filter(({ on }) => on === undefined || on.includes(server.flavour))

  /** The value through both protocols, in each shape of row. */
  const read = Effect.fnUntraced(function* (connection: MysqlConnection, type: string, decoding?: DecodingOptions) {
    const options = decoding === undefined ? {} : { decoding }
    const text = yield* connection.query("SELECT v FROM t", [], options)
    const binary = yield* connection.query("SELECT v FROM t WHERE 1 = ?", [1], options)
    const asArray = yield* connection.query<ReadonlyArray<unknown>>("SELECT v FROM t", [], {
      ...options,
      rows: "array"
    })
    const literal = yield* connection.query("SELECT v FROM t WHERE 1 = ?", [1], { ...options, prepare: false })
    return { type, text: text.rows, binary: binary.rows, array: asArray.rows, literal: literal.rows }
  })

  describe.skipIf(!server.available)(`values on ${server.name}`, () => {
    it.live("are the same in the text and in the binary protocol, and those of the table", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("SET sql_mode = 'ALLOW_INVALID_DATES'")
        for (const { asText, decoding, sent, sql, type, value } of known) {
          yield* connection.query(`CREATE TABLE t (v ${type})`)
          yield* connection.query(`INSERT INTO t VALUES (NULL)`)
          if (sql !== undefined) yield* connection.query(`INSERT INTO t VALUES (${sql})`)
          for (const prepare of [true, false]) {
            yield* connection.query("INSERT INTO t VALUES (?)", [sent === undefined ? value : sent], { prepare })
          }
          const count = sql === undefined ? 2 : 3
          const rows = (back: unknown) => [{ v: null }, ...Array.from({ length: count }, () => ({ v: back }))]
          const text = rows(asText ?? value)
          expect(yield* read(connection, type, decoding)).toStrictEqual({
            type,
            text,
            binary: rows(value),
            array: text.map(({ v }) => [v]),
            literal: text
          })
          yield* connection.query("DROP TABLE t")
        }
        expect(known.length).toBeGreaterThan(200)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that are sent as parameters come back, prepared and as text", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        for (const [sent, back] of parameters) {
          for (const prepare of [true, false]) {
            const { rows } = yield* connection.query("SELECT ? AS v", [sent], { prepare })
            expect({ prepare, sent, rows }).toEqual({ prepare, sent, rows: [{ v: back }] })
          }
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that are stored come back, prepared and as text", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase({ timezone: "+05:30" })
        for (const [type, sent, back] of stored) {
          yield* connection.query(`CREATE TABLE t (v ${type})`)
          for (const prepare of [true, false]) {
            yield* connection.query("INSERT INTO t VALUES (?)", [sent], { prepare })
          }
          expect({ type, rows: (yield* read(connection, type)).text }).toEqual({
            type,
            rows: [{ v: back }, { v: back }]
          })
          yield* connection.query("DROP TABLE t")
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("of time are the same instant in every time zone of a session", () =>
      Effect.gen(function* () {
        const there = yield* connectToDatabase({ timezone: "-08:00" })
        const here = yield* connect({ database: there.statusUnsafe().database, timezone: "+05:30" })
        const instant = new Date("2024-02-29T23:30:00Z")
        yield* there.query("CREATE TABLE t (v TIMESTAMP NULL)")
        yield* there.query("INSERT INTO t VALUES (?)", [instant])
        expect(yield* scalar(here, "SELECT v FROM t")).toEqual(instant)
        const clocks = yield* here.query<{ readonly now: Date; readonly utc: string }>(
          "SELECT NOW(3) AS now, DATE_FORMAT(UTC_TIMESTAMP(3), '%Y-%m-%dT%H:%i:%s.%f') AS utc"
        )
        const { now, utc } = clocks.rows[0]!
        expect(now.toISOString().slice(0, 23)).toBe(utc.slice(0, 23))
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that cannot be sent without loss are refused, and nothing is", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        for (const [what, value] of refused) {
          for (const prepare of [true, false]) {
            const error = yield* Effect.flip(connection.query("SELECT ?, ?", [1, value], { prepare }))
            expect([what, error.reason]).toMatchObject([what, { _tag: "ParameterError", parameter: 1 }])
          }
        }
        expect(yield* scalar(connection, "SELECT 1")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that are no dates are typed errors or null, as asked for", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase({ sqlMode: "" })
        yield* connection.query("CREATE TABLE t (id INT, v DATETIME, d DATE)")
        yield* connection.query("INSERT INTO t VALUES (1, 0, 0), (2, '2024-01-01', '2024-01-00')")
        for (const sql of ["SELECT v FROM t", "SELECT v FROM t WHERE 1 = ?"]) {
          const params = sql.includes("?") ? [1] : []
          const error = yield* Effect.flip(connection.query(sql, params))
          expect(error.reason).toMatchObject({ _tag: "DecodeError", column: "v", type: "DATETIME" })
          const { rows } = yield* connection.query(sql, params, { decoding: { invalidDate: "null" } })
          expect(rows).toEqual([{ v: null }, { v: new Date("2024-01-01T00:00:00Z") }])
        }
        const strings = yield* connection.query("SELECT d FROM t WHERE 1 = ?", [1])
        expect(strings.rows).toEqual([{ d: "0000-00-00" }, { d: "2024-01-00" }])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("of type FLOAT come shortest in the binary protocol, and with six digits in the text protocol", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (v FLOAT)")
        yield* connection.query("INSERT INTO t VALUES (1.1), (16777217), (3.4028234e38)")
        const text = yield* connection.query("SELECT v FROM t")
        const binary = yield* connection.query("SELECT v FROM t WHERE 1 = ?", [1])
        expect(binary.rows).toEqual([{ v: 1.1 }, { v: 16_777_216 }, { v: 3.4028235e38 }])
        expect(text.rows).toEqual([{ v: 1.1 }, { v: 16_777_200 }, { v: 3.40282e38 }])
      }).pipe(Effect.provide(server.layer))
    )
  })
}
