/**
 * Executes a prepared statement: parameters in their binary form. Their types are sent when they differ from those of
 * the last execution.
 *
 * Manual: "COM_STMT_EXECUTE", "Binary Protocol Value".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { Writer } from "../Bytes.ts"
import { ColumnType } from "../ColumnType.ts"
import * as Packet from "../framing/Packet.ts"
import { type Charset, unfit } from "../value/Charset.ts"
import { classify, type Parameter, ParameterError } from "../value/Parameter.ts"
import type { Zone } from "../value/Zone.ts"

/**
 * The types that the server knows from the last execution, one number for each parameter.
 *
 * @since 0.1.0
 * @category models
 */
export type BoundTypes = ReadonlyArray<number>

/**
 * @since 0.1.0
 * @category models
 */
export interface Execute {
  readonly statementId: number
  readonly parameters: ReadonlyArray<unknown>
  /** What this statement was executed with last on this connection. */
  readonly boundTypes: BoundTypes | undefined
  /** The session's time zone: minutes ahead of UTC, or a named one. */
  readonly offsetMinutes: Zone
  /** How strings are sent. Default UTF-8. */
  readonly charset?: Charset | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Encoded {
  readonly bytes: Buffer
  readonly boundTypes: BoundTypes
}

const code = 0x17
const unsignedFlag = 0x8000

/**
 * @since 0.1.0
 * @category encoding
 */
export const encode = (execute: Execute): Result.Result<Encoded, ParameterError> => {
  const { boundTypes, charset, parameters } = execute
  const count = parameters.length
  const writer = new Writer(16 + count * 16).u8(code).u32(execute.statementId).u8(0).u32(1)
  if (count === 0) return Result.succeed({ bytes: Packet.seal(writer), boundTypes: [] })
  try {
    const values: Array<Parameter> = []
    const types: Array<number> = []
    let known = boundTypes?.length === count
    for (let index = 0; index < count; index++) {
      const value = classify(parameters[index], index, execute.offsetMinutes)
      const type = typeOf(value) ?? boundTypes?.[index] ?? ColumnType.NULL
      known &&= type === boundTypes![index]
      values.push(value._tag === "Text" && charset !== undefined ? inCharset(value.value, index, charset) : value)
      types.push(type)
    }
    const bitmap = writer.size
    writer.zeros((count + 7) >> 3).u8(known ? 0 : 1)
    if (!known) for (const type of types) writer.u16(type)
    for (let index = 0; index < count; index++) {
      const value = values[index]!
      if (value._tag === "Null") writer.orPatch(bitmap + (index >> 3), 1 << (index & 7))
      else write(writer, value)
    }
    return Result.succeed({ bytes: Packet.seal(writer), boundTypes: known ? boundTypes! : types })
  } catch (error) {
    if (error instanceof ParameterError) return Result.fail(error)
    throw error
  }
}

const inCharset = (value: string, parameter: number, charset: Charset): Parameter => {
  const bytes = charset.encode(value)
  if (bytes === undefined) throw new ParameterError({ parameter, message: `Parameter ${parameter}: ${unfit(charset)}` })
  return { _tag: "Bytes", value: bytes }
}

/**
 * The types after another execution: NULL tells nothing about the type that the server has derived.
 *
 * @since 0.1.0
 * @category combinators
 */
export const remembered = (earlier: BoundTypes | undefined, latest: BoundTypes): BoundTypes =>
  earlier !== undefined && latest.includes(ColumnType.NULL)
    ? latest.map((type, index) => (type === ColumnType.NULL ? (earlier[index] ?? type) : type))
    : latest

const textTypes: ReadonlySet<number> = new Set([ColumnType.VAR_STRING, ColumnType.BLOB])

/**
 * Whether a statement has to be prepared anew before it is executed with these values. MySQL (from 8.0.22 on) takes a
 * string for a parameter of any type and converts it to the type that it derived from an earlier execution: after a
 * number, `SELECT ?` with `'b'` would give 0. Every other change of type it notices itself.
 *
 * @since 0.1.0
 * @category predicates
 */
export const wouldConvert = (earlier: BoundTypes | undefined, parameters: ReadonlyArray<unknown>): boolean => {
  if (earlier === undefined) return false
  for (let index = 0; index < parameters.length; index++) {
    const value = parameters[index]
    const type = earlier[index]
    if (
      type !== undefined &&
      type !== ColumnType.NULL &&
      !textTypes.has(type) &&
      (typeof value === "string" || ArrayBuffer.isView(value))
    ) {
      return true
    }
  }
  return false
}

/** `undefined` for NULL, which goes with any type. */
const typeOf = (value: Parameter): number | undefined => {
  switch (value._tag) {
    case "Null":
      return undefined
    case "Boolean":
      return ColumnType.TINY
    case "Integer":
      return value.unsigned ? ColumnType.LONGLONG | unsignedFlag : ColumnType.LONGLONG
    case "Double":
      return ColumnType.DOUBLE
    case "Decimal":
      return ColumnType.NEWDECIMAL
    case "Text":
      return ColumnType.VAR_STRING
    case "Bytes":
      return ColumnType.BLOB
    case "DateTime":
      return ColumnType.DATETIME
    case "Time":
      return ColumnType.TIME
  }
}

const write = (writer: Writer, value: Exclude<Parameter, { readonly _tag: "Null" }>): void => {
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
    case "Decimal":
      writer.lengthEncodedText(value.digits)
      return
    case "Text":
      writer.lengthEncodedText(value.value)
      return
    case "Bytes":
      writer.lengthEncodedBytes(value.value)
      return
    case "DateTime":
      return writeDateTime(writer, value.localMillis)
    case "Time":
      return writeTime(writer, value.micros)
  }
}

const writeDateTime = (writer: Writer, localMillis: number): void => {
  const date = new Date(localMillis)
  const millis = date.getUTCMilliseconds()
  writer
    .u8(millis === 0 ? 7 : 11)
    .u16(date.getUTCFullYear())
    .u8(date.getUTCMonth() + 1)
    .u8(date.getUTCDate())
    .u8(date.getUTCHours())
    .u8(date.getUTCMinutes())
    .u8(date.getUTCSeconds())
  if (millis !== 0) writer.u32(millis * 1000)
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
