import { describe, expect, it } from "vitest"
import { ColumnType } from "../../src/ColumnType.ts"
import { ExtendedFlag, Flag } from "../../src/connect/Capabilities.ts"
import { ProtocolError } from "../../src/ProtocolError.ts"
import { byteByByte, type ReplayOptions, replay } from "../support/replay.ts"
import {
  type ColumnOfTest,
  columnDefinition,
  endOfRows,
  eof,
  frame,
  frames,
  hex,
  ok,
  textRow
} from "../support/wire.ts"

const deprecateEof = { flags: Flag.PROTOCOL_41 | Flag.DEPRECATE_EOF | Flag.SESSION_TRACK, extended: 0 }
const withEof = { flags: Flag.PROTOCOL_41, extended: 0 }
const cached = { flags: deprecateEof.flags, extended: ExtendedFlag.CACHE_METADATA }

interface Hostile {
  readonly name: string
  /** Payloads, from sequence number 1 on; or frames. */
  readonly packets: ReadonlyArray<Buffer> | { readonly framed: Buffer }
  readonly command?: ReplayOptions["command"] | undefined
  readonly capabilities?: ReplayOptions["capabilities"] | undefined
  readonly problem: Partial<ProtocolError>
}

const column = (of: Partial<ColumnOfTest> = {}): Buffer => columnDefinition({ name: "c", ...of })
const int = { type: ColumnType.LONG, collation: 63 } as const

/** A packet that follows the hostile one in the same chunk: nothing of it may show up in a value. */
const neighbour = textRow("SECRET OF THE NEXT PACKET")

const rowCases = (name: string, codeGenerated: boolean): ReadonlyArray<Hostile> => {
  // Enough rows that the generated decoder is at work, where it is.
  const rows = (row: Buffer): ReadonlyArray<Buffer> => Array.from({ length: codeGenerated ? 150 : 0 }, () => row)
  const text = (columns: ReadonlyArray<Buffer>, good: Buffer, bad: Buffer): ReadonlyArray<Buffer> => [
    Buffer.of(columns.length),
    ...columns,
    ...rows(good),
    bad,
    neighbour
  ]
  const oneText = (bad: Buffer) => text([column()], textRow("a"), bad)
  const twoTexts = (bad: Buffer) => text([column(), column({ name: "d" })], textRow("a", "b"), bad)
  const oneBinary = (of: Partial<ColumnOfTest>, good: Buffer, bad: Buffer) => text([column(of)], good, bad)
  const goodInt = hex("00 00 01000000")
  const overrun = { phase: "row", expected: "a value for each column", got: "the end of the packet" }
  const execute = "execute" as const
  return [
    { name: "a text longer than the packet", packets: oneText(hex("05 6162")), problem: overrun },
    { name: "a text of 2^16-1 bytes", packets: oneText(hex("fc ffff 61")), problem: overrun },
    { name: "a text of 2^24-1 bytes", packets: oneText(hex("fd ffffff 61")), problem: overrun },
    { name: "a text of 2^32-1 bytes", packets: twoTexts(hex("00 fe ffffffff00000000 61")), problem: overrun },
    { name: "a text of 2^64-1 bytes", packets: twoTexts(hex("00 fe ffffffffffffffff 61")), problem: overrun },
    { name: "half a length", packets: oneText(hex("fc 05")), problem: overrun },
    { name: "half a length of eight bytes", packets: twoTexts(hex("00 fe 05000000000000")), problem: overrun },
    { name: "too few columns", packets: twoTexts(textRow("a")), problem: overrun },
    { name: "too few columns, the last NULL", packets: twoTexts(textRow(null)), problem: overrun },
    { name: "extra bytes", packets: oneText(hex("01 61 00")), problem: { phase: "row", got: "1 bytes more" } },
    { name: "a column too many", packets: oneText(textRow("a", null)), problem: { phase: "row", got: "1 bytes more" } },
    {
      name: "a binary row without its header",
      command: execute,
      packets: oneBinary(int, goodInt, hex("01 00 01000000")),
      problem: { phase: "binary row", expected: "0x00", got: "0x1" }
    },
    {
      name: "a binary row of its header alone",
      command: execute,
      packets: oneBinary(int, goodInt, hex("00")),
      problem: overrun
    },
    {
      name: "a NULL bitmap that is too short",
      command: execute,
      packets: text(
        Array.from({ length: 7 }, (_, index) => column({ name: `c${index}` })),
        hex("00 fc 01"),
        hex("00 fc")
      ),
      problem: overrun
    },
    {
      name: "a binary value that is cut",
      command: execute,
      packets: oneBinary(int, goodInt, hex("00 00 010000")),
      problem: overrun
    },
    {
      name: "a binary row with extra bytes",
      command: execute,
      packets: oneBinary(int, goodInt, hex("00 00 01000000 00")),
      problem: { phase: "row", got: "1 bytes more" }
    },
    {
      name: "a binary text longer than the packet",
      command: execute,
      packets: oneBinary({}, hex("00 00 01 61"), hex("00 00 09 61")),
      problem: overrun
    },
    {
      name: "a binary DATE of 200 bytes that are not there",
      command: execute,
      packets: oneBinary({ type: ColumnType.DATE }, hex("00 00 00"), hex("00 00 c8 e807 02 1d")),
      problem: overrun
    }
  ].map((hostile) => ({ ...hostile, name: `${hostile.name} (${name})` }))
}

