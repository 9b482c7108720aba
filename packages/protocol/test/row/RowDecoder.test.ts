import * as Result from "effect/Result"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { binaryCollation, ColumnFlag, ColumnType } from "../../src/ColumnType.ts"
import { ProtocolError } from "../../src/ProtocolError.ts"
import type { Column } from "../../src/reply/Column.ts"
import type { DecodingOptions } from "../../src/row/Decoding.ts"
import * as RowDecoder from "../../src/row/RowDecoder.ts"
import { BadValue, DecodeError } from "../../src/value/DecodeError.ts"
import { holds } from "../support/property.ts"
import { hex, sized, textRow } from "../support/wire.ts"

const column = (name: string, of: Partial<Column> = {}): Column => ({
  name,
  table: "",
  database: "",
  originalName: "",
  originalTable: "",
  collation: 45,
  length: 255,
  type: ColumnType.VAR_STRING,
  flags: 0,
  decimals: 0,
  extendedType: undefined,
  format: undefined,
  ...of
})

const defaults: RowDecoder.RowOptions = { protocol: "text", shape: "object", decoding: {}, offsetMinutes: 0 }

const make = (columns: ReadonlyArray<Column>, options: Partial<RowDecoder.RowOptions> = {}): RowDecoder.RowDecoder =>
  Result.getOrThrow(RowDecoder.make(columns, { ...defaults, ...options }))

const decode = (decoder: RowDecoder.RowDecoder, row: Buffer): unknown => decoder.decode(row, 0, row.length)

/** After so many rows the generated function is at work, where one is generated. */
const hot = 150

/** A row by the loop, by the generated function, and after many rows where no code may be generated. */
const paths: ReadonlyArray<[name: string, codeGeneration: boolean, warmUp: number]> = [
  ["loop", true, 0],
  ["generated function", true, hot],
  ["runtime without code generation", false, hot]
]

