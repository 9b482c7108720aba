/**
 * Logs in as somebody else on a line that is open: the session is put back as by a reset, and the authentication runs
 * once more. The server answers as after a handshake response: OK, ERR, a switch of the plugin or more data.
 *
 * Manual: "COM_CHANGE_USER".
 *
 * @since 0.1.0
 */
import { type Reader, Writer } from "../Bytes.ts"
import { type Capabilities, Flag, has } from "../connect/Capabilities.ts"
import { readAttributes, writeAttributes } from "../connect/HandshakeResponse.ts"
import * as Packet from "../framing/Packet.ts"
import { Code } from "./Command.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface ChangeUser {
  readonly username: string
  readonly authPlugin: string
  /** At most 255 bytes. A server that was not asked with its own last scramble switches the plugin to send a new one. */
  readonly authResponse: Uint8Array
  readonly database: string | undefined
  /** Number of a collation. */
  readonly collation: number
  readonly connectAttributes: Readonly<Record<string, string>>
}

/**
 * The whole command, framed. Fields that were not agreed on are left out. Manual: "COM_CHANGE_USER".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (change: ChangeUser, capabilities: Capabilities): Buffer => {
  const writer = new Writer()
    .u8(Code.CHANGE_USER)
    .nulTerminatedText(change.username)
    .u8(change.authResponse.length)
    .bytes(change.authResponse)
    .nulTerminatedText(change.database ?? "")
    .u16(change.collation)
  if (has(capabilities, Flag.PLUGIN_AUTH)) writer.nulTerminatedText(change.authPlugin)
  if (has(capabilities, Flag.CONNECT_ATTRS)) writeAttributes(writer, change.connectAttributes)
  return Packet.seal(writer)
}

/** Reads what follows the byte of the command. */
export const read = (reader: Reader, capabilities: Capabilities): ChangeUser => {
  const username = reader.nulTerminatedText()
  const authResponse = reader.copy(reader.u8())
  const database = reader.nulTerminatedText()
  const collation = reader.u16()
  const authPlugin = has(capabilities, Flag.PLUGIN_AUTH) ? reader.nulTerminatedText() : ""
  const connectAttributes = has(capabilities, Flag.CONNECT_ATTRS) ? readAttributes(reader) : {}
  reader.finish()
  return {
    username,
    authPlugin,
    authResponse,
    database: database === "" ? undefined : database,
    collation,
    connectAttributes
  }
}