const cases: ReadonlyArray<Hostile> = [
  ...rowCases("loop", false),
  ...rowCases("generated", true),
  {
    name: "an empty packet where a reply is due",
    packets: [hex("")],
    problem: { phase: "reply", got: "an empty packet" }
  },
  {
    name: "an empty packet among the rows",
    packets: [hex("01"), column(), hex(""), neighbour],
    problem: { phase: "reply", expected: "a row" }
  },
  {
    name: "an empty packet behind which the next begins with 0xfe",
    packets: { framed: Buffer.concat([frames(1, hex("01"), column(), hex("")), hex("fe000004")]) },
    problem: { phase: "reply", expected: "a row", got: "an empty packet" }
  },
  {
    name: "an empty packet in place of a column",
    packets: [hex("01"), hex("")],
    problem: { phase: "column definition" }
  },
  {
    name: "2^48 columns",
    packets: [hex("fe 0000000000000100")],
    problem: { phase: "column count", got: "281474976710656" }
  },
  { name: "2^64-1 columns", packets: [hex("fe ffffffffffffffff")], problem: { phase: "column count" } },
  { name: "65,536 columns", packets: [hex("fd 000001")], problem: { phase: "column count", got: "65536" } },
  { name: "no columns", packets: [hex("fc 0000")], problem: { phase: "column count", got: "0" } },
  {
    name: "a count with something behind it",
    packets: [hex("01 00")],
    problem: { phase: "column count", got: "1 bytes more" }
  },
  {
    name: "a count without the word on metadata",
    packets: [hex("01")],
    capabilities: cached,
    problem: { phase: "column count" }
  },
  {
    name: "metadata left out that nobody knows",
    packets: [hex("01 00")],
    capabilities: cached,
    problem: { expected: "column definitions", got: "none, and none are known" }
  },
  {
    name: "a request for a local file that nobody offered",
    packets: [hex("fb 2f6574632f706173737764")],
    problem: { phase: "reply", got: "a request for a local file, which nobody offered" }
  },
  {
    name: "half a column definition",
    packets: [hex("01"), column().subarray(0, 9)],
    problem: { phase: "column definition" }
  },
  {
    name: "a row in place of a column",
    packets: [hex("02"), column(), textRow("a", "b")],
    problem: { phase: "column definition" }
  },
  {
    name: "a row where the columns end with EOF",
    packets: [hex("01"), column(), textRow("a")],
    capabilities: withEof,
    problem: { phase: "EOF", expected: "0xfe" }
  },
  {
    name: "an OK among rows that end with EOF",
    packets: [hex("01"), column(), eof(), ok()],
    capabilities: withEof,
    problem: { phase: "row", expected: "the end of the packet" }
  },
  { name: "half an OK", packets: [hex("00 00 00 02")], problem: { phase: "OK" } },
  {
    name: "half an OK at the end of rows",
    packets: [hex("01"), column(), hex("fe 00 00")],
    problem: { phase: "end of rows" }
  },
  {
    name: "half an EOF at the end of rows",
    packets: [hex("01"), column(), eof(), hex("fe 00")],
    capabilities: withEof,
    problem: { phase: "end of rows" }
  },
  { name: "an ERR of one byte", packets: [hex("ff")], problem: { phase: "reply" } },
  { name: "an ERR of two bytes", packets: [hex("ff 15")], problem: { phase: "reply" } },
  { name: "an ERR of one byte among the rows", packets: [hex("01"), column(), hex("ff")], problem: { phase: "reply" } },
  {
    name: "half a PREPARE_OK",
    command: "prepare",
    packets: [hex("00 01000000 0000")],
    problem: { phase: "prepare reply" }
  },
  {
    name: "a PREPARE_OK with something behind it",
    command: "prepare",
    packets: [hex("00 01000000 0000 0000 00 0000 00")],
    problem: { phase: "prepare reply", got: "1 bytes more" }
  },
  {
    name: "rows in reply to a prepare",
    command: "prepare",
    packets: [hex("01")],
    problem: { phase: "prepare reply", expected: "0x00 or ERR", got: "0x1" }
  },
  {
    name: "half a definition of a parameter",
    command: "prepare",
    packets: [hex("00 01000000 0000 0100 00 0000"), column().subarray(0, 5)],
    problem: { phase: "parameter definition" }
  },
  {
    name: "rows in reply to a ping",
    command: "plain",
    packets: [hex("01")],
    problem: { phase: "reply", expected: "OK or ERR" }
  },
  {
    name: "an empty packet in reply to a ping",
    command: "plain",
    packets: [hex("")],
    problem: { got: "an empty packet" }
  },
  {
    name: "a wrong sequence number at the start",
    packets: { framed: frame(0, ok()) },
    problem: { phase: "packet header", expected: "sequence number 1", got: "0" }
  },
  {
    name: "a wrong sequence number among the rows",
    packets: { framed: Buffer.concat([frames(1, hex("01"), column(), textRow("a")), frame(5, textRow("b"))]) },
    problem: { phase: "packet header", expected: "sequence number 4", got: "5" }
  },
  {
    name: "a packet of 65 MiB",
    packets: {
      framed: Buffer.concat(Array.from({ length: 4 }, (_, index) => frame(index + 1, Buffer.alloc(0xffffff))))
    },
    command: "query",
    problem: { phase: "packet header", expected: "a packet of at most 67108864 bytes" }
  }
]

