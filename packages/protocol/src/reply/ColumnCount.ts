/**
 * The first packet of a result set: how many columns it has, and whether their definitions follow. They are left out
 * where both sides can do without: MySQL's `resultset_metadata=NONE`, MariaDB's cached metadata.
 *
 * Manual: "Text Resultset", "Optional Result Set Metadata"; MariaDB "Result Set Packets".
 *
 * @since 0.1.0
 */
import { type Reader, Writer } from "../Bytes.ts"
import { type Capabilities, ExtendedFlag, Flag, has, hasExtended } from "../connect/Capabilities.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface ColumnCount {
  readonly count: number
  /** The definitions follow. */
  readonly follows: boolean
}

/** Most columns that a server may announce. MySQL and MariaDB allow 4,096. */
const maxColumns = 65_535

/** The manual of MySQL has the byte in front of the count; its servers send it behind, as those of MariaDB do. */
const isOptional = (capabilities: Capabilities): boolean =>
  has(capabilities, Flag.OPTIONAL_RESULTSET_METADATA) || hasExtended(capabilities, ExtendedFlag.CACHE_METADATA)

/** Reads a whole packet. */
export const read = (reader: Reader, capabilities: Capabilities): ColumnCount => {
  const count = reader.length()
  if (count > maxColumns || count === 0) reader.fail(`1 to ${maxColumns} columns`, `${count}`)
  const follows = isOptional(capabilities) ? reader.u8() === 1 : true
  reader.finish()
  return { count, follows }
}

/**
 * The payload, as a server writes it. Manual: "Text Resultset", "Optional Result Set Metadata".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = ({ count, follows }: ColumnCount, capabilities: Capabilities): Writer => {
  const writer = new Writer(8).lengthEncoded(count)
  return isOptional(capabilities) ? writer.u8(follows ? 1 : 0) : writer
}
