import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import { describe, expect, it } from "vitest"
import type { DecodingOptions } from "../../src/row/Decoding.ts"
import { bytes, exchange, hasSession, mariaDbs, servers, session } from "../support/fixture.ts"
import { type ReplayOptions, replay } from "../support/replay.ts"

type Protocol = "text" | "binary"
type Row = Readonly<Record<string, unknown>>

/** The rows of a recorded table, all columns by name. */
const rowsOf = (server: string, table: string, protocol: Protocol, options: Partial<ReplayOptions> = {}) => {
  const recorded = session(server, "types")
  const run = (name: string, metadata?: ReplayOptions["metadata"]) => {
    const { command, response } = exchange(recorded, name)
    const { capabilities } = recorded
    return replay([bytes(response)], { command, capabilities, shape: "object", metadata, ...options })
  }
  const reply = protocol === "text" ? run(`${table} text`) : run(`${table} binary`, run(`${table} prepare`).metadata)
  if (reply.decodeError !== undefined) throw reply.decodeError
  return reply.results[0]!.rows as ReadonlyArray<Row>
}

const columnOf = (server: string, table: string, protocol: Protocol, column: string, decoding: DecodingOptions = {}) =>
  rowsOf(server, table, protocol, { decoding }).map((row) => row[column])

const everywhere = servers.flatMap(
  (server) =>
    [
      [server, "text"],
      [server, "binary"]
    ] as ReadonlyArray<[string, Protocol]>
)

