/**
 * OK, also in its place at the end of a result set (`CLIENT_DEPRECATE_EOF`), and EOF.
 *
 * What follows the known fields is ignored: that is how the protocol grows.
 *
 * Manual: "OK_Packet", "EOF_Packet".
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import { decode as decodeWith, type Reader, Writer } from "../Bytes.ts"
import { type Capabilities, Flag, has } from "../connect/Capabilities.ts"
import type { ProtocolError } from "../ProtocolError.ts"
import { ServerStatus } from "../ServerStatus.ts"
import * as SessionTrack from "./SessionTrack.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Ok {
  /** `number` where safe, else `bigint`. */
  readonly affectedRows: number | bigint
  /** `number` where safe, else `bigint`; 0 where there is none. */
  readonly insertId: number | bigint
  readonly status: number
  readonly warningCount: number
  readonly info: string
  readonly changes: ReadonlyArray<SessionTrack.Change>
}

const noChanges: ReadonlyArray<SessionTrack.Change> = []

/** Reads what follows the header byte. */
export const read = (reader: Reader, capabilities: Capabilities): Ok => {
  const affectedRows = reader.lengthEncoded()
  const insertId = reader.lengthEncoded()
  const status = reader.u16()
  const warningCount = reader.u16()
  if (reader.remaining === 0) return { affectedRows, insertId, status, warningCount, info: "", changes: noChanges }
  // The manual has it without a length where session tracking is off; servers send the length in either case.
  const info = reader.lengthEncodedText()
  const tracked = has(capabilities, Flag.SESSION_TRACK) && (status & ServerStatus.sessionStateChanged) !== 0
  const changes = tracked && reader.remaining > 0 ? SessionTrack.read(reader) : noChanges
  return { affectedRows, insertId, status, warningCount, info, changes }
}

/** Reads what follows the header byte of an EOF. */
export const readEof = (reader: Reader): Ok => {
  const warningCount = reader.u16()
  const status = reader.u16()
  return { affectedRows: 0, insertId: 0, status, warningCount, info: "", changes: noChanges }
}

/**
 * Reads a whole packet, with the header of an OK or of the OK that ends rows. Manual: "OK_Packet".
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array, capabilities: Capabilities): Result.Result<Ok, ProtocolError> =>
  decodeWith("OK", bytes, (reader) => {
    const header = reader.u8()
    if (header !== 0x00 && header !== 0xfe) reader.fail("0x00 or 0xfe", `0x${header.toString(16)}`)
    return read(reader, capabilities)
  })

/**
 * What a server says of a statement, for the encoder: no info and no changes where there are none.
 *
 * @since 0.1.0
 * @category models
 */
export type OkFields = Pick<Ok, "affectedRows" | "insertId" | "status" | "warningCount"> &
  Partial<Pick<Ok, "info" | "changes">>

/**
 * OK, or with `0xfe` the end of rows where `CLIENT_DEPRECATE_EOF` was agreed on. Changes of the session are written
 * where tracking was agreed on; the status says whether there are any.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (ok: OkFields, header: 0x00 | 0xfe = 0x00, capabilities?: Capabilities): Writer => {
  const changes =
    capabilities !== undefined && has(capabilities, Flag.SESSION_TRACK) ? (ok.changes ?? noChanges) : noChanges
  const tracked = changes.length > 0 ? ServerStatus.sessionStateChanged : 0
  const writer = new Writer()
    .u8(header)
    .lengthEncoded(ok.affectedRows)
    .lengthEncoded(ok.insertId)
    .u16((ok.status & ~ServerStatus.sessionStateChanged) | tracked)
    .u16(ok.warningCount)
  const info = ok.info ?? ""
  if (info !== "" || tracked !== 0) writer.lengthEncodedText(info)
  if (tracked !== 0) SessionTrack.write(writer, changes)
  return writer
}

/**
 * EOF: the end of definitions or rows where `CLIENT_DEPRECATE_EOF` was not agreed on.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeEof = (ok: Pick<Ok, "status" | "warningCount">): Writer =>
  new Writer(8).u8(0xfe).u16(ok.warningCount).u16(ok.status)
