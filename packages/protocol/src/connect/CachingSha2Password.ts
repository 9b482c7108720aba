/**
 * `caching_sha2_password`: SHA256(password) XOR SHA256(SHA256(SHA256(password)) + scramble). The server knows the hash
 * of whoever has logged in before (fast path); otherwise it wants the password itself, over a line that nobody can read
 * or encrypted with its RSA key.
 *
 * Manual: "Caching_sha2_password information".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { createHash } from "node:crypto"
import { type AuthContext, type AuthError, type AuthPlugin, clear, refuse } from "./AuthPlugin.ts"
import * as Rsa from "./Rsa.ts"

const name = "caching_sha2_password"
const keyRequest = 2
const fastAuthSuccess = 3
const fullAuthentication = 4

const sha256 = (...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest()
}

export const hash = (password: string, scramble: Uint8Array): Uint8Array => {
  if (password === "") return new Uint8Array(0)
  const stage1 = sha256(Buffer.from(password, "utf8"))
  const mask = sha256(sha256(stage1), scramble)
  return stage1.map((byte, index) => byte ^ mask[index]!)
}

const fullAnswer = (context: AuthContext): Result.Result<Uint8Array, AuthError> => {
  const { disclosure, password, scramble, serverPublicKey } = context
  if (disclosure.password) return Result.succeed(clear(password))
  if (serverPublicKey !== undefined) return Rsa.encrypt(name, password, scramble, serverPublicKey)
  return disclosure.withFetchedKey
    ? Result.succeed(Uint8Array.of(keyRequest))
    : refuse(
        name,
        "The server wants the password itself, and the line is not encrypted: use TLS, a unix socket, the server's " +
          "public key, or allow that it is fetched"
      )
}

export const plugin: AuthPlugin = {
  name,
  scrambleBytes: 20,
  start: (context) => Result.succeed(hash(context.password, context.scramble)),
  respond: (data, context) => {
    const { disclosure, round = 0 } = context
    if (data.length === 1 && data[0] === fastAuthSuccess) return Result.succeed(undefined)
    if (data.length === 1 && data[0] === fullAuthentication && round === 0) return fullAnswer(context)
    // The key that was asked for; nobody who may send the password or has a key asks.
    if (round === 1 && data.length > 1 && !disclosure.password && context.serverPublicKey === undefined) {
      return disclosure.withFetchedKey
        ? Rsa.encrypt(name, context.password, context.scramble, data)
        : refuse(name, "The server sent a key that was not asked for")
    }
    return refuse(name, `Unknown message of ${data.length} bytes`)
  },
  verifier: (context) => sha256(sha256(Buffer.from(context.password, "utf8")))
}
