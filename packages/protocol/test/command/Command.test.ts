import { describe, expect, it } from "vitest"
import * as Command from "../../src/command/Command.ts"
import { type Capabilities, Flag } from "../../src/connect/Capabilities.ts"

const withAttributes: Capabilities = { flags: Flag.QUERY_ATTRIBUTES, extended: 0 }

describe("commands by the manual", () => {
  it.each<[name: string, bytes: Buffer, expected: string]>([
    ["COM_QUIT", Command.quit, "01000000" + "01"],
    ["COM_PING", Command.ping, "01000000" + "0e"],
    ["COM_RESET_CONNECTION", Command.resetConnection, "01000000" + "1f"],
    ["COM_QUERY", Command.query("SELECT 1"), "09000000" + "03" + "53454c4543542031"],
    ["COM_QUERY of nothing", Command.query(""), "01000000" + "03"],
    ["COM_QUERY counts bytes, not characters", Command.query("ü😀"), "07000000" + "03" + "c3bcf09f9880"],
    ["COM_STMT_PREPARE", Command.prepare("DO ?"), "05000000" + "16" + "444f203f"],
    ["COM_INIT_DB", Command.initDatabase("shop"), "05000000" + "02" + "73686f70"],
    ["COM_STMT_CLOSE", Command.closeStatement(0xfedcba98), "05000000" + "19" + "98badcfe"],
    ["COM_SET_OPTION, several statements on", Command.setMultiStatements(true), "03000000" + "1b" + "0000"],
    ["COM_SET_OPTION, several statements off", Command.setMultiStatements(false), "03000000" + "1b" + "0100"]
  ])("%s", (_name, bytes, expected) => {
    expect(bytes.toString("hex")).toBe(expected)
  })

  it.each([255, 256, 65_535, 65_536])("a text of %d bytes has its length in the header", (length) => {
    const bytes = Command.query("x".repeat(length - 1))
    expect(bytes.readUIntLE(0, 3)).toBe(length)
    expect(bytes).toHaveLength(length + 4)
  })

  it("a text may be bytes, in the character set of the session", () => {
    expect(Command.query(Uint8Array.of(0xfc)).toString("hex")).toBe("02000000" + "03" + "fc")
  })

  it.each<[name: string, text: string | Uint8Array, agreed: Capabilities | undefined, expected: string]>([
    ["none, and one set of them", "DO 1", withAttributes, "07000000" + "03" + "0001" + "444f2031"],
    ["the same before bytes", Uint8Array.of(0xfc), withAttributes, "04000000" + "03" + "0001" + "fc"],
    ["nothing, where they were not agreed on", "DO 1", { flags: 0, extended: 0 }, "05000000" + "03" + "444f2031"]
  ])("attributes of a query: %s", (_name, text, agreed, expected) => {
    expect(Command.query(text, agreed).toString("hex")).toBe(expected)
  })

  it("a text that fills a frame goes on in an empty one", () => {
    const bytes = Command.query("x".repeat(0xffffff - 1))
    expect(bytes.subarray(0, 5).toString("hex")).toBe("ffffff0003")
    expect(bytes.subarray(-4).toString("hex")).toBe("00000001")
    expect(bytes).toHaveLength(4 + 0xffffff + 4)
  })
})
