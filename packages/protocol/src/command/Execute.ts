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
import { inCharset, typeOf, unsignedFlag, write } from "../value/BinaryValue.ts"
import type { Charset } from "../value/Charset.ts"
import { attempt, classify, type Parameter, type ParameterError } from "../value/Parameter.ts"
import type { Zone } from "../value/Zone.ts"
import type { QueryAttributes } from "./QueryAttributes.ts"

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
  /** Leave the rows on the server, to be fetched. It may send them nonetheless. Default `false`. */
  readonly cursor?: boolean | undefined
  /** Positions whose values were sent as long data before, and as what; their values here are not looked at. */
  readonly longData?: ReadonlyMap<number, "bytes" | "text"> | undefined
  /** Where, and only where, `CLIENT_QUERY_ATTRIBUTES` was agreed on: the attributes, maybe none. */
  readonly attributes?: QueryAttributes | undefined
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
const readOnlyCursor = 0x01
const countAvailable = 0x08
const longDataMarker = Symbol("long data")

/**
 * The whole command, framed, and the types that the server knows after it. Fails for a value that cannot be sent;
 * nothing was sent then. Manual: "COM_STMT_EXECUTE".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (execute: Execute): Result.Result<Encoded, ParameterError> => {
  const { attributes, boundTypes, charset, longData, parameters } = execute
  const names = attributes === undefined ? undefined : Object.keys(attributes)
  const own = parameters.length
  const count = own + (names?.length ?? 0)
  const flags = (execute.cursor === true ? readOnlyCursor : 0) | (names === undefined ? 0 : countAvailable)
  const writer = new Writer(16 + count * 16).u8(code).u32(execute.statementId).u8(flags).u32(1)
  if (names !== undefined) writer.lengthEncoded(count)
  if (count === 0) return Result.succeed({ bytes: Packet.seal(writer), boundTypes: [] })
  return attempt(() => {
    const values: Array<Parameter | typeof longDataMarker> = []
    const types: Array<number> = []
    // Attributes have names, which go with the types.
    let known = boundTypes?.length === count && count === own
    for (let index = 0; index < own; index++) {
      const long = longData?.get(index)
      const value = long === undefined ? classify(parameters[index], index, execute.offsetMinutes) : longDataMarker
      const type =
        value === longDataMarker
          ? long === "text"
            ? ColumnType.VAR_STRING
            : ColumnType.BLOB
          : (typeOf(value) ?? boundTypes?.[index] ?? ColumnType.NULL)
      known &&= type === boundTypes![index]
      values.push(charset !== undefined && value !== longDataMarker ? inCharset(value, index, charset) : value)
      types.push(type)
    }
    for (let index = own; index < count; index++) {
      const name = names![index - own]!
      const value = classify(attributes![name], name, execute.offsetMinutes)
      values.push(value)
      types.push(typeOf(value) ?? ColumnType.NULL)
    }
    const bitmap = writer.size
    writer.zeros((count + 7) >> 3).u8(known ? 0 : 1)
    if (!known) {
      for (let index = 0; index < count; index++) {
        writer.u16(types[index]!)
        if (names !== undefined) writer.lengthEncodedText(index < own ? "" : names[index - own]!)
      }
    }
    for (let index = 0; index < count; index++) {
      const value = values[index]!
      if (value === longDataMarker) continue
      if (value._tag === "Null") writer.orPatch(bitmap + (index >> 3), 1 << (index & 7))
      else write(writer, value)
    }
    if (count > own) types.length = own
    return { bytes: Packet.seal(writer), boundTypes: known ? boundTypes! : types }
  })
}

const realTypes: ReadonlySet<number> = new Set([ColumnType.DOUBLE, ColumnType.FLOAT])
const numberTypes: ReadonlySet<number> = new Set([
  ...realTypes,
  ColumnType.TINY,
  ColumnType.LONGLONG,
  ColumnType.LONGLONG | unsignedFlag,
  ColumnType.NEWDECIMAL
])

/** What the server derived from an earlier execution outlives NULL, and a DOUBLE outlives numbers of other types. */
const outlives = (earlier: number, latest: number): boolean =>
  latest === ColumnType.NULL || (realTypes.has(earlier) && numberTypes.has(latest) && !realTypes.has(latest))

/**
 * The types that the server has derived after another execution.
 *
 * @since 0.1.0
 * @category combinators
 */
export const remembered = (earlier: BoundTypes | undefined, latest: BoundTypes): BoundTypes =>
  earlier !== latest && earlier?.some((type, index) => outlives(type, latest[index]!)) === true
    ? latest.map((type, index) => (outlives(earlier[index]!, type) ? earlier[index]! : type))
    : latest

/**
 * Whether a statement has to be prepared anew before it is executed with these values. MySQL (from 8.0.22 on) converts
 * some values to the type that it derived from an earlier execution: after a number, `SELECT ?` with `'b'` would give 0;
 * after a DATETIME a number would become a date; after a DOUBLE an integer would lose digits. It notices other changes
 * itself, but not always when the table has changed too. Numbers after numbers are left to it, but for those digits.
 *
 * @since 0.1.0
 * @category predicates
 */
export const wouldConvert = (earlier: BoundTypes | undefined, parameters: ReadonlyArray<unknown>): boolean => {
  if (earlier === undefined) return false
  for (let index = 0; index < parameters.length; index++) {
    const type = earlier[index]
    if (type !== undefined && type !== ColumnType.NULL && converts(type, parameters[index])) return true
  }
  return false
}

const converts = (type: number, value: unknown): boolean => {
  switch (typeof value) {
    case "number":
    case "boolean":
      return !numberTypes.has(type)
    case "string":
      return type !== ColumnType.VAR_STRING
    default:
      return value !== null && convertsParameter(type, value)
  }
}

const convertsParameter = (type: number, value: unknown): boolean => {
  let parameter: Parameter
  try {
    parameter = classify(value, 0, 0)
  } catch {
    // That it cannot be sent is found out, and said, when it is encoded.
    return false
  }
  const latest = typeOf(parameter)!
  if (!numberTypes.has(type) || !numberTypes.has(latest)) return dateTimeType(latest) !== dateTimeType(type)
  return realTypes.has(type) && losesDigits(parameter)
}

/** DATETIME and TIMESTAMP are one to the server. */
const dateTimeType = (type: number): number => (type === ColumnType.TIMESTAMP ? ColumnType.DATETIME : type)

const losesDigits = (parameter: Parameter): boolean =>
  parameter._tag === "Decimal" || (parameter._tag === "Integer" && !Number.isSafeInteger(Number(parameter.value)))