const framed = ({ packets }: Hostile): Buffer => ("framed" in packets ? packets.framed : frames(1, ...packets))

describe("a hostile or broken server is a ProtocolError", () => {
  it.each(cases)("$name", (hostile) => {
    const { capabilities = deprecateEof, command, name, problem } = hostile
    const bytes =
      name === "a packet of 65 MiB" ? Buffer.concat([framed(hostile), frame(5, Buffer.alloc(5))]) : framed(hostile)
    const reply = replay([bytes], { capabilities, command, shape: "object" })
    expect(reply.failure).toBeInstanceOf(ProtocolError)
    expect(reply.failure).toMatchObject(problem)
    expect(reply.done).toBe(true)
    expect(JSON.stringify(reply.rows)).not.toContain("SECRET")
    if (bytes.length > 10_000) return
    const slowly = replay(byteByByte(bytes), { capabilities, command, shape: "object" })
    expect(slowly.failure?.message).toBe(reply.failure?.message)
  })
})

describe("more than the servers send, and yet no error", () => {
  it("65,535 columns, over and over", () => {
    const count = 65_535
    const definitions = Array.from({ length: count }, (_, index) => column({ name: `c${index}` }))
    const row = Buffer.alloc(count, 0xfb)
    const rows = Array.from({ length: 101 }, () => row)
    const bytes = frames(1, hex("fc ffff"), ...definitions, ...rows, endOfRows())
    const reply = replay([bytes], { capabilities: deprecateEof, shape: "array" })
    expect(reply.failure).toBeUndefined()
    expect(reply.results[0]?.rows).toHaveLength(101)
  })
})
