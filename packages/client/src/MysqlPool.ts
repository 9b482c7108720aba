/**
 * Many connections to one server, lent one at a time. The pool is a scoped resource: with its scope all of it ends.
 *
 * A connection that died while idle is never lent: it is looked at first, without a round trip. One that comes back
 * changed is reset before anybody else gets it, off the path of whoever returned it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as ConfigModule from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Connection from "./internal/Connection.ts"
import type { Core } from "./internal/Core.ts"
import * as canceller from "./internal/canceller.ts"
import { type Action, PoolState, type Refusal, type Slot, type Stats, type Waiter } from "./internal/poolState.ts"
import { addressOf } from "./internal/target.ts"
import * as MysqlConfig from "./MysqlConfig.ts"
import type { MysqlConnection, ReservedConnection } from "./MysqlConnection.ts"
import * as MysqlError from "./MysqlError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface PoolConfig extends MysqlConfig.MysqlConfig {
  /** Kept open while nobody needs them. Default 0. */
  readonly minConnections?: number | undefined
  /** Default 10. */
  readonly maxConnections?: number | undefined
  /** `failFast` (default): making the pool fails if the first connection does. `lazy`: nothing is opened before it is needed. */
  readonly initialization?: "failFast" | "lazy" | undefined
  /** How long a borrower waits, connecting included. Default 30 s. */
  readonly acquireTimeout?: Duration.Input | undefined
  /** Connections above the minimum are closed after being idle so long, give or take 30 s. Default 10 min. */
  readonly idleTimeout?: Duration.Input | undefined
  /** A connection older than this is replaced, never while it is used; up to 2.5 % less for each, so that they do not end together. Default 30 min. */
  readonly maxLifetime?: Duration.Input | undefined
  /** Connections that are opened at once. Default 4. */
  readonly connectConcurrency?: number | undefined
  /**
   * `tracked` (default): a returned connection is reset unless every statement since it was lent is plain data
   * manipulation or transaction control and the server reports no change of the session. What that misses: a stored
   * function that takes a `GET_LOCK`, or on MariaDB sets a user variable. `always` resets each time; `rollback` only
   * rolls back an open transaction.
   */
  readonly resetOnRelease?: "always" | "tracked" | "rollback" | undefined
  /** How long the end of the pool waits for connections that are lent. Default 5 s. */
  readonly shutdownTimeout?: Duration.Input | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface MysqlPool {
  /** A connection of one's own until the scope closes. Interruption while waiting leaves no trace. */
  readonly get: Effect.Effect<MysqlConnection, MysqlError.MysqlError, Scope.Scope>
  /** The same, with what changes the session. */
  readonly reserve: Effect.Effect<ReservedConnection, MysqlError.MysqlError, Scope.Scope>
  /** Borrows for one effect, without a scope. */
  readonly use: <A, E, R>(
    f: (connection: MysqlConnection) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | MysqlError.MysqlError, R>
  readonly stats: Effect.Effect<Stats>
  /** The connection is closed when it comes back. */
  readonly invalidate: (connection: MysqlConnection) => Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category services
 */
export const MysqlPool: Context.Service<MysqlPool, MysqlPool> = Context.Service<MysqlPool>(
  "@effect-mysql/client/MysqlPool"
)

interface Settings {
  readonly min: number
  readonly max: number
  readonly connectConcurrency: number
  readonly acquireTimeout: Duration.Duration
  readonly idleTimeout: Duration.Duration
  readonly maxLifetime: Duration.Duration
  readonly shutdownTimeout: Duration.Duration
  readonly resetOnRelease: "always" | "tracked" | "rollback"
}

const settingsOf = (config: PoolConfig): Effect.Effect<Settings, MysqlError.MysqlError> =>
  Effect.suspend(() => {
    const faults: Array<string> = []
    const count = (name: keyof PoolConfig, value: number, least: number): number => {
      if (!Number.isInteger(value) || value < least) faults.push(`${name} is not an integer of at least ${least}`)
      return value
    }
    const duration = (name: keyof PoolConfig, input: Duration.Input | undefined, otherwise: Duration.Duration) => {
      const value = Duration.fromInput(input ?? otherwise)
      if (value._tag === "Some" && !Duration.isNegative(value.value)) return value.value
      faults.push(`${name} is not a duration`)
      return otherwise
    }
    const oneOf = <A extends string>(name: keyof PoolConfig, value: A, allowed: ReadonlyArray<A>): A => {
      if (!allowed.includes(value)) faults.push(`${name} "${value}" is none of ${allowed.join(", ")}`)
      return value
    }
    const max = count("maxConnections", config.maxConnections ?? 10, 1)
    const min = count("minConnections", config.minConnections ?? 0, 0)
    if (min > max) faults.push(`minConnections ${min} is more than maxConnections ${max}`)
    const settings: Settings = {
      min,
      max,
      connectConcurrency: count("connectConcurrency", config.connectConcurrency ?? 4, 1),
      acquireTimeout: duration("acquireTimeout", config.acquireTimeout, Duration.seconds(30)),
      idleTimeout: duration("idleTimeout", config.idleTimeout, Duration.minutes(10)),
      maxLifetime: duration("maxLifetime", config.maxLifetime, Duration.minutes(30)),
      shutdownTimeout: duration("shutdownTimeout", config.shutdownTimeout, Duration.seconds(5)),
      resetOnRelease: oneOf("resetOnRelease", config.resetOnRelease ?? "tracked", ["always", "tracked", "rollback"])
    }
    oneOf("initialization", config.initialization ?? "failFast", ["failFast", "lazy"])
    return faults.length > 0
      ? Effect.fail(MysqlError.make(new MysqlError.ConfigurationError({ faults })))
      : Effect.succeed(settings)
  })

/** A connection and the scope that it lives in. */
interface Pooled {
  readonly connection: Connection.Connection
  readonly scope: Scope.Closeable
}

type PooledSlot = Slot<Pooled>

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const lifetimeJitter = 0.025
const longestSweepInterval = Duration.seconds(30)
const shortestSweepInterval = Duration.seconds(1)

/** Logins that are refused because the server has too much to do, or is not serving at the moment. */
const notNow: ReadonlySet<number | undefined> = new Set([1040, 1041, 1053, 1203, 1226, 3032, 3168])

/** Asking the server again would not change it. */
const isHopeless = ({ reason }: MysqlError.MysqlError): boolean =>
  reason._tag === "LoginError"
    ? !notNow.has(reason.errno)
    : reason._tag === "ConfigurationError" || reason._tag === "TlsError"

const refusal = (why: Refusal): MysqlError.MysqlError => {
  switch (why._tag) {
    case "closed":
      return MysqlError.make(new MysqlError.PoolClosed({}))
    case "hopeless":
      return why.error
    case "timeout": {
      const { idle, max, pending, used } = why.stats
      return MysqlError.make(new MysqlError.AcquireTimeout({ idle, used, pending, max, cause: why.lastFailure }))
    }
  }
}

/**
 * A pool. Fails with `ConfigurationError`, and with `failFast` with whatever the first connection fails with.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (config: PoolConfig): Effect.Effect<MysqlPool, MysqlError.MysqlError, Scope.Scope> =>
  Effect.gen(function* () {
    const settings = yield* settingsOf(config)
    const resolved = yield* MysqlConfig.resolve(config)
    const cancel = yield* canceller.make
    const clock = yield* Clock.Clock
    const services = yield* Effect.context<never>()
    const runFork = Effect.runForkWith(services)
    const state = new PoolState<Pooled>({
      min: settings.min,
      max: settings.max,
      connectConcurrency: settings.connectConcurrency,
      idleTimeoutMillis: Duration.toMillis(settings.idleTimeout)
    })
    /** Everything that goes on behind the borrowers' backs, and of it the attempts to connect. Nothing tears it. */
    const background = new Set<Fiber.Fiber<void>>()
    const attempts = new Set<Fiber.Fiber<void>>()
    const now = (): number => clock.currentTimeMillisUnsafe()

    const fork = (effect: Effect.Effect<void>, ...among: ReadonlyArray<Set<Fiber.Fiber<void>>>): void => {
      const fiber = runFork(effect, { uninterruptible: true })
      if (fiber.pollUnsafe() !== undefined) return
      for (const fibers of [background, ...among]) {
        fibers.add(fiber)
        fiber.addObserver(() => fibers.delete(fiber))
      }
    }

    /** Ends the wait of a pool that closes. */
    let allReturned: (() => void) | undefined

    const carryOut = (actions: ReadonlyArray<Action<Pooled>>): void => {
      for (const action of actions) {
        switch (action._tag) {
          case "grant":
            action.waiter.grant(action.slot)
            break
          case "refuse":
            action.waiter.refuse(action.why)
            break
          case "connect":
            fork(openAfter(action.delayMillis), attempts)
            break
          case "discard":
            fork(Scope.close(action.slot.connection.scope, Exit.void))
        }
      }
      // Connections come back by more than one way, also after a reset: the end of the pool waits for the last of them.
      if (state.isClosed && state.lent.size === 0) allReturned?.()
    }

    /** To be run where nothing but what is restored can be interrupted: what was opened is not lost. */
    const open = (restore: Restore): Effect.Effect<PooledSlot, MysqlError.MysqlError> =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { core } = yield* Effect.onExit(
          restore(Scope.provide(Connection.open(resolved, cancel), scope)),
          (exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))
        )
        // What is lent is reserved already: whoever reserves it once more gets the same again.
        const owner = {}
        yield* core.exchange.reserve(owner)
        const connection = new Connection.Connection(core, owner)
        const shortened = 1 - lifetimeJitter * (yield* Random.next)
        const time = now()
        return {
          connection: { connection, scope },
          expiresAt: time + Duration.toMillis(settings.maxLifetime) * shortened,
          idleSince: time,
          doomed: false
        }
      })

    /** However an attempt ends, the machine hears of it: also where the user's own password effect dies. */
    const failed = (cause: Cause.Cause<MysqlError.MysqlError>): void => {
      const error = Option.getOrElse(Cause.findErrorOption(cause), () =>
        MysqlError.make(
          new MysqlError.ConnectError({
            address: addressOf(resolved.target),
            problem: "the attempt ended without a result",
            cause: Cause.squash(cause)
          })
        )
      )
      carryOut(state.connectFailed(error, isHopeless(error)))
    }

    /** To be run where nothing can be interrupted; pausing and connecting can. */
    const openAfter = (delayMillis: number): Effect.Effect<void> => {
      const attempt = Effect.matchCause(open(Effect.interruptible), {
        onSuccess: (slot) => carryOut(state.connected(slot, now())),
        onFailure: failed
      })
      if (delayMillis === 0) return attempt
      const pause = Effect.exit(Effect.interruptible(Effect.sleep(delayMillis)))
      return Effect.flatMap(pause, () => (state.stillNeeded() ? attempt : Effect.void))
    }

    // ---- lending -------------------------------------------------------------------------------------------------

    // A slot that was taken or granted belongs to somebody from that moment on. So all of this is run where nothing can
    // be interrupted, and only the waiting is restored to what it was for the caller.

    const wait = (restore: Restore): Effect.Effect<PooledSlot, MysqlError.MysqlError> =>
      Effect.suspend(() => {
        let granted: PooledSlot | undefined
        let waiter: Waiter<Pooled> | undefined
        let timer: Fiber.Fiber<void> | undefined
        const waiting = Effect.callback<PooledSlot, MysqlError.MysqlError>((resume) => {
          const own: Waiter<Pooled> = {
            state: "waiting",
            grant: (slot) => {
              granted = slot
              resume(Effect.succeed(slot))
            },
            refuse: (why) => resume(Effect.fail(refusal(why)))
          }
          waiter = own
          carryOut(state.wait(own))
          if (own.state !== "waiting") return
          timer = runFork(
            Effect.delay(
              Effect.sync(() => carryOut(state.timeout(own))),
              settings.acquireTimeout
            )
          )
        })
        return Effect.onExit(restore(waiting), (exit) =>
          Effect.suspend(() => {
            if (Exit.isFailure(exit)) {
              if (granted !== undefined) carryOut(state.release(granted, now()))
              else if (waiter !== undefined) state.cancel(waiter)
            }
            return timer === undefined || timer.pollUnsafe() !== undefined ? Effect.void : Fiber.interrupt(timer)
          })
        )
      })

    /** An idle connection that is alive and not too old; without one, the end of the queue. */
    const acquire = (restore: Restore): Effect.Effect<PooledSlot, MysqlError.MysqlError> =>
      Effect.suspend(() => {
        const slot = state.take()
        if (slot === undefined) return wait(restore)
        const { core } = slot.connection.connection
        return Effect.flatMap(core.session.transport.idle, (line) => {
          const alive = line === "quiet" && core.exchange.lost === undefined
          if (alive && slot.expiresAt > now()) return Effect.succeed(slot)
          carryOut(state.remove(slot))
          return acquire(restore)
        })
      })

    const needsReset = (core: Core): boolean => {
      const inTransaction = core.exchange.inTransaction
      switch (settings.resetOnRelease) {
        case "always":
          return true
        case "rollback":
          return inTransaction
        case "tracked":
          return inTransaction || core.touched || core.exchange.stateChanged
      }
    }

    /** A database that was chosen where the configuration names none: nothing makes a session forget it. */
    const hasStrayed = ({ exchange }: Core): boolean =>
      resolved.database === undefined && exchange.database !== undefined && settings.resetOnRelease !== "rollback"

    /** A branch that is open, or on MariaDB prepared: a reset leaves sessions that cannot read their tables any more. */
    const hasBranch = ({ branched, exchange }: Core): boolean => branched && exchange.inTransaction

    const clean = (connection: Connection.Connection): Effect.Effect<void, MysqlError.MysqlError> =>
      Effect.andThen(
        connection.core.exchange.settled,
        Effect.suspend(() => {
          const { core } = connection
          // Where a fiber that the borrower left behind still uses it, this comes after what it has sent.
          if (core.exchange.quiet && !needsReset(core)) return Effect.void
          return settings.resetOnRelease === "rollback" ? connection.rollback : connection.reset
        })
      )

    const giveBack = (slot: PooledSlot): Effect.Effect<void> =>
      Effect.suspend(() => {
        const { connection } = slot.connection
        const { core } = connection
        const { exchange, session } = core
        const end = (usable: boolean): void =>
          carryOut(usable && exchange.lost === undefined ? state.release(slot, now()) : state.remove(slot))
        if (slot.doomed || state.isClosed || hasStrayed(core) || hasBranch(core)) return Effect.sync(() => end(false))
        // Whoever waits gets it without a further look.
        if (exchange.quiet && !needsReset(core)) {
          return Effect.map(session.transport.idle, (line) => end(line === "quiet"))
        }
        fork(
          Effect.matchCause(Effect.timeout(clean(connection), resolved.connectTimeout), {
            onSuccess: () => end(exchange.quiet && !hasStrayed(core)),
            onFailure: () => end(false)
          })
        )
        return Effect.void
      })

    const use: MysqlPool["use"] = (f) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(acquire(restore), (slot) =>
          Effect.onExit(restore(Effect.suspend(() => f(slot.connection.connection))), () => giveBack(slot))
        )
      )

    const reserve = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(acquire(restore), (slot) =>
        Effect.as(
          Effect.addFinalizer(() => giveBack(slot)),
          slot.connection.connection
        )
      )
    )

    // ---- beginning and end ---------------------------------------------------------------------------------------

    const end = Effect.gen(function* () {
      carryOut(state.close())
      for (const attempt of attempts) attempt.interruptUnsafe()
      if (state.lent.size > 0) {
        yield* Effect.callback<void>((resume) => {
          allReturned = () => resume(Effect.void)
        }).pipe(Effect.timeoutOption(settings.shutdownTimeout))
      }
      for (const slot of [...state.lent]) carryOut(state.remove(slot))
      yield* Effect.forEach([...background], (fiber) => Fiber.await(fiber), { discard: true, concurrency: "unbounded" })
    })

    yield* Effect.addFinalizer(() => end)

    if (config.initialization !== "lazy") {
      yield* Effect.uninterruptibleMask((restore) =>
        Effect.map(open(restore), (first) => carryOut(state.opened(first, now())))
      )
    }
    const interval = Duration.clamp(settings.idleTimeout, {
      minimum: shortestSweepInterval,
      maximum: longestSweepInterval
    })
    yield* Effect.sync(() => carryOut(state.sweep(now()))).pipe(
      Effect.andThen(Effect.sleep(interval)),
      Effect.forever,
      Effect.forkScoped
    )

    return {
      get: reserve,
      reserve,
      use,
      stats: Effect.sync(() => state.stats),
      invalidate: (connection) =>
        Effect.sync(() => {
          for (const slot of state.lent) if (slot.connection.connection === connection) slot.doomed = true
        })
    }
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (config: PoolConfig): Layer.Layer<MysqlPool, MysqlError.MysqlError> =>
  Layer.effect(MysqlPool, make(config))

/**
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Wrap<PoolConfig>
): Layer.Layer<MysqlPool, MysqlError.MysqlError | Config.ConfigError> =>
  Layer.effect(MysqlPool, Effect.flatMap(ConfigModule.unwrap(config), make))
