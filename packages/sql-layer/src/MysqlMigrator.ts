/**
 * Runs the numbered migrations of a schema, one after another and once each, with the loaders and types of core.
 *
 * Core's own migrator records all pending migrations first and counts on a rollback to forget those that fail. DDL
 * commits by itself on MySQL and MariaDB, so that there a failed migration stays recorded as applied. This one records a
 * migration when it has succeeded. One that failed after something of it was committed is marked: nothing more is
 * migrated until somebody has looked and called `resolve`.
 *
 * One runner at a time: the others wait for it, with `GET_LOCK` in the session that the migrations run in, so that a
 * runner whose line is lost has lost the lock and can do nothing more. On a cluster the lock is one of the node.
 *
 * @since 0.1.0
 */
import { isMysqlError } from "@effect-mysql/client/MysqlError"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { type Loader, MigrationError, type MigratorOptions, type ResolvedMigration } from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import { HeldLease } from "./internal/HeldLease.ts"
import { Lease } from "./internal/Lease.ts"
import * as migrationRecords from "./internal/migrationRecords.ts"
import * as schemaDump from "./internal/schemaDump.ts"

export {
  fromBabelGlob,
  fromGlob,
  fromRecord,
  type Loader,
  type Migration,
  MigrationError,
  type MigratorOptions,
  type ResolvedMigration
} from "effect/sql/Migrator"
export { fromFileSystem } from "effect/sql/MigratorFileSystem"

/**
 * @since 0.1.0
 * @category models
 */
export interface MysqlMigratorOptions<R = never> extends MigratorOptions<R> {
  /**
   * How long to wait for another runner. Default 10 minutes; then `run` fails with a `MigrationError` of kind `Locked`. The
   * client's `statementTimeout` ends the wait as well, as it does any statement of a migration.
   */
  readonly lockTimeout?: Duration.Input | undefined
  /**
   * What becomes of a migration that is not applied while one with a higher id is: `error` (default) fails with
   * `BadState`, `run` runs it, `ignore` leaves it out for ever, as core does.
   */
  readonly outOfOrder?: "error" | "run" | "ignore" | undefined
}

/**
 * What is known about one migration. An applied one that the loader does not have is listed as well.
 *
 * `Unfinished`: it was begun, something of it may be committed, and it did not succeed. `statement` is the last one that
 * it sent and `error` what it failed with; both are unknown where the process died.
 *
 * @since 0.1.0
 * @category models
 */
export type MigrationStatus =
  | { readonly _tag: "Applied"; readonly id: number; readonly name: string; readonly at: Date }
  | { readonly _tag: "Pending"; readonly id: number; readonly name: string }
  | {
      readonly _tag: "Unfinished"
      readonly id: number
      readonly name: string
      readonly startedAt: Date
      readonly statement: string | undefined
      readonly error: string | undefined
    }

type Completed = ReadonlyArray<readonly [id: number, name: string]>

