/**
 * From what a caller wants rows to be - objects, arrays, the results of a function of his own, or what a Schema makes of
 * them - to what the protocol package makes of them. Whatever the caller's code does with a row, it ends in a typed error.
 */
import { nameOf } from "@effect-mysql/protocol/ColumnType"
import type { Column } from "@effect-mysql/protocol/reply/Column"
import type { Convert } from "@effect-mysql/protocol/row/RowDecoder"
import { DecodeError } from "@effect-mysql/protocol/value/DecodeError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import type { RowDecoder } from "../MysqlConnection.ts"
import type { Rows } from "./Request.ts"
import { fieldsOf } from "./results.ts"

type Made = Pick<Rows, "shape" | "convert">

/** One for each function and each schema: decoders are kept with the statement, and found again by it. */
const made = new WeakMap<object, Made>()

/** How rows reach a decoder of the caller's, or a schema. */
export const custom = (decoder: RowDecoder<unknown> | Schema.Decoder<unknown>): Made => {
  let known = made.get(decoder)
  if (known === undefined) {
    known = Schema.isSchema(decoder)
      ? { shape: "object", convert: bySchema(decoder as Schema.Decoder<unknown>) }
      : { shape: "array", convert: byFunction(decoder as RowDecoder<unknown>) }
    made.set(decoder, known)
  }
  return known
}

/** There is no telling which column a function did not like. */
const ofTheRow = (problem: string, cause: unknown): DecodeError =>
  new DecodeError({ column: "*", type: "row", problem: `${problem}: ${String(cause)}`, cause })

const byFunction =
  (decoder: RowDecoder<unknown>): Convert =>
  (columns) => {
    const prepared = Result.try({
      try: () => decoder(fieldsOf(columns)),
      catch: (cause) => ofTheRow("the row decoder does not take these columns", cause)
    })
    return Result.map(
      prepared,
      (decode) => (row) =>
        Result.try({
          try: () => decode(row as ReadonlyArray<unknown>),
          catch: (cause) => ofTheRow("the row decoder failed", cause)
        })
    )
  }

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const bySchema = (schema: Schema.Decoder<unknown>): Convert => {
  const decode = SchemaParser.decodeUnknownResult(schema)
  return (columns) =>
    Result.succeed((row) => {
      try {
        const decoded = decode(row)
        return Result.mapError(decoded, (issue) => ofIssue(issue, columns))
      } catch (cause) {
        return Result.fail(ofTheRow("the schema cannot be used at once and without services", cause))
      }
    })
}

/** The first of what the schema found wrong, under the path of the value: `address.city` for a part of a JSON column. */
const ofIssue = (issue: SchemaIssue.Issue, columns: ReadonlyArray<Column>): DecodeError => {
  const [first] = format(issue).issues
  const path = (first?.path ?? []).map((part) => String(typeof part === "object" ? part.key : part))
  const column = columns.find(({ name }) => name === path[0])
  return new DecodeError({
    column: path.length === 0 ? "*" : path.join("."),
    type: column === undefined ? "row" : nameOf(column),
    problem: first?.message ?? "the schema does not take the row",
    cause: issue
  })
}
