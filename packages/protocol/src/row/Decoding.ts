/**
 * Which decoder a column gets: the value table of the documentation as code, for the text and the binary protocol.
 *
 * Manual: "Text Resultset Row", "Binary Protocol Value"; the types themselves: "Data Types".
 *
 * @since 0.1.0
 */
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import { binaryCollation, ColumnFlag, ColumnType } from "../ColumnType.ts"
import type { Column } from "../reply/Column.ts"
import * as Bit from "../value/Bit.ts"
import { BadValue } from "../value/DecodeError.ts"
import * as Geometry from "../value/Geometry.ts"
import * as Integer from "../value/Integer.ts"
import * as Json from "../value/Json.ts"
import * as Real from "../value/Real.ts"
import * as Temporal from "../value/Temporal.ts"
import * as Text from "../value/Text.ts"
import * as Vector from "../value/Vector.ts"
import type { Zone } from "../value/Zone.ts"

/**
 * How values come out.
 *
 * @since 0.1.0
 * @category models
 */
export interface DecodingOptions {
  /** BIGINT. `auto` (default): `number` where safe, else `bigint`. */
  readonly bigint?: "auto" | "bigint" | "string" | undefined
  /** DECIMAL. Default `string`, the digits as sent. */
  readonly decimal?: "string" | "BigDecimal" | undefined
  /** DATE. Default `string`, `YYYY-MM-DD`. */
  readonly date?: "string" | "Date" | undefined
  /** DATETIME and TIMESTAMP. Default `Date`, which cuts off microseconds, as `DateTime` does; `string` keeps them. */
  readonly dateTime?: "Date" | "string" | "DateTime" | undefined
  /** A zero or impossible date where a `Date` is wanted: a `DecodeError` (default) or `null`. */
  readonly invalidDate?: "error" | "null" | undefined
  /** TIME. Default `string`. */
  readonly time?: "string" | "Duration" | undefined
  /** JSON. Default `parsed`; integers beyond 2^53 become `bigint`. */
  readonly json?: "parsed" | "text" | undefined
  /** GEOMETRY. Default `wkb`: the number of the reference system in four bytes, then well-known binary. */
  readonly geometry?: "wkb" | "geojson" | undefined
  /** BIT(1). Default `bytes`. */
  readonly bit1?: "bytes" | "boolean" | undefined
  /** TINYINT(1). Default `number`. */
  readonly tinyint1?: "number" | "boolean" | undefined
  /** SET. Default `string`, the members joined by commas. */
  readonly set?: "string" | "array" | undefined
  /**
   * A second column of the same name in rows that are objects: `qualify` (default) names it `table.column`, `error`
   * makes the statement fail. Rows that are arrays keep all columns in either case.
   */
  readonly duplicateColumns?: "qualify" | "error" | undefined
}

/** A value that ends where the next one starts. */
export type ReadSpan = (bytes: Buffer, start: number, end: number) => unknown
/** A value of a fixed number of bytes. */
export type ReadAt = (bytes: Buffer, at: number) => unknown

/**
 * How a column is read in the two protocols.
 *
 * @since 0.1.0
 * @category models
 */
export interface ValueDecoder {
  readonly text: ReadSpan
  readonly binary:
    | { readonly size: number; readonly read: ReadAt }
    | { readonly size: undefined; readonly read: ReadSpan }
}

const spans = (text: ReadSpan, binary: ReadSpan = text): ValueDecoder => ({
  text,
  binary: { size: undefined, read: binary }
})

const fixed = (text: ReadSpan, size: number, read: ReadAt): ValueDecoder => ({ text, binary: { size, read } })

const map = (decoder: ValueDecoder, f: (value: never) => unknown): ValueDecoder => {
  const { text, binary } = decoder
  const mapped = f as (value: unknown) => unknown
  return {
    text: (bytes, start, end) => mapped(text(bytes, start, end)),
    binary:
      binary.size === undefined
        ? { size: undefined, read: (bytes, start, end) => mapped(binary.read(bytes, start, end)) }
        : { size: binary.size, read: (bytes, at) => mapped(binary.read(bytes, at)) }
  }
}

const string = spans(Text.text)
const asciiString = spans(Text.ascii)
const bytes = spans(Text.binary)

const bigDecimal = (digits: string): BigDecimal.BigDecimal => {
  const value = BigDecimal.fromString(digits)
  if (Option.isNone(value)) throw new BadValue(`"${digits.slice(0, 40)}" is not a decimal`)
  return value.value
}

