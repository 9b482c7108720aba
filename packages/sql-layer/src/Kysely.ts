/**
 * Queries that Kysely builds, run by a `MysqlClient`: as effects and streams, in the transaction of the fiber, with
 * `SqlError`s. Kysely writes the SQL and knows the types; it opens no connection of its own.
 *
 * ```ts
 * const kysely = yield* Kysely.make<Database>()
 * const people = yield* kysely.run(kysely.db.selectFrom("people").select(["id", "name"]).where("id", "<", 10))
 * ```
 *
 * Needs the package `kysely`. The names in rows are those of the query: `transformResultNames` of the client does not
 * apply, Kysely's own plugins do.
 *
 * @since 0.1.0
 */
import type { QueryResult } from "@effect-mysql/client/MysqlConnection"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { SqlError } from "effect/sql/SqlError"
import {
  Kysely as Builder,
  type Compilable,
  type CompiledQuery,
  DeleteResult,
  type Driver,
  InsertResult,
  type KyselyPlugin,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  type Simplify,
  UpdateResult
} from "kysely"
import * as errors from "./internal/errors.ts"
import { MysqlClient } from "./MysqlClient.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly plugins?: ReadonlyArray<KyselyPlugin> | undefined
}

/**
 * A query that was built, or compiled (a `sql` template by its `compile(db)`).
 *
 * @since 0.1.0
 * @category models
 */
export type Query<A> = Compilable<A> | CompiledQuery<A>

/**
 * @since 0.1.0
 * @category models
 */
export interface Kysely<DB> {
  /** Builds queries. Its own ways to run them (`execute`, `transaction` …) are refused: they know no fiber. */
  readonly db: Builder<DB>
  /**
   * The rows; of a statement that returns none the one `InsertResult`, `UpdateResult` or `DeleteResult`, as `execute` of
   * Kysely gives it, and nothing for any other. Interruption stops the statement on the server.
   */
  readonly run: <A>(query: Query<A>) => Effect.Effect<ReadonlyArray<Simplify<A>>, SqlError>
  /** The first of them. */
  readonly first: <A>(query: Query<A>) => Effect.Effect<Option.Option<Simplify<A>>, SqlError>
  /** The rows as they come. Ending early stops the statement on the server. */
  readonly stream: <A>(query: Query<A>) => Stream.Stream<Simplify<A>, SqlError>
}

/**
 * On the client of the context.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <DB>(options: Options = {}): Effect.Effect<Kysely<DB>, never, MysqlClient> =>
  Effect.map(MysqlClient, (client) => {
    const plugins = options.plugins ?? []
    const sql = client.withoutTransforms()

    const compiledOf = (query: Query<unknown>): Effect.Effect<CompiledQuery, SqlError> =>
      Effect.try({
        try: () => ("compile" in query ? query.compile() : query),
        catch: (cause) =>
          errors.make("unknown", "compile", `Kysely could not compile the query: ${String(cause)}`, cause)
      })

    const transformed = (
      { queryId }: CompiledQuery,
      rows: ReadonlyArray<unknown>
    ): Effect.Effect<ReadonlyArray<unknown>, SqlError> =>
      Effect.reduce(
        plugins,
        () => rows,
        (rows, plugin) =>
          Effect.tryPromise({
            try: () => plugin.transformResult({ queryId, result: { rows: rows as Array<Record<string, unknown>> } }),
            catch: (cause) =>
              errors.make("unknown", "transformResult", `A plugin of Kysely failed: ${String(cause)}`, cause)
          }).pipe(Effect.map((result) => result.rows))
      )

    const run: Kysely<DB>["run"] = <A>(query: Query<A>) =>
      Effect.gen(function* () {
        const compiled = yield* compiledOf(query)
        const result = (yield* sql.unsafe(compiled.sql, compiled.parameters).raw) as QueryResult<object>
        const rows = result.fields.length > 0 ? yield* transformed(compiled, result.rows) : outcomeOf(compiled, result)
        return rows as ReadonlyArray<Simplify<A>>
      })

    return {
      db: new Builder<DB>({ dialect, plugins: [...plugins] }),
      run,
      first: (query) => Effect.map(run(query), (rows) => Option.fromUndefinedOr(rows[0])),
      stream: <A>(query: Query<A>) =>
        Stream.unwrap(
          Effect.map(compiledOf(query), (compiled) => {
            const rows = sql.unsafe<object>(compiled.sql, compiled.parameters).stream
            const own =
              plugins.length === 0
                ? rows
                : Stream.flattenIterable(Stream.mapEffect(Stream.chunks(rows), (chunk) => transformed(compiled, chunk)))
            return own as Stream.Stream<Simplify<A>, SqlError>
          })
        )
    }
  })

/** What Kysely's builders make of a statement without rows. */
const outcomeOf = ({ query }: CompiledQuery, result: QueryResult<object>): ReadonlyArray<unknown> => {
  const affectedRows = BigInt(result.affectedRows)
  switch (query.kind) {
    case "InsertQueryNode":
      return [new InsertResult(result.insertId === 0 ? undefined : BigInt(result.insertId), affectedRows)]
    case "UpdateQueryNode": {
      // In words only: which of the two `affectedRows` counts is the choice of `foundRows`.
      const counts = /^Rows matched: (\d+) +Changed: (\d+)/.exec(result.info)
      return [
        counts === null
          ? new UpdateResult(affectedRows, undefined)
          : new UpdateResult(BigInt(counts[1]!), BigInt(counts[2]!))
      ]
    }
    case "DeleteQueryNode":
      return [new DeleteResult(affectedRows)]
    default:
      return []
  }
}

const refuse = (): Promise<never> =>
  Promise.reject(new Error("Queries of this Kysely are run by `run`, `first` and `stream`, in the fiber's transaction"))

const refusing: Driver = {
  init: () => Promise.resolve(),
  acquireConnection: refuse,
  beginTransaction: refuse,
  commitTransaction: refuse,
  rollbackTransaction: refuse,
  releaseConnection: () => Promise.resolve(),
  destroy: () => Promise.resolve()
}

const dialect = {
  createAdapter: () => new MysqlAdapter(),
  createDriver: () => refusing,
  createIntrospector: (db: Builder<any>) => new MysqlIntrospector(db),
  createQueryCompiler: () => new MysqlQueryCompiler()
}
