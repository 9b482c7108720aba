/**
 * The result of one statement, all of it in memory: rows by name, by index or by Schema, and the counts beside them.
 *
 * It holds no connection. What it is asked for and does not have - a column, a row, rows at all - is a `SqlError` whose
 * cause is one of the errors of this module.
 *
 * @since 0.1.0
 */
import type { Outcome, Row } from "@effect-mysql/client/MysqlConnection"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"

/**
 * Names are as in rows of `sql`: what `transformResultNames` makes of them applies here as well.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rows extends Outcome {
  /** `false` for a statement that has no rows by its nature; `true` also where none was found. */
  readonly returnsRows: boolean
  /** The names of the columns in their order, equal ones included. */
  readonly keys: ReadonlyArray<string>
  /** Rows as objects. A second column of the same name is `table.column` there. */
  readonly all: ReadonlyArray<Row>
  readonly first: Option.Option<Row>
  /** Fails with `NoRows` or `NotOneRow` as cause unless there is exactly one row. */
  readonly one: Effect.Effect<Row, SqlError>
  /** The first column of the first row; `Some(null)` where that is NULL. */
  readonly scalar: Option.Option<unknown>
  /**
   * One value, its row and a column by index counted from 0. Fails with `NoRows`, `NoSuchRow`, `NoSuchColumn` or, where
   * several columns have the name, `AmbiguousColumn` as cause.
   */
  readonly value: (row: number, column: string | number) => Effect.Effect<unknown, SqlError>
  /** Every row of `all` through a Schema. Fails with `NoRows` as cause where the statement returns none by its nature. */
  readonly as: <A>(schema: Schema.Decoder<A>) => Effect.Effect<ReadonlyArray<A>, SqlError | Schema.SchemaError>
}

/**
 * The statement has no rows by its nature.
 *
 * @since 0.1.0
 * @category errors
 */
export class NoRows extends Data.TaggedError("NoRows") {
  override get message(): string {
    return "The statement returns no rows"
  }
}

/**
 * @since 0.1.0
 * @category errors
 */
export class NotOneRow extends Data.TaggedError("NotOneRow")<{ readonly count: number }> {
  override get message(): string {
    return `Exactly one row was expected, there are ${this.count}`
  }
}

/**
 * @since 0.1.0
 * @category errors
 */
export class NoSuchRow extends Data.TaggedError("NoSuchRow")<{ readonly row: number; readonly count: number }> {
  override get message(): string {
    return `There is no row ${this.row}, only ${this.count} of them, counted from 0`
  }
}

/**
 * @since 0.1.0
 * @category errors
 */
export class NoSuchColumn extends Data.TaggedError("NoSuchColumn")<{
  readonly column: string | number
  readonly keys: ReadonlyArray<string>
}> {
  override get message(): string {
    return `There is no column ${JSON.stringify(this.column)} among ${this.keys.join(", ")}`
  }
}

/**
 * @since 0.1.0
 * @category errors
 */
export class AmbiguousColumn extends Data.TaggedError("AmbiguousColumn")<{
  readonly column: string
  readonly indexes: ReadonlyArray<number>
}> {
  override get message(): string {
    return `Several columns are named ${JSON.stringify(this.column)}: ask for one of them by index, ${this.indexes.join(" or ")}`
  }
}
