/**
 * `parsec` (MariaDB 11.6 and later): the password is stretched with PBKDF2 and a salt that the server tells, and makes
 * the seed of an Ed25519 key. The client signs the server's 32 random bytes and 32 of its own.
 *
 * Manual: "Authentication Plugin - PARSEC" (MariaDB).
 *
 * @since 0.1.0
 */
import { ed25519 } from "@noble/curves/ed25519.js"
import * as Result from "effect/Result"
import { pbkdf2Sync, randomBytes } from "node:crypto"
import { type AuthPlugin, refuse } from "./AuthPlugin.ts"

const name = "parsec"
/** The letter for PBKDF2, the only function there is. */
const pbkdf2 = 0x50
const nonceBytes = 32
/** Each step doubles the work, from 1,024 rounds on: a server must not keep its clients busy. */
const maxFactor = 3
const maxSaltBytes = 64

interface Stretching {
  readonly factor: number
  readonly salt: Uint8Array
}

const parse = (data: Uint8Array | undefined): Stretching | undefined => {
  if (data === undefined || data.length < 3 || data.length > 2 + maxSaltBytes || data[0] !== pbkdf2) return undefined
  return data[1]! <= maxFactor ? { factor: data[1]!, salt: data.subarray(2) } : undefined
}

const seedOf = (password: string, { factor, salt }: Stretching): Uint8Array =>
  pbkdf2Sync(Buffer.from(password, "utf8"), salt, 1024 << factor, 32, "sha512")

export const plugin: AuthPlugin = {
  name,
  scrambleBytes: 32,
  /** An empty answer asks for the salt. */
  start: () => Result.succeed(new Uint8Array(0)),
  respond: (data, { nonce = randomBytes(nonceBytes), password, round = 0, scramble }) => {
    const stretching = parse(data)
    if (round > 0 || stretching === undefined) {
      return refuse(name, `A salt of PBKDF2 with at most ${1024 << maxFactor} rounds was expected`)
    }
    const signature = ed25519.sign(Buffer.concat([scramble, nonce]), seedOf(password, stretching))
    return Result.succeed(Buffer.concat([nonce, signature]))
  },
  verifier: ({ password }, data) => {
    const stretching = parse(data)
    if (stretching === undefined) return undefined
    return Buffer.concat([data!, ed25519.getPublicKey(seedOf(password, stretching))])
  }
}
