/**
 * The server that is measured against, and the filled database on it. All contestants use the account of the URL over
 * plain TCP.
 */

import type * as Flavour from "@effect-mysql/test-utils/Flavour"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import mysql, { type Connection, type RowDataPacket } from "mysql2/promise"
import { createHash } from "node:crypto"
import type { Target } from "./Contestant.ts"
import { BenchError } from "./Crew.ts"
import * as Dataset from "./Dataset.ts"

export interface Server {
  readonly version: string
  readonly target: Target
  /** What all transactions so far have added to the accounts. */
  readonly deposits: Effect.Effect<number, BenchError>
}

type Account = Omit<Target, "database">

const attempt = <A>(what: string, run: () => Promise<A>): Effect.Effect<A, BenchError> =>
  Effect.tryPromise({
    try: run,
    catch: (error) => new BenchError({ message: `${what}: ${error instanceof Error ? error.message : String(error)}` })
  })

const close = (connection: Connection): Effect.Effect<void> =>
  Effect.promise(() => connection.end().catch(() => undefined))

/** This login goes all the way, so that those of the contestants find the account in the server's cache. */
const admin = (account: Account): Effect.Effect<Connection, BenchError, Scope.Scope> =>
  Effect.acquireRelease(
    attempt(`${account.host}:${account.port}`, () => mysql.createConnection({ ...account })),
    close
  )

const versionOf = (connection: Connection): Effect.Effect<string, BenchError> =>
  Effect.map(
    attempt("version", () =>
      connection.query<Array<RowDataPacket & { readonly version: string }>>("SELECT VERSION() AS version")
    ),
    ([rows]) => rows[0]!.version
  )

/** A server that `MYSQL_TEST_URL` names, or one that is started for this run. */
const account = (flavour: Flavour.Flavour | undefined): Effect.Effect<Account, BenchError, Scope.Scope> =>
  MysqlServer.make({ flavour, log: Console.error }).pipe(
    Effect.mapBoth({
      onFailure: ({ message }) => new BenchError({ message }),
      onSuccess: (server) => {
        const url = new URL(Redacted.value(server.url))
        return {
          host: server.host,
          port: server.port,
          user: decodeURIComponent(url.username),
          password: decodeURIComponent(url.password)
        }
      }
    })
  )

/** Changes when the tables or their content do: kept tables of another state are made anew. */
const fingerprint: string = createHash("sha256")
  .update(JSON.stringify([Dataset.createTables, Dataset.rowAt(1), Dataset.rowAt(Dataset.rowCount)]))
  .digest("hex")
  .slice(0, 16)

const isFilled = (connection: Connection, database: string): Effect.Effect<boolean, BenchError> =>
  Effect.map(
    attempt("look for tables", () =>
      connection.query<Array<RowDataPacket>>(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_comment = ?",
        [database, fingerprint]
      )
    ),
    ([rows]) => rows.length > 0
  )

const fill = (connection: Connection, database: string): Effect.Effect<void, BenchError> =>
  attempt("fill the tables", async () => {
    await connection.query(`DROP DATABASE IF EXISTS ${database}`)
    await connection.query(`CREATE DATABASE ${database}`)
    await connection.query(`USE ${database}`)
    for (const statement of Dataset.createTables) await connection.query(statement)
    for (const statement of Dataset.fillTables()) await connection.query(statement)
    // Last, so that half-filled tables never look like kept ones.
    await connection.query(`ALTER TABLE bench_accounts COMMENT = '${fingerprint}'`)
  })

/** Two benchmarks on the same tables would disturb one another, and the accounts would not add up. */
const lock = (connection: Connection, name: string): Effect.Effect<void, BenchError> =>
  Effect.flatMap(
    attempt("lock", () =>
      connection.query<Array<RowDataPacket & { readonly locked: number }>>("SELECT GET_LOCK(?, 0) AS locked", [name])
    ),
    ([rows]) =>
      rows[0]!.locked === 1
        ? Effect.void
        : Effect.fail(new BenchError({ message: `another benchmark runs on ${name}: try without --keep` }))
  )

/** The database of kept tables has a fixed name; any other belongs to this process and goes with it. */
const database = (connection: Connection, keep: boolean): Effect.Effect<string, BenchError, Scope.Scope> =>
  Effect.gen(function* () {
    if (keep) {
      const name = "effect_mysql_bench"
      yield* lock(connection, name)
      if (!(yield* isFilled(connection, name))) yield* fill(connection, name)
      yield* attempt("reset the accounts", () => connection.query(`UPDATE ${name}.bench_accounts SET balance = 0`))
      return name
    }
    const name = `effect_mysql_bench_${process.pid}`
    yield* Effect.addFinalizer(() =>
      Effect.promise(() => connection.query(`DROP DATABASE IF EXISTS ${name}`).catch(() => undefined))
    )
    yield* fill(connection, name)
    return name
  })

export const make = (
  flavour: Flavour.Flavour | undefined,
  keep: boolean
): Effect.Effect<Server, BenchError, Scope.Scope> =>
  Effect.gen(function* () {
    const chosen = yield* account(flavour)
    const connection = yield* admin(chosen)
    const version = yield* versionOf(connection)
    const name = yield* database(connection, keep)
    return {
      version,
      target: { ...chosen, database: name },
      deposits: Effect.map(
        attempt("sum of the accounts", () =>
          connection.query<Array<RowDataPacket & { readonly total: string }>>(
            `SELECT SUM(balance) AS total FROM ${name}.bench_accounts`
          )
        ),
        ([rows]) => Number(rows[0]!.total)
      )
    }
  })
