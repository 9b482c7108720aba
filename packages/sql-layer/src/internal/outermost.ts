/**
 * One transaction around an effect, over and over until it is committed or must not be repeated.
 *
 * The client's own `withTransaction` does the work, so that a transaction is the same thing whoever began it. What is
 * added: how it begins, which failures prove that nothing of it is left, and what an unknown outcome turns out to be.
 */
import { isMysqlError } from "@effect-mysql/client/MysqlError"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import { BeginTransaction, type SqlClient } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { CommitMarkers, Marker } from "../CommitMarkers.ts"
import * as errors from "./errors.ts"
import { committedEarly } from "./HandTransaction.ts"
import { Lease } from "./Lease.ts"

/** Errors after which nothing is left of a transaction that failed with them, and another attempt may fare better. */
const provingRollback: ReadonlySet<string> = new Set([
  "ConnectionError",
  "DeadlockError",
  "LockTimeoutError",
  "SerializationError"
])

/** The COMMIT was sent, and nobody here knows what became of it. */
export const isOutcomeUnknown = (error: SqlError): boolean => {
  const { reason } = error
  return reason._tag === "UnknownError" && reason.operation === "commit" && isMysqlError(reason.cause)
}

/** What one attempt has come to know. */
interface Attempt<A> {
  lease: Lease | undefined
  committedBy: string | undefined
  marker: Marker | undefined
  value: Option.Option<A>
}

const attempt = <A, E, R>(
  client: SqlClient,
  begin: string | undefined,
  markers: CommitMarkers | undefined,
  effect: Effect.Effect<A, E, R>,
  seen: Attempt<A>
): Effect.Effect<A, E | SqlError, R> =>
  Effect.withFiber((fiber) => {
    const usual = fiber.getRef(BeginTransaction)
    const marked = Effect.withFiber<A, E | SqlError, R>((inside) => {
      const [connection] = Context.getUnsafe(inside.context, client.transactionService)
      if (connection instanceof Lease) seen.lease = connection
      const body =
        markers === undefined
          ? effect
          : Effect.flatMap(markers.mark(client), (marker) => {
              seen.marker = marker
              return effect
            })
      // How this one begins is nothing to the transactions of other clients inside it.
      return Effect.provideService(body, BeginTransaction, usual)
    })
    const watched = Effect.onExit(marked, (exit) =>
      Effect.sync(() => {
        seen.committedBy = seen.lease?.committedBy
        if (Exit.isSuccess(exit)) seen.value = Option.some(exit.value)
      })
    )
    return Effect.provideService(client.withTransaction(watched), BeginTransaction, begin ?? usual)
  })

/** The error that an exit is, where it is nothing but an error of this package's kind. */
const onlyError = (exit: Exit.Exit<unknown, unknown>): SqlError | undefined => {
  if (Exit.isSuccess(exit) || exit.cause.reasons.length !== 1) return undefined
  const [reason] = exit.cause.reasons
  return reason !== undefined && Cause.isFailReason(reason) && isSqlError(reason.error) ? reason.error : undefined
}

const rolledBackAfterAll = (error: SqlError): SqlError =>
  errors.make(
    "connection",
    "commit",
    "The line was lost at COMMIT; the server has been asked since: the transaction is rolled back",
    error
  )

export const run = <A, E, R, E2, R2>(
  client: SqlClient,
  begin: string | undefined,
  markers: CommitMarkers | undefined,
  schedule: Schedule.Schedule<unknown, SqlError, E2, R2> | undefined,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | E2 | SqlError, R | R2> => {
  /** An exit, unless the transaction may be tried again. */
  const once = Effect.suspend(() => {
    const seen: Attempt<A> = { lease: undefined, committedBy: undefined, marker: undefined, value: Option.none() }
    const settle = (exit: Exit.Exit<A, E | SqlError>): Effect.Effect<Exit.Exit<A, E | SqlError>, SqlError> => {
      const { committedBy, marker, value } = seen
      if (Exit.isSuccess(exit)) {
        return committedBy === undefined ? Effect.succeed(exit) : Effect.as(committedEarly(committedBy), exit)
      }
      const error = onlyError(exit)
      if (error === undefined) return Effect.succeed(exit)
      if (markers !== undefined && marker !== undefined && Option.isSome(value) && isOutcomeUnknown(error)) {
        return Effect.matchEffect(markers.resolve(marker), {
          onFailure: (failure) =>
            Effect.as(Effect.logWarning("What became of a COMMIT could not be looked up", failure), exit),
          onSuccess: (outcome) =>
            outcome === "committed" ? Effect.succeed(Exit.succeed(value.value)) : Effect.fail(rolledBackAfterAll(error))
        })
      }
      return provingRollback.has(error.reason._tag) && committedBy === undefined
        ? Effect.fail(error)
        : Effect.succeed(exit)
    }
    return Effect.flatMap(Effect.exit(attempt(client, begin, markers, effect, seen)), settle)
  })
  const exit: Effect.Effect<Exit.Exit<A, E | SqlError>, SqlError | E2, R | R2> = schedule === undefined
    ? once
    : Effect.retry(once, schedule)
  return Effect.flatten(exit)
}
