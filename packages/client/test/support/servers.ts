/**
 * Connections to the servers of the run.
 */
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { MysqlConfig } from "../../src/MysqlConfig.ts"
import * as MysqlConnection from "../../src/MysqlConnection.ts"
import type { MysqlError } from "../../src/MysqlError.ts"

/** A connection to the server in context, as its main account. */
export const connect = (
  config?: MysqlConfig
): Effect.Effect<MysqlConnection.MysqlConnection, MysqlError, MysqlServer.MysqlServer | Scope.Scope> =>
  Effect.flatMap(MysqlServer.MysqlServer, ({ url }) => MysqlConnection.make({ url, ...config }))

/** A connection whose database is fresh, and dropped with the scope. */
export const connectToDatabase = Effect.fnUntraced(function* (config?: MysqlConfig) {
  const server = yield* MysqlServer.MysqlServer
  return yield* connect({ ...config, database: yield* server.database })
})

/** The first value of the first row. */
export const scalar = (
  connection: MysqlConnection.MysqlConnection,
  sql: string,
  params?: MysqlConnection.Params
): Effect.Effect<unknown, MysqlError> =>
  Effect.map(connection.query<ReadonlyArray<unknown>>(sql, params, { rows: "array" }), (result) => result.rows[0]?.[0])

/** All result sets, with their rows. */
export const collectSets = <A>(
  sets: Stream.Stream<MysqlConnection.ResultSet<A>, MysqlError>
): Effect.Effect<ReadonlyArray<MysqlConnection.QueryResult<A>>, MysqlError> =>
  sets.pipe(
    Stream.mapEffect((set) =>
      Effect.map(Stream.runCollect(set.rows), (rows) => {
        const { affectedRows, fields, info, insertId, warningCount } = set
        return { affectedRows, fields, info, insertId, rows, warningCount }
      })
    ),
    Stream.runCollect
  )

/** A session, as the server lists it. */
export interface Listed {
  readonly id: number
  readonly state: string | null
  readonly info: string | null
}

/** MySQL's ER_CANNOT_CONVERT_STRING. */
const cannotConvert = 3854

/**
 * The server's list of sessions. MySQL refuses to show it while any session runs a text that is not UTF-8, as tests of
 * bytes do; then it is asked again.
 */
export const listed = (
  observer: MysqlConnection.MysqlConnection,
  condition: string,
  params?: MysqlConnection.Params
): Effect.Effect<ReadonlyArray<Listed>, MysqlError> =>
  observer
    .query<Listed>(
      `SELECT id AS id, state AS state, info AS info FROM information_schema.processlist WHERE ${condition}`,
      params
    )
    .pipe(
      Effect.retry({ while: ({ reason }) => reason._tag === "ServerError" && reason.errno === cannotConvert }),
      Effect.map(({ rows }) => rows)
    )

/** Waits until the server has given up a connection. */
export const awaitGone = (
  observer: MysqlConnection.MysqlConnection,
  connectionId: number
): Effect.Effect<void, MysqlError> =>
  Effect.asVoid(Effect.repeat(listed(observer, "id = ?", [connectionId]), { until: (rows) => rows.length === 0 }))

/** What the server runs for a connection at the moment; `undefined` when it waits for a statement. */
export const runningOn = (
  observer: MysqlConnection.MysqlConnection,
  connectionId: number
): Effect.Effect<string | undefined, MysqlError> =>
  Effect.map(listed(observer, "id = ?", [connectionId]), (rows) => rows[0]?.info ?? undefined)

/** Waits until the server runs a text like this one for the connection: the event that tests interrupt after. */
export const awaitRunning = (
  observer: MysqlConnection.MysqlConnection,
  connectionId: number,
  like: string
): Effect.Effect<void, MysqlError> =>
  Effect.repeat(runningOn(observer, connectionId), { until: (info) => info?.includes(like) === true }).pipe(
    Effect.asVoid
  )

/** Waits until the server's list of processes, which lags behind its answers, shows that nothing runs there. */
export const awaitIdle = (
  observer: MysqlConnection.MysqlConnection,
  connectionId: number
): Effect.Effect<void, MysqlError> =>
  Effect.asVoid(Effect.repeat(runningOn(observer, connectionId), { until: (info) => info === undefined }))
