/**
 * Pools for tests, and the events that order them.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as MysqlError from "../../src/MysqlError.ts"
import * as MysqlPool from "../../src/MysqlPool.ts"
import { Transport } from "../../src/Transport.ts"
import type { Server } from "./scripted.ts"

/** A pool over a server in memory. */
export const over = (
  server: Server,
  config?: MysqlPool.PoolConfig
): Effect.Effect<MysqlPool.MysqlPool, MysqlError.MysqlError, Scope.Scope> =>
  Effect.provideService(MysqlPool.make({ ...config }), Transport, server.transport)

type Stats = Effect.Success<MysqlPool.MysqlPool["stats"]>

/** Others have gone on so often without it having become so that it never will. */
const patience = 20_000

/** Lets others go on until it is so. */
export const awaiting = (check: () => boolean, otherwise?: () => unknown): Effect.Effect<void> =>
  Effect.suspend(() => {
    let left = patience
    const again: Effect.Effect<void> = Effect.suspend(() => {
      if (check()) return Effect.void
      return left-- === 0
        ? Effect.die(new Error(`it never was so: ${JSON.stringify(otherwise?.())}`))
        : Effect.andThen(Effect.yieldNow, again)
    })
    return again
  })

/** Lets others go on until the numbers are these. */
export const until = (pool: MysqlPool.MysqlPool, stats: Partial<Stats>): Effect.Effect<void> => {
  const current = (): Stats => Effect.runSync(pool.stats)
  return awaiting(() => {
    const found = current()
    return Object.entries(stats).every(([name, value]) => found[name as keyof Stats] === value)
  }, current)
}

/** In a fiber that has already gone as far as it can. */
export const now = { startImmediately: true } as const

/** Why it failed; a defect, an interruption or a success is none. */
export const reasonOf = <A>(exit: Exit.Exit<A, MysqlError.MysqlError>): MysqlError.Reason | undefined =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause))?.reason : undefined

/** What a fiber of its own came to, with the reason's tag for short. */
export const outcomeOf = <A>(exit: Exit.Exit<A, MysqlError.MysqlError>): string =>
  Exit.isSuccess(exit) ? "success" : (reasonOf(exit)?._tag ?? (Exit.hasInterrupts(exit) ? "interrupted" : "defect"))
