/**
 * Many connections to one server, lent one at a time. The pool is a scoped resource: with its scope all of it ends.
 *
 * A dead connection is not lent: it is looked at first, and asked for a sign of life where it was idle for a while. One
 * that comes back changed is reset before anybody else gets it, off the path of whoever returned it. What the pool
 * promises in full, and how to tune it, is in `docs/pool.md`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as ConfigModule from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as canceller from "./internal/canceller.ts"
import { Pool, type Request } from "./internal/Pool.ts"
import * as poolMetrics from "./internal/poolMetrics.ts"
import * as poolSettings from "./internal/poolSettings.ts"
import type { MysqlConfig } from "./MysqlConfig.ts"
import type { MysqlConnection, ReservedConnection } from "./MysqlConnection.ts"
import type { MysqlError } from "./MysqlError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface PoolConfig extends MysqlConfig {
  /** Kept open while nobody needs them. Default 0. */
  readonly minConnections?: number | undefined
  /** Default 10. `Infinity`: no limit but the server's. */
  readonly maxConnections?: number | undefined
  /** `failFast` (default): making the pool fails if the first connection does. `lazy`: nothing is opened before it is needed. */
  readonly initialization?: "failFast" | "lazy" | undefined
  /** How long a borrower waits, connecting and checking included. Default 30 s. */
  readonly acquireTimeout?: Duration.Input | undefined
  /** Connections above the minimum are closed after being idle so long, give or take 30 s. Default 10 min. */
  readonly idleTimeout?: Duration.Input | undefined
  /** A connection older than this is replaced, never while it is used; up to 2.5 % less for each, so that they do not end together. Default 30 min. */
  readonly maxLifetime?: Duration.Input | undefined
  /**
   * An idle connection is asked for a sign of life after so long without one, up to 10 % less for each. Default: only
   * often enough to stay below the server's `wait_timeout`, which happens in any case.
   */
  readonly keepaliveTime?: Duration.Input | undefined
  /** Connections that are opened at once. Default 4. */
  readonly connectConcurrency?: number | undefined
  /**
   * `tracked` (default): a returned connection is reset unless every statement since it was lent is plain data
   * manipulation or transaction control and the server reports no change of the session. What that misses: a stored
   * function that takes a `GET_LOCK`, or fills a user variable by `SELECT … INTO`. `always` resets each time; `rollback`
   * only rolls back an open transaction.
   */
  readonly resetOnRelease?: "always" | "tracked" | "rollback" | undefined
  /** A connection that is lent for so long is told of in a warning, with the place that borrowed it. Default: none is. */
  readonly leakDetection?: Duration.Input | undefined
  /** How long the end of the pool waits for connections that are lent. Default 5 s. */
  readonly shutdownTimeout?: Duration.Input | undefined
  /**
   * `true`: `use` and `get` may give the same connection to up to 32 at once when none is idle; their statements are
   * pipelined. What changes the session belongs on `reserve` then. Default `false`.
   */
  readonly multiplex?: boolean | undefined
  /** By which metrics, spans and warnings call the pool. Default `host:port/database`. */
  readonly poolName?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  /** Connections that are open and not lent. */
  readonly idle: number
  /** Connections that are lent, or were and are being reset. */
  readonly used: number
  /** Attempts to connect that are under way, or pause before they are. */
  readonly connecting: number
  /** Borrowers who wait. */
  readonly pending: number
  readonly max: number
}

/**
 * Borrowing fails with `AcquireTimeout`, with `PoolClosed`, with `PoolDeadlock`, or at once with what connecting failed
 * with where trying again would not help: `LoginError`, `TlsError`, `ConfigurationError` and the like.
 *
 * @since 0.1.0
 * @category models
 */
export interface MysqlPool {
  /** A connection until the scope closes. Interruption while waiting leaves no trace. */
  readonly get: Effect.Effect<MysqlConnection, MysqlError, Scope.Scope>
  /** The same for oneself alone, also with `multiplex`, and with what changes the session. */
  readonly reserve: Effect.Effect<ReservedConnection, MysqlError, Scope.Scope>
  /** Borrows for one effect, without a scope. */
  readonly use: <A, E, R>(
    f: (connection: MysqlConnection) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | MysqlError, R>
  readonly stats: Effect.Effect<Stats>
  /** The connection is closed when it comes back. */
  readonly invalidate: (connection: MysqlConnection) => Effect.Effect<void>
  /** Replaces every connection: idle ones at once, lent ones when they come back. Nobody notices; for a failover. */
  readonly evictAll: Effect.Effect<void>
  /** Lends nothing until `resume`: borrowers wait, `acquireTimeout` included, and what is lent may be finished. */
  readonly suspend: Effect.Effect<void>
  /** Serves those who came meanwhile, first come, first served. */
  readonly resume: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category services
 */
export const MysqlPool: Context.Service<MysqlPool, MysqlPool> = Context.Service<MysqlPool>(
  "@effect-mysql/client/MysqlPool"
)

/**
 * A pool. Fails with `ConfigurationError`, and with `failFast` with whatever the first connection fails with.
 *
 * When the scope closes, those who wait fail with `PoolClosed`, and those who have a connection get `shutdownTimeout`.
 * Then what they run is stopped on the server and the line is cut: they fail with `ConnectionLost`, or are interrupted
 * where they are in `use` and run nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (config: PoolConfig): Effect.Effect<MysqlPool, MysqlError, Scope.Scope> =>
  Effect.gen(function* () {
    const { resolved, settings } = yield* poolSettings.resolve(config)
    const random = yield* Random.Random
    let pool: Pool | undefined
    const metrics = yield* poolMetrics.make({
      ...settings,
      stats: () => pool?.state.stats ?? { idle: 0, used: 0, connecting: 0, pending: 0, max: settings.max }
    })
    const made = new Pool(settings, resolved, {
      canceller: yield* canceller.make,
      clock: yield* Clock.Clock,
      random: () => random.nextDoubleUnsafe(),
      metrics,
      context: yield* Effect.context<never>()
    })
    pool = made
    yield* Effect.addFinalizer(() => made.close)
    if (!settings.lazy) yield* made.openFirst
    yield* Effect.forkScoped(made.housekeeping)

    const toldPlace = settings.leakMillis < Number.POSITIVE_INFINITY
    const request = (shares: boolean): Request => ({
      shares,
      place: toldPlace ? new Error("The connection was borrowed here") : undefined
    })
    // Made once where there is no place to tell.
    const sharing = request(settings.multiplex)
    const alone = request(false)
    const get = made.borrow(sharing)
    const reserve = made.borrow(alone)
    return {
      get get() {
        return toldPlace ? made.borrow(request(settings.multiplex)) : get
      },
      get reserve() {
        return toldPlace ? made.borrow(request(false)) : reserve
      },
      use: (f) => made.use(toldPlace ? request(settings.multiplex) : sharing, f),
      stats: Effect.sync(() => made.state.stats),
      invalidate: (connection) => Effect.sync(() => made.invalidate(connection)),
      evictAll: Effect.sync(() => made.evictAll()),
      suspend: Effect.sync(() => made.suspend()),
      resume: Effect.sync(() => made.resume())
    }
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (config: PoolConfig): Layer.Layer<MysqlPool, MysqlError> => Layer.effect(MysqlPool, make(config))

/**
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (config: Config.Wrap<PoolConfig>): Layer.Layer<MysqlPool, MysqlError | Config.ConfigError> =>
  Layer.effect(MysqlPool, Effect.flatMap(ConfigModule.unwrap(config), make))