/**
 * Runs what is pending, in the order of the ids, and gives what was run.
 *
 * Each migration runs in a transaction of its own on one connection, in which `sql` statements take part, and is recorded
 * with it. DDL commits that transaction; what comes after it in the same migration commits by itself. So one DDL
 * statement a migration is the safest.
 *
 * Fails with `MigrationError`: `Failed` tells in its message the last statement and whether anything is left, and has the
 * migration's own error as `cause`; `BadState` names what `resolve` has to be called for; `Locked`, `Duplicates` and
 * `ImportError` before anything has run. Interruption stops the statement that runs; the same is then told by `status`.
 *
 * With `schemaDirectory` the schema is written to `_schema.sql` in it, if anything was run; that this fails is logged.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run: {
  <R2 = never>(
    options: MysqlMigratorOptions<R2> & { readonly schemaDirectory: string }
  ): Effect.Effect<Completed, MigrationError | SqlError, SqlClient.SqlClient | FileSystem.FileSystem | Path.Path | R2>
  <R2 = never>(
    options: MysqlMigratorOptions<R2>
  ): Effect.Effect<Completed, MigrationError | SqlError, SqlClient.SqlClient | R2>
} = <R2>(options: MysqlMigratorOptions<R2>): Effect.Effect<Completed, MigrationError | SqlError, any> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const table = options.table ?? migrationRecords.defaultTable
    const migrations = yield* Effect.flatMap(options.loader, inOrder)
    const completed = yield* Effect.scoped(
      Effect.gen(function* () {
        const runner = yield* acquire(sql, table, Duration.fromInputUnsafe(options.lockTimeout ?? "10 minutes"))
        const pending = yield* runner.onLease(
          Effect.andThen(
            runner.records.create,
            Effect.flatMap(runner.records.read, (records) => pendingOf(migrations, records, options))
          )
        )
        const loaded = yield* Effect.forEach(pending, load)
        return yield* Effect.forEach(loaded, (migration) => Effect.as(runOne(runner, migration), migration.key))
      })
    )
    if (options.schemaDirectory !== undefined && completed.length > 0) {
      yield* Effect.catchCause(schemaDump.write(sql, options.schemaDirectory, table), (cause) =>
        Effect.logWarning("Could not dump schema", cause)
      )
    }
    return completed
  })

/**
 * Runs what is pending while the layer is built.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: {
  <R2 = never>(
    options: MysqlMigratorOptions<R2> & { readonly schemaDirectory: string }
  ): Layer.Layer<never, MigrationError | SqlError, SqlClient.SqlClient | FileSystem.FileSystem | Path.Path | R2>
  <R2 = never>(
    options: MysqlMigratorOptions<R2>
  ): Layer.Layer<never, MigrationError | SqlError, SqlClient.SqlClient | R2>
} = <R2>(options: MysqlMigratorOptions<R2>): Layer.Layer<never, MigrationError | SqlError, any> =>
  Layer.effectDiscard(run(options))

/**
 * What has been applied, what is pending and what was left unfinished, in the order of the ids. Only reads.
 *
 * @since 0.1.0
 * @category queries
 */
export const status = <R2 = never>(options: {
  readonly loader: Loader<R2>
  readonly table?: string | undefined
}): Effect.Effect<ReadonlyArray<MigrationStatus>, MigrationError | SqlError, SqlClient.SqlClient | R2> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const migrations = yield* Effect.flatMap(options.loader, inOrder)
    const { applied, unfinished } = yield* migrationRecords.make(sql, options.table ?? migrationRecords.defaultTable)
      .readIfAny
    const known: ReadonlyArray<MigrationStatus> = [
      ...applied.map((one) => ({ _tag: "Applied", ...one }) as const),
      ...unfinished.map((one) => ({ _tag: "Unfinished", ...one }) as const)
    ]
    const ids = new Set(known.map(({ id }) => id))
    return [
      ...known,
      ...migrations.filter(([id]) => !ids.has(id)).map(([id, name]) => ({ _tag: "Pending", id, name }) as const)
    ].sort((a, b) => a.id - b.id)
  })

/**
 * Ends the state of a migration that is unfinished, after somebody has looked: `applied` when what was missing has been
 * done by hand, `pending` when what was there has been undone, so that it runs again.
 *
 * Fails with `BadState` where the migration is not unfinished.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (options: {
  readonly id: number
  readonly as: "applied" | "pending"
  readonly table?: string | undefined
}): Effect.Effect<void, MigrationError | SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const records = migrationRecords.make(sql, options.table ?? migrationRecords.defaultTable)
    const { unfinished } = yield* records.readIfAny
    const one = unfinished.find(({ id }) => id === options.id)
    if (one === undefined) {
      return yield* new MigrationError({ kind: "BadState", message: `Migration ${options.id} is not unfinished` })
    }
    yield* options.as === "applied" ? records.finish(one.id, one.name) : records.forget(one.id)
  })

/**
 * The statements that make the schema of the current database anew: tables, views, triggers, routines and events, and the
 * rows of the table of migrations; as text for the `mysql` and `mariadb` command lines. Without the definers, and without
 * the counters of generated ids.
 *
 * @since 0.1.0
 * @category queries
 */
export const dumpSchema = (options?: {
  readonly table?: string | undefined
}): Effect.Effect<string, SqlError, SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(schemaDump.statements(sql, options?.table ?? migrationRecords.defaultTable), schemaDump.render)
  )

