/**
 * Values as SQL text, for the text protocol: of the same types as parameters of a prepared statement have. What quoting
 * means depends on the session: `sqlMode` is what the server said last in its status flags. Single quotes mean the same
 * whatever ANSI_QUOTES says. The character set of the session must be one where a quote is always one byte.
 *
 * Manual: "String Literals", "Hexadecimal Literals", "Date and Time Literals", "Server SQL Modes".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { attempt, type CalendarDay, classify, type Moment, type Parameter, ParameterError } from "./Parameter.ts"
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
export const encode = (value: unknown, context: LiteralContext): Result.Result<string, ParameterError> =>
  attempt(() => literal(classify(value, 0, context.offsetMinutes), context, false))

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
  return attempt(() => {
    let sql = template.parts[0]!
    for (let index = 0; index < parameters.length; index++) {
      const value = literal(classify(parameters[index], index, context.offsetMinutes), context, template.inComments)
      const next = template.parts[index + 1]!
      sql += `${joinsBefore.test(sql) ? " " : ""}${value}${joinsBehind.test(next) ? " " : ""}${next}`
    }
    return sql
  })
}

/** What would make one token of itself and a literal: a placeholder is a token of its own. */
const joinsBefore = /[\w$.@'"`\u0080-\uffff-]$/
const joinsBehind = /^[\w$.'"`\u0080-\uffff]/

/**
 * The error of a statement that has more or fewer placeholders than there are values. Manual: "PREPARE Statement".
 *
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

/** Right in every mode and character set, and nothing in it can end a comment. */
const hexText = (value: string): string => `_utf8mb4 x'${Buffer.from(value, "utf8").toString("hex")}'`

const literal = (value: Parameter, context: LiteralContext, inComment: boolean): string => {
  switch (value._tag) {
    case "Null":
      return "NULL"
    case "Boolean":
      return value.value ? "TRUE" : "FALSE"
    case "Integer":
      return value.unsigned && value.value < firstUnsigned ? `CAST(${value.value} AS UNSIGNED)` : `${value.value}`
    case "Double":
      return doubleLiteral(value.value)
    case "Float":
      return `CAST(${doubleLiteral(value.value)} AS FLOAT)`
    case "Decimal":
      return value.digits.includes(".") ? value.digits : `${value.digits}.`
    case "Text":
      return inComment ? hexText(value.value) : quote(value.value, context.sqlMode.noBackslashEscapes)
    case "Bytes":
      return `x'${Buffer.from(value.value.buffer, value.value.byteOffset, value.value.byteLength).toString("hex")}'`
    case "Date":
      return typedLiteral("DATE", value, dayText(value))
    case "DateTime":
      return typedLiteral("TIMESTAMP", value, momentText(value))
    case "Time":
      return `TIME'${timeText(value.micros)}'`
  }
}

/** Integers from here on are unsigned by themselves. */
const firstUnsigned = BigInt(2) ** BigInt(63)

/** With an exponent a number is a DOUBLE; without one it would be a DECIMAL. */
const doubleLiteral = (value: number): string => {
  const digits = Object.is(value, -0) ? "-0" : value.toString()
  return digits.includes("e") ? digits : `${digits}e0`
}

/** Dates that do not exist are refused as literals of their type; as strings they go where the session allows them. */
const typedLiteral = (type: string, day: CalendarDay, text: string): string =>
  exists(day) ? `${type}'${text}'` : `'${text}'`

const exists = ({ day, month, year }: CalendarDay): boolean => {
  const date = new Date(Date.UTC(2000, month - 1, day))
  date.setUTCFullYear(year)
  return month > 0 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

const two = (part: number): string => String(part).padStart(2, "0")

/** Without quotes. */
export const dayText = ({ day, month, year }: CalendarDay): string =>
  `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`

const fraction = (micros: number): string => (micros === 0 ? "" : `.${String(micros).padStart(6, "0")}`)

/** Without quotes. */
export const momentText = (moment: Moment): string =>
  `${dayText(moment)} ${two(moment.hour)}:${two(moment.minute)}:${two(moment.second)}${fraction(moment.micros)}`

/** Without quotes. */
export const timeText = (micros: bigint): string => {
  const total = Number(micros < BigInt(0) ? -micros : micros)
  const seconds = Math.floor(total / 1_000_000)
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  return `${micros < BigInt(0) ? "-" : ""}${clock}${fraction(total % 1_000_000)}`
}
