/**
 * The one error of this package: a `MysqlError` with a `reason` to branch on.
 *
 * ```ts
 * Effect.catchReason("MysqlError", "ServerError", (reason) => …)
 * ```
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

interface Because {
  /** What was noticed below: an error of the runtime, of the protocol package, or of the server. */
  readonly cause?: unknown
}

/**
 * The configuration, or the options of one call, contradict themselves or ask for what there is not. Nothing was connected,
 * and nothing of the call was sent.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ConfigurationError extends Data.TaggedError("ConfigurationError")<
  Because & { readonly faults: ReadonlyArray<string> }
> {
  override get message(): string {
    return `Configuration: ${this.faults.join("; ")}`
  }
}

/**
 * No line to the server, or the server turned it away before the login. Nothing ran.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ConnectError extends Data.TaggedError("ConnectError")<
  Because & { readonly address: string; readonly problem: string }
> {
  override get message(): string {
    return `Cannot connect to ${this.address}: ${this.problem}`
  }
}

/**
 * TLS was demanded and cannot be had, or the certificate does not pass. No user name and no password was sent.
 *
 * @since 0.1.0
 * @category reasons
 */
export class TlsError extends Data.TaggedError("TlsError")<Because & { readonly problem: string }> {
  override get message(): string {
    return `TLS: ${this.problem}`
  }
}

/**
 * The server does not let this user in, or the two sides have no way to prove who they are.
 *
 * @since 0.1.0
 * @category reasons
 */
export class LoginError extends Data.TaggedError("LoginError")<
  Because & { readonly errno: number | undefined; readonly plugin: string; readonly problem: string }
> {
  override get message(): string {
    return `Login: ${this.problem}`
  }
}

/**
 * The line is gone.
 *
 * - `idle`: no statement was under way.
 * - `notSent`: no complete packet of the statement was written; it cannot have run.
 * - `sent`: the statement was written, nothing of a reply came: whether it ran is unknown.
 * - `replyStarted`: the reply had begun.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ConnectionLost extends Data.TaggedError("ConnectionLost")<
  Because & { readonly phase: "idle" | "notSent" | "sent" | "replyStarted"; readonly problem: string }
> {
  override get message(): string {
    const outcome = {
      idle: "no statement was under way",
      notSent: "the statement was not sent",
      sent: "whether the statement ran is unknown",
      replyStarted: "the reply had begun"
    }[this.phase]
    return `Connection lost (${outcome}): ${this.problem}`
  }
}

/**
 * The line was lost after COMMIT was written and before its reply could be read: the transaction is committed or rolled
 * back, and only the server knows which. Never retry blindly.
 *
 * @since 0.1.0
 * @category reasons
 */
export class CommitOutcomeUnknown extends Data.TaggedError("CommitOutcomeUnknown")<
  Because & { readonly connectionId: number }
> {
  override get message(): string {
    return `The line was lost during COMMIT on connection ${this.connectionId}: the outcome is unknown`
  }
}

/**
 * The server broke the protocol. The connection is closed.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ProtocolError extends Data.TaggedError("ProtocolError")<
  Because & { readonly phase: string; readonly expected: string; readonly got: string }
> {
  override get message(): string {
    return `Protocol error in ${this.phase}: expected ${this.expected}, got ${this.got}`
  }
}

/**
 * The server refused a statement.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ServerError extends Data.TaggedError("ServerError")<
  Because & {
    readonly errno: number
    readonly sqlState: string
    /** The error's name in the manual, e.g. `ER_DUP_ENTRY`; `ERROR_<errno>` where it is not known here. */
    readonly symbol: string
    readonly serverMessage: string
    readonly sql: string
  }
> {
  override get message(): string {
    return `${this.serverMessage} (${this.symbol}, ${this.errno}, ${this.sqlState})`
  }
}

/**
 * A statement took longer than it may, and was stopped. What it did until then is undone, unless it had just ended or could
 * not be stopped.
 *
 * @since 0.1.0
 * @category reasons
 */
export class StatementTimeout extends Data.TaggedError("StatementTimeout")<
  Because & { readonly by: "server" | "client" }
> {
  override get message(): string {
    return `The statement was stopped by the ${this.by} because it took too long`
  }
}

/**
 * No connection of the pool became free in time. `cause` is the last failure to connect, if there was one.
 *
 * @since 0.1.0
 * @category reasons
 */
export class AcquireTimeout extends Data.TaggedError("AcquireTimeout")<
  Because & { readonly idle: number; readonly used: number; readonly pending: number; readonly max: number }
> {
  override get message(): string {
    const counts = `${this.idle} idle, ${this.used} used, ${this.pending} waiting, at most ${this.max}`
    const why = this.cause instanceof Error ? `; last failure: ${this.cause.message}` : ""
    return `No connection became free in time (${counts})${why}`
  }
}

/**
 * The pool is closed or closing.
 *
 * @since 0.1.0
 * @category reasons
 */
export class PoolClosed extends Data.TaggedError("PoolClosed")<Because> {
  override get message(): string {
    return "The pool is closed"
  }
}

