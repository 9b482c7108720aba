/**
 * What the client answers to the greeting: the request for TLS, which is the head of the response alone, and the
 * response itself.
 *
 * Manual: "Protocol::SSLRequest", "Protocol::HandshakeResponse41".
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import { decode as decodeWith, Reader, Writer } from "../Bytes.ts"
import type { ProtocolError } from "../ProtocolError.ts"
import { type Capabilities, Flag, has } from "./Capabilities.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Head {
  readonly capabilities: Capabilities
  readonly maxPacketBytes: number
  /** Number of a collation below 256; others are chosen by `SET NAMES` after the login. */
  readonly collation: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface HandshakeResponse extends Head {
  readonly username: string
  readonly authPlugin: string
  readonly authResponse: Uint8Array
  readonly database: string | undefined
  readonly connectAttributes: Readonly<Record<string, string>>
  /** With `CLIENT_ZSTD_COMPRESSION_ALGORITHM`: at which level the server compresses, 1 to 22. Default 3. */
  readonly zstdLevel?: number | undefined
}

const writeHead = (head: Head): Writer =>
  new Writer()
    .u32(head.capabilities.flags)
    .u32(head.maxPacketBytes)
    .u8(head.collation)
    .zeros(19)
    .u32(head.capabilities.extended)

/**
 * The payload of the request for TLS, which goes before the response. Manual: "Protocol::SSLRequest".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeTlsRequest = (head: Head): Writer => writeHead(head)

/**
 * The payload of the response. Fields that were not agreed on are left out. Manual: "Protocol::HandshakeResponse41".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (response: HandshakeResponse): Writer => {
  const { capabilities } = response
  const writer = writeHead(response).nulTerminatedText(response.username)
  if (has(capabilities, Flag.PLUGIN_AUTH_LENENC)) writer.lengthEncodedBytes(response.authResponse)
  else writer.u8(response.authResponse.length).bytes(response.authResponse)
  if (has(capabilities, Flag.CONNECT_WITH_DB)) writer.nulTerminatedText(response.database ?? "")
  if (has(capabilities, Flag.PLUGIN_AUTH)) writer.nulTerminatedText(response.authPlugin)
  if (has(capabilities, Flag.CONNECT_ATTRS)) writeAttributes(writer, response.connectAttributes)
  return has(capabilities, Flag.ZSTD_COMPRESSION) ? writer.u8(response.zstdLevel ?? defaultZstdLevel) : writer
}

const defaultZstdLevel = 3

/** The attributes of the connection, names and values, in front of them their length. */
export const writeAttributes = (writer: Writer, connectAttributes: Readonly<Record<string, string>>): void => {
  const attributes = new Writer()
  for (const [name, value] of Object.entries(connectAttributes)) {
    attributes.lengthEncodedText(name).lengthEncodedText(value)
  }
  writer.lengthEncodedBytes(attributes.payload())
}

/**
 * What a client answers to a greeting: the head alone, as a request for TLS, or the whole.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = ({ readonly _tag: "TlsRequest" } & Head) | ({ readonly _tag: "Response" } & HandshakeResponse)

const headBytes = 32

/**
 * The server's side.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array): Result.Result<Answer, ProtocolError> =>
  decodeWith("handshake response", bytes, (reader): Answer => {
    const flags = reader.u32()
    if ((flags & Flag.PROTOCOL_41) === 0) reader.fail("a client of version 4.1 or later", `flags ${flags}`)
    const maxPacketBytes = reader.u32()
    const collation = reader.u8()
    reader.skip(19)
    const ofMariaDb = reader.u32()
    const capabilities = { flags, extended: (flags & Flag.LONG_PASSWORD) === 0 ? ofMariaDb : 0 }
    const head = { capabilities, maxPacketBytes, collation }
    if (bytes.length === headBytes && has(capabilities, Flag.SSL)) return { _tag: "TlsRequest", ...head }
    const username = reader.nulTerminatedText()
    const authResponse = has(capabilities, Flag.PLUGIN_AUTH_LENENC)
      ? reader.lengthEncodedBytes()
      : reader.copy(reader.u8())
    const database = has(capabilities, Flag.CONNECT_WITH_DB) ? reader.nulTerminatedText() : undefined
    const authPlugin = has(capabilities, Flag.PLUGIN_AUTH) ? reader.nulTerminatedText() : ""
    const connectAttributes = has(capabilities, Flag.CONNECT_ATTRS) ? readAttributes(reader) : {}
    const zstdLevel = has(capabilities, Flag.ZSTD_COMPRESSION) ? reader.u8() : undefined
    reader.finish()
    return { _tag: "Response", ...head, username, authPlugin, authResponse, database, connectAttributes, zstdLevel }
  })

/** Reads what `writeAttributes` writes. */
export const readAttributes = (reader: Reader): Readonly<Record<string, string>> => {
  const block = new Reader(reader.phase, reader.view(reader.length()))
  const attributes: Array<readonly [string, string]> = []
  while (block.remaining > 0) attributes.push([block.lengthEncodedText(), block.lengthEncodedText()])
  // Not by assignment: a name could be __proto__.
  return Object.fromEntries(attributes)
}
