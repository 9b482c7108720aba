/**
 * Sessions and transactions by hand, over the same client as `sql`.
 *
 * A fiber has at most one transaction per client, whoever began it: inside `transaction`, the client's statements run in
 * it and its `withTransaction` is a savepoint of it, and the other way round. What `connect`, `begin` and `twoPhase` give
 * is used through itself: statements of `sql` know nothing of it.
 *
 * @since 0.1.0
 */
import type { TransactionOptions } from "@effect-mysql/client/MysqlConnection"
import type * as MysqlPool from "@effect-mysql/client/MysqlPool"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import type { CommitMarkers } from "./CommitMarkers.ts"
import * as beginning from "./internal/beginning.ts"
import * as branches from "./internal/branches.ts"
import * as clientStats from "./internal/clientStats.ts"
import * as errors from "./internal/errors.ts"
import { HandSession } from "./internal/HandSession.ts"
import * as HandTransaction from "./internal/HandTransaction.ts"
import * as HandTwoPhase from "./internal/HandTwoPhase.ts"
import { Lease } from "./internal/Lease.ts"
import type { Surroundings } from "./internal/LeaseExecutor.ts"
import * as outermost from "./internal/outermost.ts"
import type { Transform } from "./internal/rows.ts"
import * as xa from "./internal/xa.ts"
import * as MysqlClient from "./MysqlClient.ts"
import type { Session } from "./Session.ts"
import type { Transaction } from "./Transaction.ts"
import type { TwoPhaseTransaction, Xid } from "./TwoPhaseTransaction.ts"

/**
 * How a transaction around an effect begins, is repeated, and is looked up.
 *
 * @since 0.1.0
 * @category models
 */
