/**
 * Values on real servers: what comes out is what the table of the documentation says, in the text and in the binary
 * protocol alike, and what goes in as a parameter comes out again.
 */
import { describe, expect, it } from "@effect/vitest"
import type { DecodingOptions } from "@effect-mysql/protocol/row/Decoding"
import type * as Flavour from "@effect-mysql/test-utils/Flavour"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import { connect, connectToDatabase, scalar } from "./support/servers.ts"

interface Case {
  readonly type: string
  readonly literal: string
  readonly value: unknown
  /** Where the type is known. Default: everywhere. */
  readonly on?: ReadonlyArray<Flavour.Flavour | "url">
  readonly decoding?: DecodingOptions
}

const bytes = (...values: ReadonlyArray<number>): Uint8Array => Uint8Array.from(values)
const mariadb = ["mariadb-10.11", "mariadb-11.8"] as const

const cases: ReadonlyArray<Case> = [
  { type: "TINYINT", literal: "-128", value: -128 },
  { type: "TINYINT UNSIGNED", literal: "255", value: 255 },
  { type: "SMALLINT", literal: "-32768", value: -32_768 },
  { type: "SMALLINT UNSIGNED", literal: "65535", value: 65_535 },
  { type: "MEDIUMINT", literal: "-8388608", value: -8_388_608 },
  { type: "MEDIUMINT UNSIGNED", literal: "16777215", value: 16_777_215 },
  { type: "INT", literal: "-2147483648", value: -2_147_483_648 },
  { type: "INT UNSIGNED", literal: "4294967295", value: 4_294_967_295 },
  { type: "INT(8) ZEROFILL", literal: "42", value: 42 },
  { type: "BIGINT", literal: "9007199254740991", value: Number.MAX_SAFE_INTEGER },
  { type: "BIGINT", literal: "-9007199254740991", value: Number.MIN_SAFE_INTEGER },
  { type: "BIGINT", literal: "9007199254740992", value: 9_007_199_254_740_992n },
  { type: "BIGINT", literal: "-9223372036854775808", value: -9_223_372_036_854_775_808n },
  { type: "BIGINT UNSIGNED", literal: "18446744073709551615", value: 18_446_744_073_709_551_615n },
  { type: "BIGINT", literal: "7", value: 7n, decoding: { bigint: "bigint" } },
  { type: "BIGINT UNSIGNED", literal: "7", value: "7", decoding: { bigint: "string" } },
  { type: "YEAR", literal: "2155", value: 2155 },
  { type: "YEAR", literal: "0", value: 0 },
  { type: "BOOLEAN", literal: "TRUE", value: 1 },
  { type: "BOOLEAN", literal: "TRUE", value: true, decoding: { tinyint1: "boolean" } },
  {
    type: "DECIMAL(65,30)",
    literal: "-12345678901234567890123456789012345.123456789012345678901234567890",
    value: "-12345678901234567890123456789012345.123456789012345678901234567890"
  },
  { type: "DECIMAL(5,2)", literal: "1.5", value: "1.50" },
  {
    type: "DECIMAL(5,2)",
    literal: "1.5",
    value: BigDecimal.fromStringUnsafe("1.50"),
    decoding: { decimal: "BigDecimal" }
  },
  { type: "FLOAT", literal: "1.5", value: 1.5 },
  { type: "DOUBLE", literal: "1.7976931348623157e308", value: Number.MAX_VALUE },
  { type: "DOUBLE", literal: "2.2250738585072014e-308", value: 2.2250738585072014e-308 },
  { type: "DOUBLE", literal: "0.1", value: 0.1 },
  { type: "DOUBLE", literal: "-1e0/3", value: -1 / 3 },
  { type: "CHAR(3)", literal: "'a'", value: "a" },
  { type: "VARCHAR(20)", literal: "'äöü 🙂 日本'", value: "äöü 🙂 日本" },
  { type: "VARCHAR(20)", literal: "''", value: "" },
  { type: "VARCHAR(300)", literal: "REPEAT('ü', 300)", value: "ü".repeat(300) },
  { type: "TINYTEXT", literal: "'t'", value: "t" },
  { type: "TEXT", literal: "REPEAT('x', 65535)", value: "x".repeat(65_535) },
  { type: "MEDIUMTEXT", literal: "REPEAT('x', 70000)", value: "x".repeat(70_000) },
  { type: "LONGTEXT", literal: "'t'", value: "t" },
  { type: "VARCHAR(20) CHARACTER SET latin1", literal: "'äöü'", value: "äöü" },
  { type: "ENUM('one','two')", literal: "'two'", value: "two" },
  { type: "SET('one','two','three')", literal: "'three,one'", value: "one,three" },
  { type: "SET('one','two','three')", literal: "'three,one'", value: ["one", "three"], decoding: { set: "array" } },
  { type: "SET('one','two')", literal: "''", value: [], decoding: { set: "array" } },
  { type: "BINARY(3)", literal: "x'61'", value: bytes(0x61, 0, 0) },
  { type: "VARBINARY(20)", literal: "x'00ff27'", value: bytes(0, 255, 39) },
  { type: "TINYBLOB", literal: "x''", value: bytes() },
  { type: "BLOB", literal: "REPEAT(x'fb', 300)", value: new Uint8Array(300).fill(0xfb) },
  { type: "MEDIUMBLOB", literal: "x'fe'", value: bytes(0xfe) },
  { type: "LONGBLOB", literal: "x'ff'", value: bytes(0xff) },
  { type: "BIT(1)", literal: "b'1'", value: bytes(1) },
  { type: "BIT(12)", literal: "b'100000000001'", value: bytes(8, 1) },
  { type: "BIT(64)", literal: "b'1'", value: bytes(0, 0, 0, 0, 0, 0, 0, 1) },
  { type: "BIT(1)", literal: "b'0'", value: false, decoding: { bit1: "boolean" } },
  { type: "DATE", literal: "'2024-02-29'", value: "2024-02-29" },
  { type: "DATE", literal: "'9999-12-31'", value: "9999-12-31" },
  { type: "DATE", literal: "'2024-02-29'", value: new Date("2024-02-29T00:00:00Z"), decoding: { date: "Date" } },
  { type: "DATETIME", literal: "'2024-02-29 12:34:56'", value: new Date("2024-02-29T12:34:56Z") },
  { type: "DATETIME(3)", literal: "'1000-01-01 00:00:00.001'", value: new Date("1000-01-01T00:00:00.001Z") },
  { type: "DATETIME(6)", literal: "'9999-12-31 23:59:59.999999'", value: new Date("9999-12-31T23:59:59.999Z") },
  {
    type: "DATETIME(6)",
    literal: "'2024-02-29 12:34:56.000001'",
    value: "2024-02-29 12:34:56.000001",
    decoding: { dateTime: "string" }
  },
  {
    type: "DATETIME(2)",
    literal: "'2024-02-29 00:00:00'",
    value: "2024-02-29 00:00:00.00",
    decoding: { dateTime: "string" }
  },
  {
    type: "DATETIME",
    literal: "'2024-02-29 12:34:56'",
    value: DateTime.makeUnsafe("2024-02-29T12:34:56Z"),
    decoding: { dateTime: "DateTime" }
  },
  { type: "TIMESTAMP(6) NULL", literal: "'2024-02-29 12:34:56.123456'", value: new Date("2024-02-29T12:34:56.123Z") },
  { type: "TIME", literal: "'-838:59:59'", value: "-838:59:59" },
  { type: "TIME(6)", literal: "'01:02:03.000004'", value: "01:02:03.000004" },
  { type: "TIME", literal: "0", value: "00:00:00" },
  { type: "TIME(3)", literal: "'-00:00:00.5'", value: Duration.nanos(-500_000_000n), decoding: { time: "Duration" } },
  {
    type: "JSON",
    literal: `'{"a": [1, 2.5, null, "x"], "big": 9007199254740993}'`,
    value: { a: [1, 2.5, null, "x"], big: 9_007_199_254_740_993n }
  },
  { type: "JSON", literal: "'[]'", value: [] },
  { type: "JSON", literal: `'"text"'`, value: "text" },
  { type: "JSON", literal: "'[1]'", value: "[1]", decoding: { json: "text" } },
  {
    type: "GEOMETRY",
    literal: "ST_GeomFromText('POINT(1 2)')",
    value: bytes(0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0x40)
  },
  {
    type: "UUID",
    literal: "'123e4567-e89b-12d3-a456-426614174000'",
    value: "123e4567-e89b-12d3-a456-426614174000",
    on: mariadb
  },
  { type: "INET6", literal: "'2001:db8::ff00:42:8329'", value: "2001:db8::ff00:42:8329", on: mariadb },
  { type: "INET4", literal: "'192.0.2.33'", value: "192.0.2.33", on: mariadb },
  {
    type: "VECTOR(3)",
    literal: "STRING_TO_VECTOR('[1,2.5,-3]')",
    value: new Float32Array([1, 2.5, -3]),
    on: ["mysql-9.7"]
  },
  // MariaDB does not tell a vector from a byte string.
  { type: "VECTOR(1)", literal: "VEC_FromText('[1]')", value: bytes(0, 0, 0x80, 0x3f), on: ["mariadb-11.8"] }
]

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

for (const server of SharedServers.all) {
  const known = cases.filter(({ on }) => on === undefined || on.includes(server.flavour))

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
        yield* connection.query("SET sql_mode = ''")
        for (const { decoding, literal, type, value } of known) {
          yield* connection.query(`CREATE TABLE t (v ${type})`)
          yield* connection.query(`INSERT INTO t VALUES (${literal}), (NULL)`)
          const rows = [{ v: value }, { v: null }]
          expect(yield* read(connection, type, decoding)).toStrictEqual({
            type,
            text: rows,
            binary: rows,
            array: [[value], [null]],
            literal: rows
          })
          yield* connection.query("DROP TABLE t")
        }
        expect(known.length).toBeGreaterThan(60)
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
