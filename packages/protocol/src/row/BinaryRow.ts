/**
 * A row of the binary protocol as a server writes it: a bitmap of NULLs, then each value in the form of its column's
 * type.
 *
 * Manual: "Binary Protocol Resultset Row".
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import { Writer } from "../Bytes.ts"
import { ColumnType } from "../ColumnType.ts"
import type { Column } from "../reply/Column.ts"
import { write } from "../value/BinaryValue.ts"
import { attempt, classify, type Parameter, ParameterError } from "../value/Parameter.ts"

/** The bitmap begins with two bits that mean nothing. */
const bitmapOffset = 2

/**
 * Values as parameters can have them. Fails for one that a column of this type cannot hold.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (
  columns: ReadonlyArray<Column>,
  values: ReadonlyArray<unknown>
): Result.Result<Writer, ParameterError> => {
  const writer = new Writer().u8(0).zeros((columns.length + bitmapOffset + 7) >> 3)
  return attempt(() => {
    for (const [index, column] of columns.entries()) {
      const value = classify(values[index], column.name, 0)
      const bit = index + bitmapOffset
      if (value._tag === "Null") writer.orPatch(1 + (bit >> 3), 1 << (bit & 7))
      else writeAs(writer, column, value)
    }
    return writer
  })
}

type Value = Exclude<Parameter, { readonly _tag: "Null" }>

const integerBytes: Readonly<Record<number, 1 | 2 | 4 | 8>> = {
  [ColumnType.TINY]: 1,
  [ColumnType.SHORT]: 2,
  [ColumnType.YEAR]: 2,
  [ColumnType.INT24]: 4,
  [ColumnType.LONG]: 4,
  [ColumnType.LONGLONG]: 8
}

const temporal: Readonly<Record<number, Value["_tag"]>> = {
  [ColumnType.DATE]: "Date",
  [ColumnType.DATETIME]: "DateTime",
  [ColumnType.TIMESTAMP]: "DateTime",
  [ColumnType.TIME]: "Time"
}

const writeAs = (writer: Writer, column: Column, value: Value): void => {
  const bytes = integerBytes[column.type]
  if (bytes !== undefined) return writeInteger(writer, bytes, wholeOf(column, value))
  const wanted = temporal[column.type]
  if (wanted !== undefined) return value._tag === wanted ? write(writer, value) : misfit(column, value)
  if (column.type === ColumnType.FLOAT) writer.f32(numberOf(column, value))
  else if (column.type === ColumnType.DOUBLE) writer.f64(numberOf(column, value))
  else if (value._tag === "Text" || value._tag === "Bytes" || value._tag === "Decimal") write(writer, value)
  else writer.lengthEncodedText(String(wholeOf(column, value)))
}

const wholeOf = (column: Column, value: Value): number | bigint => {
  if (value._tag === "Integer") return value.value
  return value._tag === "Boolean" ? Number(value.value) : misfit(column, value)
}

const numberOf = (column: Column, value: Value): number =>
  value._tag === "Double" || value._tag === "Float" ? value.value : Number(wholeOf(column, value))

const writeInteger = (writer: Writer, bytes: 1 | 2 | 4 | 8, value: number | bigint): void => {
  const low = bytes === 8 ? 0 : Number(BigInt.asUintN(bytes * 8, BigInt(value)))
  if (bytes === 1) writer.u8(low)
  else if (bytes === 2) writer.u16(low)
  else if (bytes === 4) writer.u32(low)
  else writer.i64(value)
}

const misfit = (column: Column, value: Value): never => {
  throw new ParameterError({
    parameter: column.name,
    message: `Column ${column.name}: a ${value._tag} is not a value of its type ${column.type}`
  })
}
