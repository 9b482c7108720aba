import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { symbolOf } from "../../src/ErrorCode.ts"
import * as Err from "../../src/reply/Err.ts"
import { bytes, exchange, payloads, servers, session } from "../support/fixture.ts"
import { hex } from "../support/wire.ts"

describe("decode", () => {
  it.each<[name: string, packet: string, expected: Err.Err]>([
    [
      "the manual's example",
      "ff 4804 23 4859303030 4e6f207461626c65732075736564",
      { errno: 1096, sqlState: "HY000", message: "No tables used" }
    ],
    [
      "before the login there is no SQLSTATE",
      "ff 1004 546f6f206d616e7920636f6e6e656374696f6e73",
      { errno: 1040, sqlState: "HY000", message: "Too many connections" }
    ],
    ["a message that begins with #", "ff 1004 23616263", { errno: 1040, sqlState: "HY000", message: "#abc" }],
    ["no message", "ff 2804 23 3432303030", { errno: 1064, sqlState: "42000", message: "" }],
    ["neither", "ff 1504", { errno: 1045, sqlState: "HY000", message: "" }],
    ["a message beyond ASCII", "ff 1504 23 3238303030 c3bce282ac", { errno: 1045, sqlState: "28000", message: "ü€" }],
    ["the highest number", "ff ffff 23 4859303030 21", { errno: 65535, sqlState: "HY000", message: "!" }]
  ])("%s", (_name, packet, expected) => {
    expect(Err.decode(hex(packet))).toEqual(Result.succeed(expected))
  })

  it.each([
    ["nothing", ""],
    ["one byte", "ff"],
    ["two bytes", "ff15"],
    ["another packet", "00 0000"]
  ])("%s is a ProtocolError", (_name, packet) => {
    expect(Err.decode(hex(packet))).toMatchObject({ failure: { _tag: "ProtocolError", phase: "ERR" } })
  })

  it.each(servers)("as %s sends it", (server) => {
    const recorded = session(server, "replies")
    const errOf = (name: string) => Err.decode(payloads(bytes(exchange(recorded, name).response))[0]!)
    expect(errOf("syntax error")).toMatchObject({ success: { errno: 1064, sqlState: "42000" } })
    expect(errOf("init missing database")).toEqual(
      Result.succeed({ errno: 1049, sqlState: "42000", message: "Unknown database 'effect_mysql_missing'" })
    )
  })
})

describe("encode", () => {
  it("writes number, state and message", () => {
    expect(Err.encode({ errno: 1096, sqlState: "HY000", message: "No tables used" }).payload().toString("hex")).toBe(
      "ff4804" + "234859303030" + "4e6f207461626c65732075736564"
    )
  })

  it.each(servers)("writes what %s had sent", (server) => {
    const [sent] = payloads(bytes(exchange(session(server, "replies"), "syntax error").response))
    expect(
      Err.encode(Result.getOrThrow(Err.decode(sent!)))
        .payload()
        .equals(sent!)
    ).toBe(true)
  })
})

describe("symbolOf", () => {
  it.each([
    [1062, "ER_DUP_ENTRY"],
    [1064, "ER_PARSE_ERROR"],
    [1205, "ER_LOCK_WAIT_TIMEOUT"],
    [1213, "ER_LOCK_DEADLOCK"],
    [1317, "ER_QUERY_INTERRUPTED"],
    [1452, "ER_NO_REFERENCED_ROW_2"],
    [64000, "ERROR_64000"]
  ])("%d is %s, whoever says so", (errno, symbol) => {
    expect(symbolOf(errno)).toBe(symbol)
    expect(symbolOf(errno, "mysql")).toBe(symbol)
    expect(symbolOf(errno, "mariadb")).toBe(symbol)
  })

  it.each([
    [1927, "ERROR_1927", "ER_CONNECTION_KILLED"],
    [1969, "ERROR_1969", "ER_STATEMENT_TIMEOUT"],
    [3024, "ER_QUERY_TIMEOUT", "ER_UNUSED_1"],
    [4031, "ER_CLIENT_INTERACTION_TIMEOUT", "ER_REFERENCED_TRG_DOES_NOT_EXIST"]
  ])("%d is %s on MySQL, %s on MariaDB, and no name where the product is not known", (errno, mysql, mariadb) => {
    expect(symbolOf(errno, "mysql")).toBe(mysql)
    expect(symbolOf(errno, "mariadb")).toBe(mariadb)
    expect(symbolOf(errno)).toBe(`ERROR_${errno}`)
  })
})
