/**
 * A connection that somebody holds for longer than one transaction: transactions and reservations inside run on it. The
 * pool is not asked for a second one, which with one connection would never come.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { TransactionConnection } from "effect/sql/SqlClient"
import type * as SqlConnection from "effect/sql/SqlConnection"
import type { Lease } from "./Lease.ts"

type TransactionService = Context.Service<TransactionConnection, TransactionConnection.Service>

interface Held {
  /** Tells whose connection it is: a fiber may use several clients. */
  readonly client: TransactionService
  readonly lease: Lease
}

const Reference = Context.Reference<ReadonlyArray<Held>>("@effect-mysql/sql-layer/HeldLease", {
  defaultValue: () => []
})

export const HeldLease = {
  /** Inside the effect, transactions of the client run on the lease. */
  hold:
    (client: TransactionService, lease: Lease) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.withFiber((fiber) =>
        Effect.provideService(effect, Reference, [{ client, lease }, ...fiber.getRef(Reference)])
      ),

  /** The lease that the fiber holds, or else another connection. */
  or: (client: TransactionService, acquirer: SqlConnection.Acquirer): SqlConnection.Acquirer =>
    Effect.withFiber((fiber) => {
      const held = fiber.getRef(Reference).find((one) => one.client === client)
      return held === undefined ? acquirer : Effect.succeed(held.lease)
    })
}
