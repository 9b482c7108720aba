/**
 * What messages are made of, for properties: texts, bytes, numbers, and what two sides can have agreed on.
 */
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { type Capabilities, Flag } from "../../src/connect/Capabilities.ts"
import { payloads } from "./fixture.ts"

export const text = fc.string({ unit: "grapheme", maxLength: 12 })
/** As names with a NUL at their end have to be. */
export const plain = text.map((value) => value.replaceAll("\0", ""))
export const blob = fc.uint8Array({ maxLength: 20 })
export const count = fc
  .oneof(fc.nat(300), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
  .map((value) => (typeof value === "bigint" && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value))
export const u8 = fc.nat(0xff)
export const u16 = fc.nat(0xffff)
export const u32 = fc.nat(0xffffffff)

const optional = [
  Flag.CONNECT_WITH_DB,
  Flag.PLUGIN_AUTH,
  Flag.PLUGIN_AUTH_LENENC,
  Flag.CONNECT_ATTRS,
  Flag.SESSION_TRACK,
  Flag.DEPRECATE_EOF,
  Flag.OPTIONAL_RESULTSET_METADATA,
  Flag.ZSTD_COMPRESSION,
  Flag.QUERY_ATTRIBUTES,
  Flag.MULTI_FACTOR_AUTHENTICATION
]

/** Of MySQL, which has flag 1, and of MariaDB, which has more flags in its place. */
export const capabilities: fc.Arbitrary<Capabilities> = fc
  .tuple(fc.subarray(optional), fc.boolean(), fc.nat(0x3f))
  .map(([flags, mysql, extended]) => ({
    flags:
      (flags.reduce((all, flag) => all | flag, Flag.PROTOCOL_41 | Flag.SECURE_CONNECTION) |
        (mysql ? Flag.LONG_PASSWORD : 0)) >>>
      0,
    extended: mysql ? 0 : extended
  }))

export const has = (agreed: Capabilities, flag: number): boolean => (agreed.flags & flag) !== 0
export const success = <A, E>(result: Result.Result<A, E>): A => Result.getOrThrow(result)
export const payloadOf = (sealed: Uint8Array): Uint8Array => payloads(sealed)[0]!
