/**
 * Column definitions: what the columns of a result are called and of what type they are. MariaDB adds names for types
 * that it stores in others (`json`, `uuid`, `inet6` …) where extended metadata was agreed on.
 *
 * Manual: "Protocol::ColumnDefinition41"; MariaDB "Column Definition Packet".
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import { decode as decodeWith, Reader, Writer } from "../Bytes.ts"
import { type Capabilities, ExtendedFlag, hasExtended } from "../connect/Capabilities.ts"
import type { ProtocolError } from "../ProtocolError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Column {
  readonly name: string
  readonly table: string
  readonly database: string
  readonly originalName: string
  readonly originalTable: string
  readonly collation: number
  /** Largest length of a value in bytes, as the server states it. */
  readonly length: number
  /** A number of `ColumnType`. */
  readonly type: number
  readonly flags: number
  readonly decimals: number
  /** MariaDB: the name of a type that is stored in another one, e.g. `uuid`. */
  readonly extendedType: string | undefined
  /** MariaDB: the format of a string, e.g. `json`. */
  readonly format: string | undefined
}

const fixedFieldsBytes = 0x0c

/** Reads a whole packet. */
export const read = (reader: Reader, capabilities: Capabilities): Column => {
  reader.skip(reader.length())
  const database = reader.lengthEncodedText()
  const table = reader.lengthEncodedText()
  const originalTable = reader.lengthEncodedText()
  const name = reader.lengthEncodedText()
  const originalName = reader.lengthEncodedText()
  let extendedType: string | undefined
  let format: string | undefined
  if (hasExtended(capabilities, ExtendedFlag.EXTENDED_METADATA)) {
    const extended = new Reader("column definition", reader.view(reader.length()))
    while (extended.remaining > 0) {
      const kind = extended.u8()
      const value = extended.lengthEncodedText()
      if (kind === 0) extendedType = value
      else if (kind === 1) format = value
    }
  }
  const fixed = reader.length()
  if (fixed !== fixedFieldsBytes) reader.fail(`${fixedFieldsBytes} bytes of fixed fields`, `${fixed}`)
  const collation = reader.u16()
  const length = reader.u32()
  const type = reader.u8()
  const flags = reader.u16()
  const decimals = reader.u8()
  reader.skip(2)
  reader.finish()
  return {
    name,
    table,
    database,
    originalName,
    originalTable,
    collation,
    length,
    type,
    flags,
    decimals,
    extendedType,
    format
  }
}

/**
 * Reads a whole packet. Manual: "Protocol::ColumnDefinition41"; MariaDB "Result Set Packets".
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array, capabilities: Capabilities): Result.Result<Column, ProtocolError> =>
  decodeWith("column definition", bytes, (reader) => read(reader, capabilities))

/**
 * The payload, as a server writes it. Manual: "Protocol::ColumnDefinition41"; MariaDB "Result Set Packets".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (column: Column, capabilities: Capabilities): Writer => {
  const writer = new Writer()
    .lengthEncodedText("def")
    .lengthEncodedText(column.database)
    .lengthEncodedText(column.table)
    .lengthEncodedText(column.originalTable)
    .lengthEncodedText(column.name)
    .lengthEncodedText(column.originalName)
  if (hasExtended(capabilities, ExtendedFlag.EXTENDED_METADATA)) {
    const extended = new Writer()
    if (column.extendedType !== undefined) extended.u8(0).lengthEncodedText(column.extendedType)
    if (column.format !== undefined) extended.u8(1).lengthEncodedText(column.format)
    writer.lengthEncodedBytes(extended.payload())
  }
  return writer
    .lengthEncoded(fixedFieldsBytes)
    .u16(column.collation)
    .u32(column.length)
    .u8(column.type)
    .u16(column.flags)
    .u8(column.decimals)
    .u16(0)
}
