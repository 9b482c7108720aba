/**
 * A connection of one's own by hand, and what runs statements on it. `MysqlEngine.connect` gives one.
 *
 * @since 0.1.0
 */
import type { BatchResult, Params, Row, TransactionOptions } from "@effect-mysql/client/MysqlConnection"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
import type { Rows } from "./Rows.ts"
import type { Transaction } from "./Transaction.ts"
import type { TwoPhaseTransaction, Xid } from "./TwoPhaseTransaction.ts"

/**
 * Runs statements on one connection. A statement is one of `sql`, of whichever client, or a text with
 * `?` for each value of an array, or `:name` for the values of a record; a name without a value and a value without a
 * name are errors, and nothing is sent then. They run one after another; interruption stops the one that runs, on the server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Executor {
  readonly execute: (statement: Statement<any> | string, params?: Params) => Effect.Effect<Rows, SqlError>
  /**
   * The same statement for each row of values, in their order and in as few messages as the server takes; see `batch` of
   * `MysqlConnection`. When it fails, some rows may have been written: a transaction around it makes them one. Its
   * span has the number of rows as `db.operation.batch.size`.
   */
  readonly executeMany: (sql: string, rows: Iterable<Params>) => Effect.Effect<BatchResult, SqlError>
  /** First column of the first row. Fails with `Rows.NoRows` as cause where the statement returns none by its nature. */
  readonly scalar: (
    statement: Statement<any> | string,
    params?: Params
  ) => Effect.Effect<Option.Option<unknown>, SqlError>
  /** Rows as they come. The connection is busy until the stream ends; ending it early stops the statement. */
  readonly stream: <A extends object = Row>(
    statement: Statement<A> | string,
    params?: Params
  ) => Stream.Stream<A, SqlError>
}

/**
 * One connection until the scope closes, with its session: variables, temporary tables, locks. What is open then is
 * rolled back, and statements that come later fail.
 *
 * While a transaction of it is open, its statements run in that one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session extends Executor {
  /** Fails while another transaction is open on the session; that one has `beginNested`. */
  readonly begin: (options?: TransactionOptions) => Effect.Effect<Transaction, SqlError, Scope.Scope>
  /** Fails while a transaction is open on the session. Without an identifier one is made up. */
  readonly twoPhase: (xid?: Xid) => Effect.Effect<TwoPhaseTransaction, SqlError, Scope.Scope>
  /** As the server said last, also where a text such as `BEGIN` began it. */
  readonly inTransaction: Effect.Effect<boolean>
}
