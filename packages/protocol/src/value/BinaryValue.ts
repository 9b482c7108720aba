/**
 * Parameters in the binary form: the number of the type that each is sent as, and the bytes of the value.
 *
 * Manual: "Binary Protocol Value".
 *
 * @since 0.1.0
 */
import type { Writer } from "../Bytes.ts"
import { ColumnType } from "../ColumnType.ts"
import { type Charset, unfit } from "./Charset.ts"
import { type CalendarDay, type Moment, type Parameter, ParameterError } from "./Parameter.ts"

/** In the second byte of a type. */
export const unsignedFlag = 0x8000

/** The type and its sign as two bytes; `undefined` for NULL, which goes with any type. */
export const typeOf = (value: Parameter): number | undefined => {
  switch (value._tag) {
    case "Null":
      return undefined
    case "Boolean":
      return ColumnType.TINY
    case "Integer":
      return value.unsigned ? ColumnType.LONGLONG | unsignedFlag : ColumnType.LONGLONG
    case "Double":
      return ColumnType.DOUBLE
    case "Float":
      return ColumnType.FLOAT
    case "Decimal":
      return ColumnType.NEWDECIMAL
    case "Text":
      return ColumnType.VAR_STRING
    case "Bytes":
      return ColumnType.BLOB
    case "Date":
      return ColumnType.DATE
    case "DateTime":
      return value.timestamp ? ColumnType.TIMESTAMP : ColumnType.DATETIME
    case "Time":
      return ColumnType.TIME
  }
}

/** Writes a value that is not NULL in the form of its type. */
export const write = (writer: Writer, value: Exclude<Parameter, { readonly _tag: "Null" }>): void => {
  switch (value._tag) {
    case "Boolean":
      writer.u8(value.value ? 1 : 0)
      return
    case "Integer":
      writer.i64(value.value)
      return
    case "Double":
      writer.f64(value.value)
      return
    case "Float":
      writer.f32(value.value)
      return
    case "Decimal":
      writer.lengthEncodedText(value.digits)
      return
    case "Text":
      writer.lengthEncodedText(value.value)
      return
    case "Bytes":
      writer.lengthEncodedBytes(value.value)
      return
    case "Date":
      return writeDay(writer, 4, value)
    case "DateTime":
      return writeDateTime(writer, value)
    case "Time":
      return writeTime(writer, value.micros)
  }
}

const writeDay = (writer: Writer, length: number, { day, month, year }: CalendarDay): void => {
  writer.u8(length).u16(year).u8(month).u8(day)
}

const writeDateTime = (writer: Writer, moment: Moment): void => {
  writeDay(writer, moment.micros === 0 ? 7 : 11, moment)
  writer.u8(moment.hour).u8(moment.minute).u8(moment.second)
  if (moment.micros !== 0) writer.u32(moment.micros)
}

const writeTime = (writer: Writer, value: bigint): void => {
  const negative = value < BigInt(0)
  // 838 hours in microseconds are below 2^53.
  const total = Number(negative ? -value : value)
  const micros = total % 1_000_000
  const seconds = Math.floor(total / 1_000_000)
  writer
    .u8(micros === 0 ? 8 : 12)
    .u8(negative ? 1 : 0)
    .u32(Math.floor(seconds / 86_400))
    .u8(Math.floor(seconds / 3600) % 24)
    .u8(Math.floor(seconds / 60) % 60)
    .u8(seconds % 60)
  if (micros !== 0) writer.u32(micros)
}

/**
 * A text as the bytes that it has in a character set; anything else as it is. Throws a `ParameterError` for a character
 * that the set does not have.
 */
export const inCharset = (value: Parameter, parameter: number | string, charset: Charset): Parameter => {
  if (value._tag !== "Text") return value
  const bytes = charset.encode(value.value)
  if (bytes === undefined) throw new ParameterError({ parameter, message: `Parameter ${parameter}: ${unfit(charset)}` })
  return { _tag: "Bytes", value: bytes }
}
