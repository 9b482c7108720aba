import { describe, expect, it } from "vitest"
import { ExtendedFlag, Flag, has, hasExtended, negotiate } from "../../src/connect/Capabilities.ts"
import * as HandshakeResponse from "../../src/connect/HandshakeResponse.ts"
import { sized } from "../support/wire.ts"

const flags = Flag.PROTOCOL_41 | Flag.SECURE_CONNECTION

const response = (extra: number, parts: Partial<HandshakeResponse.HandshakeResponse> = {}): string =>
  HandshakeResponse.encode({
    capabilities: { flags: flags | extra, extended: 0 },
    maxPacketBytes: 0x01000000,
    collation: 45,
    username: "ü",
    authPlugin: "mysql_native_password",
    authResponse: Uint8Array.of(1, 2, 3),
    database: undefined,
    connectAttributes: {},
    ...parts
  })
    .payload()
    .toString("hex")

const head = (extra: number): string => {
  const bytes = Buffer.alloc(32)
  bytes.writeUInt32LE((flags | extra) >>> 0, 0)
  bytes.writeUInt32LE(0x01000000, 4)
  bytes[8] = 45
  return bytes.toString("hex")
}

const nul = (text: string): string => `${Buffer.from(text).toString("hex")}00`

describe("Protocol::HandshakeResponse41", () => {
  it.each<[name: string, extra: number, parts: Partial<HandshakeResponse.HandshakeResponse>, tail: string]>([
    ["name and hash", 0, {}, `${nul("ü")}03010203`],
    ["a length-encoded hash", Flag.PLUGIN_AUTH_LENENC, {}, `${nul("ü")}03010203`],
    [
      "a hash of 300 bytes",
      Flag.PLUGIN_AUTH_LENENC,
      { authResponse: Buffer.alloc(300, 7) },
      `${nul("ü")}fc2c01${"07".repeat(300)}`
    ],
    ["no hash", 0, { authResponse: new Uint8Array(0) }, `${nul("ü")}00`],
    ["a database", Flag.CONNECT_WITH_DB, { database: "shop" }, `${nul("ü")}03010203${nul("shop")}`],
    ["the usual level of zstd", Flag.ZSTD_COMPRESSION, {}, `${nul("ü")}0301020303`],
    ["another level of zstd", Flag.ZSTD_COMPRESSION, { zstdLevel: 22 }, `${nul("ü")}0301020316`],
    ["no database where one was agreed on", Flag.CONNECT_WITH_DB, {}, `${nul("ü")}0301020300`],
    ["a database that was not agreed on stays out", 0, { database: "shop" }, `${nul("ü")}03010203`],
    ["a plugin", Flag.PLUGIN_AUTH, {}, `${nul("ü")}03010203${nul("mysql_native_password")}`],
    [
      "attributes",
      Flag.CONNECT_ATTRS,
      { connectAttributes: { a: "1", é: "" } },
      `${nul("ü")}03010203${sized(Buffer.concat([sized("a"), sized("1"), sized("é"), sized("")])).toString("hex")}`
    ],
    ["no attributes", Flag.CONNECT_ATTRS, {}, `${nul("ü")}0301020300`],
    [
      "all of them, in the manual's order",
      Flag.CONNECT_ATTRS | Flag.PLUGIN_AUTH | Flag.CONNECT_WITH_DB,
      { database: "shop", connectAttributes: { a: "1" } },
      `${nul("ü")}03010203${nul("shop")}${nul("mysql_native_password")}0401610131`
    ]
  ])("%s", (_name, extra, parts, tail) => {
    expect(response(extra, parts)).toBe(head(extra) + tail)
  })

  it("MariaDB's flags stand in the last four of the reserved bytes", () => {
    const bytes = response(0, { capabilities: { flags, extended: 0x00000018 } })
    expect(bytes.slice(56, 64)).toBe("18000000")
  })
})

it("Protocol::SSLRequest is the head of the response alone", () => {
  const request = HandshakeResponse.encodeTlsRequest({
    capabilities: { flags: flags | Flag.SSL, extended: 0 },
    maxPacketBytes: 0x01000000,
    collation: 45
  })
  expect(request.payload().toString("hex")).toBe(head(Flag.SSL))
})

describe("negotiate", () => {
  const everything = { flags: 0xffffffff, extended: 0xffffffff }
  const mariaDb = { flags: 0xfffffffe, extended: 0xffffffff }
  const off = [
    ["COMPRESS", Flag.COMPRESS],
    ["LOCAL_FILES", Flag.LOCAL_FILES],
    ["MULTI_STATEMENTS", Flag.MULTI_STATEMENTS],
    ["FOUND_ROWS", Flag.FOUND_ROWS],
    ["SSL", Flag.SSL],
    ["IGNORE_SPACE", 1 << 8]
  ] as const

  it.each(off)("%s is off unless it is wished for", (_name, flag) => {
    expect(has(negotiate(everything, 0), flag)).toBe(false)
    if (flag !== 1 << 8) expect(has(negotiate(everything, flag), flag)).toBe(true)
  })

  it("nothing is agreed on that the server does not offer", () => {
    const offered = { flags: Flag.PROTOCOL_41 | Flag.SECURE_CONNECTION, extended: 0 }
    expect(negotiate(offered, Flag.SSL | Flag.MULTI_STATEMENTS)).toEqual(offered)
  })

  it("LONG_PASSWORD tells the products apart, and stays as the server has it", () => {
    expect(has(negotiate(everything, 0), Flag.LONG_PASSWORD)).toBe(true)
    expect(has(negotiate(mariaDb, 0), Flag.LONG_PASSWORD)).toBe(false)
  })

  it("of MariaDB's own flags progress reports are off unless wished for", () => {
    const agreed = negotiate(mariaDb, 0)
    expect(hasExtended(agreed, ExtendedFlag.EXTENDED_METADATA)).toBe(true)
    expect(hasExtended(agreed, ExtendedFlag.CACHE_METADATA)).toBe(true)
    expect(hasExtended(agreed, ExtendedFlag.PROGRESS)).toBe(false)
    expect(hasExtended(agreed, ExtendedFlag.BULK_UNIT_RESULTS)).toBe(true)
  })
})
