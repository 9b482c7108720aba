/**
 * The first packet of a conversation: the server's greeting (handshake version 10).
 *
 * Manual: "Protocol::HandshakeV10"; MariaDB "Initial Handshake Packet" for the extended capabilities.
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import { decode as decodeWith, Writer } from "../Bytes.ts"
import type { ProtocolError } from "../ProtocolError.ts"
import { type Capabilities, Flag } from "./Capabilities.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Greeting {
  readonly product: "mysql" | "mariadb"
  /** As the server tells it, without the `5.5.5-` that old MariaDB servers put in front. */
  readonly version: string
  readonly connectionId: number
  readonly capabilities: Capabilities
  /** Number of the server's default collation, low byte. */
  readonly collation: number
  readonly status: number
  readonly authPlugin: string
  /** The random bytes that the password is hashed with: 20 of them, for every plugin of both products. */
  readonly scramble: Uint8Array
}

const scrambleBytes = 20

/**
 * Reads a whole packet. Fails for other versions of the protocol than 10. Manual: "Protocol::HandshakeV10".
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array): Result.Result<Greeting, ProtocolError> =>
  decodeWith("greeting", bytes, (reader) => {
    const protocol = reader.u8()
    if (protocol !== 10) reader.fail("protocol version 10", `${protocol}`)
    const announced = reader.nulTerminatedText()
    const connectionId = reader.u32()
    const scrambleStart = reader.copy(8)
    reader.skip(1)
    const low = reader.u16()
    const collation = reader.u8()
    const status = reader.u16()
    const flags = (low | (reader.u16() << 16)) >>> 0
    if ((flags & Flag.PROTOCOL_41) === 0 || (flags & Flag.SECURE_CONNECTION) === 0) {
      reader.fail("a server of version 4.1 or later", `capabilities 0x${flags.toString(16)}`)
    }
    const announcedLength = reader.u8()
    reader.skip(6)
    const ofMariaDb = reader.u32()
    const product = (flags & Flag.LONG_PASSWORD) === 0 || announced.includes("MariaDB") ? "mariadb" : "mysql"
    const restLength = Math.max(13, announcedLength - 8)
    const rest = reader.copy(Math.min(restLength, reader.remaining))
    const scramble = new Uint8Array(scrambleBytes)
    if (rest.length < scrambleBytes - 8) reader.fail(`a scramble of ${scrambleBytes} bytes`, `${rest.length + 8}`)
    scramble.set(scrambleStart)
    scramble.set(rest.subarray(0, scrambleBytes - 8), 8)
    const authPlugin = (flags & Flag.PLUGIN_AUTH) !== 0 ? reader.nulTerminatedText() : "mysql_native_password"
    return {
      product,
      version: announced.startsWith("5.5.5-") && product === "mariadb" ? announced.slice(6) : announced,
      connectionId,
      capabilities: { flags, extended: (flags & Flag.LONG_PASSWORD) === 0 ? ofMariaDb : 0 },
      collation,
      status,
      authPlugin,
      scramble
    }
  })

/**
 * The payload, as a server writes it. Manual: "Protocol::HandshakeV10".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (greeting: Greeting): Writer =>
  new Writer()
    .u8(10)
    .nulTerminatedText(greeting.version)
    .u32(greeting.connectionId)
    .bytes(greeting.scramble.subarray(0, 8))
    .u8(0)
    .u16(greeting.capabilities.flags)
    .u8(greeting.collation)
    .u16(greeting.status)
    .u16(greeting.capabilities.flags >>> 16)
    .u8(scrambleBytes + 1)
    .zeros(6)
    .u32(greeting.capabilities.extended)
    .bytes(greeting.scramble.subarray(8))
    .u8(0)
    .nulTerminatedText(greeting.authPlugin)
