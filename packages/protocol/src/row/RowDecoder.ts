/**
 * Rows out of packets. A decoder is made once for a set of columns and builds each row straight from the receive buffer.
 *
 * It starts as a loop over the columns. When it has decoded enough rows to be worth it, it becomes a generated function
 * that makes each row in one go: V8 then gives all rows one hidden class and needs no lookup per cell (the benchmark
 * shows a factor of two and more). Where the runtime forbids code generation, the loop stays; the results are the same.
 *
 * Into generated code go only numbers and column names as JSON string literals. A column called `__proto__` is written
 * as a computed key, which makes it a property of the row like any other.
 *
 * Manual: "Text Resultset Row", "Binary Protocol Resultset Row".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { nameOf } from "../ColumnType.ts"
import { ProtocolError } from "../ProtocolError.ts"
import type { Column } from "../reply/Column.ts"
import { BadValue, DecodeError } from "../value/DecodeError.ts"
import type { Zone } from "../value/Zone.ts"
import { type DecodingOptions, forColumn, type ReadAt, type ReadSpan, type ValueDecoder } from "./Decoding.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface RowOptions {
  readonly protocol: "text" | "binary"
  readonly shape: "object" | "array"
  readonly decoding: DecodingOptions
  /** The session's time zone: minutes ahead of UTC, or a named one. */
  readonly offsetMinutes: Zone
  /** Default: where the runtime allows it. */
  readonly codeGeneration?: boolean | undefined
  /** What becomes of each row, made once for a set of columns. */
  readonly convert?: Convert | undefined
}

/**
 * Makes something else of rows, or says why it cannot.
 *
 * @since 0.1.0
 * @category models
 */
export type Convert = (
  columns: ReadonlyArray<Column>
) => Result.Result<(row: unknown) => Result.Result<unknown, DecodeError>, DecodeError>

/** Builds a row from the payload of one packet. */
type Run = (bytes: Buffer, start: number, end: number) => unknown

/** After so many rows generating a function has paid. */
const hotRows = 100
/** The most that the servers allow. Functions of many more variables than that do not compile. */
const maxGeneratedColumns = 4096

/**
 * Reads the rows of one result. Manual: "Text Resultset Row", "Binary Protocol Resultset Row".
 *
 * @since 0.1.0
 * @category models
 */
export class RowDecoder {
  readonly columns: ReadonlyArray<Column>
  private readonly loop: Run
  private readonly generate: (() => Run) | undefined
  private run: Run
  private rows = 0

  constructor(columns: ReadonlyArray<Column>, loop: Run, generate: (() => Run) | undefined) {
    this.columns = columns
    this.loop = loop
    this.run = loop
    this.generate = generate
  }

  /**
   * A row. Throws a `ProtocolError` for a packet that does not have the form of a row, `BadValue` for a value that does
   * not have the form of its type (`explain` then tells which), and the `DecodeError` of `convert`.
   */
  decode(bytes: Buffer, start: number, end: number): unknown {
    if (this.rows < hotRows && ++this.rows === hotRows && this.generate !== undefined) this.run = this.generate()
    return this.run(bytes, start, end)
  }

  /** The error of a row for which `decode` threw `BadValue`. */
  explain(bytes: Buffer, start: number, end: number): DecodeError {
    try {
      this.loop(bytes, start, end)
    } catch (error) {
      /* v8 ignore else -- @preserve a row that breaks the protocol does so at the same place each time */
      if (error instanceof DecodeError) return error
      throw error
    }
    /* v8 ignore next -- @preserve the loop reads what the generated function reads: the mutated rows of the tests say so */
    throw new Error("the row decoder's two paths disagree")
  }
}