describe.each(paths)("%s", (_name, codeGeneration, warmUp) => {
  const rowOf = (
    columns: ReadonlyArray<Column>,
    row: Buffer,
    options: Partial<RowDecoder.RowOptions> = {}
  ): unknown => {
    const decoder = make(columns, { codeGeneration, ...options })
    for (let count = 0; count < warmUp; count++) decode(decoder, row)
    return decode(decoder, row)
  }

  it("converted: what becomes of the rows, decided once for their columns", () => {
    let made = 0
    const convert: RowDecoder.Convert = (columns) => {
      made++
      const name = columns[0]!.name
      return Result.succeed((row) => {
        const [value] = row as ReadonlyArray<string>
        return value === "bad"
          ? Result.fail(new DecodeError({ column: name, type: "VARCHAR", problem: "bad" }))
          : Result.succeed(`${name}=${value}`)
      })
    }
    const options = { shape: "array", convert } as const
    expect(rowOf([column("a")], textRow("x"), options)).toBe("a=x")
    expect(made).toBe(1)
    const decoder = make([column("a")], { codeGeneration, ...options })
    for (let count = 0; count < warmUp; count++) decode(decoder, textRow("x"))
    expect(() => decode(decoder, textRow("bad"))).toThrow(DecodeError)
  })

  it("converted: columns that are not taken", () => {
    const refused = new DecodeError({ column: "a", type: "VARCHAR", problem: "not wanted" })
    const convert = () => Result.fail(refused)
    expect(RowDecoder.make([column("a")], { ...defaults, codeGeneration, convert })).toEqual(Result.fail(refused))
  })

  it.each([1, 7, 6, 129, 300])("%d columns, text", (count) => {
    const columns = Array.from({ length: count }, (_, index) => column(`c${index}`))
    const values = columns.map((_, index) => (index % 3 === 2 ? null : `value ${index}`))
    const row = textRow(...values)
    expect(rowOf(columns, row)).toStrictEqual(
      Object.fromEntries(columns.map(({ name }, index) => [name, values[index]]))
    )
    expect(rowOf(columns, row, { shape: "array" })).toStrictEqual(values)
  })

  it.each([1, 6, 7, 129, 300])("%d columns, binary: the bitmap begins at its third bit", (count) => {
    const columns = Array.from({ length: count }, (_, index) => column(`c${index}`, { type: ColumnType.TINY }))
    const values = columns.map((_, index) => (index % 3 === 2 ? null : index % 100))
    const bitmap = Buffer.alloc(Math.ceil((count + 2) / 8))
    for (const [index, value] of values.entries())
      if (value === null) bitmap[(index + 2) >> 3]! |= 1 << ((index + 2) & 7)
    const row = Buffer.concat([hex("00"), bitmap, Buffer.from(values.filter((value) => value !== null))])
    expect(rowOf(columns, row, { protocol: "binary", shape: "array" })).toStrictEqual(values)
  })

  it("no columns", () => {
    expect(rowOf([], hex(""))).toStrictEqual({})
    expect(rowOf([], hex(""), { shape: "array" })).toStrictEqual([])
    expect(rowOf([], hex("00 00"), { protocol: "binary" })).toStrictEqual({})
  })

  it.each([250, 251, 65_535, 65_536, 0x1000000])("a value of %d bytes", (length) => {
    const prefix =
      length < 251
        ? Buffer.of(length)
        : length < 0x10000
          ? hex(`fc ${Buffer.of(length & 255, length >> 8).toString("hex")}`)
          : length < 0x1000000
            ? hex("fd 000001")
            : hex("fe 0000000100000000")
    const row = Buffer.concat([sized("x"), prefix, Buffer.alloc(length, 0x61), sized("y")])
    const few = warmUp > 0 && length > 100_000
    const decoder = make([column("a"), column("b"), column("c")], { codeGeneration, shape: "array" })
    const small = textRow("x", "b", "y")
    for (let count = 0; count < warmUp; count++) decode(decoder, few ? small : row)
    const [a, b, c] = decode(decoder, row) as [string, string, string]
    expect([a, b.length, c]).toEqual(["x", length, "y"])
  })

  it.each([
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "",
    "a b",
    "ü😀",
    "\u2028\u2029\0\n",
    "`'\"\\",
    ["$", "{globalThis.pwned=1}"].join(""),
    '"];globalThis.pwned=1;//',
    '\\"];globalThis.pwned=1;//',
    "*/globalThis.pwned=1/*"
  ])("a column called %j is a property of its own, and nothing else", (name) => {
    const row = rowOf([column("before"), column(name), column("after")], textRow("1", "2", "3")) as object
    expect(Object.keys(row)).toEqual(["before", name, "after"])
    expect(Object.getOwnPropertyDescriptor(row, name)).toEqual({
      value: "2",
      writable: true,
      enumerable: true,
      configurable: true
    })
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype)
    expect(globalThis).not.toHaveProperty("pwned")
  })

  it("names that look like numbers are names", () => {
    const row = rowOf(
      [column("10"), column("2"), column("a"), column("-1"), column("01")],
      textRow("a", "b", "c", "d", "e")
    )
    expect(row).toStrictEqual({ 2: "b", 10: "a", a: "c", "-1": "d", "01": "e" })
  })
})

