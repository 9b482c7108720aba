/**
 * Values as SQL text, for the text protocol. What quoting means depends on the session: `sqlMode` is what the server
 * said last in its status flags. The character set of the session must be one where a quote is always one byte.
 *
 * Manual: "String Literals", "Hexadecimal Literals", "Server SQL Modes".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { type CalendarDay, classify, type Moment, type Parameter, ParameterError } from "./Parameter.ts"
import type * as Placeholders from "./Placeholders.ts"
import type { Zone } from "./Zone.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface LiteralContext {
  readonly sqlMode: Placeholders.SqlMode
  /** The session's time zone: minutes ahead of UTC, or a named one. */
  readonly offsetMinutes: Zone
}

/**
 * A value as a literal.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (value: unknown, context: LiteralContext): Result.Result<string, ParameterError> => {
  try {
    return Result.succeed(literal(classify(value, 0, context.offsetMinutes), context))
  } catch (error) {
    if (error instanceof ParameterError) return Result.fail(error)
    throw error
  }
}

/**
 * A statement with its placeholders replaced by literals. Too few or too many values are an error.
 *
 * @since 0.1.0
 * @category encoding
 */
export const interpolate = (
  template: Placeholders.Template,
  parameters: ReadonlyArray<unknown>,
  context: LiteralContext
): Result.Result<string, ParameterError> => {
  const arity = checkArity(template.parts.length - 1, parameters.length)
  if (arity !== undefined) return Result.fail(arity)
  try {
    let sql = template.parts[0]!
    for (let index = 0; index < parameters.length; index++) {
      sql += literal(classify(parameters[index], index, context.offsetMinutes), context) + template.parts[index + 1]!
    }
    return Result.succeed(sql)
  } catch (error) {
    if (error instanceof ParameterError) return Result.fail(error)
    throw error
  }
}

/**
 * @since 0.1.0
 * @category predicates
 */
export const checkArity = (placeholders: number, values: number): ParameterError | undefined =>
  placeholders === values
    ? undefined
    : new ParameterError({
        parameter: Math.min(placeholders, values),
        message: `The statement has ${placeholders} placeholders, and ${values} values were given`
      })

/**
 * A name as a quoted identifier.
 *
 * @since 0.1.0
 * @category encoding
 */
export const identifier = (name: string): string => `\`${name.replaceAll("`", "``")}\``

const escapes: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\n": "\\n",
  "\r": "\\r",
  "\x1a": "\\Z",
  '"': '\\"',
  "'": "\\'",
  "\\": "\\\\"
}

const escaped = new RegExp(`[${Object.keys(escapes).join("").replace("\\", "\\\\")}]`, "g")

const quote = (value: string, noBackslashEscapes: boolean): string =>
  noBackslashEscapes
    ? `'${value.replaceAll("'", "''")}'`
    : `'${value.replace(escaped, (character) => escapes[character]!)}'`

const literal = (value: Parameter, context: LiteralContext): string => {
  switch (value._tag) {
    case "Null":
      return "NULL"
    case "Boolean":
      return value.value ? "TRUE" : "FALSE"
    case "Integer":
      return value.value.toString()
    case "Double":
    case "Float":
      return doubleLiteral(value.value)
    case "Decimal":
      return value.digits
    case "Text":
      return quote(value.value, context.sqlMode.noBackslashEscapes)
    case "Bytes":
      return `x'${Buffer.from(value.value.buffer, value.value.byteOffset, value.value.byteLength).toString("hex")}'`
    case "Date":
      return `'${day(value)}'`
    case "DateTime":
      return dateTimeLiteral(value)
    case "Time":
      return timeLiteral(value.micros)
  }
}

/** With an exponent a number is a DOUBLE; without one it would be a DECIMAL. */
const doubleLiteral = (value: number): string => {
  const digits = Object.is(value, -0) ? "-0" : value.toString()
  return digits.includes("e") ? digits : `${digits}e0`
}

const two = (part: number): string => String(part).padStart(2, "0")

const day = ({ day, month, year }: CalendarDay): string => `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`

const dateTimeLiteral = (moment: Moment): string => {
  const micros = String(moment.micros).padStart(6, "0")
  const clock = `${two(moment.hour)}:${two(moment.minute)}:${two(moment.second)}`
  return `'${day(moment)} ${clock}.${micros.endsWith("000") ? micros.slice(0, 3) : micros}'`
}

const timeLiteral = (micros: bigint): string => {
  const negative = micros < BigInt(0)
  const total = Number(negative ? -micros : micros)
  const seconds = Math.floor(total / 1_000_000)
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  return `'${negative ? "-" : ""}${clock}.${String(total % 1_000_000).padStart(6, "0")}'`
}
