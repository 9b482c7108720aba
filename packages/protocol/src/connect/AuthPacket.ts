/**
 * What a server may say between the handshake response and its OK: switch to another plugin, more data for the plugin
 * that runs, and the two that end it.
 *
 * Manual: "Protocol::AuthSwitchRequest", "Protocol::AuthMoreData", "Authentication Phase".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { Reader } from "../Bytes.ts"
import { ProtocolError } from "../ProtocolError.ts"
import * as Err from "../reply/Err.ts"
import * as Ok from "../reply/Ok.ts"
import type { Capabilities } from "./Capabilities.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type AuthPacket =
  | { readonly _tag: "Ok"; readonly ok: Ok.Ok }
  | { readonly _tag: "Err"; readonly err: Err.Err }
  | { readonly _tag: "Switch"; readonly plugin: string; readonly data: Uint8Array }
  | { readonly _tag: "MoreData"; readonly data: Uint8Array }

/**
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array, capabilities: Capabilities): Result.Result<AuthPacket, ProtocolError> => {
  const reader = new Reader("authentication", bytes)
  try {
    const first = reader.u8()
    if (first === 0x00) return Result.succeed({ _tag: "Ok", ok: Ok.read(reader, capabilities) })
    if (first === 0xff) return Result.succeed({ _tag: "Err", err: Err.read(reader) })
    if (first === 0x01) return Result.succeed({ _tag: "MoreData", data: reader.copy(reader.remaining) })
    if (first === 0xfe && reader.remaining > 0) {
      const plugin = reader.nulTerminatedText()
      const data = reader.copy(reader.remaining)
      // The scramble is followed by a NUL that does not belong to it.
      return Result.succeed({ _tag: "Switch", plugin, data: data.at(-1) === 0 ? data.subarray(0, -1) : data })
    }
    return reader.fail(
      "OK, ERR, an auth switch or more data",
      first === 0xfe ? "the switch to the passwords of before 4.1" : `0x${first.toString(16)}`
    )
  } catch (error) {
    if (error instanceof ProtocolError) return Result.fail(error)
    throw error
  }
}
