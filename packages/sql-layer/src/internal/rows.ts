/** `Rows` out of a result whose rows came as arrays: names are made to keys only where somebody asks for objects. */
import type { Field, QueryResult, Row } from "@effect-mysql/client/MysqlConnection"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Rows from "../Rows.ts"
import * as errors from "./errors.ts"

export type ArrayResult = QueryResult<ReadonlyArray<unknown>>

/** What the client does to rows that are objects. */
export type Transform = ((rows: ReadonlyArray<Row>) => ReadonlyArray<Row>) | undefined

type Missing = Rows.NoRows | Rows.NotOneRow | Rows.NoSuchRow | Rows.NoSuchColumn | Rows.AmbiguousColumn

export const failed = (cause: Missing): SqlError => errors.make("unknown", "rows", cause.message, cause)

/** The keys of rows that are objects; the same as the client's decoder gives to equal names. */
const uniqueNames = (fields: ReadonlyArray<Field>): ReadonlyArray<string> => {
  const taken = new Set<string>()
  return fields.map(({ name, table }) => {
    let key = name
    if (taken.has(key)) {
      const qualified = table === "" ? name : `${table}.${name}`
      key = qualified
      for (let count = 2; taken.has(key); count++) key = `${qualified}#${count}`
    }
    taken.add(key)
    return key
  })
}

export class ArrayRows implements Rows.Rows {
  private readonly result: ArrayResult
  private readonly transform: Transform
  private objects: ReadonlyArray<Row> | undefined = undefined

  constructor(result: ArrayResult, transform: Transform) {
    this.result = result
    this.transform = transform
  }

  get affectedRows(): number {
    return this.result.affectedRows
  }

  get insertId(): number | bigint {
    return this.result.insertId
  }

  get warningCount(): number {
    return this.result.warningCount
  }

  get info(): string {
    return this.result.info
  }

  get returnsRows(): boolean {
    return this.result.fields.length > 0
  }

  get keys(): ReadonlyArray<string> {
    return this.result.fields.map(({ name }) => this.named(name))
  }

  get all(): ReadonlyArray<Row> {
    if (this.objects === undefined) {
      const names = uniqueNames(this.result.fields)
      // A column named `__proto__` is one like the others.
      const rows = this.result.rows.map((row) => Object.fromEntries(names.map((name, index) => [name, row[index]])))
      this.objects = this.transform === undefined ? rows : this.transform(rows)
    }
    return this.objects
  }

  get first(): Option.Option<Row> {
    return Option.fromUndefinedOr(this.all[0])
  }

  get one(): Effect.Effect<Row, SqlError> {
    return Effect.suspend(() => {
      if (!this.returnsRows) return Effect.fail(failed(new Rows.NoRows()))
      const count = this.result.rows.length
      return count === 1 ? Effect.succeed(this.all[0]!) : Effect.fail(failed(new Rows.NotOneRow({ count })))
    })
  }

  get scalar(): Option.Option<unknown> {
    const row = this.result.rows[0]
    return row === undefined ? Option.none() : Option.some(row[0])
  }

  value(row: number, column: string | number): Effect.Effect<unknown, SqlError> {
    return Effect.suspend(() => {
      if (!this.returnsRows) return Effect.fail(failed(new Rows.NoRows()))
      const values = this.result.rows[row]
      const count = this.result.rows.length
      if (values === undefined) return Effect.fail(failed(new Rows.NoSuchRow({ row, count })))
      const index = this.indexOf(column)
      return typeof index === "number" ? Effect.succeed(values[index]) : Effect.fail(failed(index))
    })
  }

  as<A>(schema: Schema.Decoder<A>): Effect.Effect<ReadonlyArray<A>, SqlError | Schema.SchemaError> {
    return Effect.suspend(
      (): Effect.Effect<ReadonlyArray<A>, SqlError | Schema.SchemaError> =>
        this.returnsRows
          ? Schema.decodeUnknownEffect(Schema.Array(schema))(this.all)
          : Effect.fail(failed(new Rows.NoRows()))
    )
  }

  private indexOf(column: string | number): number | Missing {
    const { keys } = this
    if (typeof column === "number") return column in keys ? column : new Rows.NoSuchColumn({ column, keys })
    const indexes = keys.flatMap((key, index) => (key === column ? [index] : []))
    if (indexes.length > 1) return new Rows.AmbiguousColumn({ column, indexes })
    return indexes[0] ?? new Rows.NoSuchColumn({ column, keys })
  }

  /** A name as it is in rows that are objects. */
  private named(name: string): string {
    return this.transform === undefined ? name : Object.keys(this.transform([{ [name]: null }])[0]!)[0]!
  }
}
