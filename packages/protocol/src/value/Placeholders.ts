/**
 * Where the placeholders of a statement are, `?` or with names, and whether a text holds more than one statement. A `?`,
 * `:name` or `;` inside a string, a quoted name or a comment is none; inside a comment that the server executes (one that
 * opens with `/*!`) it is one.
 *
 * Manual: "Comments", "String Literals", "Schema Object Names".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { ParameterError } from "./Parameter.ts"

/**
 * The parts of `sql_mode` that change where a string ends.
 *
 * @since 0.1.0
 * @category models
 */
export interface SqlMode {
  readonly noBackslashEscapes: boolean
  readonly ansiQuotes: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Template {
  /** The text between the placeholders: one more than there are placeholders. */
  readonly parts: ReadonlyArray<string>
  /** Something other than white space and comments stands behind a `;`. */
  readonly severalStatements: boolean
  /**
   * A placeholder stands in a comment that is executed by some servers only. Where it is not executed, nothing in it is a
   * string, so a value must not hold the end of the comment.
   */
  readonly inComments: boolean
}

/**
 * Finds the placeholders of a statement. Manual: "PREPARE Statement".
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (sql: string, mode: SqlMode): Template => {
  if (!sql.includes("?") && !sql.includes(";")) return { parts: [sql], severalStatements: false, inComments: false }
  const { inComments, marks, severalStatements } = scan(sql, mode, false)
  const parts: Array<string> = []
  let end = 0
  for (const mark of marks) {
    parts.push(sql.slice(end, mark.start))
    end = mark.end
  }
  parts.push(sql.slice(end))
  return { parts, severalStatements, inComments }
}

/**
 * A statement whose placeholders had names.
 *
 * @since 0.1.0
 * @category models
 */
export interface NamedTemplate {
  /** The statement with `?` in place of each name. */
  readonly sql: string
  /** The name of each placeholder: one that stands in several places is there several times. */
  readonly names: ReadonlyArray<string>
}

/**
 * The placeholders with names: a colon and a name of ASCII letters, digits and `_` that begins with no digit, as in
 * `WHERE id = :id`.
 *
 * A colon directly behind a letter, a digit, `_`, `$`, a quote or another colon begins none: that is a label (`again:LOOP`)
 * or `::`. Neither does one before anything but a name: `:=`, `10:20`. What stands in strings, quoted names and comments
 * is not looked at, so times and JSON paths in quotes are safe.
 *
 * Fails where a `?` stands beside the names: it would have no value.
 *
 * @since 0.1.0
 * @category decoding
 */
export const named = (sql: string, mode: SqlMode): Result.Result<NamedTemplate, ParameterError> => {
  if (!sql.includes(":") && !sql.includes("?")) return Result.succeed({ sql, names: [] })
  const names: Array<string> = []
  let text = ""
  let end = 0
  for (const mark of scan(sql, mode, true).marks) {
    if (mark.name === undefined) {
      const message = `Values were given by name, and the statement has a ? (at ${mark.start}) beside the names`
      return Result.fail(new ParameterError({ parameter: names.length, message }))
    }
    names.push(mark.name)
    text += `${sql.slice(end, mark.start)}?`
    end = mark.end
  }
  return Result.succeed({ sql: text + sql.slice(end), names })
}

/**
 * The values of a record in the order of a statement's names. A name without a value of its own is an error, and so is
 * `undefined`; values that no placeholder asks for are ignored.
 *
 * @since 0.1.0
 * @category combinators
 */
export const valuesOf = (
  names: ReadonlyArray<string>,
  values: Readonly<Record<string, unknown>>
): Result.Result<ReadonlyArray<unknown>, ParameterError> => {
  const ordered: Array<unknown> = []
  for (const name of names) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value === undefined) {
      return Result.fail(new ParameterError({ parameter: name, message: `There is no value for :${name}` }))
    }
    ordered.push(value)
  }
  return Result.succeed(ordered)
}

/** A placeholder. */
interface Mark {
  readonly start: number
  readonly end: number
  readonly name: string | undefined
}

