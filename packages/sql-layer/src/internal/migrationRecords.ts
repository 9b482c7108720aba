/**
 * What the database says about migrations: one table of those that are applied, in the shape of `effect/sql`, and one of
 * those that were begun and not finished.
 *
 * The row about an unfinished migration is written in the migration's own transaction, before its first statement. Where
 * everything of the migration was rolled back, so was the row; where a statement inside committed (DDL does so), or the
 * process died after one, it is there.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"

export interface Applied {
  readonly id: number
  readonly name: string
  readonly at: Date
}

export interface Unfinished {
  readonly id: number
  readonly name: string
  readonly startedAt: Date
  /** The last statement that was sent; unknown where the process or the line has died. */
  readonly statement: string | undefined
  readonly error: string | undefined
}

export const defaultTable = "effect_sql_migrations"

export const unfinishedOf = (table: string): string => `${table}_unfinished`

const escape = Statement.defaultEscape("`")

type Values = ReadonlyArray<ReadonlyArray<any>>

/** The statements about the two tables. They are the same whatever names and values the client transforms. */
export const make = (sql: SqlClient, table: string) => {
  const applied = sql.literal(escape(table))
  const unfinished = sql.literal(escape(unfinishedOf(table)))

  const exists = (qualified: string): Effect.Effect<boolean, SqlError> => {
    const [name, database] = qualified.split(".").reverse()
    return Effect.map(
      sql`SELECT 1 FROM information_schema.tables
        WHERE table_schema = COALESCE(${database ?? null}, DATABASE()) AND table_name = ${name}`.values,
      (rows) => rows.length > 0
    )
  }

  const read: Effect.Effect<
    { readonly applied: ReadonlyArray<Applied>; readonly unfinished: ReadonlyArray<Unfinished> },
    SqlError
  > = Effect.gen(function* () {
    const done: Values = yield* sql`SELECT migration_id, name, UNIX_TIMESTAMP(created_at) FROM ${applied}
      ORDER BY migration_id`.values
    const ids = new Set(done.map(([id]) => Number(id)))
    const begun: Values = (yield* exists(unfinishedOf(table)))
      ? yield* sql`SELECT migration_id, name, UNIX_TIMESTAMP(started_at), statement, error FROM ${unfinished}
          ORDER BY migration_id`.values
      : []
    return {
      applied: done.map(([id, name, at]): Applied => ({ id: Number(id), name, at: fromSeconds(at) })),
      // One that is in both was interrupted between the two statements at its end.
      unfinished: begun
        .filter(([id]) => !ids.has(Number(id)))
        .map(
          ([id, name, at, statement, error]): Unfinished => ({
            id: Number(id),
            name,
            startedAt: fromSeconds(at),
            statement: statement ?? undefined,
            error: error ?? undefined
          })
        )
    }
  })

  return {
    /** As core creates it: its migrator and this one can follow one another. */
    create: Effect.andThen(
      sql`CREATE TABLE IF NOT EXISTS ${applied} (
        migration_id INTEGER UNSIGNED NOT NULL,
        created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
        name VARCHAR(255) NOT NULL,
        PRIMARY KEY (migration_id)
      )`,
      sql`CREATE TABLE IF NOT EXISTS ${unfinished} (
        migration_id INTEGER UNSIGNED NOT NULL,
        started_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
        name VARCHAR(255) NOT NULL,
        statement LONGTEXT,
        error LONGTEXT,
        PRIMARY KEY (migration_id)
      ) ENGINE = InnoDB`
    ),
    read,
    /** The same, where nothing has been migrated yet. */
    readIfAny: Effect.flatMap(exists(table), (there) =>
      there ? read : Effect.succeed({ applied: [], unfinished: [] })
    ),
    begin: (id: number, name: string) =>
      Effect.asVoid(sql`REPLACE INTO ${unfinished} (migration_id, name) VALUES (${id}, ${name})`),
    finish: (id: number, name: string) =>
      Effect.andThen(
        sql`INSERT INTO ${applied} (migration_id, name) VALUES (${id}, ${name})`,
        Effect.asVoid(sql`DELETE FROM ${unfinished} WHERE migration_id = ${id}`)
      ),
    forget: (id: number) => Effect.asVoid(sql`DELETE FROM ${unfinished} WHERE migration_id = ${id}`),
    /** Tells whether something of the migration is left. */
    describe: (id: number, statement: string | undefined, error: string): Effect.Effect<boolean, SqlError> =>
      Effect.map(
        sql`UPDATE ${unfinished} SET statement = ${statement ?? null}, error = ${error} WHERE migration_id = ${id}`.raw,
        (result) => (result as { readonly affectedRows: number }).affectedRows > 0
      ),
    /** Waits for the lock of this table, which belongs to the session; false when it did not come in time. */
    lock: (timeout: Duration.Duration): Effect.Effect<boolean, SqlError> =>
      Effect.map(
        sql`SELECT GET_LOCK(${lockName(sql, table)}, ${Math.ceil(Duration.toSeconds(timeout))})`.values,
        (rows) => Number(rows[0]![0]) === 1
      ),
    unlock: Effect.suspend(() => Effect.asVoid(sql`DO RELEASE_LOCK(${lockName(sql, table)})`))
  }
}

/** Locks are known to the whole server: the name says of which database, within the 64 characters that it may have. */
const lockName = (sql: SqlClient, table: string) => {
  const database = table.includes(".") ? sql.literal("''") : sql.literal("COALESCE(DATABASE(), '')")
  return sql`CONCAT('effect_mysql:', LEFT(SHA2(CONCAT(${database}, '.', ${table}), 256), 40))`
}

const fromSeconds = (seconds: unknown): Date => new Date(Number(seconds) * 1000)
