/**
 * The value table: every type of column, what is written to it, and what comes out. `docs/values.md` shows it, and the
 * tests hold servers and page against it.
 */
import type { DecodingOptions } from "@effect-mysql/protocol/row/Decoding"
import type { GeoJson } from "@effect-mysql/protocol/value/Geometry"
import * as MysqlTypes from "@effect-mysql/protocol/value/MysqlTypes"
import { TypedParameter } from "@effect-mysql/protocol/value/Parameter"
import type * as Flavour from "@effect-mysql/test-utils/Flavour"
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

export interface Case {
  readonly type: string
  /** What comes out. */
  readonly value: unknown
  /** What the text protocol gives, where that is something else. */
  readonly asText?: unknown
  /** What is written, as a parameter and as a literal. Default: what comes out. */
  readonly sent?: unknown
  /** SQL that writes the same. */
  readonly sql?: string | undefined
  readonly decoding?: DecodingOptions
  /** Where the type is known. Default: everywhere. */
  readonly on?: ReadonlyArray<Flavour.Flavour | "url">
}

/** A row of the page, with the cases that prove it. */
export interface Section {
  readonly types: string
  readonly javascript: string
  readonly options: string
  readonly cases: ReadonlyArray<Case>
}

const mariadb = ["mariadb-10.11", "mariadb-11.8"] as const
const bytes = (...values: ReadonlyArray<number>): Uint8Array => Uint8Array.from(values)
const allBytes = Uint8Array.from({ length: 256 }, (_, index) => index)
const decimal = BigDecimal.fromStringUnsafe

const integers: ReadonlyArray<Case> = [
  ["TINYINT", -128, 127],
  ["TINYINT UNSIGNED", 0, 255],
  ["SMALLINT", -32_768, 32_767],
  ["SMALLINT UNSIGNED", 0, 65_535],
  ["MEDIUMINT", -8_388_608, 8_388_607],
  ["MEDIUMINT UNSIGNED", 0, 16_777_215],
  ["INT", -2_147_483_648, 2_147_483_647],
  ["INT UNSIGNED", 0, 4_294_967_295],
  ["INT(8) ZEROFILL", 0, 42],
  ["YEAR", 1901, 2155],
  ["YEAR", 0, 1999]
].flatMap(
  ([type, least, most]): ReadonlyArray<Case> => [
    { type: String(type), value: least, sql: String(least) },
    { type: String(type), value: most, sql: String(most) }
  ]
)

const bits: ReadonlyArray<Case> = Array.from({ length: 64 }, (_, index) => {
  const width = index + 1
  const pattern = BigInt.asUintN(width, 0xa5c3_96f0_0f69_3c5an | (1n << BigInt(index)))
  const hex = pattern.toString(16).padStart(Math.ceil(width / 8) * 2, "0")
  return { type: `BIT(${width})`, value: Uint8Array.from(Buffer.from(hex, "hex")), sql: `b'${pattern.toString(2)}'` }
})

/** Text that the column's character set has. */
const inCharset = (charset: string, text: string, type = "VARCHAR(60)"): ReadonlyArray<Case> =>
  [text, "", "plain ASCII '\\\" \n\0"].map((value) => ({ type: `${type} CHARACTER SET ${charset}`, value }))

const point: GeoJson = { type: "Point", coordinates: [1, -2.5] }

const line = [
  [0, 0],
  [1, 1],
  [2, -1]
] as const

const ring = [
  [0, 0],
  [4, 0],
  [4, 4],
  [0, 4],
  [0, 0]
] as const

const hole = [
  [1, 1],
  [2, 1],
  [2, 2],
  [1, 2],
  [1, 1]
] as const

