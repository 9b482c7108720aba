/**
 * A password for a server's RSA key: the password with a NUL behind it, XOR the scramble as often as needed, encrypted
 * with OAEP. The scramble is what keeps an old answer from serving again.
 *
 * Manual: "Caching_sha2_password information", "SHA-256 Pluggable Authentication".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { constants, createPublicKey, publicEncrypt } from "node:crypto"
import { type AuthError, clear, refuse } from "./AuthPlugin.ts"

/** OAEP with SHA-1 takes this much of a block. */
const paddingBytes = 42

/**
 * Fails for a key that is none, and for a password that is too long for it.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encrypt = (
  plugin: string,
  password: string,
  scramble: Uint8Array,
  publicKey: string | Uint8Array
): Result.Result<Uint8Array, AuthError> => {
  if (scramble.length === 0) return refuse(plugin, "The server sent no scramble to encrypt the password with")
  const masked = clear(password).map((byte, index) => byte ^ scramble[index % scramble.length]!)
  try {
    const key = createPublicKey(typeof publicKey === "string" ? publicKey : Buffer.from(publicKey))
    if (key.asymmetricKeyType !== "rsa") return refuse(plugin, "The server's public key is not an RSA key")
    const room = key.asymmetricKeyDetails!.modulusLength! / 8 - paddingBytes
    if (masked.length > room)
      return refuse(plugin, `The password is longer than the ${room} bytes that the key can take`)
    return Result.succeed(publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING }, masked))
  } catch {
    return refuse(plugin, "The server's public key cannot be read: it has to be an RSA key in PEM")
  }
}