/**
 * Fails with a `DecodeError` for a second column of the same name where `duplicateColumns` is `error`, and where
 * `convert` does not take these columns.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (columns: ReadonlyArray<Column>, options: RowOptions): Result.Result<RowDecoder, DecodeError> => {
  const names = options.shape === "object" ? propertyNames(columns, options.decoding) : Result.succeed(undefined)
  if (Result.isFailure(names)) return Result.fail(names.failure)
  const keys = names.success
  const decoders = columns.map((column) => forColumn(column, options.decoding, options.offsetMinutes))
  const loop = options.protocol === "text" ? textLoop(columns, decoders, keys) : binaryLoop(columns, decoders, keys)
  const generate =
    columns.length <= maxGeneratedColumns && (options.codeGeneration ?? canGenerate())
      ? () => (options.protocol === "text" ? generateText(decoders, keys) : generateBinary(decoders, keys))
      : undefined
  if (options.convert === undefined) return Result.succeed(new RowDecoder(columns, loop, generate))
  return Result.map(options.convert(columns), (convert) => {
    const converted = (run: Run): Run => convertedBy(convert, run)
    return new RowDecoder(columns, converted(loop), generate && (() => converted(generate())))
  })
}

const convertedBy =
  (convert: (row: unknown) => Result.Result<unknown, DecodeError>, run: Run): Run =>
  (bytes, start, end) => {
    const row = convert(run(bytes, start, end))
    if (Result.isFailure(row)) throw row.failure
    return row.success
  }

const propertyNames = (
  columns: ReadonlyArray<Column>,
  decoding: DecodingOptions
): Result.Result<ReadonlyArray<string>, DecodeError> => {
  const taken = new Set<string>()
  const names: Array<string> = []
  for (const column of columns) {
    let name = column.name
    if (taken.has(name)) {
      if (decoding.duplicateColumns === "error") {
        return Result.fail(
          new DecodeError({ column: name, type: nameOf(column), problem: "another column has the same name" })
        )
      }
      const qualified = column.table === "" ? name : `${column.table}.${name}`
      name = qualified
      for (let count = 2; taken.has(name); count++) name = `${qualified}#${count}`
    }
    taken.add(name)
    names.push(name)
  }
  return Result.succeed(names)
}

// ---- the form of a row --------------------------------------------------------------------------------------------

const overrun = (): never => {
  throw new ProtocolError({ phase: "row", expected: "a value for each column", got: "the end of the packet" })
}

const trailing = (count: number): never => {
  throw new ProtocolError({ phase: "row", expected: "the end of the packet", got: `${count} bytes more` })
}

const notARow = (first: number): never => {
  throw new ProtocolError({ phase: "binary row", expected: "0x00", got: `0x${first.toString(16)}` })
}

/** A length-encoded integer behind its first byte `marker`, which is above 0xfb. */
const longLength = (bytes: Buffer, marker: number, at: number, end: number): number => {
  if (marker === 0xfc && at + 2 <= end) return bytes.readUInt16LE(at)
  if (marker === 0xfd && at + 3 <= end) return bytes.readUIntLE(at, 3)
  if (marker === 0xfe && at + 8 <= end) return bytes.readUInt32LE(at + 4) === 0 ? bytes.readUInt32LE(at) : overrun()
  return overrun()
}

const longLengthBytes = (marker: number): number => (marker === 0xfc ? 2 : marker === 0xfd ? 3 : 8)

const bitmapBytes = (columns: number): number => (columns + 9) >> 3

// ---- the loop ------------------------------------------------------------------------------------------------------

const assemble = (keys: ReadonlyArray<string> | undefined, values: Array<unknown>): unknown => {
  if (keys === undefined) return values
  const row: Record<string, unknown> = {}
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]!
    if (key === "__proto__") {
      Object.defineProperty(row, key, { value: values[index], enumerable: true, configurable: true, writable: true })
    } else {
      row[key] = values[index]
    }
  }
  return row
}

const failValue = (error: unknown, column: Column): never => {
  if (error instanceof BadValue) {
    throw new DecodeError({ column: column.name, type: nameOf(column), problem: error.problem })
  }
  throw error
}

/** Where the value that was read last ends. */
interface Cursor {
  position: number
}

const readSpan = (cursor: Cursor, read: ReadSpan, bytes: Buffer, end: number): unknown => {
  const marker = bytes[cursor.position++]!
  let length = marker
  if (marker > 0xfb) {
    length = longLength(bytes, marker, cursor.position, end)
    cursor.position += longLengthBytes(marker)
  }
  const start = cursor.position
  const stop = start + length
  if (!(stop <= end)) overrun()
  cursor.position = stop
  return read(bytes, start, stop)
}

const textLoop =
  (
    columns: ReadonlyArray<Column>,
    decoders: ReadonlyArray<ValueDecoder>,
    keys: ReadonlyArray<string> | undefined
  ): Run =>
  (bytes, start, end) => {
    const cursor: Cursor = { position: start }
    const values: Array<unknown> = []
    for (let index = 0; index < decoders.length; index++) {
      if (cursor.position >= end) overrun()
      if (bytes[cursor.position] === 0xfb) {
        cursor.position++
        values.push(null)
        continue
      }
      try {
        values.push(readSpan(cursor, decoders[index]!.text, bytes, end))
      } catch (error) {
        failValue(error, columns[index]!)
      }
    }
    if (cursor.position !== end) trailing(end - cursor.position)
    return assemble(keys, values)
  }

