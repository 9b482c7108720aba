/**
 * What became of a COMMIT whose reply was lost: not guessed, but looked up.
 *
 * A transaction that is marked writes a row with a name of its own into a table of the same server. When its outcome is
 * unknown, the session that it ran in is ended, so that no COMMIT can still arrive, and its row is looked for: it is
 * there exactly when the transaction was committed.
 *
 * The answer is that of the server which is asked. After a failover to an asynchronous replica, `rolled back` may also
 * mean that the commit was lost there.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { MysqlClient } from "./MysqlClient.ts"

/**
 * The mark of one transaction.
 *
 * @since 0.1.0
 * @category models
 */
export interface Marker {
  readonly id: string
  /** The session that the transaction runs in, as the server's list of processes has it. */
  readonly session: { readonly id: number | bigint; readonly user: string; readonly host: string } | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface CommitMarkers {
  /** Marks the transaction of the fiber. To be run inside it; `MysqlEngine.transaction` does it with its option. */
  readonly mark: (client: SqlClient) => Effect.Effect<Marker, SqlError>
  /**
   * Whether the transaction was committed. Waits until the server can be asked, at most for the `timeout`, and fails with
   * the last error then. It is right also while the transaction still runs: that is rolled back by it.
   */
  readonly resolve: (marker: Marker) => Effect.Effect<"committed" | "rolled back", SqlError>
  /** Removes the marks that are older, and tells how many: to be run now and then. */
  readonly prune: (olderThan: Duration.Input) => Effect.Effect<number, SqlError>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** In the client's database, or `database.table`. It is made where it is missing. Default `effect_mysql_commits`. */
  readonly table?: string | undefined
  /** How long `resolve` waits for a server that does not answer. Default 30 s. */
  readonly timeout?: Duration.Input | undefined
}

const interval = Duration.millis(50)

/**
 * Marks in a table that the client can write. The user has to see its own sessions and to end them, which every user may.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (client: MysqlClient, options?: Options): Effect.Effect<CommitMarkers, SqlError> => {
  const table = client(options?.table ?? "effect_mysql_commits")
  const bound = Duration.fromInputUnsafe(options?.timeout ?? "30 seconds")

  const mark: CommitMarkers["mark"] = (own) =>
    Effect.gen(function* () {
      const id = globalThis.crypto.randomUUID()
      yield* own`INSERT INTO ${table} (id) VALUES (${id})`
      const [session] = yield* own<NonNullable<Marker["session"]>>`
        SELECT id AS id, user AS user, host AS host FROM information_schema.processlist WHERE id = CONNECTION_ID()
      `.withoutTransform
      return { id, session }
    })

  const alive = ({ session }: Marker): Effect.Effect<boolean, SqlError> =>
    session === undefined
      ? Effect.succeed(false)
      : Effect.map(
          // The server numbers its sessions anew when it is started: the address tells whether it is the same.
          client`
            SELECT 1 FROM information_schema.processlist
            WHERE id = ${session.id} AND user = ${session.user} AND host = ${session.host}
          `.values,
          (rows) => rows.length > 0
        )

  const end = (marker: Marker): Effect.Effect<void, SqlError> =>
    Effect.gen(function* () {
      if (!(yield* alive(marker))) return
      // It may have ended in the meantime.
      yield* Effect.ignore(client.unsafe(`KILL CONNECTION ${marker.session!.id}`).unprepared)
      yield* Effect.repeat(Effect.delay(alive(marker), interval), { while: (is) => is })
    })

  // Locked, so that it waits for a transaction which is not over after all.
  const look = ({ id }: Marker): Effect.Effect<"committed" | "rolled back", SqlError> =>
    Effect.map(client`SELECT 1 FROM ${table} WHERE id = ${id} FOR UPDATE`.values, (rows) =>
      rows.length > 0 ? "committed" : "rolled back"
    )

  const resolve: CommitMarkers["resolve"] = (marker) =>
    Effect.andThen(end(marker), look(marker)).pipe(
      // Outside of whatever transaction the fiber is in.
      Effect.updateContext((context: Context.Context<never>) => Context.omit(client.transactionService)(context)),
      Effect.retry(Schedule.upTo(Schedule.spaced(interval), { duration: bound }))
    )

  const prune: CommitMarkers["prune"] = (olderThan) => {
    const seconds = Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(olderThan)))
    return Effect.map(
      client`DELETE FROM ${table} WHERE marked_at < CURRENT_TIMESTAMP(6) - INTERVAL ${seconds} SECOND`.raw,
      (outcome) => (outcome as { readonly affectedRows: number }).affectedRows
    )
  }

  return Effect.as(
    client`
      CREATE TABLE IF NOT EXISTS ${table} (
        id CHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
        marked_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
        KEY (marked_at)
      ) ENGINE = InnoDB
    `,
    { mark, resolve, prune }
  )
}