// ---- which ones ----------------------------------------------------------------------------------------------------

const largestId = 0xffff_ffff

const inOrder = (
  migrations: ReadonlyArray<ResolvedMigration>
): Effect.Effect<ReadonlyArray<ResolvedMigration>, MigrationError> => {
  const sorted = [...migrations].sort(([a], [b]) => a - b)
  const twice = sorted.filter(([id], index) => index > 0 && sorted[index - 1]![0] === id).map(([id]) => id)
  if (twice.length > 0) {
    const message = `Found duplicate migration ids: ${[...new Set(twice)].join(", ")}`
    return Effect.fail(new MigrationError({ kind: "Duplicates", message }))
  }
  const odd = sorted.find(([id]) => !Number.isInteger(id) || id < 1 || id > largestId)
  return odd === undefined
    ? Effect.succeed(sorted)
    : Effect.fail(
        new MigrationError({ kind: "BadState", message: `The id of a migration is from 1 to ${largestId}: ${odd[0]}` })
      )
}

const labelOf = (id: number, name: string): string => `"${id}_${name}"`

const pendingOf = (
  migrations: ReadonlyArray<ResolvedMigration>,
  { applied, unfinished }: Effect.Success<ReturnType<typeof migrationRecords.make>["read"]>,
  { outOfOrder = "error" }: MysqlMigratorOptions<any>
): Effect.Effect<ReadonlyArray<ResolvedMigration>, MigrationError> => {
  const [half] = unfinished
  if (half !== undefined) {
    const after = half.statement === undefined ? "" : ` after ${excerpt(half.statement)}`
    const why = half.error === undefined ? "" : `: ${half.error}`
    return Effect.fail(
      new MigrationError({
        kind: "BadState",
        message: `Migration ${labelOf(half.id, half.name)} was begun and not finished${after}${why}. ${advice}`
      })
    )
  }
  const ids = new Set(applied.map(({ id }) => id))
  const latest = applied.at(-1)?.id ?? 0
  const pending = migrations.filter(([id]) => !ids.has(id))
  const late = pending.filter(([id]) => id < latest)
  if (late.length === 0 || outOfOrder === "run") return Effect.succeed(pending)
  if (outOfOrder === "ignore") return Effect.succeed(pending.filter(([id]) => id > latest))
  const names = late.map(([id, name]) => labelOf(id, name)).join(", ")
  return Effect.fail(
    new MigrationError({ kind: "BadState", message: `Not applied, though ${latest} is, which comes after: ${names}` })
  )
}

// ---- running them --------------------------------------------------------------------------------------------------

interface Loaded {
  readonly key: readonly [id: number, name: string]
  readonly effect: Effect.Effect<unknown, unknown, SqlClient.SqlClient>
}

const importError = (id: number, name: string, problem: string): MigrationError =>
  new MigrationError({ kind: "ImportError", message: `${problem} for migration ${labelOf(id, name)}` })

/** What a loader gives is the effect itself, or a module that has it as its default export. */
const load = ([id, name, resolve]: ResolvedMigration): Effect.Effect<Loaded, MigrationError, SqlClient.SqlClient> =>
  Effect.flatMap(
    Effect.catchCause(resolve, (cause) =>
      Effect.fail(importError(id, name, `Could not import: ${Cause.squash(cause)}`))
    ),
    (loaded) => {
      const effect = Effect.isEffect(loaded) ? loaded : (loaded?.default?.default ?? loaded?.default)
      if (effect === undefined) return Effect.fail(importError(id, name, "Default export not found"))
      return Effect.isEffect(effect)
        ? Effect.succeed({ key: [id, name], effect: effect as Loaded["effect"] })
        : Effect.fail(importError(id, name, "Default export was not an Effect"))
    }
  )

interface Runner {
  readonly sql: SqlClient.SqlClient
  readonly records: ReturnType<typeof migrationRecords.make>
  /** Statements inside run on the connection that has the lock; transactions as well. */
  readonly onLease: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly transaction: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
}

