/**
 * The options of a pool with their defaults, and what is wrong with them. Those of its connections are
 * `MysqlConfig.resolve`'s.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as MysqlConfig from "../MysqlConfig.ts"
import * as MysqlError from "../MysqlError.ts"
import type { PoolConfig } from "../MysqlPool.ts"
import { addressOf } from "./target.ts"

export interface Settings {
  readonly min: number
  readonly max: number
  readonly connectConcurrency: number
  readonly acquireTimeout: Duration.Duration
  readonly idleTimeout: Duration.Duration
  readonly maxLifetime: Duration.Duration
  readonly shutdownTimeout: Duration.Duration
  readonly keepaliveMillis: number
  readonly leakMillis: number
  readonly resetOnRelease: "always" | "tracked" | "rollback"
  readonly lazy: boolean
  readonly multiplex: boolean
  readonly poolName: string
}

const never = Number.POSITIVE_INFINITY

/** Everything that is wrong is told at once: with the pool, and with its connections. */
export const resolve = (
  config: PoolConfig
): Effect.Effect<{ readonly settings: Settings; readonly resolved: MysqlConfig.Resolved }, MysqlError.MysqlError> =>
  Effect.flatMap(Effect.result(MysqlConfig.resolve(config)), (ofConnections) => {
    const faults: Array<string> = []
    if (Result.isFailure(ofConnections)) {
      const { reason } = ofConnections.failure
      if (reason._tag !== "ConfigurationError") return Effect.fail(ofConnections.failure)
      faults.push(...reason.faults)
    }
    const checked = check(config, faults)
    if (faults.length > 0 || Result.isFailure(ofConnections)) {
      return Effect.fail(MysqlError.make(new MysqlError.ConfigurationError({ faults })))
    }
    const resolved = ofConnections.success
    const { database, target } = resolved
    const address = database === undefined ? addressOf(target) : `${addressOf(target)}/${database}`
    return Effect.succeed({ resolved, settings: { ...checked, poolName: config.poolName ?? address } })
  })

const check = (config: PoolConfig, faults: Array<string>): Omit<Settings, "poolName"> => {
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
  const positive = (name: keyof PoolConfig, input: Duration.Input | undefined, otherwise: Duration.Duration) => {
    const value = duration(name, input, otherwise)
    if (Duration.isZero(value)) faults.push(`${name} is zero`)
    return value
  }
  const oneOf = <A>(name: keyof PoolConfig, value: A, allowed: ReadonlyArray<A>): A => {
    if (!allowed.includes(value)) faults.push(`${name} ${JSON.stringify(value)} is none of ${allowed.join(", ")}`)
    return value
  }
  const max = config.maxConnections === never ? never : count("maxConnections", config.maxConnections ?? 10, 1)
  const min = count("minConnections", config.minConnections ?? 0, 0)
  if (max >= 1 && Number.isInteger(min) && min > max)
    faults.push(`minConnections ${min} is more than maxConnections ${max}`)
  const maxLifetime = positive("maxLifetime", config.maxLifetime, Duration.minutes(30))
  const keepaliveTime = positive("keepaliveTime", config.keepaliveTime, Duration.infinity)
  if (config.keepaliveTime !== undefined && Duration.isGreaterThanOrEqualTo(keepaliveTime, maxLifetime)) {
    faults.push("keepaliveTime is not shorter than maxLifetime: no connection would ever be kept alive by it")
  }
  if (config.poolName === "") faults.push("poolName is empty")
  return {
    min,
    max,
    connectConcurrency: count("connectConcurrency", config.connectConcurrency ?? 4, 1),
    acquireTimeout: positive("acquireTimeout", config.acquireTimeout, Duration.seconds(30)),
    idleTimeout: duration("idleTimeout", config.idleTimeout, Duration.minutes(10)),
    maxLifetime,
    shutdownTimeout: duration("shutdownTimeout", config.shutdownTimeout, Duration.seconds(5)),
    keepaliveMillis: Duration.toMillis(keepaliveTime),
    leakMillis: Duration.toMillis(positive("leakDetection", config.leakDetection, Duration.infinity)),
    resetOnRelease: oneOf("resetOnRelease", config.resetOnRelease ?? "tracked", ["always", "tracked", "rollback"]),
    lazy: oneOf("initialization", config.initialization ?? "failFast", ["failFast", "lazy"]) === "lazy",
    multiplex: oneOf("multiplex", config.multiplex ?? false, [true, false])
  }
}
