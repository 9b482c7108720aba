/**
 * Many connections to one server, lent one at a time. The pool is a scoped resource: with its scope all of it ends.
 *
 * A connection that died while idle is never lent: it is looked at first, without a round trip. One that comes back
 * changed is reset before anybody else gets it, off the path of whoever returned it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as ConfigModule from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Connection from "./internal/Connection.ts"
import type { Core } from "./internal/Core.ts"
import * as canceller from "./internal/canceller.ts"
import { type Action, PoolState, type Refusal, type Slot, type Stats, type Waiter } from "./internal/poolState.ts"
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
  /** Connections above the minimum are closed after being idle so long. Default 10 min. */
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
      resetOnRelease: config.resetOnRelease ?? "tracked"
    }
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

const lifetimeJitter = 0.025
const longestSweepInterval = Duration.seconds(30)

/** Reasons that asking the server again does not change. */
const hopeless: ReadonlySet<MysqlError.Reason["_tag"]> = new Set(["ConfigurationError", "LoginError", "TlsError"])

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
    /** Everything that goes on behind the borrowers' backs. */
    const background = new Set<Fiber.Fiber<void>>()
    const now = (): number => clock.currentTimeMillisUnsafe()

    const fork = (effect: Effect.Effect<void>): void => {
      const fiber = runFork(effect)
      if (fiber.pollUnsafe() !== undefined) return
      background.add(fiber)
      fiber.addObserver(() => background.delete(fiber))
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
            fork(openAfter(action.delayMillis))
            break
          case "discard":
            fork(Scope.close(action.slot.connection.scope, Exit.void))
        }
      }
      // Connections come back by more than one way, also after a reset: the end of the pool waits for the last of them.
      if (state.isClosed && state.lent.size === 0) allReturned?.()
    }

    /** Lines that are not connections yet: closing one ends its attempt. */
    const attempts = new Set<Scope.Closeable>()

    const open: Effect.Effect<PooledSlot, MysqlError.MysqlError> = Effect.gen(function* () {
      const scope = yield* Scope.make()
      attempts.add(scope)
      const connection = yield* Connection.open(resolved, cancel).pipe(
        Scope.provide(scope),
        Effect.onExit((exit) => {
          attempts.delete(scope)
          return Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)
        })
      )
      const shortened = 1 - lifetimeJitter * (yield* Random.next)
      const time = now()
      return {
        connection: { connection, scope },
        expiresAt: time + Duration.toMillis(settings.maxLifetime) * shortened,
        idleSince: time,
        doomed: false
      }
    })

    const openAfter = (delayMillis: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (delayMillis > 0 && !state.stillNeeded()) return Effect.void
        return Effect.matchEffect(open, {
          onSuccess: (slot) => Effect.sync(() => carryOut(state.connected(slot, now()))),
          onFailure: (error) => Effect.sync(() => carryOut(state.connectFailed(error, hopeless.has(error.reason._tag))))
        })
      }).pipe(delayMillis > 0 ? Effect.delay(Duration.millis(delayMillis)) : (effect) => effect)

    // ---- lending -------------------------------------------------------------------------------------------------

    const wait: Effect.Effect<PooledSlot, MysqlError.MysqlError> = Effect.suspend(() => {
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
      return Effect.onExit(waiting, (exit) =>
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
    const acquire: Effect.Effect<PooledSlot, MysqlError.MysqlError> = Effect.suspend(() => {
      const slot = state.take()
      if (slot === undefined) return wait
      const { core } = slot.connection.connection
      return Effect.flatMap(core.session.transport.idle, (line) => {
        if (line === "quiet" && core.exchange.lost === undefined && slot.expiresAt > now()) return Effect.succeed(slot)
        carryOut(state.remove(slot))
        return acquire
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

    const clean = (connection: Connection.Connection): Effect.Effect<void, MysqlError.MysqlError> =>
      Effect.andThen(
        connection.core.exchange.settled,
        Effect.suspend(() =>
          !needsReset(connection.core)
            ? Effect.void
            : settings.resetOnRelease === "rollback"
              ? connection.rollback
              : connection.reset
        )
      )

    const giveBack = (slot: PooledSlot): void => {
      const { connection } = slot.connection
      const { exchange } = connection.core
      if (exchange.lost !== undefined || slot.doomed || state.isClosed) return carryOut(state.remove(slot))
      if (exchange.quiet && !needsReset(connection.core)) return carryOut(state.release(slot, now()))
      fork(
        Effect.matchEffect(Effect.timeout(clean(connection), resolved.connectTimeout), {
          onSuccess: () =>
            Effect.sync(() => carryOut(exchange.lost === undefined ? state.release(slot, now()) : state.remove(slot))),
          onFailure: () => Effect.sync(() => carryOut(state.remove(slot)))
        })
      )
    }

    const use: MysqlPool["use"] = (f) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(acquire), (slot) =>
          Effect.onExit(restore(f(slot.connection.connection)), () => Effect.sync(() => giveBack(slot)))
        )
      )

    const reserve = Effect.map(
      Effect.acquireRelease(acquire, (slot) => Effect.sync(() => giveBack(slot)), { interruptible: true }),
      (slot) => slot.connection.connection
    )

    // ---- beginning and end ---------------------------------------------------------------------------------------

    const end = Effect.gen(function* () {
      carryOut(state.close())
      if (state.lent.size > 0) {
        yield* Effect.callback<void>((resume) => {
          allReturned = () => resume(Effect.void)
        }).pipe(Effect.timeoutOption(settings.shutdownTimeout))
      }
      for (const slot of [...state.lent]) carryOut(state.remove(slot))
      yield* Effect.forEach([...attempts], (scope) => Scope.close(scope, Exit.void), { discard: true })
      yield* Effect.forEach([...background], (fiber) => Fiber.await(fiber), { discard: true, concurrency: "unbounded" })
    })

    yield* Effect.addFinalizer(() => end)

    if (config.initialization !== "lazy") {
      const first = yield* open
      carryOut(state.opened(first, now()))
    }
    const interval = Duration.min(longestSweepInterval, settings.idleTimeout)
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
