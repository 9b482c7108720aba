/**
 * Executes a prepared statement once for each of many rows of parameters, in one message (MariaDB 10.2 and later, where
 * `STMT_BULK_OPERATIONS` was agreed on). In front of each value stands an indicator: a value follows, NULL, the
 * column's default, or leave the column as it is.
 *
 * A column of parameters has one type for all rows of a message. Numbers of several types are sent as the one that
 * holds them all; where no type does, what follows goes into a message of its own.
 *
 * Manual: "COM_STMT_BULK_EXECUTE" (MariaDB).
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import { Writer } from "../Bytes.ts"
import { ColumnType } from "../ColumnType.ts"
import * as Packet from "../framing/Packet.ts"
import { inCharset, typeOf, unsignedFlag, write } from "../value/BinaryValue.ts"
import type { Charset } from "../value/Charset.ts"
import { attempt, classify, type Parameter, ParameterError } from "../value/Parameter.ts"
import type { Zone } from "../value/Zone.ts"
import { Code } from "./Command.ts"

/**
 * In place of a value: the default of the column that it is meant for.
 *
 * @since 0.1.0
 * @category constants
 */
export const useDefault: unique symbol = Symbol.for("@effect-mysql/protocol/BulkExecute/default")

/**
 * In place of a value, in an UPDATE: the column stays as it is, but for a NULL, of which MariaDB 11.8 makes the empty
 * value of the column's type.
 *
 * @since 0.1.0
 * @category constants
 */
export const ignore: unique symbol = Symbol.for("@effect-mysql/protocol/BulkExecute/ignore")

/**
 * @since 0.1.0
 * @category models
 */
export interface BulkExecute {
  readonly statementId: number
  /** Values, `useDefault` and `ignore`; all rows of one length, at least 1. */
  readonly rows: ReadonlyArray<ReadonlyArray<unknown>>
  /** The session's time zone: minutes ahead of UTC, or a named one. */
  readonly offsetMinutes: Zone
  /** How strings are sent. Default UTF-8. */
  readonly charset?: Charset | undefined
  /** Largest payload of a message in bytes; a row that is longer goes alone. Default: no bound. */
  readonly maxBytes?: number | undefined
  /** Where `BULK_UNIT_RESULTS` was agreed on: answer with a row `(Id, Update_count)` for each row. Default `false`. */
  readonly unitResults?: boolean | undefined
}

/**
 * One message, and how many of the rows it carries.
 *
 * @since 0.1.0
 * @category models
 */
export interface Message {
  readonly bytes: Buffer
  readonly rows: number
}

/**
 * What stands in front of a value.
 *
 * @since 0.1.0
 * @category constants
 */
export const Indicator = { none: 0, null: 1, default: 2, ignore: 3 } as const

/**
 * The second field of the message.
 *
 * @since 0.1.0
 * @category constants
 */
export const BulkFlag = { unitResults: 64, sendTypes: 128 } as const

/** A value, or the indicator in its place. */
type Cell = Exclude<Parameter, { readonly _tag: "Null" }> | number

/**
 * The rows as messages, in their order. Fails for a value that cannot be sent, naming its row; then none of them is to
 * be sent.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (bulk: BulkExecute): Result.Result<ReadonlyArray<Message>, ParameterError> =>
  attempt(() => {
    const messages: Array<Message> = []
    const columns = bulk.rows[0]?.length ?? 0
    let run: Array<ReadonlyArray<Cell>> = []
    let kinds = unknownKinds(columns)
    for (const [index, row] of bulk.rows.entries()) {
      const cells = classifyRow(row, index, columns, bulk)
      const wider = widened(kinds, cells)
      if (wider === undefined) {
        writeRun(bulk, run, kinds, messages)
        run = []
        kinds = widened(unknownKinds(columns), cells)!
      } else {
        kinds = wider
      }
      run.push(cells)
    }
    writeRun(bulk, run, kinds, messages)
    return messages
  })

/** A type as it is written, but for integers that a DOUBLE holds as well: those are told apart. */
type Kind = number
const safeInteger: Kind = -1
const unsignedBigint: Kind = ColumnType.LONGLONG | unsignedFlag

/** The kinds that hold all values of a kind, the closest first. */
const wider: ReadonlyMap<Kind, ReadonlyArray<Kind>> = new Map([
  [
    ColumnType.TINY,
    [safeInteger, ColumnType.LONGLONG, unsignedBigint, ColumnType.DOUBLE, ColumnType.NEWDECIMAL] as ReadonlyArray<Kind>
  ],
  [safeInteger, [ColumnType.LONGLONG, ColumnType.DOUBLE, ColumnType.NEWDECIMAL]],
  [ColumnType.LONGLONG, [ColumnType.NEWDECIMAL]],
  [unsignedBigint, [ColumnType.NEWDECIMAL]]
])

