/**
 * Values that go to the server, and what the server says it got: the same for a parameter of a prepared statement and
 * for a literal in the text. The recorded sessions hold one exchange for each; `heard` is what the reply must decode to.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as MysqlTypes from "../../src/value/MysqlTypes.ts"

export interface ParameterCase {
  readonly name: string
  readonly value: unknown
  /** The statement that makes the server tell what it understood. */
  readonly sql: string
  readonly heard: unknown
  /** Minutes that the session's time zone is ahead of UTC. */
  readonly offsetMinutes?: number | undefined
}

const hex = (text: string): string => Buffer.from(text, "utf8").toString("hex").toUpperCase()

const texts: ReadonlyArray<ParameterCase> = [
  ["empty text", ""],
  ["a single quote", "it's"],
  ["a double quote", 'say "so"'],
  ["a back-tick", "`name`"],
  ["a backslash", "C:\\new\\table\\0"],
  ["a backslash before a quote", "\\'; DROP TABLE t; -- "],
  ["a backslash at the end", "end\\"],
  ["NUL, newline, return, tab, control-Z, backspace, percent, underscore", "\0\n\r\t\x1a\b%_"],
  ["placeholders and comments", "? -- ? /* ? */ # ?"],
  ["two, three and four bytes of UTF-8", "ü € 😀"]
].map(([name, value]) => ({ name: name!, value, sql: "SELECT HEX(?) AS v", heard: hex(value!) }))

const decimal = (name: string, value: unknown, heard: string): ParameterCase => ({
  name,
  value,
  sql: "SELECT CAST(? AS DECIMAL(65,4)) AS v",
  heard
})

const dateTime = (name: string, value: unknown, heard: string, offsetMinutes?: number): ParameterCase => ({
  name,
  value,
  sql: "SELECT CAST(? AS DATETIME(6)) AS v",
  heard,
  offsetMinutes
})

const time = (name: string, value: Duration.Duration, heard: string): ParameterCase => ({
  name,
  value,
  sql: "SELECT CAST(? AS TIME(6)) AS v",
  heard
})

const signed = (value: number | bigint | boolean, heard: unknown = value): ParameterCase => ({
  name: `${typeof value} ${value}`,
  value,
  sql: "SELECT CAST(? AS SIGNED) AS v",
  heard
})

const unsigned = (value: bigint): ParameterCase => ({
  name: `bigint ${value}`,
  value,
  sql: "SELECT CAST(? AS UNSIGNED) AS v",
  heard: value
})

const double = (value: number): ParameterCase => ({
  name: `double ${value}`,
  value,
  sql: "SELECT ? * 1e0 AS v",
  heard: value
})

