/**
 * Statements on one lease, through the client: they have its spans, its transformer and its names, like those of `sql`.
 *
 * A statement of `effect/sql` would run where the client it came from wants it. So its text and values are taken, and run
 * on the lease.
 */
import type { BatchResult, Row } from "@effect-mysql/client/MysqlConnection"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { SqlClient } from "effect/sql/SqlClient"
import type * as SqlConnection from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
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

/** The lease, whose raw results have their rows as arrays. */
const withArrays = (lease: Lease): SqlConnection.Connection => ({
  execute: (sql, params, transformRows) => lease.execute(sql, params, transformRows),
  executeRaw: (sql, params) => lease.executeResult(sql, params),
  executeValues: (sql, params) => lease.executeValues(sql, params),
  executeUnprepared: (sql, params, transformRows) => lease.executeUnprepared(sql, params, transformRows),
  executeValuesUnprepared: (sql, params) => lease.executeValuesUnprepared(sql, params),
  executeStream: (sql, params, transformRows) => lease.executeStream(sql, params, transformRows)
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

  execute(statement: Statement<any> | string, params?: ReadonlyArray<unknown>): Effect.Effect<Rows.Rows, SqlError> {
    return Effect.map(
      Effect.flatMap(this.statement("execute", statement, params), (own) => this.inLease(own.raw)),
      (result) => new ArrayRows(result as ArrayResult, this.around.transform)
    )
  }

  executeMany(sql: string, rows: Iterable<ReadonlyArray<unknown>>): Effect.Effect<BatchResult, SqlError> {
    return Effect.suspend(() => {
      const refusal = this.refusal("executeMany")
      return refusal === undefined ? this.lease.batch(sql, rows) : Effect.fail(refusal)
    })
  }

  scalar(
    statement: Statement<any> | string,
    params?: ReadonlyArray<unknown>
  ): Effect.Effect<Option.Option<unknown>, SqlError> {
    return Effect.flatMap(this.execute(statement, params), (rows) =>
      rows.returnsRows ? Effect.succeed(rows.scalar) : Effect.fail(failed(new Rows.NoRows()))
    )
  }

  stream<A extends object = Row>(
    statement: Statement<A> | string,
    params?: ReadonlyArray<unknown>
  ): Stream.Stream<A, SqlError> {
    return Stream.unwrap(
      Effect.map(this.statement<A>("stream", statement, params), (own) =>
        Stream.provideService(own.stream, this.around.client.transactionService, [this.arrays, 0] as const)
      )
    )
  }

  private statement<A extends object>(
    operation: string,
    statement: Statement<A> | string,
    params: ReadonlyArray<unknown> | undefined
  ): Effect.Effect<Statement<A>, SqlError> {
    return Effect.suspend(() => {
      const refusal = this.refusal(operation)
      if (refusal !== undefined) return Effect.fail(refusal)
      const { client } = this.around
      if (typeof statement === "string") return Effect.succeed(client.unsafe<A>(statement, params))
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