const shapes: ReadonlyArray<GeoJson> = [
  point,
  { type: "LineString", coordinates: line },
  { type: "Polygon", coordinates: [ring, hole] },
  { type: "MultiPoint", coordinates: line },
  { type: "MultiLineString", coordinates: [line, line] },
  { type: "MultiPolygon", coordinates: [[ring, hole], [ring]] },
  { type: "GeometryCollection", geometries: [{ type: "LineString", coordinates: line }] },
  {
    type: "GeometryCollection",
    geometries: [
      { type: "Point", coordinates: [5, 6] },
      { type: "GeometryCollection", geometries: [{ type: "Polygon", coordinates: [ring] }] }
    ]
  },
  { type: "GeometryCollection", geometries: [] }
]

const geoJson = (value: GeoJson, type = "GEOMETRY"): Case => ({
  type,
  value,
  sent: MysqlTypes.geometry(value),
  decoding: { geometry: "geojson" }
})

const json = (value: unknown, sql?: string): Case => ({ type: "JSON", value, sent: MysqlTypes.json(value), sql })

const text = (type: string, value: string): Case => ({ type, value, decoding: { dateTime: "string" } })

const moment = (type: string, value: string): Case => ({ ...text(type, value), sent: MysqlTypes.datetime(value) })

const instant = (type: string, value: string): Case => ({ type, value: new Date(value) })