export const parameterCases: ReadonlyArray<ParameterCase> = [
  { name: "null", value: null, sql: "SELECT HEX(?) AS v", heard: null },
  signed(true, 1),
  signed(false, 0),
  signed(0),
  signed(-1),
  signed(4294967296),
  signed(-4294967297),
  signed(Number.MAX_SAFE_INTEGER),
  signed(Number.MIN_SAFE_INTEGER),
  signed(BigInt("9223372036854775807")),
  signed(BigInt("-9223372036854775808")),
  unsigned(BigInt("9223372036854775808")),
  unsigned(BigInt("18446744073709551615")),
  double(0.1),
  double(-1.5),
  double(1e21),
  double(2 ** 53),
  double(5e-324),
  double(Number.MAX_VALUE),
  decimal("bigint above 2^64", BigInt("18446744073709551616"), "18446744073709551616.0000"),
  decimal("bigint below -2^63", BigInt("-9223372036854775809"), "-9223372036854775809.0000"),
  decimal("BigDecimal", BigDecimal.fromStringUnsafe("-12.3456"), "-12.3456"),
  decimal("BigDecimal below one", BigDecimal.fromStringUnsafe("0.0001"), "0.0001"),
  decimal("BigDecimal with an exponent", BigDecimal.make(BigInt(12), -3), "12000.0000"),
  ...texts,
  {
    name: "all byte values",
    value: Uint8Array.from({ length: 256 }, (_, byte) => byte),
    sql: "SELECT HEX(?) AS v",
    heard: Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))
      .join("")
      .toUpperCase()
  },
  { name: "no bytes", value: new Uint8Array(0), sql: "SELECT HEX(?) AS v", heard: "" },
  {
    name: "a vector",
    value: new Float32Array([1, -0.5, 3.25]),
    sql: "SELECT HEX(?) AS v",
    heard: "0000803F000000BF00005040"
  },
  dateTime("a Date", new Date("2024-02-29T23:59:58Z"), "2024-02-29 23:59:58.000000"),
  dateTime("a Date with milliseconds", new Date("2024-02-29T23:59:58.789Z"), "2024-02-29 23:59:58.789000"),
  dateTime("a Date of before 1970", new Date("1969-12-31T23:59:59.001Z"), "1969-12-31 23:59:59.001000"),
  dateTime("a Date in a zone ahead of UTC", new Date("2024-02-29T23:00:00Z"), "2024-03-01 01:00:00.000000", 120),
  dateTime("a Date in a zone behind UTC", new Date("2024-01-01T02:00:00Z"), "2023-12-31 20:30:00.000000", -330),
  dateTime("a DateTime", DateTime.makeUnsafe("1999-12-31T12:34:56.007Z"), "1999-12-31 12:34:56.007000"),
  time("a Duration", Duration.seconds(3661), "01:01:01.000000"),
  time("a Duration with microseconds", Duration.micros(BigInt(1_000_001)), "00:00:01.000001"),
  time("a negative Duration", Duration.nanos(BigInt("-5025000006000")), "-01:23:45.000006"),
  time("a Duration of more than a day", Duration.hours(838), "838:00:00.000000"),
  time("no time", Duration.zero, "00:00:00.000000"),
  {
    name: "a small BIGINT UNSIGNED",
    value: MysqlTypes.bigintUnsigned(5),
    sql: "SELECT CAST(? AS UNSIGNED) AS v",
    heard: 5
  },
  decimal("a DECIMAL", MysqlTypes.decimal("1.10"), "1.1000"),
  decimal("a DECIMAL without a point", MysqlTypes.decimal("-5"), "-5.0000"),
  { name: "a FLOAT", value: MysqlTypes.float(1.1), sql: "SELECT ? * 1e0 AS v", heard: Math.fround(1.1) },
  { name: "a whole DOUBLE", value: MysqlTypes.double(5), sql: "SELECT ? * 1e0 AS v", heard: 5 },
  { name: "a DATE", value: MysqlTypes.date("2024-02-29"), sql: "SELECT CAST(? AS DATE) AS v", heard: "2024-02-29" },
  dateTime("a DATETIME", MysqlTypes.datetime("2024-02-29 23:59:58"), "2024-02-29 23:59:58.000000", 120),
  dateTime("a TIMESTAMP", MysqlTypes.timestamp("2024-02-29 23:59:58.000001"), "2024-02-29 23:59:58.000001"),
  { ...time("a TIME", Duration.zero, "-23:59:58.000001"), value: MysqlTypes.time("-23:59:58.000001") },
  { name: "JSON", value: MysqlTypes.json({ a: 1n }), sql: "SELECT HEX(?) AS v", heard: hex('{"a":1}') },
  { name: "a SET", value: MysqlTypes.set(["a", "b"]), sql: "SELECT HEX(?) AS v", heard: hex("a,b") },
  {
    name: "a geometry",
    value: MysqlTypes.geometry({ type: "Point", coordinates: [1, 2] }),
    sql: "SELECT HEX(?) AS v",
    heard: "000000000101000000000000000000F03F0000000000000040"
  },
  { name: "a VECTOR", value: MysqlTypes.vector([1]), sql: "SELECT HEX(?) AS v", heard: "0000803F" }
]

/** The cases that quoting is about: recorded once more under NO_BACKSLASH_ESCAPES. */
export const textCases: ReadonlyArray<ParameterCase> = texts
