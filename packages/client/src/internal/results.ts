/** From a complete reply to what the public interface returns. */
import { ColumnFlag, nameOf } from "@effect-mysql/protocol/ColumnType"
import type { Column } from "@effect-mysql/protocol/reply/Column"
import type { Metadata, ResultSet } from "@effect-mysql/protocol/reply/Reply"
import * as Effect from "effect/Effect"
import type { Field, QueryResult } from "../MysqlConnection.ts"
import * as MysqlError from "../MysqlError.ts"
import type { Entry } from "./Entry.ts"
import { maxCollectedSets } from "./Request.ts"

const noFields: ReadonlyArray<Field> = []
/** Fields are described once for a set of columns, and only when somebody asks. */
const described = new WeakMap<ReadonlyArray<Column>, ReadonlyArray<Field>>()

export const fieldsOf = (columns: ReadonlyArray<Column>): ReadonlyArray<Field> => {
  let fields = described.get(columns)
  if (fields === undefined) {
    fields = columns.map(
      (column): Field => ({
        name: column.name,
        table: column.table,
        database: column.database,
        originalName: column.originalName,
        originalTable: column.originalTable,
        type: nameOf(column),
        nullable: (column.flags & ColumnFlag.NOT_NULL) === 0,
        length: column.length,
        decimals: column.decimals,
        flags: column.flags
      })
    )
    described.set(columns, fields)
  }
  return fields
}

class Collected<A> implements QueryResult<A> {
  readonly rows: ReadonlyArray<A>
  readonly affectedRows: number
  readonly insertId: number | bigint
  readonly warningCount: number
  readonly info: string
  private readonly metadata: Metadata | undefined

  constructor(set: ResultSet) {
    this.rows = set.rows as ReadonlyArray<A>
    this.affectedRows = Number(set.ok.affectedRows)
    this.insertId = set.ok.insertId
    this.warningCount = set.ok.warningCount
    this.info = set.ok.info
    this.metadata = set.metadata
  }

  get fields(): ReadonlyArray<Field> {
    return this.metadata === undefined ? noFields : fieldsOf(this.metadata.columns)
  }
}

export const collect = <A>(set: ResultSet): QueryResult<A> => new Collected(set)

/** The first result. */
export const first = <A>(entry: Entry): Effect.Effect<QueryResult<A>> =>
  Effect.succeed(collect<A>(entry.reply.results[0]!))

/** Every result. */
export const all = <A>(entry: Entry): Effect.Effect<ReadonlyArray<QueryResult<A>>, MysqlError.MysqlError> => {
  const { results, setCount } = entry.reply
  return setCount > maxCollectedSets
    ? Effect.fail(
        MysqlError.make(
          new MysqlError.ProtocolError({
            phase: "results",
            expected: `at most ${maxCollectedSets} result sets (use results for more)`,
            got: String(setCount)
          })
        )
      )
    : Effect.succeed(results.map((set) => collect<A>(set)))
}
