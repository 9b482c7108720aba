/**
 * What a statement changed in its session, told in the OK that ends it.
 *
 * Manual: "Session State Information" under "OK_Packet".
 *
 * @since 0.1.0
 */
import { Reader, Writer } from "../Bytes.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Change =
  | { readonly _tag: "SystemVariable"; readonly name: string; readonly value: string }
  | { readonly _tag: "Database"; readonly name: string }
  /** Anything that the server's state tracker knows: user variables, temporary tables, and more. */
  | { readonly _tag: "State" }
  /** The transactions that were committed (or, by the server's setting, seen), as the server writes a set of them. */
  | { readonly _tag: "Gtids"; readonly gtids: string }
  /** The statements that would begin a transaction like the one that is open; empty for none. */
  | { readonly _tag: "TransactionCharacteristics"; readonly sql: string }
  /** Eight letters that say what the open transaction has done so far, see the manual on `session_track_transaction_info`. */
  | { readonly _tag: "TransactionState"; readonly state: string }
  | { readonly _tag: "Other"; readonly type: number; readonly data: Uint8Array }

/**
 * Whether it is about the session, and not only where a transaction stands or which were committed.
 *
 * @since 0.1.0
 * @category predicates
 */
export const outlivesTransaction = (change: Change): boolean =>
  change._tag !== "Gtids" && change._tag !== "TransactionCharacteristics" && change._tag !== "TransactionState"

const Type = {
  systemVariables: 0,
  schema: 1,
  stateChange: 2,
  gtids: 3,
  transactionCharacteristics: 4,
  transactionState: 5
} as const

/** The only way of writing them down that there is. */
const gtidEncoding = 0

/** Reads the length-encoded block at the end of an OK. */
export const read = (reader: Reader): ReadonlyArray<Change> => {
  const block = new Reader("session state", reader.view(reader.length()))
  const changes: Array<Change> = []
  while (block.remaining > 0) {
    const type = block.u8()
    readEntry(type, new Reader("session state", block.view(block.length())), changes)
  }
  return changes
}

const readEntry = (type: number, entry: Reader, changes: Array<Change>): void => {
  switch (type) {
    case Type.systemVariables:
      while (entry.remaining > 0) {
        changes.push({ _tag: "SystemVariable", name: entry.lengthEncodedText(), value: entry.lengthEncodedText() })
      }
      return
    case Type.schema:
      changes.push({ _tag: "Database", name: entry.lengthEncodedText() })
      return
    case Type.stateChange:
      changes.push({ _tag: "State" })
      return
    case Type.gtids:
      entry.skip(1)
      changes.push({ _tag: "Gtids", gtids: entry.lengthEncodedText() })
      return
    case Type.transactionCharacteristics:
      changes.push({ _tag: "TransactionCharacteristics", sql: entry.lengthEncodedText() })
      return
    case Type.transactionState:
      changes.push({ _tag: "TransactionState", state: entry.lengthEncodedText() })
      return
    default:
      changes.push({ _tag: "Other", type, data: entry.copy(entry.remaining) })
  }
}

/** Writes the block with its length, an entry for each change. */
export const write = (writer: Writer, changes: ReadonlyArray<Change>): void => {
  const block = new Writer()
  for (const change of changes) {
    const entry = new Writer()
    block.u8(writeEntry(entry, change)).lengthEncodedBytes(entry.payload())
  }
  writer.lengthEncodedBytes(block.payload())
}

const writeEntry = (entry: Writer, change: Change): number => {
  switch (change._tag) {
    case "SystemVariable":
      entry.lengthEncodedText(change.name).lengthEncodedText(change.value)
      return Type.systemVariables
    case "Database":
      entry.lengthEncodedText(change.name)
      return Type.schema
    case "State":
      entry.lengthEncodedText("1")
      return Type.stateChange
    case "Gtids":
      entry.u8(gtidEncoding).lengthEncodedText(change.gtids)
      return Type.gtids
    case "TransactionCharacteristics":
      entry.lengthEncodedText(change.sql)
      return Type.transactionCharacteristics
    case "TransactionState":
      entry.lengthEncodedText(change.state)
      return Type.transactionState
    case "Other":
      entry.bytes(change.data)
      return change.type
  }
}