const bigint = (unsigned: boolean, option: DecodingOptions["bigint"]): ValueDecoder => {
  const exact = fixed(Integer.bigFromText, 8, unsigned ? Integer.bigU64 : Integer.bigI64)
  switch (option) {
    case "bigint":
      return exact
    case "string":
      return map(exact, (value: bigint) => value.toString())
    default:
      return fixed(Integer.autoFromText, 8, unsigned ? Integer.u64 : Integer.i64)
  }
}

const dateTime = (column: Column, options: DecodingOptions, offsetMinutes: Zone): ValueDecoder => {
  if (options.dateTime === "string") return spans(Text.ascii, Temporal.stringFromFields(column.decimals, true))
  const dateOptions = { offsetMinutes, invalidDate: options.invalidDate ?? "error" }
  const date = spans(Temporal.dateFromText(dateOptions), Temporal.dateFromFields(dateOptions))
  return options.dateTime === "DateTime"
    ? map(date, (value: Date | null) => (value === null ? null : DateTime.fromDateUnsafe(value)))
    : date
}

const date = (options: DecodingOptions): ValueDecoder => {
  if (options.date !== "Date") return spans(Text.ascii, Temporal.stringFromFields(0, false))
  // A day has no time zone: midnight UTC.
  const dateOptions = { offsetMinutes: 0, invalidDate: options.invalidDate ?? "error" }
  return spans(Temporal.dateFromText(dateOptions), Temporal.dateFromFields(dateOptions))
}

const stringNamedTypes: ReadonlySet<string> = new Set(["uuid", "inet4", "inet6"])

const stringOrBytes = (column: Column, options: DecodingOptions): ValueDecoder => {
  if (column.format === "json") return options.json === "text" ? string : spans(Json.parsed)
  if (column.extendedType !== undefined) {
    if (stringNamedTypes.has(column.extendedType)) return asciiString
    if (column.extendedType === "vector") return spans(Vector.floats)
  }
  if ((column.flags & ColumnFlag.SET) !== 0) return options.set === "array" ? spans(Text.members) : string
  return column.collation === binaryCollation && (column.flags & ColumnFlag.ENUM) === 0 ? bytes : string
}

/**
 * How the values of one column are read. Manual: "Protocol::ColumnDefinition41", "Binary Protocol Value".
 *
 * @since 0.1.0
 * @category constructors
 */
export const forColumn = (column: Column, options: DecodingOptions, offsetMinutes: Zone): ValueDecoder => {
  const unsigned = (column.flags & ColumnFlag.UNSIGNED) !== 0
  switch (column.type) {
    case ColumnType.TINY: {
      const tiny = fixed(Integer.fromText, 1, unsigned ? Integer.u8 : Integer.i8)
      return column.length === 1 && options.tinyint1 === "boolean" ? map(tiny, (value: number) => value !== 0) : tiny
    }
    case ColumnType.SHORT:
      return fixed(Integer.fromText, 2, unsigned ? Integer.u16 : Integer.i16)
    case ColumnType.YEAR:
      return fixed(Integer.fromText, 2, Integer.u16)
    case ColumnType.INT24:
    case ColumnType.LONG:
      return fixed(Integer.fromText, 4, unsigned ? Integer.u32 : Integer.i32)
    case ColumnType.LONGLONG:
      return bigint(unsigned, options.bigint)
    case ColumnType.FLOAT:
      return fixed(Real.fromText, 4, Real.f32)
    case ColumnType.DOUBLE:
      return fixed(Real.fromText, 8, Real.f64)
    case ColumnType.DECIMAL:
    case ColumnType.NEWDECIMAL:
      return options.decimal === "BigDecimal" ? map(asciiString, bigDecimal) : asciiString
    case ColumnType.DATE:
    case ColumnType.NEWDATE:
      return date(options)
    case ColumnType.DATETIME:
    case ColumnType.TIMESTAMP:
      return dateTime(column, options, offsetMinutes)
    case ColumnType.TIME:
      return options.time === "Duration"
        ? spans(Temporal.durationFromText, Temporal.durationFromFields)
        : spans(Text.ascii, Temporal.timeStringFromFields(column.decimals))
    case ColumnType.BIT:
      return column.length === 1 && options.bit1 === "boolean" ? spans(Bit.boolean) : bytes
    case ColumnType.JSON:
      return options.json === "text" ? string : spans(Json.parsed)
    case ColumnType.VECTOR:
      return spans(Vector.floats)
    case ColumnType.GEOMETRY:
      return options.geometry === "geojson" ? spans(Geometry.geoJson) : bytes
    default:
      return stringOrBytes(column, options)
  }
}
