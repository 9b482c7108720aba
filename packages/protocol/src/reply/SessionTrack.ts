/**
 * What a statement changed in its session, told in the OK that ends it.
 *
 * Manual: "Session State Information" under "OK_Packet".
 *
 * @since 0.1.0
 */
import { Reader } from "../Bytes.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Change =
  | { readonly _tag: "SystemVariable"; readonly name: string; readonly value: string }
  | { readonly _tag: "Database"; readonly name: string }
  /** Anything that the server's state tracker knows: user variables, temporary tables, and more. */
  | { readonly _tag: "State" }
  /** Where the transaction stands, and the ids of those that were committed: neither outlives the transaction. */
  | { readonly _tag: "Transaction"; readonly type: number; readonly data: Uint8Array }
  | { readonly _tag: "Other"; readonly type: number; readonly data: Uint8Array }

const systemVariables = 0
const schema = 1
const stateChange = 2
/** SESSION_TRACK_GTIDS, _TRANSACTION_CHARACTERISTICS and _TRANSACTION_STATE. */
const ofTransactions: ReadonlySet<number> = new Set([3, 4, 5])

/** Reads the length-encoded block at the end of an OK. */
export const read = (reader: Reader): ReadonlyArray<Change> => {
  const block = new Reader("session state", reader.view(reader.length()))
  const changes: Array<Change> = []
  while (block.remaining > 0) {
    const type = block.u8()
    const entry = new Reader("session state", block.view(block.length()))
    if (type === systemVariables) {
      while (entry.remaining > 0) {
        changes.push({ _tag: "SystemVariable", name: entry.lengthEncodedText(), value: entry.lengthEncodedText() })
      }
    } else if (type === schema) {
      changes.push({ _tag: "Database", name: entry.lengthEncodedText() })
    } else if (type === stateChange) {
      changes.push({ _tag: "State" })
    } else if (ofTransactions.has(type)) {
      changes.push({ _tag: "Transaction", type, data: entry.copy(entry.remaining) })
    } else {
      changes.push({ _tag: "Other", type, data: entry.copy(entry.remaining) })
    }
  }
  return changes
}