interface Scanned {
  readonly marks: ReadonlyArray<Mark>
  readonly severalStatements: boolean
  readonly inComments: boolean
}

const scan = (sql: string, mode: SqlMode, byName: boolean): Scanned => {
  const marks: Array<Mark> = []
  let afterSemicolon = false
  let severalStatements = false
  let inComments = false
  let executedComments = 0
  let at = 0
  while (at < sql.length) {
    const character = sql[at]!
    const end = skipped(sql, at, mode)
    if (end !== undefined) {
      if (isQuote(character) && afterSemicolon) severalStatements = true
      at = end
      continue
    }
    if (character === "/" && opensExecuted(sql, at)) {
      executedComments++
      if (afterSemicolon) severalStatements = true
      at += sql[at + 2] === "!" ? 3 : 4
      continue
    }
    if (character === "*" && executedComments > 0 && sql[at + 1] === "/") {
      executedComments--
      at += 2
      continue
    }
    if (character === ";") afterSemicolon = true
    else if (afterSemicolon && !isSpace(character)) severalStatements = true
    const mark = character === "?" || (byName && character === ":") ? placeholder(sql, at) : undefined
    if (mark === undefined) {
      at++
    } else {
      marks.push(mark)
      inComments ||= executedComments > 0
      at = mark.end
    }
  }
  return { marks, severalStatements, inComments }
}

const placeholderName = /[A-Za-z_][A-Za-z0-9_]*/y

const placeholder = (sql: string, at: number): Mark | undefined => {
  if (sql[at] === "?") return { start: at, end: at + 1, name: undefined }
  placeholderName.lastIndex = at + 1
  const name = placeholderName.exec(sql)?.[0]
  if (name === undefined || (at > 0 && /[\w$:'"`\u0080-\uffff]/.test(sql[at - 1]!))) return undefined
  return { start: at, end: at + 1 + name.length, name }
}

const isQuote = (character: string): boolean => character === "'" || character === '"' || character === "`"

/** To the server only these are white space: a no-break space belongs to a name. */
export const isSpace = (character: string): boolean => /[\t-\r ]/.test(character)

const isSpaceOrControl = (character: string): boolean => character <= " " || character === "\x7f"

/** The comments of MySQL and MariaDB whose text is code. */
const opensExecuted = (sql: string, at: number): boolean =>
  sql[at + 1] === "*" && (sql[at + 2] === "!" || (sql[at + 2] === "M" && sql[at + 3] === "!"))

/** The end of the string, quoted name or comment that begins here; `undefined` where none does. */
export const skipped = (sql: string, at: number, mode: SqlMode): number | undefined => {
  switch (sql[at]) {
    case "'":
      return endOfQuoted(sql, at, !mode.noBackslashEscapes)
    case '"':
      return endOfQuoted(sql, at, !mode.noBackslashEscapes && !mode.ansiQuotes)
    case "`":
      return endOfQuoted(sql, at, false)
    case "#":
      return endOfLine(sql, at)
    case "-":
      return sql[at + 1] === "-" && (at + 2 === sql.length || isSpaceOrControl(sql[at + 2]!))
        ? endOfLine(sql, at)
        : undefined
    case "/":
      return sql[at + 1] === "*" && !opensExecuted(sql, at) ? endOfComment(sql, at) : undefined
    default:
      return undefined
  }
}

/** A doubled quote is read as the end of one string and the start of the next: the result is the same. */
const endOfQuoted = (sql: string, at: number, backslash: boolean): number => {
  const quote = sql[at]
  for (let index = at + 1; index < sql.length; index++) {
    if (sql[index] === quote) return index + 1
    if (backslash && sql[index] === "\\") index++
  }
  return sql.length
}

const endOfLine = (sql: string, at: number): number => {
  const end = sql.indexOf("\n", at)
  return end === -1 ? sql.length : end + 1
}

const endOfComment = (sql: string, at: number): number => {
  const end = sql.indexOf("*/", at + 2)
  return end === -1 ? sql.length : end + 2
}