const acquire = (
  sql: SqlClient.SqlClient,
  table: string,
  timeout: Duration.Duration
): Effect.Effect<Runner, MigrationError | SqlError, Scope.Scope> =>
  Effect.gen(function* () {
    const lease = yield* sql.reserve
    if (!(lease instanceof Lease)) {
      const message = "MysqlMigrator runs on a MysqlClient of this package"
      return yield* new MigrationError({ kind: "BadState", message })
    }
    const records = migrationRecords.make(sql, table)
    const onLease = Effect.provideService(sql.transactionService, [lease, 0])
    yield* Effect.addFinalizer(() => Effect.ignore(onLease(records.unlock)))
    const locked = yield* onLease(records.lock(timeout))
    if (!locked) {
      const message = `Another runner is still at work after ${Duration.format(timeout)}`
      return yield* new MigrationError({ kind: "Locked", message })
    }
    const hold = HeldLease.hold(sql.transactionService, lease)
    return { sql, records, onLease, transaction: (effect) => hold(sql.withTransaction(effect)) }
  })

/** The last statement that was sent. */
interface Progress {
  statement: string | undefined
}

const following = <A, E, R>(progress: Progress, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const outer = fiber.getRef(Statement.CurrentTransformer)
    return Effect.provideService(effect, Statement.CurrentTransformer, (statement, sql, context, span) =>
      Effect.map(
        outer === undefined ? Effect.succeed(statement) : outer(statement, sql, context, span),
        (transformed) => {
          progress.statement = transformed.compile()[0]
          return transformed
        }
      )
    )
  })

const runOne = (
  runner: Runner,
  { effect, key: [id, name] }: Loaded
): Effect.Effect<void, MigrationError | SqlError, SqlClient.SqlClient> => {
  const progress: Progress = { statement: undefined }
  const { records } = runner
  const failed = (cause: unknown, statement: string | undefined, left: boolean | undefined): MigrationError => {
    const after = statement === undefined ? "" : ` at ${excerpt(statement)}`
    const rest =
      left === undefined
        ? "Whether anything of it is left, `MysqlMigrator.status` can tell."
        : left
          ? `What ran before, or a part of it, is committed. ${advice}`
          : "Nothing of it is left."
    const message = `Migration ${labelOf(id, name)} failed${after}: ${messageOf(cause)}. ${rest}`
    return new MigrationError({ kind: "Failed", cause, message })
  }
  const migration = Effect.mapError(following(progress, effect), (error) => new Failure(error))
  return Effect.logDebug("Running migration").pipe(
    Effect.andThen(
      runner.transaction(Effect.andThen(records.begin(id, name), Effect.andThen(migration, records.finish(id, name))))
    ),
    Effect.onError((cause) => (Cause.hasFails(cause) ? Effect.void : describe(Cause.squash(cause)))),
    Effect.catch((error) => {
      const own = error instanceof Failure ? error.error : error
      const statement = sentBy(own) ?? progress.statement
      return Effect.flatMap(describe(own), (left) => Effect.fail(failed(own, statement, left)))
    }),
    Effect.annotateLogs({ migration_id: String(id), migration_name: name }),
    Effect.withSpan(`Migrator ${id}_${name}`)
  )

  /** On the connection of the migration, or on another one where that is lost. */
  function describe(error: unknown): Effect.Effect<boolean | undefined> {
    const update = records.describe(id, sentBy(error) ?? progress.statement, messageOf(error))
    return runner.onLease(update).pipe(
      Effect.catch(() => Effect.timeout(update, "10 seconds")),
      Effect.orElseSucceed(() => undefined)
    )
  }
}

/** Tells the failure of a migration from one of the runner's own statements. */
class Failure {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

const advice = "Repair by hand, then call `MysqlMigrator.resolve`"

const messageOf = (error: unknown): string =>
  error instanceof Error && error.message !== "" ? error.message : String(error)

/** The statement that the server refused, where it has said so. */
const sentBy = (error: unknown): string | undefined => {
  if (!isSqlError(error)) return undefined
  const { cause } = error.reason
  return isMysqlError(cause) && cause.reason._tag === "ServerError" ? cause.reason.sql : undefined
}

const excerpt = (sql: string): string => {
  const line = sql.replace(/\s+/g, " ").trim()
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}
