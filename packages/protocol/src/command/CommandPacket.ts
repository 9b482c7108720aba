/**
 * Commands as a server reads them: every command of `Command`, `Execute`, `BulkExecute`, `QueryAttributes` and
 * `ChangeUser`, from its payload.
 *
 * What an execution means depends on what was prepared: `statements` tells how many parameters a statement has, which
 * types its last execution had, and which of its values were sent as long data.
 *
 * Manual: "Command Phase".
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import { decode as decodeWith, type Reader } from "../Bytes.ts"
import { type Capabilities, Flag, has } from "../connect/Capabilities.ts"
import type { ProtocolError } from "../ProtocolError.ts"
import { read as readValue } from "../value/BinaryValue.ts"
import type { Parameter } from "../value/Parameter.ts"
import { BulkFlag, Indicator } from "./BulkExecute.ts"
import * as ChangeUser from "./ChangeUser.ts"
import { Code } from "./Command.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Statement {
  readonly parameterCount: number
  /** Of the last execution, two bytes each. */
  readonly types?: ReadonlyArray<number> | undefined
  /** Positions whose values were sent before. */
  readonly longData?: ReadonlySet<number> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Context {
  readonly capabilities: Capabilities
  /** `undefined`: no such statement. */
  readonly statements?: ((statementId: number) => Statement | undefined) | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type Attribute = { readonly name: string; readonly value: Parameter }

/**
 * A value of a bulk execution, or what stands in its place.
 *
 * @since 0.1.0
 * @category models
 */
export type BulkValue = Parameter | { readonly _tag: "Default" } | { readonly _tag: "Ignore" }

/**
 * @since 0.1.0
 * @category models
 */
export type CommandPacket =
  | { readonly _tag: "Quit" }
  | { readonly _tag: "InitDatabase"; readonly database: string }
  | { readonly _tag: "Query"; readonly sql: string; readonly attributes: ReadonlyArray<Attribute> }
  | { readonly _tag: "Statistics" }
  | { readonly _tag: "Ping" }
  | ({ readonly _tag: "ChangeUser" } & ChangeUser.ChangeUser)
  | { readonly _tag: "Prepare"; readonly sql: string }
  | {
      readonly _tag: "Execute"
      readonly statementId: number
      readonly cursor: boolean
      /** `undefined` where the value was sent as long data. */
      readonly parameters: ReadonlyArray<Parameter | undefined>
      readonly types: ReadonlyArray<number>
      readonly attributes: ReadonlyArray<Attribute>
    }
  | {
      readonly _tag: "BulkExecute"
      readonly statementId: number
      readonly unitResults: boolean
      readonly types: ReadonlyArray<number>
      readonly rows: ReadonlyArray<ReadonlyArray<BulkValue>>
    }
  | {
      readonly _tag: "SendLongData"
      readonly statementId: number
      readonly parameter: number
      readonly part: Uint8Array
    }
  | { readonly _tag: "CloseStatement"; readonly statementId: number }
  | { readonly _tag: "ResetStatement"; readonly statementId: number }
  | { readonly _tag: "Fetch"; readonly statementId: number; readonly rows: number }
  | { readonly _tag: "SetMultiStatements"; readonly on: boolean }
  | { readonly _tag: "ResetConnection" }
  /** A command that this package does not know. */
  | { readonly _tag: "Unknown"; readonly code: number }

/**
 * Reads the payload of a packet that begins a command. Fails where it is not what its first byte says; a byte that is no
 * command of this package is `Unknown`. Manual: "Command Phase" and the page of each command.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array, context: Context): Result.Result<CommandPacket, ProtocolError> =>
  decodeWith("command", bytes, (reader) => {
    const packet = read(reader, context)
    if (packet._tag !== "Unknown") reader.finish()
    return packet
  })

const read = (reader: Reader, context: Context): CommandPacket => {
  const code = reader.u8()
  switch (code) {
    case Code.QUIT:
      return { _tag: "Quit" }
    case Code.INIT_DB:
      return { _tag: "InitDatabase", database: reader.text(reader.remaining) }
    case Code.QUERY:
      return readQuery(reader, context)
    case Code.STATISTICS:
      return { _tag: "Statistics" }
    case Code.PING:
      return { _tag: "Ping" }
    case Code.CHANGE_USER:
      return { _tag: "ChangeUser", ...ChangeUser.read(reader, context.capabilities) }
    case Code.STMT_PREPARE:
      return { _tag: "Prepare", sql: reader.text(reader.remaining) }
    case Code.STMT_EXECUTE:
      return readExecute(reader, context)
    case Code.STMT_BULK_EXECUTE:
      return readBulk(reader, context)
    case Code.STMT_SEND_LONG_DATA: {
      const [statementId, parameter] = [reader.u32(), reader.u16()]
      return { _tag: "SendLongData", statementId, parameter, part: reader.copy(reader.remaining) }
    }
    case Code.STMT_CLOSE:
      return { _tag: "CloseStatement", statementId: reader.u32() }
    case Code.STMT_RESET:
      return { _tag: "ResetStatement", statementId: reader.u32() }
    case Code.STMT_FETCH:
      return { _tag: "Fetch", statementId: reader.u32(), rows: reader.u32() }
    case Code.SET_OPTION:
      return { _tag: "SetMultiStatements", on: reader.u16() === 0 }
    case Code.RESET_CONNECTION:
      return { _tag: "ResetConnection" }
    default:
      return { _tag: "Unknown", code }
  }
}

const readQuery = (reader: Reader, { capabilities }: Context): CommandPacket => {
  let attributes: ReadonlyArray<Attribute> = []
  if (has(capabilities, Flag.QUERY_ATTRIBUTES)) {
    const count = reader.length()
    const sets = reader.length()
    if (sets !== 1) reader.fail("one set of attributes", `${sets}`)
    if (count > 0) {
      const bound = readBound(reader, count, true, { parameterCount: count })
      attributes = attributesOf(reader, bound, 0)
    }
  }
  return { _tag: "Query", sql: reader.text(reader.remaining), attributes }
}

const readOnlyCursor = 0x01
const countAvailable = 0x08

const readExecute = (reader: Reader, { capabilities, statements }: Context): CommandPacket => {
  const statementId = reader.u32()
  const flags = reader.u8()
  const iterations = reader.u32()
  if (iterations !== 1) reader.fail("one iteration", `${iterations}`)
  const statement = statements?.(statementId) ?? { parameterCount: 0 }
  const named = has(capabilities, Flag.QUERY_ATTRIBUTES)
  const counted = named && (flags & countAvailable) !== 0
  const count = counted ? reader.length() : statement.parameterCount
  if (count < statement.parameterCount) reader.fail(`${statement.parameterCount} parameters`, `${count}`)
  const bound = count === 0 ? { types: [], names: [], values: [] } : readBound(reader, count, named, statement)
  return {
    _tag: "Execute",
    statementId,
    cursor: (flags & readOnlyCursor) !== 0,
    parameters: bound.values.slice(0, statement.parameterCount),
    types: bound.types.slice(0, statement.parameterCount),
    attributes: attributesOf(reader, bound, statement.parameterCount)
  }
}

interface Bound {
  readonly types: ReadonlyArray<number>
  readonly names: ReadonlyArray<string>
  readonly values: ReadonlyArray<Parameter | undefined>
}

/** A bitmap of NULLs, types unless they are known, values. */
const readBound = (reader: Reader, count: number, named: boolean, statement: Statement): Bound => {
  const nulls = reader.view((count + 7) >> 3)
  const typesFollow = reader.u8()
  if (typesFollow > 1) reader.fail("0 or 1 for whether types follow", `${typesFollow}`)
  const names: Array<string> = []
  let types = statement.types ?? []
  if (typesFollow === 1) {
    const told: Array<number> = []
    for (let index = 0; index < count; index++) {
      told.push(reader.u16())
      names.push(named ? reader.lengthEncodedText() : "")
    }
    types = told
  } else if (types.length !== count) {
    reader.fail("types of parameters", "none, and none are known")
  }
  const values: Array<Parameter | undefined> = []
  for (let index = 0; index < count; index++) {
    if (statement.longData?.has(index) === true) values.push(undefined)
    else if ((nulls[index >> 3]! & (1 << (index & 7))) !== 0) values.push({ _tag: "Null" })
    else values.push(readValue(reader, types[index]!))
  }
  return { types, names, values }
}

const attributesOf = (reader: Reader, bound: Bound, from: number): ReadonlyArray<Attribute> =>
  bound.values.slice(from).map((value, index) => ({
    name: bound.names[from + index] ?? reader.fail("a name", "an attribute without one"),
    value: value ?? reader.fail("a value", "long data for an attribute")
  }))

const readBulk = (reader: Reader, { statements }: Context): CommandPacket => {
  const statementId = reader.u32()
  const flags = reader.u16()
  const statement = statements?.(statementId) ?? { parameterCount: 0 }
  const count = statement.parameterCount
  if (count === 0) reader.fail("a statement with parameters", `${statementId}`)
  const typesFollow = (flags & BulkFlag.sendTypes) !== 0
  const types = typesFollow ? Array.from({ length: count }, () => reader.u16()) : (statement.types ?? [])
  if (types.length !== count) reader.fail("types of parameters", "none, and none are known")
  const rows: Array<ReadonlyArray<BulkValue>> = []
  while (reader.remaining > 0) rows.push(types.map((type) => readBulkValue(reader, type)))
  return { _tag: "BulkExecute", statementId, unitResults: (flags & BulkFlag.unitResults) !== 0, types, rows }
}

const readBulkValue = (reader: Reader, type: number): BulkValue => {
  const indicator = reader.u8()
  switch (indicator) {
    case Indicator.none:
      return readValue(reader, type)
    case Indicator.null:
      return { _tag: "Null" }
    case Indicator.default:
      return { _tag: "Default" }
    case Indicator.ignore:
      return { _tag: "Ignore" }
    default:
      return reader.fail("an indicator of 0 to 3", `${indicator}`)
  }
}
