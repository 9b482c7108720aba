/**
 * A connection as the pool has it: how it is opened, whether it lives and is as configured, and how it is made so again.
 * Who has it and who gets it next is not known here.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Resolved } from "../MysqlConfig.ts"
import type { MysqlError } from "../MysqlError.ts"
import type { TransportConnection } from "../Transport.ts"
import * as Connection from "./Connection.ts"
import type { Core } from "./Core.ts"
import type { Canceller } from "./canceller.ts"
import type { Owner } from "./Entry.ts"
import { silent } from "./poolFailures.ts"
import type { Settings } from "./poolSettings.ts"

/** How long a connection may take to give a sign of life. */
const validationBound = Duration.seconds(2)

export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

type Line = Effect.Success<TransportConnection["idle"]>

export class Pooled {
  readonly core: Core
  readonly scope: Scope.Closeable
  /** Its two faces: for one alone, and for several at once. */
  readonly own: Connection.Connection
  readonly open: Connection.Connection
  /** Where the borrower asked for it, when that is to be told. */
  place: Error | undefined = undefined
  private readonly owner: Owner
  private readonly resolved: Resolved
  private readonly resetOnRelease: Settings["resetOnRelease"]

  /** It is reserved for `owner`. */
  constructor(
    core: Core,
    scope: Scope.Closeable,
    owner: Owner,
    resolved: Resolved,
    resetOnRelease: Settings["resetOnRelease"]
  ) {
    this.core = core
    this.scope = scope
    this.owner = owner
    this.own = new Connection.Connection(core, owner)
    this.open = new Connection.Connection(core, undefined)
    this.resolved = resolved
    this.resetOnRelease = resetOnRelease
  }

  /** What the borrower gets: the connection for himself, or one that others may have too. */
  viewFor(shares: boolean): Connection.Connection {
    if (!shares) return this.own
    this.core.exchange.unreserve(this.owner)
    return this.open
  }

  // ---- whether it lives --------------------------------------------------------------------------------------------

  get lost(): MysqlError | undefined {
    return this.core.exchange.lost
  }

  /** A look at its line. */
  get look(): Effect.Effect<Line> {
    return this.core.session.transport.idle
  }

  /** By that look: nothing has come that nobody asked for, and the line is there. */
  livesBy(line: Line): boolean {
    return line === "quiet" && this.lost === undefined
  }

  /** Without a round trip. */
  get lives(): Effect.Effect<boolean> {
    return Effect.map(this.look, (line) => this.livesBy(line))
  }

  /** By a round trip. */
  get answers(): Effect.Effect<boolean> {
    return Effect.gen({ self: this }, function* () {
      const pinging = yield* Effect.forkChild(this.own.ping)
      const exit = yield* Effect.timeoutOption(Fiber.await(pinging), validationBound)
      // A line on which nothing comes back is no way to stop anything on the server.
      if (exit._tag === "None") this.core.exchange.lose(silent(validationBound))
      return exit._tag === "Some" && Exit.isSuccess(exit.value)
    })
  }

  // ---- whether it is as configured ---------------------------------------------------------------------------------

  get needsReset(): boolean {
    const { exchange, touched } = this.core
    if (this.resetOnRelease === "always" || exchange.inTransaction) return true
    return this.resetOnRelease === "tracked" && (touched || exchange.stateChanged)
  }

  /** Nothing runs on it, and the next borrower may have it as it is. */
  get isClean(): boolean {
    return this.core.exchange.quiet && !this.needsReset
  }

  /** The user was changed, or a database chosen where the configuration names none: nothing makes a session forget it. */
  get hasStrayed(): boolean {
    const { config, exchange, session } = this.core
    const chosen = this.resolved.database === undefined && exchange.database !== session.database
    return config !== this.resolved || (chosen && this.resetOnRelease !== "rollback")
  }

  /** A branch that is open, or on MariaDB prepared: a reset leaves sessions that cannot read their tables any more. */
  get hasBranch(): boolean {
    const { branched, exchange } = this.core
    return branched && exchange.inTransaction
  }

  /** Ends when it is clean, if that can be; `shared`: it was open to several. */
  clean(shared: boolean): Effect.Effect<void, MysqlError> {
    const { exchange } = this.core
    return exchange.settled.pipe(
      Effect.andThen(Effect.suspend(() => (shared ? exchange.reserve(this.owner) : Effect.void))),
      Effect.andThen(
        Effect.suspend(() => {
          // Where a fiber that the borrower left behind still uses it, this comes after what it has sent.
          if (this.isClean) return Effect.void
          return this.resetOnRelease === "rollback" ? this.own.rollback : this.own.reset
        })
      )
    )
  }
}

/** To be run where nothing but what is restored can be interrupted: what was opened is not lost. */
export const open = (
  resolved: Resolved,
  { resetOnRelease }: Settings,
  canceller: Canceller,
  restore: Restore
): Effect.Effect<Pooled, MysqlError> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const { core } = yield* Effect.onExit(
      restore(Scope.provide(Connection.open(resolved, canceller), scope)),
      (exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))
    )
    // What is lent is reserved already: whoever reserves it once more gets the same again.
    const owner = {}
    yield* core.exchange.reserve(owner)
    return new Pooled(core, scope, owner, resolved, resetOnRelease)
  })