const kindOf = (cell: Exclude<Cell, number>): Kind =>
  cell._tag === "Integer" && typeof cell.value === "number" ? safeInteger : typeOf(cell)!

const common = (one: Kind, other: Kind): Kind | undefined => {
  if (one === other || one === ColumnType.NULL) return other
  const aboveOne = wider.get(one) ?? []
  const aboveOther = wider.get(other) ?? []
  if (aboveOne.includes(other)) return other
  if (aboveOther.includes(one)) return one
  return aboveOne.find((kind) => aboveOther.includes(kind))
}

const unknownKinds = (columns: number): ReadonlyArray<Kind> => new Array<Kind>(columns).fill(ColumnType.NULL)

/** The kinds that hold these values too; `undefined` if some column has none. */
const widened = (kinds: ReadonlyArray<Kind>, cells: ReadonlyArray<Cell>): ReadonlyArray<Kind> | undefined => {
  let changed: Array<Kind> | undefined
  for (let column = 0; column < cells.length; column++) {
    const cell = cells[column]!
    if (typeof cell === "number") continue
    const kind = kindOf(cell)
    if (kind === kinds[column]) continue
    const both = common(kinds[column]!, kind)
    if (both === undefined) return undefined
    changed ??= kinds.slice()
    changed[column] = both
  }
  return changed ?? kinds
}

const classifyRow = (
  row: ReadonlyArray<unknown>,
  index: number,
  columns: number,
  { charset, offsetMinutes }: BulkExecute
): ReadonlyArray<Cell> => {
  if (row.length !== columns || columns === 0) {
    throw new ParameterError({
      parameter: Math.min(row.length, columns),
      row: index,
      message: `${row.length} values, where the first row has ${columns}; at least one is needed`
    })
  }
  return row.map((value, parameter) => {
    if (value === useDefault) return Indicator.default
    if (value === ignore) return Indicator.ignore
    try {
      const classified = classify(value, parameter, offsetMinutes)
      if (charset !== undefined) inCharset(classified, parameter, charset)
      return classified._tag === "Null" ? Indicator.null : classified
    } catch (error) {
      throw new ParameterError({ parameter, row: index, message: (error as ParameterError).message })
    }
  })
}

const writeRun = (
  bulk: BulkExecute,
  run: ReadonlyArray<ReadonlyArray<Cell>>,
  kinds: ReadonlyArray<Kind>,
  messages: Array<Message>
): void => {
  const maxBytes = bulk.maxBytes ?? Number.POSITIVE_INFINITY
  let writer = begin(bulk, kinds)
  let rows = 0
  for (const cells of run) {
    const before = writer.size
    writeRow(writer, cells, kinds, bulk.charset)
    if (rows > 0 && writer.size > maxBytes) {
      const overflow = Buffer.from(writer.payload().subarray(before))
      writer.truncate(before)
      messages.push({ bytes: Packet.seal(writer), rows })
      writer = begin(bulk, kinds).bytes(overflow)
      rows = 0
    }
    rows++
  }
  if (rows > 0) messages.push({ bytes: Packet.seal(writer), rows })
}

const begin = (bulk: BulkExecute, kinds: ReadonlyArray<Kind>): Writer => {
  const flags = BulkFlag.sendTypes | (bulk.unitResults === true ? BulkFlag.unitResults : 0)
  const writer = new Writer(1024).u8(Code.STMT_BULK_EXECUTE).u32(bulk.statementId).u16(flags)
  for (const kind of kinds) writer.u16(kind === safeInteger ? ColumnType.LONGLONG : kind)
  return writer
}

const writeRow = (
  writer: Writer,
  cells: ReadonlyArray<Cell>,
  kinds: ReadonlyArray<Kind>,
  charset: Charset | undefined
): void => {
  for (let column = 0; column < cells.length; column++) {
    const cell = cells[column]!
    if (typeof cell === "number") writer.u8(cell)
    else if (charset !== undefined && cell._tag === "Text") {
      writer.u8(Indicator.none).lengthEncodedBytes(charset.encode(cell.value)!)
    } else writeAs(writer.u8(Indicator.none), cell, kinds[column]!)
  }
}

/** A number in the form of the type that the column has in this message. */
const writeAs = (writer: Writer, cell: Exclude<Cell, number>, kind: Kind): void => {
  if (cell._tag !== "Integer" && cell._tag !== "Boolean") return write(writer, cell)
  if (kind === ColumnType.TINY) return write(writer, cell)
  const value = typeof cell.value === "boolean" ? (cell.value ? 1 : 0) : cell.value
  if (kind === ColumnType.DOUBLE) writer.f64(Number(value))
  else if (kind === ColumnType.NEWDECIMAL) writer.lengthEncodedText(value.toString())
  else writer.i64(value)
}