describe.each(everywhere)("%s, %s protocol", (server, protocol) => {
  it("integers come as numbers, and as bigint from 2^53 on", () => {
    const keys = [
      "tiny",
      "tiny_unsigned",
      "small",
      "small_unsigned",
      "medium",
      "medium_unsigned",
      "ordinary",
      "ordinary_unsigned",
      "big",
      "big_unsigned",
      "flag",
      "filled",
      "year_"
    ]
    expect(rowsOf(server, "integers", protocol).map((row) => keys.map((key) => row[key]))).toEqual([
      [-128, 0, -32768, 0, -8388608, 0, -2147483648, 0, -9223372036854775808n, 0, 0, 0, 1901],
      [
        127,
        255,
        32767,
        65535,
        8388607,
        16777215,
        2147483647,
        4294967295,
        9223372036854775807n,
        18446744073709551615n,
        1,
        4294967295,
        2155
      ],
      keys.map(() => null),
      [-1, 1, -1, 1, -1, 1, -1, 1, -9007199254740991, 9007199254740991, 2, 7, 0],
      [1, 1, 1, 1, 1, 1, 1, 1, -9007199254740992n, 9007199254740992n, 1, 42, 2026]
    ])
  })

  it("BIGINT by option", () => {
    const column = (bigint: DecodingOptions["bigint"]) => columnOf(server, "integers", protocol, "big", { bigint })
    expect(column("bigint")).toEqual([
      -9223372036854775808n,
      9223372036854775807n,
      null,
      -9007199254740991n,
      -9007199254740992n
    ])
    expect(column("string")).toEqual([
      "-9223372036854775808",
      "9223372036854775807",
      null,
      "-9007199254740991",
      "-9007199254740992"
    ])
    expect(columnOf(server, "integers", protocol, "big_unsigned", { bigint: "string" })[1]).toBe("18446744073709551615")
    expect(columnOf(server, "integers", protocol, "ordinary", { bigint: "bigint" })[1]).toBe(2147483647)
  })

  it("TINYINT(1) by option, and no other TINYINT", () => {
    const decoding = { tinyint1: "boolean" } as const
    expect(columnOf(server, "integers", protocol, "flag", decoding)).toEqual([false, true, null, true, true])
    expect(columnOf(server, "integers", protocol, "tiny", decoding)).toEqual([-128, 127, null, -1, 1])
  })

  it("FLOAT is the shortest number that is the same float; as text the server has rounded it to six digits", () => {
    expect(columnOf(server, "reals", protocol, "f")).toEqual([
      1.5,
      -1.1,
      null,
      0,
      protocol === "binary" ? 3.402823e38 : 3.40282e38
    ])
  })

  it("DOUBLE", () => {
    expect(columnOf(server, "reals", protocol, "d")).toEqual([
      0.1,
      -Number.MAX_VALUE,
      null,
      2.2250738585072014e-308,
      123456789012345680
    ])
  })

  it("DECIMAL comes with all its digits, or as BigDecimal", () => {
    expect(columnOf(server, "reals", protocol, "n")).toEqual([
      "12345678901234567890123456789012345.123456789012345678901234567890",
      "-0.000000000000000000000000000001",
      null,
      "0.000000000000000000000000000000",
      "-99999999999999999999999999999999999.999999999999999999999999999999"
    ])
    expect(columnOf(server, "reals", protocol, "u")).toEqual(["99999999.99", "0.00", null, "1.50", "0.01"])
    expect(columnOf(server, "reals", protocol, "u", { decimal: "BigDecimal" })).toEqual([
      BigDecimal.make(9999999999n, 2),
      BigDecimal.make(0n, 2),
      null,
      BigDecimal.make(150n, 2),
      BigDecimal.make(1n, 2)
    ])
  })

  it("strings and bytes", () => {
    const [first, second, third] = rowsOf(server, "strings", protocol)
    expect(first).toEqual({
      id: 1,
      fixed: "abc",
      variable: "ü € 😀",
      long_text: "long ".repeat(60),
      fixed_bytes: Uint8Array.of(0x61, 0x62, 0, 0),
      variable_bytes: Uint8Array.of(0, 0xff, 0x27),
      long_bytes: Uint8Array.of(0, 1, 2, 3, 4),
      choice: "größer",
      choices: "x,z",
      bit_1: Uint8Array.of(1),
      bit_17: Uint8Array.of(1, 0, 1),
      // Spatial reference 0, little endian, a point, 1 and -2.
      shape: new Uint8Array(
        Buffer.from("00000000" + "01" + "01000000" + "000000000000f03f" + "00000000000000c0", "hex")
      )
    })
    expect(second).toMatchObject({
      fixed: "",
      variable: "",
      long_text: "",
      fixed_bytes: new Uint8Array(4),
      variable_bytes: new Uint8Array(0),
      choice: "small",
      choices: "",
      bit_1: Uint8Array.of(0),
      bit_17: new Uint8Array(3)
    })
    expect(Object.values(third!).slice(1)).toEqual(Array.from({ length: 11 }, () => null))
  })

  it("SET and BIT(1) by option", () => {
    expect(columnOf(server, "strings", protocol, "choices", { set: "array" })).toEqual([["x", "z"], [], null])
    expect(columnOf(server, "strings", protocol, "bit_1", { bit1: "boolean" })).toEqual([true, false, null])
    expect(columnOf(server, "strings", protocol, "bit_17", { bit1: "boolean" })[0]).toEqual(Uint8Array.of(1, 0, 1))
  })

  it("bytes are copies that outlive the receive buffer", () => {
    const recorded = session(server, "types")
    const { command, response } = exchange(recorded, "strings text")
    const chunk = bytes(response)
    const reply = replay([chunk], { command, capabilities: recorded.capabilities, shape: "object" })
    chunk.fill(0xee)
    expect(reply.results[0]!.rows[0]).toMatchObject({ variable: "ü € 😀", long_bytes: Uint8Array.of(0, 1, 2, 3, 4) })
  })

  it("DATE is a string, or a Date at midnight UTC whatever the session's offset", () => {
    expect(columnOf(server, "temporals", protocol, "day", { invalidDate: "null" })).toEqual([
      "2024-02-29",
      "9999-12-31",
      "1000-01-01",
      "0000-00-00",
      "2023-02-30",
      null
    ])
    const decoding = { date: "Date", invalidDate: "null" } as const
    const days = rowsOf(server, "temporals", protocol, { decoding, offsetMinutes: 120 }).map(({ day }) => day)
    expect(days).toEqual([
      new Date("2024-02-29T00:00:00Z"),
      new Date("9999-12-31T00:00:00Z"),
      new Date("1000-01-01T00:00:00Z"),
      null,
      null,
      null
    ])
  })

  it("DATETIME is a Date, cut to milliseconds", () => {
    expect(columnOf(server, "temporals", protocol, "moment_6", { invalidDate: "null" })).toEqual([
      new Date("2024-02-29T23:59:58.123Z"),
      new Date("9999-12-31T23:59:59.999Z"),
      new Date("1969-12-31T23:59:59.000Z"),
      null,
      null,
      null
    ])
  })

  it.each([
    [120, "2024-02-29T21:59:58.000Z"],
    [-330, "2024-03-01T05:29:58.000Z"]
  ])("DATETIME of a session %d minutes ahead of UTC", (offsetMinutes, expected) => {
    const rows = rowsOf(server, "temporals", protocol, { decoding: { invalidDate: "null" }, offsetMinutes })
    expect(rows[0]!.moment).toEqual(new Date(expected))
  })

  it("DATETIME and TIMESTAMP as strings keep what was sent, with as many digits as the column has", () => {
    const decoding = { dateTime: "string" } as const
    expect(columnOf(server, "temporals", protocol, "moment_6", decoding)).toEqual([
      "2024-02-29 23:59:58.123456",
      "9999-12-31 23:59:59.999999",
      "1969-12-31 23:59:59.000001",
      "0000-00-00 00:00:00.000000",
      "2024-00-00 00:00:00.000000",
      null
    ])
    expect(columnOf(server, "temporals", protocol, "stamp_3", decoding)).toEqual([
      "2024-02-29 23:59:58.123",
      "2038-01-19 03:14:07.000",
      "1970-01-01 00:00:01.000",
      "0000-00-00 00:00:00.000",
      null,
      null
    ])
    expect(columnOf(server, "temporals", protocol, "moment", decoding)[0]).toBe("2024-02-29 23:59:58")
  })

  it("DATETIME as DateTime", () => {
    const decoding = { dateTime: "DateTime", invalidDate: "null" } as const
    const [first, , , zero] = columnOf(server, "temporals", protocol, "moment_6", decoding)
    expect(first).toEqual(DateTime.makeUnsafe("2024-02-29T23:59:58.123Z"))
    expect(zero).toBeNull()
  })

  it("a zero or impossible date is a DecodeError that names the column and the value", () => {
    expect(() => rowsOf(server, "temporals", protocol)).toThrow(
      'Column "moment" of type DATETIME: 0000-00-00 00:00:00 is not a date that exists'
    )
    expect(() => rowsOf(server, "temporals", protocol, { decoding: { date: "Date" } })).toThrow(
      'Column "day" of type DATE'
    )
  })

  it("TIME is a string, negative and beyond a day too", () => {
    expect(columnOf(server, "temporals", protocol, "clock", { invalidDate: "null" })).toEqual([
      "23:59:58",
      "838:59:59",
      "-838:59:59",
      "00:00:00",
      "24:00:00",
      null
    ])
    expect(columnOf(server, "temporals", protocol, "clock_6", { invalidDate: "null" })).toEqual([
      "23:59:58.123456",
      "838:59:58.999999",
      "-00:00:00.000001",
      "00:00:00.000000",
      "-24:00:00.500000",
      null
    ])
  })

  it("TIME as Duration", () => {
    const decoding = { time: "Duration", invalidDate: "null" } as const
    expect(columnOf(server, "temporals", protocol, "clock_6", decoding)).toEqual([
      Duration.nanos(86_398_123_456_000n),
      Duration.nanos(3_020_398_999_999_000n),
      Duration.nanos(-1000n),
      Duration.zero,
      Duration.nanos(-86_400_500_000_000n),
      null
    ])
  })

  it("JSON is parsed, its integers keep every digit", () => {
    expect(columnOf(server, "documents", protocol, "doc")).toEqual([
      { a: [1, 2.5, null, true], ü: "€" },
      [9007199254740991, 9007199254740993n, -9223372036854775808n, 18446744073709551615n],
      "text",
      null
    ])
    expect(columnOf(server, "documents", protocol, "doc", { json: "text" }).slice(2)).toEqual(['"text"', null])
  })
})

