/**
 * What became of a COMMIT whose reply was lost: not guessed, but looked up.
 *
 * A transaction that is marked writes a row with a name of its own into a table of the same server. When its outcome is
 * unknown the row is looked for: it is there exactly when the transaction was committed. As long as the row is locked the
 * transaction is open; its session is ended then, so that no COMMIT can still arrive, and the row is looked for when the
 * session is gone.
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
import * as errors from "./internal/errors.ts"
import * as processes from "./internal/processes.ts"
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
  readonly session: processes.Process | undefined
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
   * `ConnectionError` then. A transaction that still runs is rolled back by it, its session being ended.
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
 * Marks in a table that the client can write. What became of a transaction is asked through the client: where a pool can
 * be full of those who wait for the locks of just that transaction, a client of its own for the same server is better.
 *
 * The user has to see its own sessions and to end them, which every user may.
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
      return { id, session: yield* processes.own(own) }
    })

  const alive = ({ session }: Marker): Effect.Effect<boolean, SqlError> =>
    session === undefined
      ? Effect.succeed(false)
      : Effect.map(
          processes.byId(client, session.id),
          // The server numbers its sessions anew when it is started: the address tells whether it is the same.
          (found) => found !== undefined && found.user === session.user && found.host === session.host
        )

  const end = (marker: Marker): Effect.Effect<void, SqlError> =>
    Effect.gen(function* () {
      if (!(yield* alive(marker))) return
      // It may have ended in the meantime.
      yield* Effect.ignore(client.unsafe(`KILL CONNECTION ${marker.session!.id}`).unprepared)
      yield* Effect.repeat(Effect.delay(alive(marker), interval), { while: (is) => is })
    })

  /** The mark is locked as long as its transaction is open: without waiting that is an error. */
  const look = ({ id }: Marker, wait: "" | "NOWAIT"): Effect.Effect<"committed" | "rolled back", SqlError> =>
    Effect.map(client`SELECT 1 FROM ${table} WHERE id = ${id} FOR UPDATE ${client.literal(wait)}`.values, (rows) =>
      rows.length > 0 ? "committed" : "rolled back"
    )

  const resolve: CommitMarkers["resolve"] = (marker) =>
    Effect.suspend(() => {
      let last: SqlError | undefined
      return Effect.catch(look(marker, "NOWAIT"), (error) =>
        error.reason._tag === "LockTimeoutError" ? Effect.andThen(end(marker), look(marker, "")) : Effect.fail(error)
      ).pipe(
        Effect.tapError((error) =>
          Effect.sync(() => {
            last = error
          })
        ),
        Effect.retry(Schedule.spaced(interval)),
        Effect.timeoutOrElse({
          duration: bound,
          orElse: () =>
            Effect.fail(
              errors.make("connection", "resolve", "The server could not be asked in time about a COMMIT", last)
            )
        }),
        // Outside of whatever transaction the fiber is in.
        Effect.updateContext((context: Context.Context<never>) => Context.omit(client.transactionService)(context))
      )
    })

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
