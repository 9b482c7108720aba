/**
 * `mysql_native_password`: SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password))).
 *
 * Manual: "Native Authentication".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { createHash } from "node:crypto"
import { type AuthPlugin, refuse } from "./AuthPlugin.ts"

const name = "mysql_native_password"

const sha1 = (...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const hash = createHash("sha1")
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** What the server keeps. */
const twice = (password: string): Uint8Array => sha1(sha1(Buffer.from(password, "utf8")))

export const hash = (password: string, scramble: Uint8Array): Uint8Array => {
  if (password === "") return new Uint8Array(0)
  const stage1 = sha1(Buffer.from(password, "utf8"))
  const mask = sha1(scramble, sha1(stage1))
  return stage1.map((byte, index) => byte ^ mask[index]!)
}

export const plugin: AuthPlugin = {
  name,
  scrambleBytes: 20,
  start: (context) => Result.succeed(hash(context.password, context.scramble)),
  respond: () => refuse(name, "The server sent data after the hash"),
  verifier: (context) => twice(context.password)
}
