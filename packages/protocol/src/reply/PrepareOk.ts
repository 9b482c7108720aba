/**
 * The first packet of the reply to a prepare. Definitions of the parameters and of the columns follow it.
 *
 * Manual: "COM_STMT_PREPARE Response".
 *
 * @since 0.1.0
 */
import type { Reader } from "../Bytes.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface PrepareOk {
  readonly statementId: number
  readonly columnCount: number
  readonly parameterCount: number
  readonly warningCount: number
}

/** Reads what follows the header byte, to the end of the packet. */
export const read = (reader: Reader): PrepareOk => {
  const statementId = reader.u32()
  const columnCount = reader.u16()
  const parameterCount = reader.u16()
  reader.skip(1)
  const warningCount = reader.u16()
  reader.finish()
  return { statementId, columnCount, parameterCount, warningCount }
}
