/**
 * `client_ed25519` (MariaDB): a signature of the server's 32 random bytes. The key is made from the password itself, of
 * any length, where Ed25519 has a seed of 32 bytes; the rest is the algorithm of the standard.
 *
 * Manual: "Authentication Plugin - ed25519" (MariaDB), RFC 8032 5.1.6.
 *
 * @since 0.1.0
 */
import { ed25519 } from "@noble/curves/ed25519.js"
import { sha512 } from "@noble/hashes/sha2.js"
import * as Result from "effect/Result"
import { type AuthPlugin, refuse } from "./AuthPlugin.ts"

const name = "client_ed25519"
const { BASE, Fn } = ed25519.Point

const littleEndian = (bytes: Uint8Array): bigint => {
  let value = BigInt(0)
  for (let index = bytes.length - 1; index >= 0; index--) value = (value << BigInt(8)) | BigInt(bytes[index]!)
  return value
}

const bytesOf = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(32)
  for (let index = 0, rest = value; index < 32; index++, rest >>= BigInt(8)) bytes[index] = Number(rest & BigInt(0xff))
  return bytes
}

const scalarOf = (bytes: Uint8Array): bigint => Fn.create(littleEndian(bytes))

/** The secret scalar, clamped as the standard has it, and the prefix that makes each signature's own secret. */
const keyOf = (password: string) => {
  const expanded = sha512(Buffer.from(password, "utf8"))
  const head = expanded.slice(0, 32)
  head[0]! &= 248
  head[31]! = (head[31]! & 127) | 64
  const scalar = scalarOf(head)
  return { scalar, prefix: expanded.slice(32), publicKey: BASE.multiply(scalar).toBytes() }
}

/**
 * The public key of a password: what the server keeps.
 *
 * @since 0.1.0
 * @category encoding
 */
export const publicKey = (password: string): Uint8Array => keyOf(password).publicKey

/**
 * The 64 bytes of the signature.
 *
 * @since 0.1.0
 * @category encoding
 */
export const sign = (password: string, message: Uint8Array): Uint8Array => {
  const key = keyOf(password)
  const secret = scalarOf(sha512(Buffer.concat([key.prefix, message])))
  const commitment = BASE.multiply(secret).toBytes()
  const challenge = scalarOf(sha512(Buffer.concat([commitment, key.publicKey, message])))
  return Buffer.concat([commitment, bytesOf(Fn.create(secret + challenge * key.scalar))])
}

export const plugin: AuthPlugin = {
  name,
  scrambleBytes: 32,
  start: ({ password, scramble }) => Result.succeed(sign(password, scramble)),
  respond: () => refuse(name, "The server sent data after the signature"),
  verifier: ({ password }) => publicKey(password)
}
