/**
 * Where a `Coordinator` writes down that a distributed transaction is to be committed, before the first branch is.
 *
 * For each transaction the first decision stands, whoever makes it: a coordinator that wants to commit and a recovery that
 * wants to abort can never both have their way.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/**
 * @since 0.1.0
 * @category models
 */
export type Decision = "commit" | "abort"

/**
 * @since 0.1.0
 * @category models
 */
export interface DecisionLog {
  /**
   * Makes a decision, or tells the one that was made before. Durable when it returns. It is asked again after a failure,
   * and has to give the same answer then.
   */
  readonly decide: (gtrid: Uint8Array, wanted: Decision) => Effect.Effect<Decision, SqlError>
  /** Every branch of a transaction that was to be committed is: nobody will ask again. */
  readonly forget: (gtrid: Uint8Array) => Effect.Effect<void, SqlError>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface TableLog extends DecisionLog {
  /**
   * Removes the decisions that are older, and tells how many. An `abort` has to stay as long as a coordinator could still
   * want to commit that transaction.
   */
  readonly prune: (olderThan: Duration.Input) => Effect.Effect<number, SqlError>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface TableOptions {
  /** In the client's database, or `database.table`. It is made where it is missing. Default `effect_mysql_decisions`. */
  readonly table?: string | undefined
}

/**
 * A log in a table of MySQL or MariaDB, in one of the databases that take part or in another one. It is as durable as the
 * server: `innodb_flush_log_at_trx_commit` has to be 1, its default.
 *
 * @since 0.1.0
 * @category constructors
 */
export const table = (client: SqlClient.SqlClient, options?: TableOptions): Effect.Effect<TableLog, SqlError> => {
  const name = client(options?.table ?? "effect_mysql_decisions")

  /** By itself, in whatever transaction the fiber is. */
  const alone = <A>(effect: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
    Effect.updateContext(effect, (context: Context.Context<never>) => Context.omit(client.transactionService)(context))

  // In one transaction, so that the row which is there already stays until it is read.
  const decide: DecisionLog["decide"] = (gtrid, wanted) =>
    alone(
      client.withTransaction(
        Effect.andThen(
          client`INSERT IGNORE INTO ${name} (gtrid, decision) VALUES (${gtrid}, ${wanted})`,
          Effect.map(client`SELECT decision FROM ${name} WHERE gtrid = ${gtrid}`.values, ([row]) => row![0] as Decision)
        )
      )
    )

  const forget: DecisionLog["forget"] = (gtrid) =>
    alone(Effect.asVoid(client`DELETE FROM ${name} WHERE gtrid = ${gtrid} AND decision = 'commit'`))

  const prune: TableLog["prune"] = (olderThan) => {
    const seconds = Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(olderThan)))
    return alone(
      Effect.map(
        client`DELETE FROM ${name} WHERE decided_at < CURRENT_TIMESTAMP(6) - INTERVAL ${seconds} SECOND`.raw,
        (outcome) => (outcome as { readonly affectedRows: number }).affectedRows
      )
    )
  }

  return Effect.as(
    alone(client`
      CREATE TABLE IF NOT EXISTS ${name} (
        gtrid VARBINARY(64) NOT NULL PRIMARY KEY,
        decision ENUM('commit', 'abort') NOT NULL,
        decided_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
        KEY (decided_at)
      ) ENGINE = InnoDB
    `),
    { decide, forget, prune }
  )
}
