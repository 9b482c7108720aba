/**
 * `sha256_password`: the password itself, over TLS as it is, else encrypted with the server's RSA key. A unix socket
 * counts as a line that others can read on the server's side of this plugin.
 *
 * Manual: "SHA-256 Pluggable Authentication".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { type AuthPlugin, clear, refuse } from "./AuthPlugin.ts"
import * as Rsa from "./Rsa.ts"

const name = "sha256_password"
const keyRequest = 1

export const plugin: AuthPlugin = {
  name,
  scrambleBytes: 20,
  start: ({ disclosure, password, scramble, serverPublicKey, tls }) => {
    if (password === "") return Result.succeed(Uint8Array.of(0))
    if (tls && disclosure.password) return Result.succeed(clear(password))
    if (serverPublicKey !== undefined) return Rsa.encrypt(name, password, scramble, serverPublicKey)
    return disclosure.withFetchedKey
      ? Result.succeed(Uint8Array.of(keyRequest))
      : refuse(
          name,
          "The server wants the password itself, and the line is not encrypted: use TLS, the server's public key, or " +
            "allow that it is fetched"
        )
  },
  respond: (data, { disclosure, password, round = 0, scramble, serverPublicKey, tls }) => {
    const asked = password !== "" && !(tls && disclosure.password) && serverPublicKey === undefined
    return asked && disclosure.withFetchedKey && round === 0
      ? Rsa.encrypt(name, password, scramble, data)
      : refuse(name, "The server sent a key that was not asked for")
  }
}
