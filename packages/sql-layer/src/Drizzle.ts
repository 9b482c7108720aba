/**
 * Queries that Drizzle builds, run by a `MysqlClient`: as effects and streams, in the transaction of the fiber, with
 * `SqlError`s. Drizzle writes the SQL and makes rows out of columns; it opens no connection of its own.
 *
 * ```ts
 * const drizzle = yield* Drizzle.make({ schema: { people } })
 * const found = yield* drizzle.run(drizzle.db.select().from(people).where(eq(people.id, 7)))
 * ```
 *
 * Needs the package `drizzle-orm`. Its columns decide what values become: the client's own options for decoding and for
 * names do not apply. DATETIME and TIMESTAMP are UTC for Drizzle, as they are here unless `timezone` says otherwise.
 *
 * @since 0.1.0
 */
import type { Outcome, QueryResult } from "@effect-mysql/client/MysqlConnection"
import {
  createTableRelationsHelpers,
  type ExtractTablesWithRelations,
  extractTablesRelationalConfig
} from "drizzle-orm"
import { Column } from "drizzle-orm/column"
import { entityKind, is } from "drizzle-orm/entity"
import {
  MySqlDatabase,
  MySqlDialect,
  MySqlPreparedQuery,
  type MySqlPreparedQueryConfig,
  type MySqlQueryResultHKT,
  MySqlSession,
  type PreparedQueryHKTBase
} from "drizzle-orm/mysql-core"
import { type Query as BuiltQuery, fillPlaceholders, type SQL } from "drizzle-orm/sql/sql"
import * as utils from "drizzle-orm/utils"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { SqlError } from "effect/sql/SqlError"
import { always, RowsAs } from "./internal/DriverConnection.ts"
import * as errors from "./internal/errors.ts"
import { MysqlClient } from "./MysqlClient.ts"

type PrepareQuery = Parameters<MySqlSession["prepareQuery"]>
type SelectedFields = NonNullable<PrepareQuery[1]>

/** Rows by the columns that were selected. Drizzle exports it without a type. */
const { mapResultRow } = utils as unknown as {
  readonly mapResultRow: (
    fields: SelectedFields,
    row: ReadonlyArray<unknown>,
    joinsNotNullable: Record<string, boolean> | undefined
  ) => unknown
}

/**
 * What a statement without rows gives.
 *
 * @since 0.1.0
 * @category models
 */
export interface OutcomeHKT extends MySqlQueryResultHKT {
  readonly type: Outcome
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PreparedHKT extends PreparedQueryHKTBase {
  readonly type: Prepared<utils.Assume<this["config"], MySqlPreparedQueryConfig>>
}

/**
 * A query that Drizzle has prepared. `execute` and `iterator` are refused: they know no fiber.
 *
 * @since 0.1.0
 * @category models
 */
export class Prepared<T extends MySqlPreparedQueryConfig> extends MySqlPreparedQuery<T> {
  static override readonly [entityKind]: string = "EffectMysqlPrepared"
  /** @internal */
  readonly built: BuiltQuery
  /** @internal */
  readonly fields: SelectedFields | undefined
  /** @internal */
  readonly mapRows: ((rows: Array<Array<unknown>>) => T["execute"]) | undefined
  /** @internal */
  readonly generatedIds: ReadonlyArray<Record<string, unknown>> | undefined
  /** @internal */
  readonly returningIds: SelectedFields | undefined
  /** Set by Drizzle after it has made the query. @internal */
  joinsNotNullableMap: Record<string, boolean> | undefined

  /** @internal */
  constructor(...[built, fields, mapRows, generatedIds, returningIds, queryMetadata]: PrepareQuery) {
    super(undefined, queryMetadata, undefined)
    this.built = built
    this.fields = fields
    this.mapRows = mapRows as ((rows: Array<Array<unknown>>) => T["execute"]) | undefined
    this.generatedIds = generatedIds
    this.returningIds = returningIds
  }

  override execute(): Promise<T["execute"]> {
    return refuse()
  }

