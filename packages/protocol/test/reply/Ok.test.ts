import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { Flag } from "../../src/connect/Capabilities.ts"
import * as Ok from "../../src/reply/Ok.ts"
import type * as SessionTrack from "../../src/reply/SessionTrack.ts"
import { ServerStatus } from "../../src/ServerStatus.ts"
import { bytes, exchange, payloads, servers, session } from "../support/fixture.ts"
import { hex, sized } from "../support/wire.ts"

const tracking = { flags: Flag.PROTOCOL_41 | Flag.SESSION_TRACK, extended: 0 }
const plain = { flags: Flag.PROTOCOL_41, extended: 0 }

const recordedOk = (server: string, sessionName: string, name: string): Ok.Ok => {
  const recorded = session(server, sessionName)
  const [packet] = payloads(bytes(exchange(recorded, name).response))
  return Result.getOrThrow(Ok.decode(packet!, recorded.capabilities))
}

describe.each(servers)("recorded of %s", (server) => {
  it.each(["replies", "replies-eof"])('an insert tells rows, first id and info (session "%s")', (sessionName) => {
    expect(recordedOk(server, sessionName, "insert")).toEqual({
      affectedRows: 4,
      insertId: 1,
      status: ServerStatus.autocommit,
      warningCount: 0,
      info: "Records: 4  Duplicates: 0  Warnings: 0",
      changes: []
    })
  })

  const changes = (name: string): ReadonlyArray<SessionTrack.Change> =>
    // MySQL counts statements in a variable; it is told with everything.
    recordedOk(server, "tracking", name).changes.filter(
      (change) => !(change._tag === "SystemVariable" && change.name === "statement_id")
    )

  it("USE tells the database", () => {
    expect(changes("use")).toEqual([{ _tag: "Database", name: "effect_mysql_fixtures" }, { _tag: "State" }])
  })

  it("SET tells each variable and its value", () => {
    const found = changes("set")
    expect(found).toContainEqual({ _tag: "SystemVariable", name: "sql_mode", value: "ANSI_QUOTES" })
    expect(found).toContainEqual({ _tag: "SystemVariable", name: "time_zone", value: "+02:00" })
    expect(found.filter(({ _tag }) => _tag === "SystemVariable")).toHaveLength(2)
  })

  it("SET NAMES tells three variables", () => {
    expect(
      changes("set names")
        .flatMap((change) => (change._tag === "SystemVariable" ? [change.name] : []))
        .sort()
    ).toEqual(["character_set_client", "character_set_connection", "character_set_results"])
  })

  it("a user variable shows as a state change only", () => {
    expect(changes("user variable")).toEqual([{ _tag: "State" }])
  })

  it("BEGIN shows in the status", () => {
    expect(recordedOk(server, "tracking", "begin").status & ServerStatus.inTransaction).toBe(ServerStatus.inTransaction)
    expect(recordedOk(server, "tracking", "user variable").status & ServerStatus.inTransaction).toBe(0)
  })
})

it("MariaDB's status tells ANSI_QUOTES, MySQL's does not", () => {
  for (const server of servers) {
    const { status } = recordedOk(server, "tracking", "set")
    expect((status & ServerStatus.ansiQuotes) !== 0).toBe(server.startsWith("mariadb"))
  }
})

describe("by hand", () => {
  const decode = (packet: string, capabilities = tracking) => Ok.decode(hex(packet), capabilities)
  const known = { affectedRows: 1, insertId: 2, status: 2, warningCount: 3, info: "", changes: [] }

  it.each<[name: string, packet: string, expected: Partial<Ok.Ok>]>([
    ["of the least size", "00 01 02 0200 0300", known],
    ["as the end of rows", "fe 01 02 0200 0300", known],
    ["with an empty info", "00 01 02 0200 0300 00", known],
    ["with an info", "00 01 02 0200 0300 03616263", { ...known, info: "abc" }],
    ["with something after it", "00 01 02 0200 0300 00 ffff", known],
    [
      "with the largest counts",
      "00 feffffffffffffffff feffffffffffffffff 0200 ffff",
      { affectedRows: 18446744073709551615n, insertId: 18446744073709551615n, warningCount: 65535 }
    ],
    ["changes that are announced and not there", "00 01 02 0240 0300 00", { ...known, status: 0x4002 }],
    [
      "a change of a kind that is not known",
      "00 01 02 0240 0300 00 05 2a 03 010203",
      { changes: [{ _tag: "Other", type: 42, data: Uint8Array.of(1, 2, 3) }] }
    ],
    [
      "two variables in one entry, as MariaDB packs them",
      "00 01 02 0240 0300 00 0a 00 08 0161 0131 0162 0132",
      {
        changes: [
          { _tag: "SystemVariable", name: "a", value: "1" },
          { _tag: "SystemVariable", name: "b", value: "2" }
        ]
      }
    ]
  ])("%s", (_name, packet, expected) => {
    expect(decode(packet)).toMatchObject({ success: expected })
  })

  it("what follows the info is none of ours without session tracking", () => {
    expect(decode("00 01 02 0240 0300 03616263 020200", plain)).toMatchObject({ success: { info: "abc", changes: [] } })
  })

  it("cut anywhere it is a failure, but where the fields that may be missing begin", () => {
    const whole = Buffer.concat([hex("00 01 02 0240 0300"), sized("abc"), sized(hex("01 04 0373686f 02 02 0131"))])
    const complete = new Set([7, 11])
    for (let end = 0; end < whole.length; end++) {
      expect(Result.isSuccess(Ok.decode(whole.subarray(0, end), tracking))).toBe(complete.has(end))
    }
    expect(Ok.decode(whole, tracking)).toMatchObject({
      success: { changes: [{ _tag: "Database", name: "sho" }, { _tag: "State" }] }
    })
  })

  it.each([
    ["an entry longer than its block", "00 01 02 0240 0300 00 03 01 09 00"],
    ["a name longer than its entry", "00 01 02 0240 0300 00 04 01 02 09 61"],
    ["a variable without a value", "00 01 02 0240 0300 00 04 00 02 0161"],
    ["an info longer than the packet", "00 01 02 0200 0300 05 61"],
    ["a length of 2^64-1", "00 01 02 0200 0300 feffffffffffffffff"]
  ])("%s is a failure", (_name, packet) => {
    expect(Result.isFailure(decode(packet))).toBe(true)
  })

  it("another packet is none", () => {
    expect(decode("01 01 02 0200 0300")).toMatchObject({ failure: { expected: "0x00 or 0xfe", got: "0x1" } })
  })
})

describe("encode", () => {
  it.each<[name: string, ok: Parameters<typeof Ok.encode>[0], header: 0x00 | 0xfe, packet: string]>([
    ["plain", { affectedRows: 1, insertId: 2, status: 2, warningCount: 3 }, 0x00, "00010202000300"],
    ["at the end of rows", { affectedRows: 0, insertId: 0, status: 0x22, warningCount: 0 }, 0xfe, "fe000022000000"],
    [
      "large numbers",
      { affectedRows: 18446744073709551615n, insertId: 300, status: 2, warningCount: 0 },
      0x00,
      "00feffffffffffffffff" + "fc2c01" + "02000000"
    ],
    [
      "without changes there is no flag that announces them",
      { affectedRows: 0, insertId: 0, status: 0x4002, warningCount: 0 },
      0x00,
      "00000002000000"
    ]
  ])("%s", (_name, ok, header, packet) => {
    expect(Ok.encode(ok, header).payload().toString("hex")).toBe(packet)
  })
})
