/** Prepared branches of other sessions: which there are, and their end. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import { isUnknownXid, sameXid, type Xid } from "../TwoPhaseTransaction.ts"
import * as errors from "./errors.ts"
import type { Lease } from "./Lease.ts"
import * as xa from "./xa.ts"

const specificAccessDenied = 1227

/** MySQL says that the branch is in trouble (1401) to whoever may not list any, and the reason only in a warning. */
const forbiddenOr = (lease: Lease, error: SqlError): Effect.Effect<never, SqlError> =>
  Effect.flatMap(
    Effect.orElseSucceed(lease.executeValues("SHOW WARNINGS", []), () => []),
    (warnings) => {
      const why = warnings.find(([, code]) => Number(code) === specificAccessDenied)
      return Effect.fail(why === undefined ? error : errors.make("authorization", "xa", String(why[2]), error))
    }
  )

/** Fails with `AuthorizationError` where the user lacks `XA_RECOVER_ADMIN`. */
export const list = (lease: Lease): Effect.Effect<ReadonlyArray<Xid>, SqlError> =>
  Effect.map(
    Effect.catchIf(
      lease.executeValues(xa.recover[lease.info.product], []),
      (error) => xa.serverErrno(error) === xa.resourceManagerError,
      (error) => forbiddenOr(lease, error)
    ),
    (rows) => rows.map(xa.decode)
  )

/** How long a session that still has the branch may take to end, and how often it is looked. */
const heldBound = Duration.seconds(5)
const heldInterval = Duration.millis(50)

interface Held {
  readonly _tag: "Held"
  readonly error: SqlError
}

/**
 * MariaDB says of a branch that its session still has, also of one that is just ending, that there is none, and lists it
 * all the same. Where listing is not allowed, its word is taken.
 */
const heldOr = (lease: Lease, xid: Xid, error: SqlError): Effect.Effect<never, SqlError | Held> =>
  Effect.flatMap(
    Effect.orElseSucceed(list(lease), () => []),
    (prepared): Effect.Effect<never, SqlError | Held> =>
      Effect.fail(prepared.some((one) => sameXid(one, xid)) ? { _tag: "Held", error } : error)
  )

export const resolve = (lease: Lease, verb: "COMMIT" | "ROLLBACK", xid: Xid): Effect.Effect<void, SqlError> => {
  const text = `XA ${verb} ${xa.encode(xid)}`
  const once: Effect.Effect<void, SqlError | Held> = Effect.catch(
    Effect.uninterruptible(lease.xa(text, verb === "COMMIT" ? "commit" : "transaction")),
    (error) => (isUnknownXid(error) ? heldOr(lease, xid, error) : Effect.fail(error))
  )
  return Effect.retry(once, {
    while: (failure) => failure._tag === "Held",
    schedule: Schedule.upTo(Schedule.spaced(heldInterval), { duration: heldBound })
  }).pipe(
    Effect.mapError((failure) =>
      failure._tag === "Held"
        ? errors.make(
            "unknown",
            "xa",
            "The branch is prepared, and the session that prepared it is still there: only that one can resolve it",
            failure.error
          )
        : failure
    )
  )
}
