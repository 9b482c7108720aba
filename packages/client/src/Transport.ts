/**
 * The way to the server. The default is Node's sockets; providing another `Transport` replaces it: another runtime, a
 * tunnel, a cloud provider's proxy.
 *
 * Reading is pulling: what nobody pulls stays in the kernel, and the server has to wait.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Target as TargetOf } from "./internal/target.ts"
import type { TlsOptions } from "./MysqlConfig.ts"
import type { MysqlError } from "./MysqlError.ts"
import { nodeTransport } from "./NodeTransport.ts"

/**
 * Where a server listens.
 *
 * @since 0.1.0
 * @category models
 */
export type Target = TargetOf

/**
 * What arrived, in its order.
 *
 * @since 0.1.0
 * @category models
 */
export type Chunks = readonly [Uint8Array, ...Array<Uint8Array>]

/**
 * The same line without Effects in between. A statement on a fast network costs so little that they would be a good part
 * of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface DirectLine {
  /**
   * Takes what there is, after what was taken earlier and nobody has released; or why nothing will come any more.
   * `undefined`: nothing has arrived. `onArrival` is called once then, when that has changed, unless somebody else has
   * asked since.
   */
  readonly take: (onArrival: () => void) => Chunks | MysqlError | undefined
  /**
   * Hands bytes over, as `write` does. `true`: there is room for more. `false`: there will be when `onRoom` is called, or
   * never, with an error. An error: not a byte was taken.
   */
  readonly offer: (bytes: Uint8Array, onRoom: (error?: MysqlError) => void) => boolean | MysqlError
  /**
   * As `offer`, of memory that is used again. `true`: it is the caller's again. `false`: it is when `onReturn` is called
   * without an error, and until then nobody may write to it.
   */
  readonly lend: (bytes: Uint8Array, onReturn: (error?: MysqlError) => void) => boolean | MysqlError
}

/**
 * One open line. It is closed with the scope that it was connected in.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransportConnection {
  /**
   * Waits for bytes and takes what there is, after what earlier pulls gave and nobody has released. Fails once the line is
   * gone and everything was released. An interrupted pull loses no byte.
   */
  readonly pull: Effect.Effect<Chunks, MysqlError>
  /**
   * What was pulled has been dealt with: it is not given again, and nobody looks at its memory any more, into which the
   * transport may read.
   */
  readonly release: () => void
  /**
   * Hands bytes over in the order of the calls, and ends when there is room for more. Nobody may write to `bytes`
   * afterwards. Interruption ends the wait, not the sending. Fails at once on a line that is known to be dead, with
   * phase `notSent`.
   */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, MysqlError>
  /** Another way to do both, where the transport has it. Whoever puts something between has to leave it out. */
  readonly direct?: DirectLine | undefined
  /**
   * Goes on in TLS. Fails with `TlsError`; the line is closed then. With `deferred` a certificate that cannot be verified
   * is no failure: `secure` says `encrypted` then, and whoever asked verifies it in another way or gives the line up.
   */
  readonly startTls: (options: TlsOptions, deferred?: boolean) => Effect.Effect<void, MysqlError>
  /** Looks without waiting: has anything arrived, has the line gone? */
  readonly idle: Effect.Effect<"quiet" | "bytes" | "closed">
  /** Nobody on the way can read: TLS or a unix socket. `verified`: and the server is who it says. */
  readonly secure: "no" | "encrypted" | "verified"
  /** Protocol and cipher of TLS, and whether an earlier session was resumed. */
  readonly tls: { readonly protocol: string; readonly cipher: string; readonly resumed?: boolean } | undefined
  readonly peerCertificate: Effect.Effect<Option.Option<Uint8Array>>
  /** Where the line really goes: the address that the host name was resolved to. */
  readonly target: Target
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConnectOptions {
  /** How long a line may be silent before it is probed; infinite: never. */
  readonly keepAlive?: Duration.Duration | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Transport {
  readonly connect: (
    target: Target,
    options?: ConnectOptions
  ) => Effect.Effect<TransportConnection, MysqlError, Scope.Scope>
  /** The name of the operating system's user, who logs in where the configuration names nobody. */
  readonly osUser?: Effect.Effect<string> | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export const Transport: Context.Reference<Transport> = Context.Reference<Transport>("@effect-mysql/client/Transport", {
  defaultValue: () => nodeTransport
})