export interface EngineTransactionOptions<E2 = never, R2 = never> extends TransactionOptions {
  /**
   * The whole transaction is run again, with a new snapshot, when it failed with an error that proves that nothing is
   * left of it: `DeadlockError`, `SerializationError`, `LockTimeoutError`, or `ConnectionError` before COMMIT was sent.
   * Not where a statement inside had committed it. Default: not at all; `MysqlEngine.retrySchedule` is a good one.
   */
  readonly retry?: Schedule.Schedule<unknown, SqlError, E2, R2> | undefined
  /**
   * What becomes of a COMMIT whose reply was lost is looked up: the transaction then succeeds, or fails with
   * `ConnectionError` and may be repeated. Callbacks of `sql.afterCommit` do not run then. Without it, it fails with
   * `UnknownError`.
   */
  readonly markers?: CommitMarkers | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface MysqlEngine {
  /** Whose statements and connections these are. */
  readonly client: MysqlClient.MysqlClient
  /** A connection of one's own. What is open when the scope closes is rolled back. */
  readonly connect: Effect.Effect<Session, SqlError, Scope.Scope>
  /**
   * Commits on success, rolls back on failure and interruption. COMMIT and ROLLBACK are not interruptible.
   *
   * Nested, it is a savepoint: then it cannot have an isolation level, an access mode or a snapshot of its own and fails
   * if it is asked for one, and `retry` and `markers` are left to the outermost.
   */
  readonly transaction: <E2 = never, R2 = never>(
    options?: EngineTransactionOptions<E2, R2>
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | E2 | SqlError, R | R2>
  /** A transaction on a connection of its own, given back when it is over. A scope that closes without `commit` rolls back. */
  readonly begin: (options?: TransactionOptions) => Effect.Effect<Transaction, SqlError, Scope.Scope>
  /** The same for a branch of a distributed transaction. Without an identifier one is made up. */
  readonly twoPhase: (xid?: Xid) => Effect.Effect<TwoPhaseTransaction, SqlError, Scope.Scope>
  /**
   * The branches that are prepared on the server, whoever prepared them, for whichever database. Needs
   * `XA_RECOVER_ADMIN` on MySQL, and fails with an `AuthorizationError` that says so where it is missing.
   */
  readonly recoverPrepared: Effect.Effect<ReadonlyArray<Xid>, SqlError>
  /**
   * Commits a branch that another session has prepared. Fails with an error that `TwoPhaseTransaction.isUnknownXid` knows
   * where there is none. On MariaDB it waits up to 5 s for the session that prepared it to end, and fails when that is
   * still there.
   */
  readonly commitPrepared: (xid: Xid) => Effect.Effect<void, SqlError>
  /** The same for a rollback. */
  readonly rollbackPrepared: (xid: Xid) => Effect.Effect<void, SqlError>
  /** Connections of the client; one that has no pool counts its only one. */
  readonly stats: MysqlPool.MysqlPool["stats"]
}

/**
 * @since 0.1.0
 * @category services
 */
export const MysqlEngine: Context.Service<MysqlEngine, MysqlEngine> = Context.Service<MysqlEngine>(
  "@effect-mysql/sql-layer/MysqlEngine"
)

const longestPause = Duration.seconds(1)

/**
 * Ten repetitions within ten seconds, whichever ends first, after pauses of random length: up to 10 ms for the first,
 * twice as long each time, never above a second. That all of them start at zero keeps competitors apart.
 *
 * @since 0.1.0
 * @category schedules
 */
export const retrySchedule: Schedule.Schedule<Duration.Duration> = Schedule.exponential("10 millis").pipe(
  Schedule.modifyDelay(({ duration }) =>
    Effect.map(Random.next, (random) => Duration.times(Duration.min(duration, longestPause), random))
  ),
  Schedule.upTo({ times: 10, duration: "10 seconds" })
)

/**
 * The COMMIT was sent and its reply is lost: whether it happened only the server knows. Never to be repeated blindly.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isOutcomeUnknown: (error: SqlError) => boolean = outermost.isOutcomeUnknown

const inTransaction = (client: SqlClient): Effect.Effect<boolean> =>
  Effect.withFiber((fiber) =>
    Effect.succeed(Context.getOption(fiber.context, client.transactionService)._tag === "Some")
  )

const transformOf = ({ transformJson, transformResultNames }: MysqlClient.MysqlClientConfig): Transform =>
  transformResultNames === undefined
    ? undefined
    : (Statement.defaultTransforms(transformResultNames, transformJson ?? true).array as Transform)

/**
 * The engine over a client that exists.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromClient = (client: MysqlClient.MysqlClient): MysqlEngine => {
  const around: Surroundings = { client, transform: transformOf(client.config) }

  const lease: Effect.Effect<Lease, SqlError, Scope.Scope> = Effect.flatMap(client.reserve, (connection) =>
    connection instanceof Lease
      ? Effect.succeed(connection)
      : Effect.fail(errors.make("unknown", "connect", "The engine needs a client that MysqlClient made"))
  )

  /** With a lease of its own, which goes back as soon as what was begun on it is over. */
  const onOwnLease = <A>(
    operation: string,
    fault: SqlError | undefined,
    begin: (lease: Lease, onOver: Effect.Effect<void>) => Effect.Effect<A, SqlError, Scope.Scope>
  ): Effect.Effect<A, SqlError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        if (fault !== undefined) return yield* fault
        if (yield* inTransaction(client)) {
          return yield* errors.make(
            "unknown",
            operation,
            "This fiber is in a transaction already: nest with `transaction`, which makes a savepoint"
          )
        }
        const scope = yield* Scope.fork(yield* Effect.scope)
        return yield* Scope.provide(
          Effect.flatMap(restore(lease), (own) => begin(own, Scope.close(scope, Exit.void))),
          scope
        ).pipe(Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))))
      })
    )

  const prepared = (verb: "COMMIT" | "ROLLBACK") => (xid: Xid) => {
    const fault = xa.faultOf(xid)
    return fault === undefined
      ? Effect.scoped(Effect.flatMap(lease, (own) => branches.resolve(own, verb, xid)))
      : Effect.fail(fault)
  }

  return {
    client,
    connect: Effect.flatMap(lease, (own) =>
      Effect.as(
        Effect.addFinalizer(() => own.rollback),
        new HandSession(around, own)
      )
    ),
    transaction: (options) => (effect) =>
      Effect.flatMap(inTransaction(client), (nested) => {
        const fault = beginning.faultOf(options, ["retry", "markers"])
        if (fault !== undefined) return Effect.fail(fault)
        const begin = beginning.asksForMore(options) ? beginning.textOf(options) : undefined
        if (!nested) return outermost.run(client, begin, options?.markers, options?.retry, effect)
        return begin === undefined
          ? client.withTransaction(effect)
          : Effect.fail(
              errors.make(
                "unknown",
                "begin",
                "A nested transaction is what the outermost one is: leave its options out"
              )
            )
      }),
    begin: (options) =>
      onOwnLease("begin", beginning.faultOf(options), (own, onOver) =>
        HandTransaction.begin(around, own, options, onOver)
      ),
    twoPhase: (xid = xa.random()) =>
      onOwnLease("xa", xa.faultOf(xid), (own, onOver) => HandTwoPhase.begin(around, own, xid, onOver)),
    recoverPrepared: Effect.scoped(Effect.flatMap(lease, branches.list)),
    commitPrepared: prepared("COMMIT"),
    rollbackPrepared: prepared("ROLLBACK"),
    stats: clientStats.of(client) ?? Effect.succeed({ idle: 0, used: 0, connecting: 0, pending: 0, max: 0 })
  }
}

/**
 * The engine with a client of its own, which it has as `client`; see `MysqlClient.make`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  config: MysqlClient.MysqlClientConfig
): Effect.Effect<MysqlEngine, SqlError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.map(MysqlClient.make(config), fromClient)

/**
 * Over the client that is in the context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClient: Layer.Layer<MysqlEngine, never, MysqlClient.MysqlClient> = Layer.effect(
  MysqlEngine,
  Effect.map(MysqlClient.MysqlClient, fromClient)
)

/**
 * The engine, and the client under it as `MysqlClient` and as `SqlClient`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  config: MysqlClient.MysqlClientConfig
): Layer.Layer<MysqlEngine | MysqlClient.MysqlClient | SqlClient, SqlError> =>
  Layer.provideMerge(layerClient, MysqlClient.layer(config))

/**
 * The same, each field of the configuration being a `Config` or a value.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Wrap<MysqlClient.MysqlClientConfig>
): Layer.Layer<MysqlEngine | MysqlClient.MysqlClient | SqlClient, Config.ConfigError | SqlError> =>
  Layer.provideMerge(layerClient, MysqlClient.layerConfig(config))
