/**
 * What a server may say between the handshake response and its OK: switch to another plugin, more data for the plugin
 * that runs, go on with the next factor, and the two that end it.
 *
 * Manual: "Protocol::AuthSwitchRequest", "Protocol::AuthMoreData", "Protocol::AuthNextFactor", "Authentication Phase".
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import { decode as decodeWith, type Reader, Writer } from "../Bytes.ts"
import type { ProtocolError } from "../ProtocolError.ts"
import * as Err from "../reply/Err.ts"
import * as Ok from "../reply/Ok.ts"
import { type Capabilities, Flag, has } from "./Capabilities.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type AuthPacket =
  | { readonly _tag: "Ok"; readonly ok: Ok.Ok }
  | { readonly _tag: "Err"; readonly err: Err.Err }
  /** `data` is as it came: a scramble is often followed by a NUL that does not belong to it. */
  | { readonly _tag: "Switch"; readonly plugin: string; readonly data: Uint8Array }
  | { readonly _tag: "MoreData"; readonly data: Uint8Array }
  | { readonly _tag: "NextFactor"; readonly plugin: string; readonly data: Uint8Array }

/**
 * Reads a whole packet; what was agreed on decides what may come. Manual: "Authentication Phase".
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array, capabilities: Capabilities): Result.Result<AuthPacket, ProtocolError> =>
  decodeWith("authentication", bytes, (reader) => read(reader, capabilities))

const read = (reader: Reader, capabilities: Capabilities): AuthPacket => {
  const first = reader.u8()
  if (first === 0x00) return { _tag: "Ok", ok: Ok.read(reader, capabilities) }
  if (first === 0xff) return { _tag: "Err", err: Err.read(reader) }
  if (first === 0x01) return { _tag: "MoreData", data: reader.copy(reader.remaining) }
  if (first === 0x02 && has(capabilities, Flag.MULTI_FACTOR_AUTHENTICATION)) {
    return { _tag: "NextFactor", plugin: reader.nulTerminatedText(), data: reader.copy(reader.remaining) }
  }
  if (first === 0xfe && reader.remaining > 0) {
    return { _tag: "Switch", plugin: reader.nulTerminatedText(), data: reader.copy(reader.remaining) }
  }
  // MariaDB puts the byte for more data only in front of data that could be mistaken for something else.
  if (first !== 0xfe && !has(capabilities, Flag.LONG_PASSWORD)) {
    reader.position--
    return { _tag: "MoreData", data: reader.copy(reader.remaining) }
  }
  return reader.fail(
    "OK, ERR, an auth switch or more data",
    first === 0xfe ? "the switch to the passwords of before 4.1" : `0x${first.toString(16)}`
  )
}

/**
 * The payload, as a server writes it. Manual: "Protocol::AuthSwitchRequest", "Protocol::AuthMoreData",
 * "Protocol::AuthNextFactor".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (packet: AuthPacket, capabilities: Capabilities): Writer => {
  switch (packet._tag) {
    case "Ok":
      return Ok.encode(packet.ok, 0x00, capabilities)
    case "Err":
      return Err.encode(packet.err)
    case "MoreData":
      return new Writer().u8(0x01).bytes(packet.data)
    case "NextFactor":
      return new Writer().u8(0x02).nulTerminatedText(packet.plugin).bytes(packet.data)
    case "Switch":
      return new Writer().u8(0xfe).nulTerminatedText(packet.plugin).bytes(packet.data)
  }
}
