import { describe, expect, it } from "vitest"
import { ColumnFlag, ColumnType } from "../../src/ColumnType.ts"
import { Flag } from "../../src/connect/Capabilities.ts"
import { DecodeError } from "../../src/value/DecodeError.ts"
import { type ReplayOptions, replay } from "../support/replay.ts"
import { type ColumnOfTest, columnDefinition, endOfRows, frames, hex, textRow } from "../support/wire.ts"

const capabilities = { flags: Flag.PROTOCOL_41 | Flag.DEPRECATE_EOF, extended: 0 }
const int = { type: ColumnType.LONG, collation: 63 } as const

describe("a value that its type cannot have is a DecodeError, and the reply is read to its end", () => {
  interface BadValue {
    readonly name: string
    readonly column: Partial<ColumnOfTest>
    readonly bad: Buffer
    readonly good: Buffer
    readonly options?: Partial<ReplayOptions>
    readonly type: string
  }
  const binary = { command: "execute" } as const
  const values: ReadonlyArray<BadValue> = [
    { name: "12abc", column: int, good: textRow("12"), bad: textRow("12abc"), type: "INT" },
    { name: "no digits", column: int, good: textRow("12"), bad: textRow(""), type: "INT" },
    { name: "a sign alone", column: int, good: textRow("-1"), bad: textRow("-"), type: "INT" },
    {
      name: "more digits than a number holds",
      column: int,
      good: textRow("1"),
      bad: textRow("9".repeat(20)),
      type: "INT"
    },
    {
      name: "letters in a BIGINT",
      column: { type: ColumnType.LONGLONG, flags: ColumnFlag.UNSIGNED },
      good: textRow("12345678901234567890"),
      bad: textRow("1234567890123456789x"),
      type: "BIGINT UNSIGNED"
    },
    {
      name: "a DOUBLE in hexadecimal",
      column: { type: ColumnType.DOUBLE },
      good: textRow("1.5"),
      bad: textRow("0x10"),
      type: "DOUBLE"
    },
    {
      name: "an infinite DOUBLE",
      column: { type: ColumnType.DOUBLE },
      good: textRow("1e300"),
      bad: textRow("Infinity"),
      type: "DOUBLE"
    },
    {
      name: "letters in a DECIMAL",
      column: { type: ColumnType.NEWDECIMAL },
      good: textRow("1.50"),
      bad: textRow("1.5O"),
      options: { decoding: { decimal: "BigDecimal" } },
      type: "DECIMAL"
    },
    {
      name: "a binary DATE of 200 bytes",
      column: { type: ColumnType.DATE },
      good: hex("00 00 04 e807 02 1d"),
      bad: Buffer.concat([hex("00 00 c8"), Buffer.alloc(200, 1)]),
      options: binary,
      type: "DATE"
    },
    {
      name: "a binary TIME of 3 bytes",
      column: { type: ColumnType.TIME },
      good: hex("00 00 00"),
      bad: hex("00 00 03 010203"),
      options: binary,
      type: "TIME"
    },
    {
      name: "the 25th hour",
      column: { type: ColumnType.DATETIME },
      good: hex("00 00 07 e807 02 1d 17 3b 3b"),
      bad: hex("00 00 07 e807 02 1d 18 00 00"),
      options: binary,
      type: "DATETIME"
    },
    { name: "bad JSON", column: { type: ColumnType.JSON }, good: textRow("[1]"), bad: textRow('{"a": '), type: "JSON" },
    {
      name: "JSON that nests 100,000 deep, with a large number",
      column: { type: ColumnType.JSON },
      good: textRow("[1]"),
      bad: Buffer.concat([
        hex("fd 540d03"),
        Buffer.from(`${"[".repeat(100_000)}12345678901234567890${"]".repeat(100_000)}`)
      ]),
      type: "JSON"
    },
    {
      name: "a VECTOR of 5 bytes",
      column: { type: ColumnType.VECTOR, collation: 63 },
      good: textRow(Buffer.alloc(8)),
      bad: textRow(Buffer.alloc(5)),
      type: "VECTOR"
    },
    {
      name: "BIT(1) of two bytes",
      column: { type: ColumnType.BIT, length: 1 },
      good: textRow(Buffer.of(1)),
      bad: textRow(Buffer.of(0, 1)),
      options: { decoding: { bit1: "boolean" } },
      type: "BIT"
    }
  ]

  it.each(
    values.flatMap((value) => [
      { ...value, goodRows: 1 },
      { ...value, goodRows: 150 }
    ])
  )("$name, behind $goodRows good rows", ({ bad, column: of, good, goodRows, options, type }) => {
    const rows = Array.from({ length: goodRows }, () => good)
    const bytes = frames(1, hex("01"), columnDefinition({ name: "c", ...of }), ...rows, bad, good, endOfRows())
    const reply = replay([bytes], { capabilities, ...options })
    expect(reply.failure).toBeUndefined()
    expect(reply.decodeError).toBeInstanceOf(DecodeError)
    expect(reply.decodeError).toMatchObject({ column: "c", type })
    expect(reply.results[0]?.rows).toHaveLength(goodRows)
  })
})
