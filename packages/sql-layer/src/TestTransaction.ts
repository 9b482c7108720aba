/**
 * For tests of code that uses a database: everything that a test does is in one transaction, which is rolled back when
 * the test is over. Tests leave nothing to each other, and need no tables of their own.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Tracer from "effect/Tracer"
import { Lease } from "./internal/Lease.ts"

/**
 * Provided to a test, it runs what the test's fibers do with the `SqlClient` in a transaction of its own, also through
 * services that were built before. `sql.withTransaction` inside is a savepoint; what waits for a commit, as `afterCommit`
 * does, never runs; and the test's statements run one after another.
 *
 * ```ts
 * layer(Database)("accounts", (it) => {
 *   it.effect("are empty at first", () =>
 *     Effect.gen(function* () {
 *       const account = yield* Accounts.open("Ada")
 *       expect(account.balance).toBe(0)
 *     }).pipe(Effect.provide(TestTransaction.layer))
 *   )
 * })
 * ```
 *
 * A statement that commits by itself, as DDL does, cannot be rolled back: the test then ends with a defect that names
 * it. Create tables in the layer that the tests share.
 *
 * Each time it is provided it is another transaction. Fails with the `SqlError` of a connection or of BEGIN.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<SqlClient.TransactionConnection, SqlError, SqlClient.SqlClient> = Layer.fresh(
  Layer.effectContext(Effect.suspend(() => open))
)

const open: Effect.Effect<
  Context.Context<SqlClient.TransactionConnection>,
  SqlError,
  SqlClient.SqlClient | Scope.Scope
> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const outside = yield* Effect.context<never>()
  const opened = yield* Deferred.make<Context.Context<never>, SqlError>()
  let committedBy: string | undefined
  const held = sql.withTransaction(
    Effect.flatMap(Effect.context<never>(), (inside) => {
      const [connection] = Context.getUnsafe(inside, sql.transactionService)
      return Effect.ensuring(
        Effect.andThen(Deferred.succeed(opened, inside), Effect.never),
        Effect.sync(() => {
          committedBy = connection instanceof Lease ? connection.committedBy : undefined
        })
      )
    })
  )
  yield* Effect.acquireRelease(
    Effect.forkDetach(Effect.onError(held, (cause) => Deferred.failCause(opened, cause))),
    (holder) =>
      Effect.andThen(
        Fiber.interrupt(holder),
        Effect.suspend(() =>
          committedBy === undefined
            ? Effect.void
            : Effect.die(new Error(`The test cannot be rolled back: a statement in it had committed: ${committedBy}`))
        )
      )
  )
  return added(outside, yield* Deferred.await(opened))
})

/** What the transaction has added to the context, but for its span. */
const added = (
  outside: Context.Context<never>,
  inside: Context.Context<never>
): Context.Context<SqlClient.TransactionConnection> =>
  Context.makeUnsafe(
    new Map(
      [...inside.mapUnsafe].filter(
        ([key, value]) => key !== Tracer.ParentSpan.key && outside.mapUnsafe.get(key) !== value
      )
    )
  )
