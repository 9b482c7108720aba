/**
 * Rows of a stream into a table, by `MysqlConnection.batch`: a sink that says what was stored, or a stream that says how
 * far it is. Nothing is read ahead of what the server has acknowledged but one chunk.
 *
 * ```ts
 * Stream.run(cities, BulkInsert.sink({ table: "cities", columns: ["id", "name"] }))
 * cities.pipe(BulkInsert.progress({ table: "cities", columns: ["id", "name"] }), Stream.runForEach(show))
 * ```
 *
 * @since 0.1.0
 */
import * as Literal from "@effect-mysql/protocol/value/Literal"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as failures from "./internal/failures.ts"
import { type BatchResult, type Info, MysqlConnection, type Row } from "./MysqlConnection.ts"
import type { MysqlError } from "./MysqlError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** `table`, or `database.table`; neither is quoted by the caller. */
  readonly table: string
  /** The columns to store, each a key of every row. */
  readonly columns: ReadonlyArray<string>
  /** Rows that are sent and acknowledged at a time: whole, at least 1. Default 1000. */
  readonly chunkSize?: number | undefined
  /**
   * What becomes of a row whose key is there already: `fail` (default) ends with error 1062, `keep` leaves the stored row
   * as it is, `update` overwrites all columns of it, and a list these columns.
   */
  readonly onDuplicate?: "fail" | "keep" | "update" | ReadonlyArray<string> | undefined
  /** `false`: generated ids are not kept. Default `true` for `sink`; `progress` tells none. */
  readonly insertIds?: boolean | undefined
}

/**
 * What the server has acknowledged so far.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  readonly rows: number
  readonly affectedRows: number
  readonly warningCount: number
  readonly statements: number
}

const none: Progress = { rows: 0, affectedRows: 0, warningCount: 0, statements: 0 }

/**
 * A sink of rows, in chunks that are stored one after the other. A value that is missing or cannot be sent fails with
 * `ParameterError` that names the row, counted from 0. What was stored before a failure or an interruption stays: who
 * wants all or nothing runs it in a transaction.
 *
 * Fails with `ConfigurationError` for options that make no sense.
 *
 * @since 0.1.0
 * @category constructors
 */
export const sink = (options: Options): Sink.Sink<BatchResult, Row, never, MysqlError, MysqlConnection> =>
  Sink.make<Row>()((rows) =>
    Effect.map(
      Stream.runFold(
        acknowledged(rows, options),
        () => ({ counts: none, ids: [] as Array<number | bigint> }),
        ({ counts, ids }, chunk) => {
          // As long as each row has one.
          if (ids.length === counts.rows) for (const id of chunk.insertIds) ids.push(id)
          return { counts: sum(counts, chunk), ids }
        }
      ),
      ({ counts: { rows, ...counts }, ids }) => ({ ...counts, insertIds: ids.length === rows ? ids : [] })
    )
  )

/**
 * Stores the rows as `sink` does, and emits the counts after each chunk: the last ones are the result. A consumer that
 * stops pulling stops the insertion.
 *
 * @since 0.1.0
 * @category combinators
 */
export const progress =
  (options: Options) =>
  <E, R>(rows: Stream.Stream<Row, E, R>): Stream.Stream<Progress, E | MysqlError, R | MysqlConnection> =>
    Stream.mapAccum(
      acknowledged(rows, { ...options, insertIds: false }),
      () => none,
      (total, chunk) => {
        const next = sum(total, chunk)
        return [next, [next]] as const
      }
    )

interface Chunk extends BatchResult {
  readonly rows: number
}

const sum = (total: Progress, chunk: Chunk): Progress => ({
  rows: total.rows + chunk.rows,
  affectedRows: total.affectedRows + chunk.affectedRows,
  warningCount: total.warningCount + chunk.warningCount,
  statements: total.statements + chunk.statements
})

const acknowledged = <E, R>(
  rows: Stream.Stream<Row, E, R>,
  options: Options
): Stream.Stream<Chunk, E | MysqlError, R | MysqlConnection> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const connection = yield* MysqlConnection
      const faults = faultsOf(options)
      if (faults.length > 0) return yield* failures.configuration(...faults)
      const { chunkSize = 1000, columns, insertIds } = options
      const sql = statement(options, connection.info.product)
      let firstRow = 0
      return rows.pipe(
        Stream.rechunk(chunkSize),
        Stream.mapArrayEffect((chunk) => {
          const values = chunk.map((row) =>
            columns.map((column) => (Object.hasOwn(row, column) ? row[column] : undefined))
          )
          const stored = connection.batch(sql, values, { chunkSize, firstRow, insertIds })
          firstRow += chunk.length
          return Effect.map(stored, (result) => [{ ...result, rows: chunk.length }] as const)
        })
      )
    })
  )

const faultsOf = ({ chunkSize = 1, columns, onDuplicate, table }: Options): ReadonlyArray<string> => {
  const updated = Array.isArray(onDuplicate) ? (onDuplicate as ReadonlyArray<string>) : undefined
  return [
    ...(table === "" ? ["table is empty"] : []),
    ...(columns.length === 0 ? ["columns is empty"] : []),
    ...columns.flatMap((column, index) => (columns.indexOf(column) < index ? [`columns has "${column}" twice`] : [])),
    ...(Number.isSafeInteger(chunkSize) && chunkSize > 0 ? [] : ["chunkSize is a whole number of rows, at least 1"]),
    ...(updated?.length === 0 ? ["onDuplicate names no column"] : []),
    ...(updated ?? []).flatMap((column) =>
      columns.includes(column) ? [] : [`onDuplicate has "${column}", which is not among columns`]
    )
  ]
}

const statement = ({ columns, onDuplicate = "fail", table }: Options, product: Info["product"]): string => {
  const names = columns.map(Literal.identifier)
  const into = table.split(".").map(Literal.identifier).join(".")
  const insert = `INSERT INTO ${into} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`
  if (onDuplicate === "fail") return insert
  if (onDuplicate === "keep") return `${insert} ON DUPLICATE KEY UPDATE ${names[0]} = ${into}.${names[0]}`
  const updated = onDuplicate === "update" ? names : onDuplicate.map(Literal.identifier)
  // MySQL warns of `VALUES()`, and MariaDB knows nothing else.
  return product === "mysql"
    ? `${insert} AS \`new row\` ON DUPLICATE KEY UPDATE ${updated.map((name) => `${name} = \`new row\`.${name}`).join(", ")}`
    : `${insert} ON DUPLICATE KEY UPDATE ${updated.map((name) => `${name} = VALUES(${name})`).join(", ")}`
}