export const sections: ReadonlyArray<Section> = [
  {
    types: "`TINYINT`, `SMALLINT`, `MEDIUMINT`, `INT`, `YEAR`",
    javascript: "`number`",
    options: '`tinyint1: "boolean"`: TINYINT(1)',
    cases: [
      ...integers,
      { type: "BOOLEAN", value: 1, sent: true, sql: "TRUE" },
      { type: "BOOLEAN", value: true, decoding: { tinyint1: "boolean" } },
      { type: "BOOLEAN", value: false, decoding: { tinyint1: "boolean" } },
      { type: "TINYINT UNSIGNED", value: 1, decoding: { tinyint1: "boolean" } }
    ]
  },
  {
    types: "`BIGINT`",
    javascript: "`number` where it is safe, else `bigint`",
    options: '`bigint: "bigint"`, `bigint: "string"`',
    cases: [
      { type: "BIGINT", value: Number.MAX_SAFE_INTEGER, sql: "9007199254740991" },
      { type: "BIGINT", value: Number.MIN_SAFE_INTEGER, sql: "-9007199254740991" },
      { type: "BIGINT", value: 2n ** 53n, sql: "9007199254740992" },
      { type: "BIGINT", value: -(2n ** 53n), sql: "-9007199254740992" },
      { type: "BIGINT", value: 2n ** 63n - 1n, sql: "9223372036854775807" },
      { type: "BIGINT", value: -(2n ** 63n), sql: "-9223372036854775808" },
      { type: "BIGINT UNSIGNED", value: 0, sql: "0" },
      { type: "BIGINT UNSIGNED", value: 2n ** 63n, sql: "9223372036854775808" },
      { type: "BIGINT UNSIGNED", value: 2n ** 64n - 1n, sql: "18446744073709551615" },
      { type: "BIGINT", value: 7n, decoding: { bigint: "bigint" } },
      { type: "BIGINT UNSIGNED", value: 2n ** 64n - 1n, decoding: { bigint: "bigint" } },
      { type: "BIGINT", value: "-7", sent: MysqlTypes.bigint("-7"), decoding: { bigint: "string" } },
      { type: "BIGINT UNSIGNED", value: "18446744073709551615", decoding: { bigint: "string" } }
    ]
  },
  {
    types: "`DECIMAL`",
    javascript: "`string`, the digits as sent",
    options: '`decimal: "BigDecimal"`',
    cases: [
      { type: "DECIMAL(65,30)", value: `-${"1234567890".repeat(3)}12345.${"1234567890".repeat(3)}` },
      { type: "DECIMAL(65,30)", value: `0.${"0".repeat(29)}1`, sent: MysqlTypes.decimal(`0.${"0".repeat(29)}1`) },
      { type: "DECIMAL(65,0)", value: "9".repeat(65), sent: 10n ** 65n - 1n, sql: "9".repeat(65) },
      { type: "DECIMAL(5,2)", value: "1.50", sent: decimal("1.5"), sql: "1.5" },
      { type: "DECIMAL(5,2) UNSIGNED", value: "0.00", sent: MysqlTypes.decimal(0) },
      { type: "DECIMAL(5,2)", value: decimal("1.50"), decoding: { decimal: "BigDecimal" } },
      {
        type: "DECIMAL(65,30)",
        value: decimal(`-${"9".repeat(35)}.${"9".repeat(30)}`),
        decoding: { decimal: "BigDecimal" }
      }
    ]
  },
  {
    types: "`FLOAT`",
    javascript: "`number`, the shortest that is the same in 32 bits; as text the server itself sends six digits",
    options: "",
    cases: [
      { type: "FLOAT", value: 1.5 },
      { type: "FLOAT", value: 1.1, sent: MysqlTypes.float(1.1), sql: "1.1" },
      { type: "FLOAT", value: 16_777_216, asText: 16_777_200, sql: "16777217" },
      { type: "FLOAT", value: 3.4028235e38, asText: 3.40282e38, sent: MysqlTypes.float(3.4028234663852886e38) },
      { type: "FLOAT", value: -1.1754944e-38, asText: -1.17549e-38, sent: MysqlTypes.float(-1.1754943508222875e-38) },
      { type: "FLOAT", value: 0.33333334, asText: 0.333333, sent: 1 / 3, sql: "1/3e0" }
    ]
  },
  {
    types: "`DOUBLE`",
    javascript: "`number`",
    options: "",
    cases: [
      ...[
        0,
        0.1,
        -1 / 3,
        1e21,
        1e-7,
        123_456_789.123_456_79,
        2.2250738585072014e-308,
        Number.MAX_VALUE,
        -Number.MAX_VALUE,
        2 ** 53,
        2 ** 60 + 2 ** 10,
        Number.EPSILON
      ].map((value): Case => ({ type: "DOUBLE", value, sql: value === 0 ? "0" : value.toExponential() })),
      { type: "DOUBLE", value: 5, sent: MysqlTypes.double(5) }
    ]
  },
  {
    types: "`CHAR`, `VARCHAR`, `TEXT`, `ENUM`",
    javascript: "`string`, whatever the column's character set",
    options: "",
    cases: [
      { type: "CHAR(3)", value: "a", sql: "'a'" },
      { type: "VARCHAR(20)", value: "äöü 🙂 日本", sql: "'äöü 🙂 日本'" },
      { type: "VARCHAR(20)", value: "", sql: "''" },
      { type: "VARCHAR(300)", value: "ü".repeat(300), sql: "REPEAT('ü', 300)" },
      { type: "TINYTEXT", value: "t", sent: MysqlTypes.text("t") },
      { type: "TEXT", value: "x".repeat(65_535), sql: "REPEAT('x', 65535)" },
      { type: "MEDIUMTEXT", value: "x".repeat(70_000), sql: "REPEAT('x', 70000)" },
      { type: "LONGTEXT", value: 'it\'s "\\" 100%' },
      ...inCharset("utf8mb4", "äöü 🙂 日本"),
      ...inCharset("latin1", "äöüß€Ÿ\u0081"),
      ...inCharset("utf16", "äöü 🙂 日本"),
      ...inCharset("cp932", "日本語 ソ十表 ｱｲｳ"),
      ...inCharset("gbk", "中文 縗運 誠"),
      ...inCharset("utf16", "🙂", "TEXT"),
      ...inCharset("cp932", "表示ソ", "TEXT"),
      ...inCharset("gbk", "縗'\\", "TEXT"),
      { type: "ENUM('one','it''s','ü')", value: "it's", sql: "2" },
      { type: "ENUM('one','it''s','ü')", value: "ü" },
      { type: "ENUM('日本','ソ') CHARACTER SET cp932", value: "ソ" }
    ]
  },
  {
    types: "`SET`",
    javascript: "`string`, joined by commas",
    options: '`set: "array"`',
    cases: [
      { type: "SET('one','two','three')", value: "one,three", sent: "three,one", sql: "5" },
      { type: "SET('one','two','three')", value: "", sql: "0" },
      {
        type: "SET('one','two','three')",
        value: ["one", "three"],
        sent: MysqlTypes.set(["three", "one"]),
        decoding: { set: "array" }
      },
      { type: "SET('one','two')", value: [], sent: MysqlTypes.set([]), decoding: { set: "array" } }
    ]
  },
  {
    types: "`BINARY`, `VARBINARY`, `BLOB`",
    javascript: "`Uint8Array`, a copy of your own",
    options: "",
    cases: [
      { type: "BINARY(3)", value: bytes(0x61, 0, 0), sent: bytes(0x61), sql: "x'61'" },
      { type: "VARBINARY(256)", value: allBytes },
      { type: "VARBINARY(20)", value: bytes(0, 255, 39), sql: "x'00ff27'" },
      { type: "CHAR(4) CHARACTER SET binary", value: bytes(0x61, 0xff, 0, 0), sent: bytes(0x61, 0xff) },
      { type: "VARCHAR(9) CHARACTER SET binary", value: bytes(0xc3, 0xbc), sent: "ü" },
      { type: "TINYBLOB", value: bytes(), sql: "x''" },
      { type: "BLOB", value: new Uint8Array(300).fill(0xfb), sql: "REPEAT(x'fb', 300)" },
      { type: "MEDIUMBLOB", value: new Uint8Array(70_000).fill(0xfe), sql: "REPEAT(x'fe', 70000)" },
      { type: "LONGBLOB", value: bytes(1, 2), sent: MysqlTypes.binary(bytes(1, 2).buffer) }
    ]
  },
  {
    types: "`BIT`",
    javascript: "`Uint8Array`, most significant byte first",
    options: '`bit1: "boolean"`: BIT(1)',
    cases: [
      ...bits,
      { type: "BIT(1)", value: true, sql: "b'1'", decoding: { bit1: "boolean" } },
      { type: "BIT(1)", value: false, sql: "b'0'", decoding: { bit1: "boolean" } },
      { type: "BIT(2)", value: bytes(3), decoding: { bit1: "boolean" } }
    ]
  },
  {
    types: "`JSON`",
    javascript: "parsed, on MariaDB too; integers beyond 2^53 as `bigint`",
    options: '`json: "text"`',
    cases: [
      json(
        { a: [1, 2.5, null, "x"], big: 9_007_199_254_740_993n, "ü'\"\\": "🙂'\\" },
        `'{"a": [1, 2.5, null, "x"], "big": 9007199254740993, "ü''\\\\"\\\\\\\\": "🙂''\\\\\\\\"}'`
      ),
      json([], "'[]'"),
      json("text", `'"text"'`),
      json(true, "'true'"),
      json(null),
      { type: "JSON", value: { a: 1 }, sent: '{"a":1}' },
      { type: "JSON", value: "[1]", decoding: { json: "text" } }
    ]
  },
  {
    types: "`GEOMETRY` and its kinds",
    javascript: "`Uint8Array`: the number of the reference system in four bytes, then well-known binary",
    options: '`geometry: "geojson"`',
    cases: [
      {
        type: "GEOMETRY",
        value: bytes(0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0x40),
        sql: "ST_GeomFromText('POINT(1 2)')"
      },
      ...shapes.map((shape) => geoJson(shape)),
      geoJson(point, "POINT"),
      geoJson(shapes[2]!, "POLYGON"),
      geoJson({ ...point, crs: { type: "name", properties: { name: "EPSG:4326" } } })
    ]
  },
  {
    types: "`DATE`",
    javascript: "`string`, `YYYY-MM-DD`, zero and impossible dates included",
    options: '`date: "Date"`: midnight UTC',
    cases: [
      { type: "DATE", value: "2024-02-29", sql: "'2024-02-29'" },
      { type: "DATE", value: "1000-01-01", sent: MysqlTypes.date("1000-01-01") },
      { type: "DATE", value: "9999-12-31", sent: MysqlTypes.date(new Date("9999-12-31T00:00:00Z")) },
      { type: "DATE", value: "0000-00-00", sent: MysqlTypes.date("0000-00-00"), sql: "0" },
      { type: "DATE", value: "2024-02-00", sent: MysqlTypes.date("2024-02-00") },
      { type: "DATE", value: "2024-02-31", sent: "2024-02-31" },
      { type: "DATE", value: new Date("2024-02-29T00:00:00Z"), decoding: { date: "Date" } },
      {
        type: "DATE",
        value: null,
        sent: MysqlTypes.date("0000-00-00"),
        decoding: { date: "Date", invalidDate: "null" }
      }
    ]
  },
  {
    types: "`DATETIME`, `TIMESTAMP`",
    javascript: "`Date`, whole milliseconds; a zero or impossible date is a typed error",
    options: '`dateTime: "string"` keeps microseconds, `dateTime: "DateTime"`, `invalidDate: "null"`',
    cases: [
      { ...instant("DATETIME", "2024-02-29T12:34:56Z"), sql: "'2024-02-29 12:34:56'" },
      instant("DATETIME(3)", "1000-01-01T00:00:00.001Z"),
      instant("DATETIME(6)", "1969-12-31T23:59:59.999Z"),
      {
        ...instant("DATETIME(6)", "9999-12-31T23:59:59.999Z"),
        sent: MysqlTypes.datetime("9999-12-31 23:59:59.999999"),
        sql: "'9999-12-31 23:59:59.999999'"
      },
      instant("TIMESTAMP NULL", "1970-01-01T00:00:01Z"),
      instant("TIMESTAMP(3) NULL", "2038-01-19T03:14:07.999Z"),
      { ...instant("TIMESTAMP(6) NULL", "2024-02-29T12:34:56.123Z"), sql: "'2024-02-29 12:34:56.123000'" },
      moment("DATETIME(6)", "2024-02-29 12:34:56.000001"),
      moment("DATETIME(2)", "2024-02-29 00:00:00.00"),
      moment("DATETIME", "0000-00-00 00:00:00"),
      moment("DATETIME(6)", "2024-02-00 01:02:03.000000"),
      {
        ...moment("TIMESTAMP(6) NULL", "2024-02-29 12:34:56.000001"),
        sent: MysqlTypes.timestamp("2024-02-29 12:34:56.000001")
      },
      {
        type: "DATETIME(3)",
        value: DateTime.makeUnsafe("2024-02-29T12:34:56.789Z"),
        decoding: { dateTime: "DateTime" }
      },
      {
        type: "DATETIME",
        value: null,
        sent: MysqlTypes.datetime("0000-00-00 00:00:00"),
        decoding: { invalidDate: "null" }
      },
      {
        type: "DATETIME",
        value: null,
        sent: MysqlTypes.datetime("2024-00-00 00:00:00"),
        decoding: { dateTime: "DateTime", invalidDate: "null" }
      }
    ]
  },
  {
    types: "`TIME`",
    javascript: "`string`, from -838:59:59 to 838:59:59",
    options: '`time: "Duration"`',
    cases: [
      { type: "TIME", value: "-838:59:59", sent: MysqlTypes.time("-838:59:59"), sql: "'-838:59:59'" },
      { type: "TIME", value: "838:59:59", sent: Duration.seconds(3_020_399) },
      { type: "TIME", value: "00:00:00", sent: Duration.zero, sql: "0" },
      { type: "TIME(6)", value: "-00:00:00.000001", sent: Duration.nanos(-1000n) },
      { type: "TIME(6)", value: "25:01:02.000300", sent: "25:01:02.0003" },
      { type: "TIME(3)", value: Duration.nanos(-500_000_000n), sql: "'-00:00:00.5'", decoding: { time: "Duration" } },
      { type: "TIME(6)", value: Duration.micros(837n * 3_600_000_000n + 1n), decoding: { time: "Duration" } }
    ]
  },
  {
    types: "`VECTOR`",
    javascript: "`Float32Array`; on MariaDB 11.8, which calls it binary, `Uint8Array`",
    options: "",
    cases: [
      {
        type: "VECTOR(3)",
        value: new Float32Array([1, 2.5, -3]),
        sql: "STRING_TO_VECTOR('[1,2.5,-3]')",
        on: ["mysql-9.7"]
      },
      {
        type: "VECTOR(2)",
        value: new Float32Array([0.5, 0.1]),
        sent: MysqlTypes.vector([0.5, 0.1]),
        on: ["mysql-9.7"]
      },
      {
        type: "VECTOR(1)",
        value: bytes(0, 0, 0x80, 0x3f),
        sent: MysqlTypes.vector([1]),
        sql: "VEC_FromText('[1]')",
        on: ["mariadb-11.8"]
      }
    ]
  },
  {
    types: "`UUID`, `INET4`, `INET6` (MariaDB)",
    javascript: "`string`",
    options: "",
    cases: [
      { type: "UUID", value: "123e4567-e89b-12d3-a456-426614174000", on: mariadb },
      { type: "INET4", value: "192.0.2.33", on: mariadb },
      { type: "INET6", value: "2001:db8::ff00:42:8329", on: mariadb },
      { type: "INET6", value: "::ffff:192.0.2.1", on: mariadb }
    ]
  }
]