const binaryLoop =
  (
    columns: ReadonlyArray<Column>,
    decoders: ReadonlyArray<ValueDecoder>,
    keys: ReadonlyArray<string> | undefined
  ): Run =>
  (bytes, start, end) => {
    if (start === end) overrun()
    if (bytes[start] !== 0) notARow(bytes[start]!)
    const bitmap = start + 1
    const cursor: Cursor = { position: bitmap + bitmapBytes(decoders.length) }
    if (cursor.position > end) overrun()
    const values: Array<unknown> = []
    for (let index = 0; index < decoders.length; index++) {
      if ((bytes[bitmap + ((index + 2) >> 3)]! & (1 << ((index + 2) & 7))) !== 0) {
        values.push(null)
        continue
      }
      if (cursor.position >= end) overrun()
      const { binary } = decoders[index]!
      try {
        if (binary.size === undefined) {
          values.push(readSpan(cursor, binary.read, bytes, end))
        } else {
          const at = cursor.position
          cursor.position = at + binary.size
          if (cursor.position > end) overrun()
          values.push(binary.read(bytes, at))
        }
      } catch (error) {
        failValue(error, columns[index]!)
      }
    }
    if (cursor.position !== end) trailing(end - cursor.position)
    return assemble(keys, values)
  }

// ---- the generated function ----------------------------------------------------------------------------------------

let generationAllowed: boolean | undefined

const canGenerate = (): boolean => {
  if (generationAllowed === undefined) {
    try {
      new Function("return 0")()
      generationAllowed = true
    } catch {
      generationAllowed = false
    }
  }
  return generationAllowed
}

/** How the generated function makes a row of its cells: what it needs beside itself, and the expression. */
interface Assembly {
  readonly prelude: string
  readonly row: string
}

/**
 * Objects come from a constructor whose prototype is that of every plain object. An object literal would do as well until
 * rows survive a few garbage collections: then V8 takes its allocation site for one of long-lived objects and puts every
 * later row into the old generation, which makes the same work twice as slow for the rest of the process.
 */
const assembly = (keys: ReadonlyArray<string> | undefined, count: number): Assembly => {
  const cells = Array.from({ length: count }, (_, index) => `c${index}`)
  if (keys === undefined) return { prelude: "", row: `[${cells.join(",")}]` }
  if (keys.includes("__proto__")) {
    const property = (key: string): string => (key === "__proto__" ? `["__proto__"]` : JSON.stringify(key))
    return { prelude: "", row: `{${cells.map((cell, index) => `${property(keys[index]!)}:${cell}`).join(",")}}` }
  }
  const stores = cells.map((cell, index) => `this[${JSON.stringify(keys[index]!)}]=${cell}`)
  return {
    prelude: `function Row(${cells.join(",")}){${stores.join(";")}}Row.prototype=Object.prototype;`,
    row: `new Row(${cells.join(",")})`
  }
}

/**
 * Every read of a value is preceded by the check that it ends inside the packet. The length byte itself needs none: read
 * past the end it is `undefined` or a byte of the next packet, and then the value or the whole row ends past the end.
 */
const spanSource = (index: number): string =>
  `l=b[p++];` +
  `if(l>251){m=l;l=longLength(b,m,p,end);p+=longLengthBytes(m)}` +
  `q=p+l;if(!(q<=end))overrun();` +
  `c${index}=k${index}(b,p,q);p=q;`

const compile = (reads: ReadonlyArray<ReadSpan | ReadAt>, prelude: string, body: string): Run => {
  const helpers = { overrun, trailing, notARow, longLength, longLengthBytes }
  const names = reads.map((_, index) => `k${index}`)
  const source = `"use strict";${prelude}return (b,start,end)=>{${body}}`
  return new Function(...Object.keys(helpers), ...names, source)(...Object.values(helpers), ...reads) as Run
}

const declarations = (count: number): string =>
  `let p,q,l,m;let ${Array.from({ length: count }, (_, index) => `c${index}=null`).join(",") || "none"};`

const generateText = (decoders: ReadonlyArray<ValueDecoder>, keys: ReadonlyArray<string> | undefined): Run => {
  const { prelude, row } = assembly(keys, decoders.length)
  const cells = decoders.map((_, index) => `if(b[p]===251)p++;else{${spanSource(index)}}`)
  return compile(
    decoders.map((decoder) => decoder.text),
    prelude,
    `${declarations(decoders.length)}p=start;${cells.join("")}if(p!==end)p>end?overrun():trailing(end-p);` +
      `return ${row}`
  )
}

const generateBinary = (decoders: ReadonlyArray<ValueDecoder>, keys: ReadonlyArray<string> | undefined): Run => {
  const { prelude, row } = assembly(keys, decoders.length)
  const cells = decoders.map((decoder, index) => {
    const { size } = decoder.binary
    const read = size === undefined ? spanSource(index) : `q=p+${size};if(q>end)overrun();c${index}=k${index}(b,p);p=q;`
    return `if((b[start+${1 + ((index + 2) >> 3)}]&${1 << ((index + 2) & 7)})===0){${read}}`
  })
  return compile(
    decoders.map((decoder) => decoder.binary.read),
    prelude,
    `${declarations(decoders.length)}if(start===end)overrun();if(b[start]!==0)notARow(b[start]);` +
      `p=start+${1 + bitmapBytes(decoders.length)};if(p>end)overrun();` +
      `${cells.join("")}if(p!==end)p>end?overrun():trailing(end-p);` +
      `return ${row}`
  )
}
