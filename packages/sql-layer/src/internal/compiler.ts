/**
 * Statements as MySQL and MariaDB write them: `?` placeholders, names in back-ticks, and the helpers of `effect/sql`.
 *
 * A compiler is made before it is known which product answers, and it cannot fail. What the product decides - whether
 * there is RETURNING - is noted beside the compiled statement, and asked before it is sent.
 */
import { MysqlTypes } from "@effect-mysql/client"
import * as Statement from "effect/sql/Statement"

/** A JSON document as a value. */
interface MysqlJson extends Statement.Custom<"MysqlJson", unknown> {}

const MysqlJson = Statement.custom<MysqlJson>("MysqlJson")

export const json = (value: unknown): Statement.Fragment => Statement.fragment([MysqlJson(value, undefined, undefined)])

/**
 * The end of an INSERT that updates the row where there is one already. `VALUES(…)` is what both products know.
 */
export const onDuplicateKeyUpdate = (
  sql: Statement.Constructor,
  columns: ReadonlyArray<string>,
  expressions: Readonly<Record<string, unknown>>
): Statement.Fragment =>
  sql.csv("ON DUPLICATE KEY UPDATE", [
    ...columns.map((column) => sql`${sql(column)} = VALUES(${sql(column)})`),
    ...Object.entries(expressions).map(([column, value]) => sql`${sql(column)} = ${value}`)
  ])

type Helper = "insert" | "update"

/** Compiled statements are known by their array of parameters. */
const returningIn = new WeakMap<object, Helper>()

/** The helper that was asked for RETURNING in the statement that was compiled to these parameters. */
export const returningOf = (params: object): Helper | undefined => returningIn.get(params)

const escape = Statement.defaultEscape("`")

/** Names that were escaped and then joined. */
const escapedNames = /`(?:[^`]|``)*`(?:\.`(?:[^`]|``)*`)*/g

type Returning = readonly [sql: string, params: ReadonlyArray<unknown>] | undefined

export const make = (transform: ((name: string) => string) | undefined, transformJson: boolean): Statement.Compiler => {
  const transformValue =
    transform !== undefined && transformJson ? Statement.defaultTransforms(transform).value : undefined
  let seen: Helper | undefined

  const withReturning = (
    helper: Helper,
    sql: string,
    params: ReadonlyArray<unknown>,
    returning: Returning
  ): readonly [string, ReadonlyArray<unknown>] => {
    if (returning === undefined) return [sql, params]
    seen = helper
    return [`${sql} RETURNING ${returning[0]}`, [...params, ...returning[1]]]
  }

  const compiler = Statement.makeCompiler<MysqlJson>({
    dialect: "mysql",
    placeholder: () => "?",
    onIdentifier:
      transform === undefined ? escape : (name, withoutTransform) => escape(withoutTransform ? name : transform(name)),
    onInsert: (columns, placeholders, rows, returning) =>
      withReturning("insert", `(${columns.join(",")}) VALUES ${placeholders}`, rows.flat(), returning),
    onRecordUpdateSingle: (columns, values, returning) =>
      withReturning("update", columns.map((column) => `${column} = ?`).join(", "), values, returning),
    // A table value constructor with names is written differently by the two; this is not.
    onRecordUpdate: (_placeholders, alias, columns, rows, returning) => {
      const names = columns.match(escapedNames) ?? []
      const first = `SELECT ${names.map((name) => `? AS ${name}`).join(", ")}`
      const other = ` UNION ALL SELECT ${names.map(() => "?").join(", ")}`
      return withReturning("update", `(${first}${other.repeat(rows.length - 1)}) AS ${alias}`, rows.flat(), returning)
    },
    onCustom: (segment, placeholder, withoutTransform) => {
      const value = withoutTransform || transformValue === undefined ? segment.paramA : transformValue(segment.paramA)
      return [placeholder(undefined), [MysqlTypes.json(value)]]
    }
  })

  const noting = (inner: Statement.Compiler): Statement.Compiler => ({
    dialect: inner.dialect,
    compile: (statement, withoutTransform) => {
      seen = undefined
      const compiled = inner.compile(statement, withoutTransform)
      if (seen !== undefined) returningIn.set(compiled[1], seen)
      return compiled
    },
    get withoutTransform() {
      return noting(inner.withoutTransform)
    }
  })

  return noting(compiler)
}
