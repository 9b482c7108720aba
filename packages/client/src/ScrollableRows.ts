/**
 * The rows of a result that is here already, with a position that can be moved: what cursors of other drivers offer. Rows
 * that are still on the server have `MysqlConnection.cursor`, which moves forward only.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { QueryResult, Row } from "./MysqlConnection.ts"
import * as MysqlError from "./MysqlError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface ScrollableRows<A = Row> {
  /** The number of the row that comes next, from 0 on. */
  readonly position: number
  readonly fetchOne: Effect.Effect<Option.Option<A>>
  /** At most so many rows; none at the end. */
  readonly fetchMany: (rows: number) => Effect.Effect<ReadonlyArray<A>>
  readonly fetchAll: Effect.Effect<ReadonlyArray<A>>
  /**
   * Moves the position by so many rows or, `absolute`, to that row. Where there is no such row it fails with
   * `ParameterError`, and the position stays.
   */
  readonly scroll: (by: number, mode?: "relative" | "absolute") => Effect.Effect<void, MysqlError.MysqlError>
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = <A = Row>({ rows }: Pick<QueryResult<A>, "rows">): ScrollableRows<A> => {
  let position = 0
  const take = (count: number): ReadonlyArray<A> => {
    const taken = rows.slice(position, position + Math.max(0, count))
    position += taken.length
    return taken
  }
  return {
    get position() {
      return position
    },
    fetchOne: Effect.sync(() => Arr.head(take(1))),
    fetchMany: (count) => Effect.sync(() => take(count)),
    fetchAll: Effect.sync(() => take(rows.length)),
    scroll: (by, mode = "relative") =>
      Effect.suspend(() => {
        const target = mode === "relative" ? position + by : by
        if (Number.isInteger(target) && target >= 0 && target < rows.length) {
          position = target
          return Effect.void
        }
        const message = `There is no row ${target}: the result has ${rows.length}, counted from 0`
        return Effect.fail(MysqlError.make(new MysqlError.ParameterError({ parameter: "by", message })))
      })
  }
}
