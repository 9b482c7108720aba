/**
 * ERR: the server refuses. After the handshake it carries an SQLSTATE behind a `#`; before it, it does not.
 *
 * Manual: "ERR_Packet".
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import { decode as decodeWith, type Reader, Writer } from "../Bytes.ts"
import type { ProtocolError } from "../ProtocolError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Err {
  readonly errno: number
  /** `HY000` where the server sent none. */
  readonly sqlState: string
  readonly message: string
}

/** Reads what follows the header byte. */
export const read = (reader: Reader): Err => {
  const errno = reader.u16()
  const marked = reader.remaining >= 6 && reader.bytes[reader.position] === 0x23
  if (marked) reader.skip(1)
  const sqlState = marked ? reader.text(5) : "HY000"
  return { errno, sqlState, message: reader.text(reader.remaining) }
}

/**
 * Reads a whole packet. Fails for one that does not begin as an ERR. Manual: "ERR_Packet".
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array): Result.Result<Err, ProtocolError> =>
  decodeWith("ERR", bytes, (reader) => {
    const header = reader.u8()
    if (header !== 0xff) reader.fail("0xff", `0x${header.toString(16)}`)
    return read(reader)
  })

/**
 * `bare`: without an SQLSTATE, as before the handshake.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (err: Err, form: "marked" | "bare" = "marked"): Writer =>
  new Writer()
    .u8(0xff)
    .u16(err.errno)
    .text(form === "marked" ? `#${err.sqlState}${err.message}` : err.message)