// ---- the page ------------------------------------------------------------------------------------------------------

const shortened = (text: string): string => (text.length > 64 ? `${text.slice(0, 40)}… (${text.length})` : text)

const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what a page cannot show
  JSON.stringify(text).replace(/[\x7f-\x9f]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`)

const shown = (value: unknown): string => {
  if (value instanceof TypedParameter) return `MysqlTypes: ${value.type} ${shown(value.value)}`
  if (value instanceof Uint8Array) return `bytes ${shortened(Buffer.from(value).toString("hex")) || "(none)"}`
  if (value instanceof ArrayBuffer) return shown(new Uint8Array(value))
  if (value instanceof Float32Array) return `Float32Array [${value.join(", ")}]`
  if (value instanceof Date) return `Date ${value.toISOString()}`
  if (DateTime.isDateTime(value)) return `DateTime ${DateTime.formatIso(value)}`
  if (Duration.isDuration(value)) return `Duration of ${Duration.toNanosUnsafe(value) / 1000n} µs`
  // Formatting leaves a mark on what it formats.
  if (BigDecimal.isBigDecimal(value)) {
    return `BigDecimal ${shortened(BigDecimal.format(BigDecimal.make(value.value, value.scale)))}`
  }
  if (typeof value === "bigint") return `${shortened(value.toString())}n`
  if (typeof value === "string") return shortened(printable(value))
  if (typeof value !== "object") return String(value)
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? `${inner}n` : inner))
}

const cell = (text: string): string => `\`\` ${text.replaceAll("|", "\\|")} \`\``

const optionsOf = (decoding: DecodingOptions = {}): string =>
  Object.entries(decoding)
    .map(([name, value]) => `${name}: "${value}"`)
    .join(", ")

const caseRow = ({ asText, decoding, on, sent, type, value }: Case): string => {
  const written = sent === undefined ? "the same" : cell(shown(sent))
  const back = asText === undefined ? cell(shown(value)) : `${cell(shown(value))}, as text ${cell(shown(asText))}`
  const where = on === undefined ? "" : ` (${on.join(", ")})`
  const how = decoding === undefined ? "" : cell(optionsOf(decoding))
  return `| ${cell(shortened(type))}${where} | ${back} | ${written} | ${how} |`
}

/** The two tables as Markdown. */
export const markdown = (): string =>
  [
    "| server type | JavaScript | by `decoding` |",
    "|---|---|---|",
    ...sections.map(({ javascript, options, types }) => `| ${types} | ${javascript} | ${options} |`),
    "",
    "## Every case",
    "",
    "| column | comes out | was sent | `decoding` |",
    "|---|---|---|---|",
    ...sections.flatMap(({ cases }) => cases.map(caseRow))
  ].join("\n")
