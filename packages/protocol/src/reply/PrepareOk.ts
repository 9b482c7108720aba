/**
 * The first packet of the reply to a prepare. Definitions of the parameters and of the columns follow it.
 *
 * Manual: "COM_STMT_PREPARE Response".
 *
 * @since 0.1.0
 */
import { type Reader, Writer } from "../Bytes.ts"
import { type Capabilities, Flag, has } from "../connect/Capabilities.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface PrepareOk {
  readonly statementId: number
  readonly columnCount: number
  readonly parameterCount: number
  readonly warningCount: number
  /** The definitions follow, where there are any. */
  readonly follows: boolean
}

/** Reads what follows the header byte, to the end of the packet. */
export const read = (reader: Reader, capabilities: Capabilities): PrepareOk => {
  const statementId = reader.u32()
  const columnCount = reader.u16()
  const parameterCount = reader.u16()
  reader.skip(1)
  const warningCount = reader.u16()
  const follows = has(capabilities, Flag.OPTIONAL_RESULTSET_METADATA) ? reader.u8() === 1 : true
  reader.finish()
  return { statementId, columnCount, parameterCount, warningCount, follows }
}

/**
 * The payload, as a server writes it. Manual: "COM_STMT_PREPARE Response".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (prepared: PrepareOk, capabilities: Capabilities): Writer => {
  const writer = new Writer(16)
    .u8(0)
    .u32(prepared.statementId)
    .u16(prepared.columnCount)
    .u16(prepared.parameterCount)
    .u8(0)
    .u16(prepared.warningCount)
  return has(capabilities, Flag.OPTIONAL_RESULTSET_METADATA) ? writer.u8(prepared.follows ? 1 : 0) : writer
}
