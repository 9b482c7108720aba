/**
 * `caching_sha2_password`: SHA256(password) XOR SHA256(SHA256(SHA256(password)) + scramble). The server knows the hash
 * of whoever has logged in before (fast path); otherwise it wants the password itself, over a line that nobody can read.
 *
 * Manual: "Caching_sha2_password information".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { createHash } from "node:crypto"
import { AuthError, type AuthPlugin } from "./AuthPlugin.ts"

const name = "caching_sha2_password"
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

export const plugin: AuthPlugin = {
  name,
  start: (context) => Result.succeed(hash(context.password, context.scramble)),
  respond: (data, context) => {
    if (data.length === 1 && data[0] === fastAuthSuccess) return Result.succeed(undefined)
    if (data.length === 1 && data[0] === fullAuthentication) {
      return context.confidential
        ? Result.succeed(Buffer.from(`${context.password}\0`, "utf8"))
        : Result.fail(
            new AuthError({
              plugin: name,
              message: "The server wants the password itself, and the line is not encrypted: use TLS or a unix socket"
            })
          )
    }
    return Result.fail(new AuthError({ plugin: name, message: `Unknown message of ${data.length} bytes` }))
  }
}
