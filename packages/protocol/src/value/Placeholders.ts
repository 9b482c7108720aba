/**
 * Where the placeholders of a statement are, and whether a text holds more than one statement. A `?` or `;` inside a
 * string, a quoted name or a comment is none; inside a comment that the server executes (one that
 * opens with `/*!`) it is one.
 *
 * Manual: "Comments", "String Literals", "Schema Object Names".
 *
 * @since 0.1.0
 */

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
}

/**
 * @since 0.1.0
 * @category decoding
 */
export const parse = (sql: string, mode: SqlMode): Template => {
  if (!sql.includes("?") && !sql.includes(";")) return { parts: [sql], severalStatements: false }
  const parts: Array<string> = []
  let partStart = 0
  let afterSemicolon = false
  let severalStatements = false
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
    if (character === "?") {
      parts.push(sql.slice(partStart, at))
      partStart = at + 1
    }
    if (character === ";") afterSemicolon = true
    else if (afterSemicolon && !isSpace(character)) severalStatements = true
    at++
  }
  parts.push(sql.slice(partStart))
  return { parts, severalStatements }
}

const isQuote = (character: string): boolean => character === "'" || character === '"' || character === "`"

/** To the server only these are white space: a no-break space belongs to a name. */
const isSpace = (character: string): boolean => /[\t-\r ]/.test(character)

const isSpaceOrControl = (character: string): boolean => character <= " " || character === "\x7f"

/** The comments of MySQL and MariaDB whose text is code. */
const opensExecuted = (sql: string, at: number): boolean =>
  sql[at + 1] === "*" && (sql[at + 2] === "!" || (sql[at + 2] === "M" && sql[at + 3] === "!"))

/** The end of the string, quoted name or comment that begins here; `undefined` where none does. */
const skipped = (sql: string, at: number, mode: SqlMode): number | undefined => {
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
