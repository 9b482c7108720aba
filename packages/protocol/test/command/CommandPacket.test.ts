/**
 * What a server does not take from a client, byte by byte.
 */
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as CommandPacket from "../../src/command/CommandPacket.ts"
import { Flag } from "../../src/connect/Capabilities.ts"
import { hex } from "../support/wire.ts"

const withAttributes = Flag.QUERY_ATTRIBUTES

const read = (flags: number, packet: string, statement?: CommandPacket.Statement) =>
  CommandPacket.decode(hex(packet), { capabilities: { flags, extended: 0 }, statements: () => statement })

/** COM_STMT_EXECUTE of the statement 7, up to what depends on it. */
const execute = (flags = "00", iterations = "01000000") => `17 07000000 ${flags} ${iterations}`

describe("a command that is refused", () => {
  it.each<
    [name: string, flags: number, packet: string, statement: CommandPacket.Statement | undefined, expected: string]
  >([
    ["a query with two sets of attributes", withAttributes, "03 00 02 444f", undefined, "one set of attributes"],
    ["a query with none", withAttributes, "03 00 00 444f", undefined, "one set of attributes"],
    ["an execution that is repeated", 0, execute("00", "02000000"), undefined, "one iteration"],
    [
      "fewer parameters than the statement has",
      withAttributes,
      `${execute("08")} 01 00 01 0800 00 0100000000000000`,
      { parameterCount: 2 },
      "2 parameters"
    ],
    ["types that neither follow nor do not", 0, `${execute()} 00 02`, { parameterCount: 1 }, "0 or 1"],
    ["no types, and none known", 0, `${execute()} 00 00`, { parameterCount: 1 }, "types of parameters"],
    [
      "no types, and those of another number of parameters known",
      0,
      `${execute()} 00 00`,
      { parameterCount: 1, types: [8, 8] },
      "types of parameters"
    ],
    [
      "an attribute whose name is not told again",
      withAttributes,
      `${execute("08")} 02 00 00 05 06`,
      { parameterCount: 1, types: [1, 1] },
      "a name"
    ],
    [
      "an attribute as long data",
      withAttributes,
      `${execute("08")} 01 00 01 fd00 01 61`,
      { parameterCount: 0, longData: new Set([0]) },
      "a value"
    ],
    ["a value of the type NULL that is none", 0, `${execute()} 00 01 0600`, { parameterCount: 1 }, "a value of a type"],
    ["a bulk execution of an unknown statement", 0, "fa 07000000 8000", undefined, "a statement with parameters"],
    ["a bulk execution without types", 0, "fa 07000000 0000 00 01", { parameterCount: 1 }, "types of parameters"],
    ["a bulk value of an unknown kind", 0, "fa 07000000 8000 0100 04", { parameterCount: 1 }, "an indicator of 0 to 3"],
    ["a date of five bytes", 0, `${execute()} 00 01 0a00 05`, { parameterCount: 1 }, "0, 4, 7 or 11 bytes"],
    ["a time of four bytes", 0, `${execute()} 00 01 0b00 04`, { parameterCount: 1 }, "0, 8 or 12 bytes"],
    ["digits that are none", 0, `${execute()} 00 01 f600 01 ff`, { parameterCount: 1 }, "digits"],
    ["a ping with something behind it", 0, "0e 00", undefined, "the end of the packet"]
  ])("%s", (_name, flags, packet, statement, expected) => {
    const failure = Result.getOrThrow(Result.flip(read(flags, packet, statement)))
    expect(failure).toMatchObject({ _tag: "ProtocolError", phase: "command" })
    expect(failure.expected).toContain(expected)
  })

  it("what is not known is no mistake: a server answers that it does not know it", () => {
    expect(read(0, "2a 01 02")).toEqual(Result.succeed({ _tag: "Unknown", code: 0x2a }))
  })
})

const letter = { _tag: "Text", value: "a" }

describe("values in their shortest forms", () => {
  it.each<[name: string, value: string, expected: object]>([
    ["no date", "0a00 00", { _tag: "Date", year: 0, month: 0, day: 0 }],
    ["midnight", "0c00 04 ea07 0b 1a", { _tag: "DateTime", day: 26, hour: 0, micros: 0, timestamp: false }],
    ["to the second", "0700 07 ea07 0b 1a 10 20 1e", { _tag: "DateTime", hour: 16, second: 30, timestamp: true }],
    ["no time", "0b00 00", { _tag: "Time", micros: 0n }],
    ["a negative time", "0b00 08 01 01000000 00 00 01", { _tag: "Time", micros: -86_401_000_000n }],
    ["a VARCHAR", "0f00 01 61", letter],
    ["a VARCHAR with a variable length", "fd00 01 61", letter],
    ["a CHAR", "fe00 01 61", letter],
    ["an ENUM", "f700 01 61", letter],
    ["a SET", "f800 01 61", letter],
    ["JSON", "f500 01 61", letter],
    ["a BIT", "1000 01 05", { _tag: "Bytes", value: Uint8Array.of(5) }],
    ["a YEAR", "0d80 ea07", { _tag: "Integer", value: 2026, unsigned: true }],
    ["a negative INT", "0300 ffffffff", { _tag: "Integer", value: -1, unsigned: false }],
    ["a FLOAT", "0400 0000c03f", { _tag: "Float", value: 1.5 }],
    ["a large BIGINT UNSIGNED", "0880 ffffffffffffffff", { _tag: "Integer", value: 2n ** 64n - 1n, unsigned: true }]
  ])("%s", (_name, value, expected) => {
    const decoded = Result.getOrThrow(read(0, `${execute()} 00 01 ${value}`, { parameterCount: 1 }))
    expect(decoded).toMatchObject({ _tag: "Execute", parameters: [expected] })
  })
})
