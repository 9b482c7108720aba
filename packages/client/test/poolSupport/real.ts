/**
 * Pools on the servers of the run, and the events on those servers that order the tests.
 */
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { MysqlConnection } from "../../src/MysqlConnection.ts"
import * as MysqlPool from "../../src/MysqlPool.ts"
import { listed } from "../support/servers.ts"

/** A pool on a fresh database, whose name tells its connections from those of others. */
export const makePool = Effect.fnUntraced(function* (config?: MysqlPool.PoolConfig) {
  const server = yield* MysqlServer.MysqlServer
  const database = yield* server.database
  const pool = yield* MysqlPool.make({ url: server.url, database, ...config })
  return { pool, database }
})

export const idOf = (pool: MysqlPool.MysqlPool) =>
  pool.use((connection) => Effect.succeed(connection.info.connectionId))

/** Asks again and again until it is so. */
export const eventually = <E, R>(check: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.asVoid(Effect.repeat(check, { until: (is) => is, schedule: Schedule.spaced("10 millis") }))

export const connectedTo = (observer: MysqlConnection, database: string) =>
  Effect.map(listed(observer, "db = ?", [database]), (rows) => rows.length)

/** The server has no such connection any more, and what it said last has arrived. */
export const gone = (observer: MysqlConnection, id: number) =>
  Effect.andThen(
    eventually(Effect.map(listed(observer, "id = ?", [id]), (rows) => rows.length === 0)),
    Effect.repeat(Effect.yieldNow, { times: 3 })
  )

export const kill = (observer: MysqlConnection, id: number) =>
  Effect.andThen(observer.query(`KILL ${id}`), gone(observer, id))

export const atRest = { used: 0, connecting: 0, pending: 0 }
