/**
 * Stored procedures: their result sets, and the values of their OUT and INOUT parameters.
 *
 * Prepared, the server sends those values as a result set of its own. As text it does not send them: they go through user
 * variables, in one flight with the call, and which parameters need one is looked up before.
 *
 * Manual: "CALL Statement", "The INFORMATION_SCHEMA PARAMETERS Table".
 */
import { ColumnFlag } from "@effect-mysql/protocol/ColumnType"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as Literal from "@effect-mysql/protocol/value/Literal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CallResult, Field, QueryResult, Row } from "../MysqlConnection.ts"
import * as MysqlError from "../MysqlError.ts"
import type { Core } from "./Core.ts"
import type { Entry } from "./Entry.ts"
import type { Execution } from "./Execution.ts"
import { collectAll, collectSeveral } from "./Request.ts"
import * as results from "./results.ts"

type Values = ReadonlyArray<unknown>

/** A parameter of a procedure that gives a value back. */
interface OutParameter {
  readonly position: number
  readonly name: string
  readonly type: string
}

export const call = (
  core: Core,
  execution: Execution,
  procedure: string,
  params: Values
): Effect.Effect<CallResult, MysqlError.MysqlError> =>
  Effect.suspend(() => {
    const path = procedure.split(".")
    if (path.length > 2 || path.includes("")) {
      const message = `"${procedure}" is not the name of a procedure, or of a database and a procedure`
      return Effect.fail(MysqlError.make(new MysqlError.ParameterError({ parameter: "procedure", message })))
    }
    const name = path.map(Literal.identifier).join(".")
    const sql = `CALL ${name}(${params.map(() => "?").join(", ")})`
    if (core.config.prepare || params.length === 0) {
      return execution.run(core.statements.get(sql), params, undefined, collectAll, prepared)
    }
    return Effect.flatMap(outParameters(core, execution, path), (out) =>
      out.length === 0
        ? execution.run(core.statements.get(sql), params, undefined, collectAll, prepared)
        : throughVariables(core, execution, name, params, out)
    )
  })

const prepared = (entry: Entry): Effect.Effect<CallResult, MysqlError.MysqlError> =>
  Effect.map(results.all<Row>(entry), (all) => {
    const index = entry.reply.results.findIndex(({ ok }) => (ok.status & ServerStatus.outParameters) !== 0)
    const out = all[index]
    const result = resultOf(all, out, all.at(-1)!)
    return out === undefined ? result : { ...result, out: textsIn(result.out, out.fields) }
  })

/**
 * MySQL describes text in such a set as binary, but for the flag that says so, and sends it in the character set of the
 * parameter without saying which: what is not UTF-8 stays bytes.
 */
const textsIn = (row: Row, fields: ReadonlyArray<Field>): Row => {
  const values = fields.map(({ flags, name, type }): readonly [string, unknown] => {
    const value = row[name]
    const isText = value instanceof Uint8Array && (flags & ColumnFlag.BINARY) === 0 && binaryStrings.test(type)
    return [name, isText ? Option.getOrElse(utf8(value), () => value) : value]
  })
  return Object.fromEntries(values)
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const utf8 = Option.liftThrowable((bytes: Uint8Array) => decoder.decode(bytes))
const binaryStrings = /^(?:VAR)?BINARY$|BLOB$/

const resultOf = (
  all: ReadonlyArray<QueryResult>,
  out: QueryResult | undefined,
  { affectedRows, info, insertId, warningCount }: QueryResult
): CallResult => ({
  affectedRows,
  insertId,
  warningCount,
  info,
  sets: all.filter((set) => set !== out && set.fields.length > 0),
  out: out?.rows[0] ?? {}
})

// ---- as text -----------------------------------------------------------------------------------------------------------

const lookUp = `SELECT ordinal_position AS position, parameter_name AS name, dtd_identifier AS type
FROM information_schema.parameters
WHERE specific_schema = COALESCE(?, DATABASE()) AND specific_name = ? AND routine_type = 'PROCEDURE'
AND parameter_mode IN ('OUT', 'INOUT') ORDER BY ordinal_position`

const outParameters = (
  core: Core,
  execution: Execution,
  path: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<OutParameter>, MysqlError.MysqlError> =>
  Effect.map(
    execution.runText(
      core.statements.get(lookUp),
      [path.length === 2 ? path[0] : null, path.at(-1)],
      core.rows.object,
      results.first<OutParameter>
    ),
    ({ rows }) => rows
  )

const variable = (position: number): string => `@_effect_mysql_${position}`

/** A variable knows few types: dates and JSON come out of it as text, unless they are told what they are. */
const lostInVariables = /^(?:date|time|datetime|timestamp|json)\b/i

const typed = ({ position, type }: OutParameter): string => {
  return lostInVariables.test(type)
    ? `CAST(${variable(position)} AS ${type.replace(/^timestamp/i, "datetime")})`
    : variable(position)
}

const throughVariables = (
  core: Core,
  execution: Execution,
  name: string,
  params: Values,
  out: ReadonlyArray<OutParameter>
): Effect.Effect<CallResult, MysqlError.MysqlError> => {
  const isOut = (index: number): boolean => out.some(({ position }) => position === index + 1)
  const values = params.map((_, index) => (isOut(index) ? variable(index + 1) : "?"))
  const sql = [
    `SET ${out.map(({ position }) => `${variable(position)} = ?`).join(", ")}`,
    `CALL ${name}(${values.join(", ")})`,
    `SELECT ${out.map((parameter) => `${typed(parameter)} AS ${Literal.identifier(parameter.name)}`).join(", ")}`
  ].join("; ")
  const ordered = [...out.map(({ position }) => params[position - 1]), ...params.filter((_, index) => !isOut(index))]
  return execution.run(core.statements.get(sql), ordered, { prepare: false }, collectSeveral, (entry) =>
    Effect.map(results.all<Row>(entry), (all) => resultOf(all.slice(1), all.at(-1), all.at(-2)!))
  )
}
