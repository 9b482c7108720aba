import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { ColumnFlag, ColumnType, nameOf } from "../../src/ColumnType.ts"
import { ExtendedFlag, Flag } from "../../src/connect/Capabilities.ts"
import * as Column from "../../src/reply/Column.ts"
import { bytes, exchange, mariaDbs, payloads, servers, session } from "../support/fixture.ts"
import { columnDefinition, hex, sized } from "../support/wire.ts"

const plain = { flags: Flag.PROTOCOL_41, extended: 0 }
const extended = { flags: Flag.PROTOCOL_41, extended: ExtendedFlag.EXTENDED_METADATA }

/** Definitions of a table in the recorded types, with the bytes that they came in. */
const definitions = (server: string, table: string) => {
  const recorded = session(server, "types")
  const [count, ...packets] = payloads(bytes(exchange(recorded, `${table} text`).response))
  return packets.slice(0, count![0]).map((packet) => ({
    packet,
    column: Result.getOrThrow(Column.decode(packet, recorded.capabilities)),
    capabilities: recorded.capabilities
  }))
}

const names = (server: string, table: string): Readonly<Record<string, string>> =>
  Object.fromEntries(definitions(server, table).map(({ column }) => [column.name, nameOf(column)]))

describe("decode", () => {
  it("reads every field", () => {
    const packet = Buffer.concat([
      ...["def", "shop", "o", "orders", "total", "sum"].map(sized),
      hex("0c 3f00 43000000 f6 8100 1e 0000")
    ])
    expect(Column.decode(packet, plain)).toEqual(
      Result.succeed({
        name: "total",
        table: "o",
        database: "shop",
        originalName: "sum",
        originalTable: "orders",
        collation: 63,
        length: 67,
        type: ColumnType.NEWDECIMAL,
        flags: ColumnFlag.NOT_NULL | ColumnFlag.BINARY,
        decimals: 30,
        extendedType: undefined,
        format: undefined
      })
    )
  })

  it.each(servers)("reads aliases and originals of %s", (server) => {
    const recorded = session(server, "replies")
    const packet = payloads(bytes(exchange(recorded, "rows").response))[1]!
    expect(Column.decode(packet, recorded.capabilities)).toMatchObject({
      success: { name: "id", table: "t", originalTable: "t", originalName: "id", database: "effect_mysql_fixtures" }
    })
  })

  const extendedDefinition = (metadata: string): Buffer =>
    Buffer.concat([
      ...["def", "", "", "", "c", ""].map(sized),
      sized(hex(metadata)),
      hex("0c 2d00 ff000000 fc 0000 00 0000")
    ])

  it.each<[name: string, metadata: string, expected: Partial<Column.Column>]>([
    ["none", "", { extendedType: undefined, format: undefined }],
    ["a type", "00 04 75756964", { extendedType: "uuid", format: undefined }],
    ["a format", "01 04 6a736f6e", { extendedType: undefined, format: "json" }],
    ["both", "00 04 75756964 01 04 6a736f6e", { extendedType: "uuid", format: "json" }],
    ["a kind that is not known", "07 01 61 00 04 75756964", { extendedType: "uuid" }]
  ])("extended metadata: %s", (_name, metadata, expected) => {
    expect(Column.decode(extendedDefinition(metadata), extended)).toMatchObject({ success: expected })
  })

  it("extended metadata that run out of their block are a ProtocolError", () => {
    expect(Result.isFailure(Column.decode(extendedDefinition("00 09 75756964"), extended))).toBe(true)
  })

  it.each([
    ["plain", columnDefinition({ name: "c" }), plain],
    ["extended", extendedDefinition("00 04 75756964"), extended]
  ] as const)("cut anywhere it is a ProtocolError (%s)", (_name, packet, capabilities) => {
    for (let end = 0; end < packet.length; end++) {
      expect(Column.decode(packet.subarray(0, end), capabilities)).toMatchObject({
        failure: { _tag: "ProtocolError", phase: "column definition" }
      })
    }
  })

  it.each([
    ["a byte more", Buffer.concat([columnDefinition({ name: "c" }), hex("00")])],
    ["an extended one where a plain one was agreed on", extendedDefinition("00 04 75756964")],
    [
      "fixed fields of another length",
      Buffer.concat([...["def", "", "", "", "c", ""].map(sized), hex("0d"), Buffer.alloc(13)])
    ]
  ])("%s is a ProtocolError", (_name, packet) => {
    expect(Result.isFailure(Column.decode(packet, plain))).toBe(true)
  })
})

describe.each(servers)("encode writes what %s sent", (server) => {
  it.each(["integers", "strings", "temporals", "documents"])("%s", (table) => {
    for (const { capabilities, column, packet } of definitions(server, table)) {
      expect(Column.encode(column, capabilities).payload().toString("hex")).toBe(packet.toString("hex"))
    }
  })
})

it.each(mariaDbs)("encode writes names of types as %s does", (server) => {
  for (const { capabilities, column, packet } of definitions(server, "named")) {
    expect(Column.encode(column, capabilities).payload().toString("hex")).toBe(packet.toString("hex"))
  }
})

describe.each(servers)("types by name, of %s", (server) => {
  it("integers", () => {
    expect(names(server, "integers")).toEqual({
      id: "INT",
      tiny: "TINYINT",
      tiny_unsigned: "TINYINT UNSIGNED",
      small: "SMALLINT",
      small_unsigned: "SMALLINT UNSIGNED",
      medium: "MEDIUMINT",
      medium_unsigned: "MEDIUMINT UNSIGNED",
      ordinary: "INT",
      ordinary_unsigned: "INT UNSIGNED",
      big: "BIGINT",
      big_unsigned: "BIGINT UNSIGNED",
      flag: "TINYINT",
      filled: "INT UNSIGNED",
      year_: "YEAR"
    })
  })

  it("reals", () => {
    expect(names(server, "reals")).toEqual({ id: "INT", f: "FLOAT", d: "DOUBLE", n: "DECIMAL", u: "DECIMAL UNSIGNED" })
  })

  it("strings and bytes", () => {
    expect(names(server, "strings")).toEqual({
      id: "INT",
      fixed: "CHAR",
      variable: "VARCHAR",
      long_text: "TEXT",
      fixed_bytes: "BINARY",
      variable_bytes: "VARBINARY",
      long_bytes: "BLOB",
      choice: "ENUM",
      choices: "SET",
      bit_1: "BIT",
      bit_17: "BIT",
      shape: server.startsWith("mariadb") ? "POINT" : "GEOMETRY"
    })
  })

  it("dates, times, documents", () => {
    expect(names(server, "temporals")).toEqual({
      id: "INT",
      day: "DATE",
      moment: "DATETIME",
      moment_6: "DATETIME",
      stamp_3: "TIMESTAMP",
      clock: "TIME",
      clock_6: "TIME"
    })
    expect(names(server, "documents")).toEqual({ id: "INT", doc: "JSON" })
  })
})

it.each(mariaDbs)("MariaDB's own types by name, of %s", (server) => {
  expect(names(server, "named")).toEqual({ id: "INT", u: "UUID", six: "INET6", four: "INET4" })
})

it("a type that is not known has a name too", () => {
  const column = Result.getOrThrow(Column.decode(columnDefinition({ name: "c", type: 0x42 }), plain))
  expect(nameOf(column)).toBe("UNKNOWN(66)")
})
