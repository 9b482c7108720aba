/**
 * A client on each server of the run, with a fresh database, and the tests that are run with it.
 */
import { describe, expect, layer, type Vitest } from "@effect/vitest"
import { isMysqlError } from "@effect-mysql/client/MysqlError"
import { MysqlServer, SharedServers } from "@effect-mysql/test-utils"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as MysqlClient from "../src/MysqlClient.ts"
import { reviewedAsUnknown } from "./errors/reviewed.ts"

/** A configuration for a fresh database on the server. */
export const freshConfig = Effect.gen(function* () {
  const server = yield* MysqlServer.MysqlServer
  return { url: server.url, database: yield* server.database } satisfies MysqlClient.MysqlClientConfig
})

export const clientLayer = (server: SharedServers.SharedServer, config: MysqlClient.MysqlClientConfig = {}) =>
  MysqlClient.layerFrom(
    Effect.flatMap(freshConfig, (fresh) => MysqlClient.make({ ...fresh, maxConnections: 4, ...config }))
  ).pipe(Layer.provideMerge(server.layer))

/** A block of tests for each server, all of a block on one client and one database. */
export const onEachServer = (
  tests: (
    it: Vitest.MethodsNonLive<MysqlClient.MysqlClient | SqlClient | MysqlServer.MysqlServer>,
    product: "mysql" | "mariadb"
  ) => void,
  config?: MysqlClient.MysqlClientConfig
): void => {
  for (const server of SharedServers.all) {
    describe.skipIf(!server.available)(server.name, () => {
      const product = server.name.startsWith("mysql") ? "mysql" : "mariadb"
      layer(clientLayer(server, config), { excludeTestServices: true, timeout: "60 seconds" })((it) =>
        tests(it, product)
      )
    })
  }
}

/** A second client on one connection of its own, to look on and to interfere. */
export const bystander: Effect.Effect<MysqlClient.MysqlClient, SqlError, MysqlClient.MysqlClient | Scope.Scope> =
  Effect.gen(function* () {
    const { config } = yield* MysqlClient.MysqlClient
    return yield* Effect.provide(
      MysqlClient.makeClient({ url: config.url, database: config.database }),
      Reactivity.layer
    )
  })

/** Asks again and again, until it is so; fails after 10 s. */
export const eventually = <E, R>(check: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  check.pipe(
    Effect.repeat({ until: (is) => is, schedule: Schedule.spaced("10 millis") }),
    Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.die(new Error("it never was so")) }),
    Effect.asVoid
  )

/** MySQL has no list of processes while a session, which may be another test's, runs bytes that are no text. */
const whenReadable = <A, R>(list: Effect.Effect<A, SqlError, R>): Effect.Effect<A, SqlError, R> =>
  Effect.retry(list, {
    while: (error) => error.reason.message.includes("ER_CANNOT_CONVERT_STRING"),
    schedule: Schedule.spaced("10 millis"),
    times: 500
  })

const countOf = (sql: SqlClient, text: string): Effect.Effect<number, SqlError> =>
  Effect.map(
    whenReadable(sql<{ readonly n: number }>`SELECT COUNT(*) AS n FROM information_schema.processlist
      WHERE info LIKE ${`%${text}%`} AND id <> CONNECTION_ID()`),
    (rows) => rows[0]!.n
  )

/** Waits until a statement with this text in it runs, on a connection other than the one that asks. */
export const runs = (sql: SqlClient, text: string): Effect.Effect<void, SqlError> =>
  eventually(Effect.map(countOf(sql, text), (n) => n > 0))

/** Waits until none does: a server answers a moment before it takes a statement out of its list. */
export const runsNoMore = (sql: SqlClient, text: string): Effect.Effect<void, SqlError> =>
  eventually(Effect.map(countOf(sql, text), (n) => n === 0))

/** Whether the connection is still there. */
export const connected = (sql: SqlClient, connectionId: number): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    whenReadable(sql`SELECT 1 FROM information_schema.processlist WHERE id = ${connectionId}`),
    (rows) => rows.length > 0
  )

export const accounts = Effect.gen(function* () {
  const sql = yield* MysqlClient.MysqlClient
  yield* sql`DROP TABLE IF EXISTS accounts`
  yield* sql`CREATE TABLE accounts (id INT PRIMARY KEY, balance INT NOT NULL) ENGINE = InnoDB`
  yield* sql`INSERT INTO accounts VALUES (1, 100), (2, 100), (3, 100)`
  return sql
})

export const balances = (sql: MysqlClient.MysqlClient) =>
  Effect.map(sql`SELECT balance FROM accounts ORDER BY id`.values, (rows) => rows.flat())

/** An errno that became an `UnknownError` has been looked at by somebody. */
const expectReviewed = (error: unknown): void => {
  if (!isSqlError(error) || error.reason._tag !== "UnknownError") return
  const { cause } = error.reason
  if (!isMysqlError(cause) || cause.reason._tag !== "ServerError") return
  const { errno } = cause.reason
  expect(reviewedAsUnknown.has(errno) || `${errno} is UnknownError: is it right?`).toBe(true)
}

/** The typed errors of an exit; fails the test where there is anything else, such as a defect. */
export const failures = <A, E>(exit: Exit.Exit<A, E>): ReadonlyArray<E> => {
  if (Exit.isSuccess(exit)) return []
  expect(exit.cause.reasons.map((reason) => reason._tag)).toEqual(exit.cause.reasons.map(() => "Fail"))
  const errors = exit.cause.reasons.filter(Cause.isFailReason).map((reason) => reason.error)
  for (const error of errors) expectReviewed(error)
  return errors
}

export const reasons = <A, E>(exit: Exit.Exit<A, E>): ReadonlyArray<string> =>
  failures(exit).map((error) => (error as SqlError).reason._tag)

export const connectionId = (sql: MysqlClient.MysqlClient): Effect.Effect<number, SqlError> =>
  Effect.map(sql`SELECT CONNECTION_ID() AS id`, (rows) => rows[0]!.id as number)

/** Kills the connection and waits until it is gone. */
export const kill = (sql: MysqlClient.MysqlClient, id: number): Effect.Effect<void, SqlError> =>
  Effect.andThen(sql.unsafe(`KILL ${id}`), eventually(Effect.map(connected(sql, id), (is) => !is)))

/** A logger that keeps what it is warned of. */
export const recorder = () => {
  const warnings: Array<string> = []
  const logged = Logger.layer([
    Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(String(message))
    })
  ])
  return { logged, warnings }
}