describe("two columns of one name", () => {
  const of = (table: string, name = "id") => column(name, { table })
  const keys = (...columns: ReadonlyArray<Column>) =>
    Object.keys(decode(make(columns), textRow(...columns.map(() => "x"))) as object)

  it.each<[name: string, columns: ReadonlyArray<Column>, expected: ReadonlyArray<string>]>([
    ["of two tables", [of("a"), of("b")], ["id", "b.id"]],
    ["of three", [of("a"), of("b"), of("c")], ["id", "b.id", "c.id"]],
    ["of one table", [of("a"), of("a")], ["id", "a.id"]],
    ["three of one table", [of("a"), of("a"), of("a")], ["id", "a.id", "a.id#2"]],
    ["of no table", [of(""), of(""), of("")], ["id", "id#2", "id#3"]],
    ["one has the qualified name already", [of("", "b.id"), of("a"), of("b")], ["b.id", "id", "b.id#2"]],
    ["another takes the qualified name later", [of("a"), of("b"), of("", "b.id")], ["id", "b.id", "b.id#2"]],
    ["__proto__ twice", [of("a", "__proto__"), of("b", "__proto__")], ["__proto__", "b.__proto__"]]
  ])("%s: none is lost", (_name, columns, expected) => {
    expect(keys(...columns)).toEqual(expected)
  })

  it("are refused by option, with the name", () => {
    expect(RowDecoder.make([of("a"), of("b")], { ...defaults, decoding: { duplicateColumns: "error" } })).toMatchObject(
      {
        failure: { _tag: "DecodeError", column: "id", type: "VARCHAR", problem: "another column has the same name" }
      }
    )
  })

  it("stay as they are in arrays, whatever the option", () => {
    const decoder = make([of("a"), of("b")], { shape: "array", decoding: { duplicateColumns: "error" } })
    expect(decode(decoder, textRow("1", "2"))).toEqual(["1", "2"])
  })
})

describe("explain", () => {
  it.each(paths)("tells column, type and problem (%s)", (_name, codeGeneration, warmUp) => {
    const decoder = make([column("a"), column("n", { type: ColumnType.LONG, flags: ColumnFlag.UNSIGNED })], {
      codeGeneration
    })
    for (let count = 0; count < warmUp; count++) decode(decoder, textRow("x", "1"))
    expect(outcome(decoder, textRow("x", "1x"))).toEqual({
      decodeError: 'Column "n" of type INT UNSIGNED: "1x" is not an integer'
    })
  })
})

// ---- both ways give the same ------------------------------------------------------------------------------------------

/** What a decoder says of a packet. */
const outcome = (decoder: RowDecoder.RowDecoder, row: Buffer): unknown => {
  // The packet lies among others, as in a receive buffer.
  const chunk = Buffer.concat([Buffer.alloc(3, 0xfb), row, Buffer.alloc(12, 0x01), Buffer.alloc(300, 0x41)])
  const [start, end] = [3, 3 + row.length]
  try {
    return { row: decoder.decode(chunk, start, end) }
  } catch (error) {
    if (error instanceof ProtocolError) return { protocolError: error.message }
    if (error instanceof BadValue) return { decodeError: decoder.explain(chunk, start, end).message }
    if (error instanceof DecodeError) return { decodeError: error.message }
    throw error
  }
}

interface AnyColumn {
  readonly of: Partial<Column>
  /** Ordinary values in their two forms. */
  readonly text: fc.Arbitrary<Buffer>
  readonly binary: fc.Arbitrary<Buffer>
}

const bytesOf = (length: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes))
const sizedText = (text: fc.Arbitrary<string>): fc.Arbitrary<Buffer> => text.map(sized)
const finite = { noNaN: true, noDefaultInfinity: true }
const digits = sizedText(fc.integer().map(String))
const strings = sizedText(fc.string({ unit: "binary", maxLength: 30 }))
const date = sizedText(fc.date({ min: new Date(0), noInvalidDate: true }).map((day) => day.toISOString().slice(0, 10)))