describe.each(
  mariaDbs.flatMap(
    (server) =>
      [
        [server, "text"],
        [server, "binary"]
      ] as ReadonlyArray<[string, Protocol]>
  )
)("%s, %s protocol", (server, protocol) => {
  it("UUID and internet addresses are strings", () => {
    expect(rowsOf(server, "named", protocol)).toEqual([
      { id: 1, u: "6ccd780c-baba-1026-9564-5b8c656024db", six: "2001:db8::ff00:42:8329", four: "192.0.2.1" },
      { id: 2, u: null, six: "::", four: "0.0.0.0" }
    ])
  })
})

describe("VECTOR", () => {
  it.each(["text", "binary"] as const)("of MySQL is a Float32Array, %s protocol", (protocol) => {
    expect(columnOf("mysql-9.7", "vectors", protocol, "v")).toEqual([
      new Float32Array([1, -0.5, 3.25]),
      new Float32Array([0, 1e10, -1])
    ])
  })

  it.each(["text", "binary"] as const)("of MariaDB is not told from VARBINARY, %s protocol", (protocol) => {
    expect(columnOf("mariadb-11.8", "vectors", protocol, "v")[0]).toEqual(
      new Uint8Array(Buffer.from("0000803f" + "000000bf" + "00005040", "hex"))
    )
  })
})

it("the sessions are of three servers", () => {
  expect(servers.filter((server) => hasSession(server, "types"))).toEqual([
    "mariadb-10.11",
    "mariadb-11.8",
    "mysql-9.7"
  ])
})
