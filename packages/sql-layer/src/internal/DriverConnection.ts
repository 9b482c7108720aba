/**
 * The six methods that `effect/sql` wants of a connection, on a `MysqlConnection`. Prepared statements by default; the
 * unprepared methods send text, which may hold several statements.
 */
import type {
  BatchResult,
  MysqlConnection,
  Outcome,
  Params,
  QueryOptions,
  QueryResult
} from "@effect-mysql/client/MysqlConnection"
import type { MysqlError } from "@effect-mysql/client/MysqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { SafeIntegers } from "effect/sql/SqlClient"
import type * as SqlConnection from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as compiler from "./compiler.ts"
import * as errors from "./errors.ts"

export type TransformRows = (<A extends object>(rows: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined

type Shape = "object" | "array"

/** How rows are asked for, by their shape and by whether the statement may be prepared. */
export interface Shapes {
  readonly usual: Record<Shape, QueryOptions>
  readonly text: Record<Shape, QueryOptions>
}

const shapes = (object: QueryOptions, array: QueryOptions): Shapes => ({
  usual: { object, array },
  text: { object: { ...object, prepare: false }, array: { ...array, prepare: false } }
})

/**
 * The same with integers as they are, or as `bigint`. Made once for a client: the decoders of a statement are remembered
 * by what is in them.
 */
export interface RowOptions {
  readonly usual: Shapes
  readonly exact: Shapes
}

export const rowOptions = (decoding: QueryOptions["decoding"]): RowOptions => {
  const exact = { ...decoding, bigint: "bigint" } as const
  return {
    usual: shapes({ rows: "object" }, { rows: "array" }),
    exact: shapes({ rows: "object", decoding: exact }, { rows: "array", decoding: exact })
  }
}

/** For `RowsAs`: rows in one shape only. */
export const always = (options: QueryOptions): Shapes => shapes(options, options)

/** How the statements of a fiber give their rows, whatever the client is configured to: for query builders. */
export const RowsAs: Context.Reference<Shapes | undefined> = Context.Reference<Shapes | undefined>(
  "@effect-mysql/sql-layer/RowsAs",
  {
    defaultValue: () => undefined
  }
)

/** What a driver's connection is asked to do. */
export interface Request {
  readonly operation: string
  readonly sql: string
  readonly params: Params
}

export class DriverConnection implements SqlConnection.Connection {
  protected readonly connection: MysqlConnection
  private readonly options: RowOptions

  constructor(connection: MysqlConnection, options: RowOptions) {
    this.connection = connection
    this.options = options
  }

  // ---- effect/sql --------------------------------------------------------------------------------------------------

  execute(
    sql: string,
    params: ReadonlyArray<unknown>,
    transformRows: TransformRows
  ): Effect.Effect<ReadonlyArray<any>, SqlError> {
    return this.query(
      { operation: "execute", sql, params },
      "object",
      transformRows === undefined ? rowsOf : (result) => transformRows(result.rows as ReadonlyArray<object>)
    )
  }

  executeRaw(sql: string, params: ReadonlyArray<unknown>): Effect.Effect<unknown, SqlError> {
    return this.query({ operation: "executeRaw", sql, params }, "object", (result) => result)
  }

  /** The rows as arrays, whatever the names of the columns, and what surrounds them. */
  executeResult(sql: string, params: Params): Effect.Effect<QueryResult<ReadonlyArray<unknown>>, SqlError> {
    return this.query({ operation: "execute", sql, params }, "array", (result) => result)
  }

  /** One statement for many rows of values. */
  batch(sql: string, rows: Iterable<Params>): Effect.Effect<BatchResult, SqlError> {
    return this.run(
      { operation: "executeMany", sql, params: [] },
      () => this.connection.batch(sql, rows),
      (result) => result
    )
  }

  executeValues(
    sql: string,
    params: ReadonlyArray<unknown>
  ): Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, SqlError> {
    return this.query({ operation: "executeValues", sql, params }, "array", rowsOf)
  }

  executeUnprepared(
    sql: string,
    params: ReadonlyArray<unknown>,
    transformRows: TransformRows
  ): Effect.Effect<ReadonlyArray<any>, SqlError> {
    return this.script({ operation: "executeUnprepared", sql, params }, "object", transformRows)
  }

  executeValuesUnprepared(
    sql: string,
    params: ReadonlyArray<unknown>
  ): Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, SqlError> {
    return this.script({ operation: "executeValuesUnprepared", sql, params }, "array", undefined)
  }

  executeStream(sql: string, params: Params, transformRows: TransformRows): Stream.Stream<any, SqlError> {
    const rows = this.runStream({ operation: "executeStream", sql, params }, (options) =>
      this.connection.stream<any>(sql, params, options.usual.object)
    )
    return transformRows === undefined ? rows : Stream.mapArray(rows, (chunk) => transformRows(chunk) as typeof chunk)
  }

  // ---- how a statement runs; a lease adds to it --------------------------------------------------------------------

  protected run<A, B>(
    request: Request,
    send: (options: Shapes) => Effect.Effect<A, MysqlError>,
    read: (result: A) => B
  ): Effect.Effect<B, SqlError> {
    return Effect.withFiber((fiber) => {
      const refusal = this.refusal(request)
      return refusal !== undefined
        ? Effect.fail(refusal)
        : Effect.matchEffect(send(this.optionsFor(fiber)), {
            onFailure: (error) => Effect.fail(this.sqlError(error, request.operation, "statement")),
            onSuccess: (result) => Effect.succeed(read(result))
          })
    })
  }

  protected runStream<A>(
    request: Request,
    send: (options: Shapes) => Stream.Stream<A, MysqlError>
  ): Stream.Stream<A, SqlError> {
    return Stream.unwrap(
      Effect.withFiber((fiber) => {
        const refusal = this.refusal(request)
        return refusal !== undefined
          ? Effect.fail(refusal)
          : Effect.succeed(
              Stream.mapError(send(this.optionsFor(fiber)), (error) =>
                this.sqlError(error, request.operation, "statement")
              )
            )
      })
    )
  }

  protected optionsFor(fiber: Fiber.Fiber<unknown, unknown>): Shapes {
    return fiber.getRef(RowsAs) ?? (fiber.getRef(SafeIntegers) ? this.options.exact : this.options.usual)
  }

  /** Why a statement is not even sent. */
  protected refusal({ operation, params }: Request): SqlError | undefined {
    const helper = compiler.returningOf(params)
    if (helper === undefined || (helper === "insert" && this.connection.info.product === "mariadb")) return undefined
    return errors.make(
      "syntax",
      operation,
      helper === "insert"
        ? "MySQL has no RETURNING: read the row by its id, which is in `.raw` as `insertId`"
        : "There is no RETURNING for UPDATE here: read the rows after it, in the same transaction"
    )
  }

  protected sqlError(error: MysqlError, operation: string, phase: errors.Place["phase"]): SqlError {
    return errors.fromMysql(error, { product: this.connection.info.product, operation, phase })
  }

  /** One statement that has no values and gives no rows: it goes as text, and nothing is looked for behind its reply. */
  protected single(request: Request): Effect.Effect<ReadonlyArray<never>, SqlError> {
    return this.query(request, "object", () => [])
  }

  private query<A>(request: Request, shape: Shape, read: (result: QueryResult<any>) => A): Effect.Effect<A, SqlError> {
    const { connection } = this
    return this.run(request, (options) => connection.query(request.sql, request.params, options.usual[shape]), read)
  }

  /** Every result of one or several statements that go as text. */
  private script(
    request: Request,
    shape: Shape,
    transformRows: TransformRows
  ): Effect.Effect<ReadonlyArray<any>, SqlError> {
    const rowsIn = (rows: ReadonlyArray<any>): ReadonlyArray<any> =>
      transformRows === undefined ? rows : transformRows(rows)
    return this.run(
      request,
      (options) => this.connection.queryAll<any>(request.sql, request.params, options.text[shape]),
      (results) =>
        results.length === 1
          ? rowsIn(results[0]!.rows)
          : results.map((result) => (result.fields.length === 0 ? outcomeOf(result) : rowsIn(result.rows)))
    )
  }
}

const rowsOf = <A>(result: QueryResult<A>): ReadonlyArray<A> => result.rows

const outcomeOf = ({ affectedRows, info, insertId, warningCount }: Outcome): Outcome => ({
  affectedRows,
  insertId,
  warningCount,
  info
})