const anyColumn: fc.Arbitrary<AnyColumn> = fc.constantFrom<AnyColumn>(
  { of: {}, text: strings, binary: strings },
  { of: { collation: binaryCollation }, text: strings, binary: strings },
  { of: { type: ColumnType.TINY, length: 1 }, text: digits, binary: bytesOf(1) },
  { of: { type: ColumnType.SHORT, flags: ColumnFlag.UNSIGNED }, text: digits, binary: bytesOf(2) },
  { of: { type: ColumnType.YEAR }, text: digits, binary: bytesOf(2) },
  { of: { type: ColumnType.LONG }, text: digits, binary: bytesOf(4) },
  { of: { type: ColumnType.LONGLONG }, text: sizedText(fc.bigInt().map(String)), binary: bytesOf(8) },
  { of: { type: ColumnType.LONGLONG, flags: ColumnFlag.UNSIGNED }, text: digits, binary: bytesOf(8) },
  { of: { type: ColumnType.FLOAT }, text: sizedText(fc.float(finite).map(String)), binary: bytesOf(4) },
  { of: { type: ColumnType.DOUBLE }, text: sizedText(fc.double(finite).map(String)), binary: bytesOf(8) },
  { of: { type: ColumnType.NEWDECIMAL }, text: digits, binary: digits },
  { of: { type: ColumnType.DATE }, text: date, binary: bytesOf(4).map(sized) },
  { of: { type: ColumnType.DATETIME, decimals: 3 }, text: date, binary: bytesOf(7).map(sized) },
  { of: { type: ColumnType.TIME }, text: strings, binary: bytesOf(8).map(sized) },
  { of: { type: ColumnType.JSON }, text: sizedText(fc.json()), binary: sizedText(fc.json()) },
  { of: { type: ColumnType.BIT, length: 1 }, text: bytesOf(1).map(sized), binary: bytesOf(1).map(sized) }
)

const anyOptions: fc.Arbitrary<DecodingOptions> = fc.record({
  bigint: fc.constantFrom("auto", "bigint", "string"),
  decimal: fc.constantFrom("string", "BigDecimal"),
  date: fc.constantFrom("string", "Date"),
  dateTime: fc.constantFrom("Date", "string", "DateTime"),
  invalidDate: fc.constantFrom("error", "null"),
  time: fc.constantFrom("string", "Duration"),
  json: fc.constantFrom("parsed", "text"),
  bit1: fc.constantFrom("bytes", "boolean"),
  tinyint1: fc.constantFrom("number", "boolean")
})

/** Columns with rows of ordinary values and NULLs, and rows that a careless or hostile server could send. */
const anyTable = (protocol: "text" | "binary") =>
  fc.array(fc.tuple(anyColumn, fc.string({ maxLength: 5 })), { minLength: 1, maxLength: 12 }).chain((columns) =>
    fc.record({
      protocol: fc.constant(protocol),
      columns: fc.constant(columns.map(([{ of }, name]) => column(name, of))),
      decoding: anyOptions,
      shape: fc.constantFrom("object" as const, "array" as const),
      good: fc.tuple(...columns.map(([any]) => fc.option(any[protocol]))).map((values) => rowFrom(protocol, values)),
      bad: fc.array(
        fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
        { maxLength: 5 }
      )
    })
  )

const rowFrom = (protocol: "text" | "binary", values: ReadonlyArray<Buffer | null>): Buffer => {
  if (protocol === "text") return Buffer.concat(values.map((value) => value ?? Buffer.of(0xfb)))
  const bitmap = Buffer.alloc(Math.ceil((values.length + 2) / 8))
  for (const [index, value] of values.entries()) if (value === null) bitmap[(index + 2) >> 3]! |= 1 << ((index + 2) & 7)
  return Buffer.concat([Buffer.of(0), bitmap, ...values.filter((value) => value !== null)])
}

describe("the loop and the generated function say the same of any packet", () => {
  it.each(["text", "binary"] as const)("%s", (protocol) => {
    let rows = 0
    holds(
      fc.property(anyTable(protocol), ({ bad, columns, decoding, good, shape }) => {
        const looping = make(columns, { protocol, decoding, shape, codeGeneration: false })
        const generated = make(columns, { protocol, decoding, shape, codeGeneration: true })
        for (let count = 0; count < hot; count++) outcome(generated, Buffer.alloc(0))
        const damaged = Array.from(good, (_, at) => Buffer.concat([good.subarray(0, at), good.subarray(at + 1)]))
        for (const row of [good, Buffer.concat([good, Buffer.of(0)]), ...damaged, ...bad]) {
          const said = outcome(looping, row)
          if (typeof said === "object" && said !== null && "row" in said) rows++
          expect(outcome(generated, row)).toStrictEqual(said)
        }
      }),
      { numRuns: 100 }
    )
    expect(rows).toBeGreaterThan(30)
  })
})
