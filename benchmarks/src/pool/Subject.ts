/**
 * The pools that are compared, each by the means that its documentation shows: a connection is borrowed for some work and
 * given back.
 */
import { MysqlConnection, MysqlPool } from "@effect-mysql/client"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pool from "effect/Pool"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import mariadb from "mariadb"
import mysql from "mysql2/promise"
import type { Target } from "../Contestant.ts"

export interface Subject {
  readonly name: string
  /** Borrows and gives back so many times, one after the other, and does nothing in between. */
  readonly borrow: (times: number) => Promise<void>
  /** The same with a `SELECT 1` in between. */
  readonly select: (times: number) => Promise<void>
  /** Borrows once, for a statement. */
  readonly once: (sql: string) => Promise<void>
  readonly close: () => Promise<void>
}

export type Make = (target: Target, max: number) => Promise<Subject>

const configOf = ({ database, host, password, port, user }: Target) => ({
  host,
  port,
  username: user,
  password: Redacted.make(password),
  database,
  tls: { mode: "disabled" as const },
  // No option of the peers either.
  allowPublicKeyRetrieval: true
})

/** The same program for both of Effect's pools. */
const ofEffect = (
  name: string,
  use: <A, E>(f: (connection: MysqlConnection.MysqlConnection) => Effect.Effect<A, E>) => Effect.Effect<A, unknown>,
  close: () => Promise<void>
): Subject => {
  const nothing = use(() => Effect.void)
  const one = use((connection) => connection.query("SELECT 1"))
  const times = (effect: Effect.Effect<unknown, unknown>) => (count: number) => {
    let left = count
    return Effect.runPromise(
      Effect.asVoid(
        Effect.whileLoop({
          while: () => left-- > 0,
          body: () => effect,
          step: () => {}
        })
      )
    )
  }
  return {
    name,
    borrow: times(nothing),
    select: times(one),
    once: (sql) => Effect.runPromise(Effect.asVoid(use((connection) => connection.query(sql)))),
    close
  }
}

const ours: Make = async (target, max) => {
  const scope = Effect.runSync(Scope.make())
  const config = { ...configOf(target), maxConnections: max, initialization: "lazy" as const }
  const pool = await Effect.runPromise(Scope.provide(MysqlPool.make(config), scope))
  return ofEffect("ours: MysqlPool", pool.use, () => Effect.runPromise(Scope.close(scope, Exit.void)))
}

/** Effect's own pool around our connections, as a driver without a pool of its own would take it. */
const effectPool: Make = async (target, max) => {
  const scope = Effect.runSync(Scope.make())
  const pool = await Effect.runPromise(
    Scope.provide(
      Pool.makeWithTTL({
        acquire: MysqlConnection.make(configOf(target)),
        min: 0,
        max,
        timeToLive: "10 minutes"
      }),
      scope
    )
  )
  return ofEffect(
    "effect/Pool",
    (f) => Effect.scoped(Effect.flatMap(Pool.get(pool), f)),
    () => Effect.runPromise(Scope.close(scope, Exit.void))
  )
}

const ofMysql2: Make = async ({ database, host, password, port, user }, max) => {
  const pool = mysql.createPool({ host, port, user, password, database, connectionLimit: max })
  return {
    name: "mysql2",
    borrow: async (times) => {
      for (let left = times; left > 0; left--) (await pool.getConnection()).release()
    },
    select: async (times) => {
      for (let left = times; left > 0; left--) await pool.query("SELECT 1")
    },
    once: async (sql) => {
      await pool.query(sql)
    },
    close: () => pool.end()
  }
}

const ofMariadb: Make = async ({ database, host, password, port, user }, max) => {
  const pool = mariadb.createPool({
    host,
    port,
    user,
    password,
    database,
    connectionLimit: max,
    minimumIdle: 0,
    allowPublicKeyRetrieval: true
  })
  return {
    name: "mariadb",
    borrow: async (times) => {
      for (let left = times; left > 0; left--) await (await pool.getConnection()).release()
    },
    select: async (times) => {
      for (let left = times; left > 0; left--) await pool.query("SELECT 1")
    },
    once: async (sql) => {
      await pool.query(sql)
    },
    close: () => pool.end()
  }
}

export const makers: ReadonlyArray<Make> = [ours, effectPool, ofMysql2, ofMariadb]
