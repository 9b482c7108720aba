/**
 * The commands of the client that are a byte and at most a few fields. Each starts a new conversation: sequence number 0.
 *
 * Manual: "Command Phase": COM_QUERY, COM_STMT_PREPARE, COM_STMT_CLOSE, COM_STMT_RESET, COM_STMT_FETCH,
 * COM_STMT_SEND_LONG_DATA, COM_PING, COM_QUIT, COM_INIT_DB, COM_STATISTICS, COM_RESET_CONNECTION, COM_SET_OPTION.
 *
 * @since 0.1.0
 */
import { Writer } from "../Bytes.ts"
import { type Capabilities, Flag, has } from "../connect/Capabilities.ts"
import * as Packet from "../framing/Packet.ts"

/**
 * The first byte of every command, by the manual's name of it without `COM_`.
 *
 * @since 0.1.0
 * @category constants
 */
export const Code = {
  QUIT: 0x01,
  INIT_DB: 0x02,
  QUERY: 0x03,
  STATISTICS: 0x09,
  PING: 0x0e,
  CHANGE_USER: 0x11,
  STMT_PREPARE: 0x16,
  STMT_EXECUTE: 0x17,
  STMT_SEND_LONG_DATA: 0x18,
  STMT_CLOSE: 0x19,
  STMT_RESET: 0x1a,
  SET_OPTION: 0x1b,
  STMT_FETCH: 0x1c,
  STMT_BULK_EXECUTE: 0xfa,
  RESET_CONNECTION: 0x1f
} as const

/** What stands before the text of COM_QUERY where attributes were agreed on and there are none: their count, and one set. */
const noAttributes = [0x00, 0x01]

const withText = (code: number, text: string | Uint8Array): Buffer => {
  if (typeof text !== "string") return Packet.seal(new Writer(text.length + 1).u8(code).bytes(text))
  const length = Buffer.byteLength(text) + 1
  if (length >= Packet.maxFramePayload) return Packet.seal(new Writer(length).u8(code).text(text))
  // The commonest message of all: one allocation of the exact size.
  const bytes = Buffer.allocUnsafe(length + 4)
  bytes[0] = length
  bytes[1] = length >>> 8
  bytes[2] = length >>> 16
  bytes[3] = 0
  bytes[4] = code
  bytes.write(text, 5, "utf8")
  return bytes
}

/**
 * Runs statements as text, without attributes: see `QueryAttributes.query`. `agreed` need not be given where
 * `CLIENT_QUERY_ATTRIBUTES` is not among it. Bytes are in the character set of the session where that is not UTF-8.
 *
 * @since 0.1.0
 * @category encoding
 */
export const query = (sql: string | Uint8Array, agreed?: Capabilities): Buffer => {
  if (agreed === undefined || !has(agreed, Flag.QUERY_ATTRIBUTES)) return withText(Code.QUERY, sql)
  const text = typeof sql === "string" ? Buffer.from(sql) : sql
  const writer = new Writer(text.length + 3).u8(Code.QUERY)
  for (const byte of noAttributes) writer.u8(byte)
  return Packet.seal(writer.bytes(text))
}

/**
 * Prepares one statement.
 *
 * @since 0.1.0
 * @category encoding
 */
export const prepare = (sql: string | Uint8Array): Buffer => withText(Code.STMT_PREPARE, sql)

/**
 * Makes a database the current one.
 *
 * @since 0.1.0
 * @category encoding
 */
export const initDatabase = (name: string | Uint8Array): Buffer => withText(Code.INIT_DB, name)

/**
 * Frees a prepared statement. The server does not reply.
 *
 * @since 0.1.0
 * @category encoding
 */
export const closeStatement = (statementId: number): Buffer =>
  Packet.seal(new Writer(5).u8(Code.STMT_CLOSE).u32(statementId))

/**
 * Forgets the long data that was sent for a prepared statement, and closes its cursor.
 *
 * @since 0.1.0
 * @category encoding
 */
export const resetStatement = (statementId: number): Buffer =>
  Packet.seal(new Writer(5).u8(Code.STMT_RESET).u32(statementId))

/**
 * Asks the cursor of a prepared statement for at most so many rows more, 1 to 2^32-1.
 *
 * @since 0.1.0
 * @category encoding
 */
export const fetch = (statementId: number, rows: number): Buffer =>
  Packet.seal(new Writer(9).u8(Code.STMT_FETCH).u32(statementId).u32(rows))

/**
 * A part of a parameter's value, for the next execution, counted from 0. Parts are joined. The server does not reply;
 * what is wrong with it the execution tells.
 *
 * @since 0.1.0
 * @category encoding
 */
export const sendLongData = (statementId: number, parameter: number, part: Uint8Array): Buffer =>
  Packet.seal(new Writer(7 + part.length).u8(Code.STMT_SEND_LONG_DATA).u32(statementId).u16(parameter).bytes(part))

/**
 * Allows or forbids several statements in one text for what comes next in the session.
 *
 * @since 0.1.0
 * @category encoding
 */
export const setMultiStatements = (on: boolean): Buffer =>
  Packet.seal(new Writer(3).u8(Code.SET_OPTION).u16(on ? 0 : 1))

/**
 * Asks for an OK and nothing else. Manual: "COM_PING".
 *
 * @since 0.1.0
 * @category constants
 */
export const ping: Buffer = Packet.seal(new Writer(1).u8(Code.PING))

/**
 * Asks for one line of text about the server; the reply is that text and nothing else.
 *
 * @since 0.1.0
 * @category constants
 */
export const statistics: Buffer = Packet.seal(new Writer(1).u8(Code.STATISTICS))

/**
 * Ends the session. The server closes the line in reply.
 *
 * @since 0.1.0
 * @category constants
 */
export const quit: Buffer = Packet.seal(new Writer(1).u8(Code.QUIT))

/**
 * Puts the session back to the state after the login, but for the current database and, on MySQL, the character set.
 *
 * @since 0.1.0
 * @category constants
 */
export const resetConnection: Buffer = Packet.seal(new Writer(1).u8(Code.RESET_CONNECTION))
