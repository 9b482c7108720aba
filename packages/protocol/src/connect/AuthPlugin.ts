/**
 * What an authentication plugin is: what it sends first, and what it answers to each message of the server. Pure steps;
 * secrets leave only where the caller's rule allows it.
 *
 * Manual: "Authentication Phase", "Authentication Methods".
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"

/**
 * Which secrets may leave over a line. A value, so that it can be looked at and tested; `disclosureOver` makes it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Disclosure {
  /** The password itself, to a plugin that sends it only because the server does not know its hash yet. */
  readonly password: boolean
  /** The password or token itself, to a plugin that does nothing else: a server has but to ask for that plugin. */
  readonly clearText: boolean
  /** The password encrypted with a key that came over this line. Whoever can change what is on it can send his own. */
  readonly withFetchedKey: boolean
}

/**
 * Nothing leaves from which the password could be had: only plugins that prove that they know it.
 *
 * @since 0.1.0
 * @category constants
 */
export const nothing: Disclosure = { password: false, clearText: false, withFetchedKey: false }

/**
 * The rule for a line. `no`: others can read it; `encrypted`: nobody can, but the other side may be anybody;
 * `verified`: and it is the server that was meant (also a unix socket).
 *
 * @since 0.1.0
 * @category constructors
 */
export const disclosureOver = (
  line: "no" | "encrypted" | "verified",
  allowed: {
    readonly allowCleartextPassword?: boolean | undefined
    readonly allowPublicKeyRetrieval?: boolean | undefined
  } = {}
): Disclosure => ({
  password: line !== "no",
  clearText: line === "verified" || allowed.allowCleartextPassword === true,
  withFetchedKey: line !== "no" || allowed.allowPublicKeyRetrieval === true
})

/**
 * What a plugin needs to know.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthContext {
  readonly password: string
  /** The server's random bytes for this plugin. */
  readonly scramble: Uint8Array
  readonly disclosure: Disclosure
  /** The line is TLS: some servers expect a password in the clear there, and only there. */
  readonly tls: boolean
  /** RSA, PEM: known beforehand, and not from this line. */
  readonly serverPublicKey?: string | undefined
  /** What to answer when a dialog asks for more than the password. */
  readonly answers?: ReadonlyArray<string> | undefined
  /** Messages of the server that this plugin has answered before. Default 0. */
  readonly round?: number | undefined
  /** 32 random bytes of the client's own. Default: fresh ones. */
  readonly nonce?: Uint8Array | undefined
}

/**
 * `respond` answers more data of the server: bytes to send, or `undefined` for nothing, the server goes on by itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthPlugin {
  readonly name: string
  /** Length of the scramble that it works with; `undefined`: any, it does not look at it. */
  readonly scrambleBytes: number | undefined
  readonly start: (context: AuthContext) => Result.Result<Uint8Array, AuthError>
  readonly respond: (data: Uint8Array, context: AuthContext) => Result.Result<Uint8Array | undefined, AuthError>
  /**
   * What the server keeps of the password, given the last data that it sent: with it a server can prove that it knows
   * the account. Plugins that reveal the password have none.
   */
  readonly verifier?: (context: AuthContext, data: Uint8Array | undefined) => Uint8Array | undefined
}

/**
 * Why a plugin will not go on. Nothing secret was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthError extends Data.TaggedError("AuthError")<{
  readonly plugin: string
  readonly message: string
}> {}

/** The failure of a plugin. */
export const refuse = (plugin: string, message: string): Result.Result<never, AuthError> =>
  Result.fail(new AuthError({ plugin, message }))

/** A password and the NUL behind it, as they are. */
export const clear = (password: string): Uint8Array => Buffer.from(`${password}\0`, "utf8")
