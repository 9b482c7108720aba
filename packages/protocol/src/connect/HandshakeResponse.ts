/**
 * What the client answers to the greeting: the request for TLS, which is the head of the response alone, and the
 * response itself.
 *
 * Manual: "Protocol::SSLRequest", "Protocol::HandshakeResponse41".
 *
 * @since 0.1.0
 */
import { Writer } from "../Bytes.ts"
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
 * @since 0.1.0
 * @category encoding
 */
export const encodeTlsRequest = (head: Head): Writer => writeHead(head)

/**
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
