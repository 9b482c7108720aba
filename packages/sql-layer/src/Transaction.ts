/**
 * A transaction that is begun, committed and rolled back by hand. `MysqlEngine.begin` and `Session.begin` give one;
 * `MysqlEngine.transaction` does the same around an effect, and is what most code wants.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type { Executor } from "./Session.ts"

/**
 * When its scope closes before `commit`, it is rolled back.
 *
 * Once the server has rolled it back (a deadlock), or the line is lost, everything that is asked of it fails at once with
 * the error that ended it. While a nested transaction is open, statements are that one's: asked of the outer one they
 * fail.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transaction extends Executor {
  /** It can still be committed. */
  readonly isActive: Effect.Effect<boolean>
  /**
   * Commits, together with nested ones that are still open; they are over then. It is not interruptible.
   *
   * Fails where nothing is committed, and with `UnknownError` where only the server knows: the cause is then a
   * `MysqlError` with the reason `CommitOutcomeUnknown`. Whatever it comes to, the transaction is over.
   *
   * Where a statement inside had committed it already (DDL does so), it succeeds and logs a warning that names the
   * statement.
   */
  readonly commit: Effect.Effect<void, SqlError>
  /**
   * Undoes all of it; of a transaction that is over, nothing. It is not interruptible.
   *
   * Fails with `UnknownError` where it comes too late, because a statement inside had committed what ran before it.
   */
  readonly rollback: Effect.Effect<void, SqlError>
  /**
   * A savepoint; its `commit` releases it. One at a time: another fiber waits until it is over, and the fiber that has
   * begun it is refused, since it would wait for itself.
   */
  readonly beginNested: Effect.Effect<Transaction, SqlError, Scope.Scope>
}
