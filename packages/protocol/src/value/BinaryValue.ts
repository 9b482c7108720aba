/**
 * Parameters in the binary form: the number of the type that each is sent as, and the bytes of the value.
 *
 * Manual: "Binary Protocol Value".
 *
 * @since 0.1.0
 */
import type { Reader, Writer } from "../Bytes.ts"
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

const asciiPattern = /^[ -~]*$/

/**
 * Reads a value in the form of a type: the server's side. A number of the type TINY is an `Integer`, and anything that
 * has a length in front `Text` where the type says so, else `Bytes`.
 */
export const read = (reader: Reader, type: number): Exclude<Parameter, { readonly _tag: "Null" }> => {
  const unsigned = (type & unsignedFlag) !== 0
  switch (type & 0xff) {
    case ColumnType.TINY:
      return integer(reader.u8(), 8, unsigned)
    case ColumnType.SHORT:
    case ColumnType.YEAR:
      return integer(reader.u16(), 16, unsigned)
    case ColumnType.LONG:
    case ColumnType.INT24:
      return integer(reader.u32(), 32, unsigned)
    case ColumnType.LONGLONG: {
      const value = BigInt(reader.u64())
      return { _tag: "Integer", value: safe(unsigned ? value : BigInt.asIntN(64, value)), unsigned }
    }
    case ColumnType.FLOAT:
      return { _tag: "Float", value: reader.view(4).readFloatLE(0) }
    case ColumnType.DOUBLE:
      return { _tag: "Double", value: reader.view(8).readDoubleLE(0) }
    case ColumnType.DECIMAL:
    case ColumnType.NEWDECIMAL: {
      const digits = reader.lengthEncodedText()
      if (!asciiPattern.test(digits)) reader.fail("digits", "other characters")
      return { _tag: "Decimal", digits }
    }
    case ColumnType.DATE:
    case ColumnType.DATETIME:
    case ColumnType.TIMESTAMP:
      return readMoment(reader, type)
    case ColumnType.TIME:
      return { _tag: "Time", micros: readTime(reader) }
    case ColumnType.VARCHAR:
    case ColumnType.VAR_STRING:
    case ColumnType.STRING:
    case ColumnType.ENUM:
    case ColumnType.SET:
    case ColumnType.JSON:
      return { _tag: "Text", value: reader.lengthEncodedText() }
    case ColumnType.NULL:
      return reader.fail("a value of a type", "one of the type NULL")
    default:
      return { _tag: "Bytes", value: reader.lengthEncodedBytes() }
  }
}

const integer = (value: number, bits: number, unsigned: boolean): Exclude<Parameter, { readonly _tag: "Null" }> => ({
  _tag: "Integer",
  value: unsigned ? value : Number(BigInt.asIntN(bits, BigInt(value))),
  unsigned
})

const safe = (value: bigint): number | bigint => {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

const readMoment = (reader: Reader, type: number): Exclude<Parameter, { readonly _tag: "Null" }> => {
  const length = reader.u8()
  if (length !== 0 && length !== 4 && length !== 7 && length !== 11) reader.fail("0, 4, 7 or 11 bytes", `${length}`)
  const day =
    length === 0 ? { year: 0, month: 0, day: 0 } : { year: reader.u16(), month: reader.u8(), day: reader.u8() }
  const clock =
    length < 7 ? { hour: 0, minute: 0, second: 0 } : { hour: reader.u8(), minute: reader.u8(), second: reader.u8() }
  const micros = length === 11 ? reader.u32() : 0
  return (type & 0xff) === ColumnType.DATE
    ? { _tag: "Date", ...day }
    : { _tag: "DateTime", ...day, ...clock, micros, timestamp: (type & 0xff) === ColumnType.TIMESTAMP }
}

const readTime = (reader: Reader): bigint => {
  const length = reader.u8()
  if (length !== 0 && length !== 8 && length !== 12) reader.fail("0, 8 or 12 bytes", `${length}`)
  if (length === 0) return BigInt(0)
  const negative = reader.u8() !== 0
  const days = reader.u32()
  const seconds = ((days * 24 + reader.u8()) * 60 + reader.u8()) * 60 + reader.u8()
  const micros = BigInt(seconds) * BigInt(1_000_000) + BigInt(length === 12 ? reader.u32() : 0)
  return negative ? -micros : micros
}
