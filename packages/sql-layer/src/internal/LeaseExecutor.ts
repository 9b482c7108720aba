/**
 * Statements on one lease, through the client: they have its spans, its transformer and its names, like those of `sql`.
 *
 * A statement of `effect/sql` would run where the client it came from wants it. So its text and values are taken, and run
 * on the lease.
 */
import type { BatchResult, Params, Row } from "@effect-mysql/client/MysqlConnection"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { SqlClient } from "effect/sql/SqlClient"
import type * as SqlConnection from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import { CurrentTransformer, type Statement } from "effect/sql/Statement"
import type * as Tracer from "effect/Tracer"
import * as Rows from "../Rows.ts"
import type { Executor } from "../Session.ts"
import * as errors from "./errors.ts"
import type { Lease } from "./Lease.ts"
import { type ArrayResult, ArrayRows, failed, type Transform } from "./rows.ts"

/** What there is for everybody who runs statements for one client. */
export interface Surroundings {
  readonly client: SqlClient
  readonly transform: Transform
}

/** What a statement of `effect/sql` has no place for but among its values, as the only one. */
class Named {
  readonly values: Params

  constructor(values: Params) {
    this.values = values
  }
}

/** Rows of values, counted as they are taken. */
class Many {
  readonly rows: Iterable<Params>
  /** Of the statement. */
  span: Tracer.Span | undefined = undefined
  private size = 0

  constructor(rows: Iterable<Params>) {
    this.rows = this.counted(rows)
  }

  /** Semantic conventions: not for one. */
  tellSize(): void {
    if (this.size !== 1) this.span?.attribute("db.operation.batch.size", this.size)
  }

  private *counted(rows: Iterable<Params>): Generator<Params> {
    for (const row of rows) {
      this.size++
      yield row
    }
  }
}

const given = (params: ReadonlyArray<unknown>): Params => (params[0] instanceof Named ? params[0].values : params)

const batch = (lease: Lease, sql: string, many: Many): Effect.Effect<BatchResult, SqlError> =>
  Effect.ensuring(
    lease.batch(sql, many.rows),
    Effect.sync(() => many.tellSize())
  )

/** The lease, whose raw results have their rows as arrays, and which knows values by name and many rows of them. */
const withArrays = (lease: Lease): SqlConnection.Connection => ({
  execute: (sql, params, transformRows) => lease.execute(sql, params, transformRows),
  executeRaw: (sql, params): Effect.Effect<unknown, SqlError> =>
    params[0] instanceof Many ? batch(lease, sql, params[0]) : lease.executeResult(sql, given(params)),
  executeValues: (sql, params) => lease.executeValues(sql, params),
  executeUnprepared: (sql, params, transformRows) => lease.executeUnprepared(sql, params, transformRows),
  executeValuesUnprepared: (sql, params) => lease.executeValuesUnprepared(sql, params),
  executeStream: (sql, params, transformRows) => lease.executeStream(sql, given(params), transformRows)
})

const isPositional = (params: Params): params is ReadonlyArray<unknown> => Array.isArray(params)

/** Only a transformer is told the span of a statement. */
const notingSpan = <A, E, R>(statement: Effect.Effect<A, E, R>, note: (span: Tracer.Span) => void) =>
  Effect.withFiber<A, E, R>((outer) => {
    const transformer = outer.getRef(CurrentTransformer)
    const noting: typeof transformer = (self, sql, fiber, span) => {
      note(span)
      return transformer === undefined ? Effect.succeed(self) : transformer(self, sql, fiber, span)
    }
    return Effect.provideService(statement, CurrentTransformer, noting)
  })

export class LeaseExecutor implements Executor {
  protected readonly around: Surroundings
  protected readonly lease: Lease
  private readonly arrays: SqlConnection.Connection

  constructor(around: Surroundings, lease: Lease) {
    this.around = around
    this.lease = lease
    this.arrays = withArrays(lease)
  }

  /** Why nothing runs here at the moment. */
  protected refusal(_operation: string): SqlError | undefined {
    return undefined
  }

  execute(statement: Statement<any> | string, params?: Params): Effect.Effect<Rows.Rows, SqlError> {
    return Effect.map(
      Effect.flatMap(this.statement("execute", statement, params), (own) => this.inLease(own.raw)),
      (result) => new ArrayRows(result as ArrayResult, this.around.transform)
    )
  }

  executeMany(sql: string, rows: Iterable<Params>): Effect.Effect<BatchResult, SqlError> {
    return Effect.suspend(() => {
      const many = new Many(rows)
      const run = Effect.flatMap(this.statement("executeMany", sql, [many]), (own) => this.inLease(own.raw))
      return notingSpan(run as Effect.Effect<BatchResult, SqlError>, (span) => {
        many.span = span
      })
    })
  }

  scalar(statement: Statement<any> | string, params?: Params): Effect.Effect<Option.Option<unknown>, SqlError> {
    return Effect.flatMap(this.execute(statement, params), (rows) =>
      rows.returnsRows ? Effect.succeed(rows.scalar) : Effect.fail(failed(new Rows.NoRows()))
    )
  }

  stream<A extends object = Row>(statement: Statement<A> | string, params?: Params): Stream.Stream<A, SqlError> {
    return Stream.unwrap(
      Effect.map(this.statement<A>("stream", statement, params), (own) =>
        Stream.provideService(own.stream, this.around.client.transactionService, [this.arrays, 0] as const)
      )
    )
  }

  private statement<A extends object>(
    operation: string,
    statement: Statement<A> | string,
    params: Params | undefined
  ): Effect.Effect<Statement<A>, SqlError> {
    return Effect.suspend(() => {
      const refusal = this.refusal(operation)
      if (refusal !== undefined) return Effect.fail(refusal)
      const { client } = this.around
      if (typeof statement === "string") {
        const values = params === undefined || isPositional(params) ? params : [new Named(params)]
        return Effect.succeed(client.unsafe<A>(statement, values))
      }
      if (params !== undefined) {
        return Effect.fail(errors.make("unknown", operation, "Values go with a text; a statement has its own"))
      }
      const [sql, own] = statement.compile()
      return Effect.succeed(client.unsafe<A>(sql, own))
    })
  }

  private inLease<A>(effect: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return Effect.provideService(effect, this.around.client.transactionService, [this.arrays, 0] as const)
  }
}