/**
 * Every connection of the pool is held by a fiber that waits for another one: none of them would ever come back. Fails the
 * borrower who would have completed the circle. The remedy is to borrow once and pass the connection on.
 *
 * @since 0.1.0
 * @category reasons
 */
export class PoolDeadlock extends Data.TaggedError("PoolDeadlock")<
  Because & { readonly used: number; readonly max: number }
> {
  override get message(): string {
    const who = this.max === 1 ? "The only connection" : `Each of the ${this.max} connections`
    return `${who} is held by a fiber that waits for another one: nested borrowing that could never end`
  }
}

/**
 * A parameter that cannot be sent without loss, or one too many or too few. Nothing was sent.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ParameterError extends Data.TaggedError("ParameterError")<
  Because & {
    readonly parameter: number | string
    /** Of a batch: which row, counted from 0. */
    readonly row?: number | undefined
    readonly message: string
  }
> {}

/**
 * A value that the server sent does not have the form of its type. The statement ran; the connection stays usable.
 *
 * @since 0.1.0
 * @category reasons
 */
export class DecodeError extends Data.TaggedError("DecodeError")<
  Because & { readonly column: string; readonly type: string; readonly problem: string }
> {
  override get message(): string {
    return `Column "${this.column}" of type ${this.type}: ${this.problem}`
  }
}

/**
 * The server asked for a file that nobody has brought, and got an empty one. `cause` is what it said to that, if it
 * refused. The connection stays usable.
 *
 * @since 0.1.0
 * @category reasons
 */
export class LocalInfileError extends Data.TaggedError("LocalInfileError")<
  Because & { readonly fileName: string; readonly problem: string }
> {
  override get message(): string {
    return `LOCAL INFILE "${this.fileName}": ${this.problem}`
  }
}

/**
 * The rows of a result set were asked for after the next one had been, a second time, or after the end of its stream; or
 * those of a cursor after the end of its scope.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ResultSetClosed extends Data.TaggedError("ResultSetClosed")<Because> {
  override get message(): string {
    return "The result set is closed: a later one was asked for"
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export type Reason =
  | ConfigurationError
  | ConnectError
  | TlsError
  | LoginError
  | ConnectionLost
  | CommitOutcomeUnknown
  | ProtocolError
  | ServerError
  | StatementTimeout
  | AcquireTimeout
  | PoolClosed
  | PoolDeadlock
  | ParameterError
  | DecodeError
  | LocalInfileError
  | ResultSetClosed

/**
 * What everything in this package fails with.
 *
 * @since 0.1.0
 * @category errors
 */
export class MysqlError extends Data.TaggedError("MysqlError")<{ readonly reason: Reason }> {
  override get message(): string {
    return this.reason.message
  }

  override get cause(): unknown {
    return this.reason.cause
  }
}

const errorOfServer = (error: MysqlError): Pick<ServerError, "errno" | "serverMessage"> | undefined => {
  const { reason } = error
  if (reason._tag === "ServerError") return reason
  if (reason._tag === "LoginError" && reason.errno !== undefined) {
    return { errno: reason.errno, serverMessage: reason.problem }
  }
  // A server that ends a session or turns a connection away has said why.
  const because = reason._tag === "ConnectError" || reason._tag === "ConnectionLost" ? reason.cause : undefined
  return because instanceof ServerError ? because : isMysqlError(because) ? errorOfServer(because) : undefined
}

/**
 * The server takes no writes: it is a replica, or it was a primary until a failover. The statement did nothing, and it
 * may work on the server that is the primary now. The same for a transaction that was begun as read only, which only the
 * caller can tell apart.
 *
 * These are 1290 where it names `read_only` or `super_read_only`, 1792 and 1836.
 *
 * @since 0.1.0
 * @category guards
 */
export const isReadOnly = (error: MysqlError): boolean => {
  const said = errorOfServer(error)
  switch (said?.errno) {
    case 1290:
      return /read[-_]only/i.test(said.serverMessage)
    case 1792:
    case 1836:
      return true
    default:
      return false
  }
}

/**
 * The server runs nothing at present, though it answers: it shuts down (1053), is in offline mode (3032, 3168), has left
 * its Galera cluster (1047 with the word of WSREP) or its replication group (3796, 3797). Another server may do it now,
 * and this one later. What it ran, where the error came in the middle of a statement, is told by the phase of a
 * `ConnectionLost`; otherwise the statement did nothing.
 *
 * @since 0.1.0
 * @category guards
 */
export const isUnavailable = (error: MysqlError): boolean => {
  const said = errorOfServer(error)
  switch (said?.errno) {
    case 1047:
      return /wsrep/i.test(said.serverMessage)
    case 1053:
    case 3032:
    case 3168:
    case 3796:
    case 3797:
      return true
    default:
      return false
  }
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (reason: Reason): MysqlError => new MysqlError({ reason })

/**
 * @since 0.1.0
 * @category guards
 */
export const isMysqlError = (u: unknown): u is MysqlError => u instanceof MysqlError
