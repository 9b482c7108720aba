/**
 * What an authentication plugin is: what it sends first, and what it answers to each message of the server. Pure steps;
 * secrets leave only where the caller says that the line is confidential.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Result from "effect/Result"

/**
 * What a plugin needs to know.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthContext {
  readonly password: string
  readonly scramble: Uint8Array
  /** Nobody on the way can read: TLS or a unix socket. */
  readonly confidential: boolean
}

/**
 * `respond` answers more data of the server: bytes to send, or `undefined` for nothing, the server goes on by itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthPlugin {
  readonly name: string
  readonly start: (context: AuthContext) => Result.Result<Uint8Array, AuthError>
  readonly respond: (data: Uint8Array, context: AuthContext) => Result.Result<Uint8Array | undefined, AuthError>
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