  override async *iterator(): AsyncGenerator<T["iterator"]> {
    yield await refuse()
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export type Query<T extends MySqlPreparedQueryConfig> = Prepared<T> | { readonly prepare: () => Prepared<T> }

/**
 * @since 0.1.0
 * @category models
 */
export interface Options<Schema extends Record<string, unknown>> {
  /** Tables and their relations, for `db.query`. */
  readonly schema?: Schema | undefined
  /** How names of columns that were given none are written. */
  readonly casing?: utils.Casing | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Drizzle<Schema extends Record<string, unknown>> {
  /** Builds queries. Its own ways to run them (`await`, `execute`, `transaction` …) are refused: they know no fiber. */
  readonly db: MySqlDatabase<OutcomeHKT, PreparedHKT, Schema, ExtractTablesWithRelations<Schema>>
  /**
   * What Drizzle gives: rows, of `findFirst` one, of `$returningId` the ids, and of a statement without rows its
   * `Outcome`. `values` are for `sql.placeholder`. Interruption stops the statement on the server.
   */
  readonly run: <T extends MySqlPreparedQueryConfig>(
    query: Query<T>,
    values?: Record<string, unknown>
  ) => Effect.Effect<T["execute"], SqlError>
  /** The rows of a select as they come. Ending early stops the statement on the server. */
  readonly stream: <T extends MySqlPreparedQueryConfig>(
    query: Query<T>,
    values?: Record<string, unknown>
  ) => Stream.Stream<T["iterator"], SqlError>
  /** The rows of a template, by the names of their columns. */
  readonly rows: <A extends object>(query: SQL<A> | SQL) => Effect.Effect<ReadonlyArray<A>, SqlError>
}

/** What Drizzle's columns understand. */
const decoding = { date: "string", dateTime: "string" } as const
const asArrays = always({ rows: "array", decoding })
const asObjects = always({ rows: "object", decoding })

/**
 * On the client of the context.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Schema extends Record<string, unknown> = Record<string, never>>(
  options: Options<Schema> = {}
): Effect.Effect<Drizzle<Schema>, never, MysqlClient> =>
  Effect.map(MysqlClient, (client) => {
    const sql = client.withoutTransforms()
    const dialect = new MySqlDialect(options.casing === undefined ? {} : { casing: options.casing })

    const statement = (query: BuiltQuery, values: Record<string, unknown>) =>
      Effect.map(
        attempt("compile", () => fillPlaceholders(query.params, values)),
        (params) => sql.unsafe<any>(query.sql, params)
      )

    const run: Drizzle<Schema>["run"] = Effect.fnUntraced(function* (query, values = {}) {
      const prepared = yield* preparedOf(query)
      const ready = yield* statement(prepared.built, values)
      const result = (yield* Effect.provideService(ready.raw, RowsAs, asArrays)) as Result
      return yield* attempt("decode", () => valueOf(prepared, result))
    })

    return {
      db: new MySqlDatabase(dialect, new Session(dialect), schemaOf(options.schema), "default"),
      run,
      stream: (query, values = {}) =>
        Stream.unwrap(
          Effect.gen(function* () {
            const prepared = yield* preparedOf(query)
            if (prepared.fields === undefined) {
              return yield* errors.make("unknown", "stream", "Only a select of Drizzle can be streamed")
            }
            const ready = yield* statement(prepared.built, values)
            const rows = Stream.provideService(ready.stream as Stream.Stream<Row, SqlError>, RowsAs, asArrays)
            return Stream.mapArrayEffect(rows, (chunk) =>
              attempt("decode", () => chunk.map((row) => rowOf(prepared, row)) as [unknown, ...Array<unknown>])
            )
          })
        ),
      rows: (query) =>
        Effect.flatMap(
          attempt("compile", () => dialect.sqlToQuery(query)),
          (built) => Effect.flatMap(statement(built, {}), (ready) => Effect.provideService(ready, RowsAs, asObjects))
        )
    }
  })

type Row = Array<unknown>
type Result = QueryResult<Row>

/** Only builds: what it prepares is run by `run` and `stream`. */
class Session extends MySqlSession {
  static override readonly [entityKind]: string = "EffectMysqlSession"

  override prepareQuery(...args: PrepareQuery): any {
    return new Prepared(...args)
  }

  override all(): Promise<never> {
    return refuse()
  }

  override transaction(): Promise<never> {
    return refuse()
  }
}

const refuse = (): Promise<never> =>
  Promise.reject(new Error("Queries of this Drizzle are run by `run`, `stream` and `rows`, in the fiber's transaction"))

/** What Drizzle or a column of the user throws. */
const attempt = <A>(operation: string, evaluate: () => A): Effect.Effect<A, SqlError> =>
  Effect.try({
    try: evaluate,
    catch: (cause) => errors.make("unknown", operation, `Drizzle failed: ${String(cause)}`, cause)
  })

const preparedOf = <T extends MySqlPreparedQueryConfig>(query: Query<T>): Effect.Effect<Prepared<T>, SqlError> =>
  attempt("compile", () => (query instanceof Prepared ? query : query.prepare()))

const schemaOf = <Schema extends Record<string, unknown>>(schema: Schema | undefined) => {
  if (schema === undefined) return undefined
  const { tableNamesMap, tables } = extractTablesRelationalConfig<ExtractTablesWithRelations<Schema>>(
    schema,
    createTableRelationsHelpers
  )
  return { fullSchema: schema, schema: tables, tableNamesMap }
}

const valueOf = <T extends MySqlPreparedQueryConfig>(prepared: Prepared<T>, result: Result): unknown => {
  if (prepared.mapRows !== undefined) return prepared.mapRows(result.rows.map(valuesOf))
  if (prepared.fields !== undefined) return result.rows.map((row) => rowOf(prepared, row))
  if (prepared.returningIds !== undefined) return idsOf(prepared, result)
  const { affectedRows, info, insertId, warningCount } = result
  return { affectedRows, info, insertId, warningCount }
}

const rowOf = (prepared: Prepared<any>, row: Row): unknown =>
  mapResultRow(prepared.fields!, valuesOf(row), prepared.joinsNotNullableMap)

/** Bytes as its columns know them. */
const valuesOf = (row: Row): Row =>
  row.map((value) =>
    value instanceof Uint8Array && !Buffer.isBuffer(value)
      ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      : value
  )

/** Of each row that was inserted its key: generated by the server, one after the other, or by the column itself. */
const idsOf = ({ generatedIds, returningIds }: Prepared<any>, result: Result): ReadonlyArray<unknown> =>
  Array.from({ length: result.affectedRows }, (_, index) => {
    const ids: Record<string, unknown> = {}
    for (const { field, path } of returningIds ?? []) {
      if (!is(field, Column)) continue
      const key = path[0]!
      const { autoIncrement } = field as Column & { readonly autoIncrement?: boolean }
      if (field.primary && autoIncrement === true) ids[key] = idAfter(result.insertId, index)
      else if (field.defaultFn !== undefined) ids[key] = generatedIds?.[index]?.[key]
    }
    return ids
  })

const idAfter = (id: number | bigint, index: number): number | bigint =>
  typeof id === "bigint" ? id + BigInt(index) : id + index
