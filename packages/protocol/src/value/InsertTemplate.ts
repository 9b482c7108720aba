/**
 * An INSERT or REPLACE of one row, taken apart so that one statement can carry many rows: what stands before the tuple
 * of values, the tuple with its placeholders, and what stands behind it. Read by tokens and along the grammar, so that
 * strings, quoted names, comments and a table called `value` are what they are.
 *
 * Where many rows in one statement would not do what one statement a row does, there is no template: several tuples,
 * placeholders outside the tuple, subqueries, user variables and `LAST_INSERT_ID` inside it, `INSERT … SELECT` and
 * `INSERT … SET`, several statements, and comments that are code.
 *
 * Manual: "INSERT Statement", "REPLACE Statement".
 *
 * @since 0.1.0
 */
import type * as Placeholders from "./Placeholders.ts"
import { type Token, tokenize } from "./Token.ts"

/**
 * One element of the tuple. `other` is an expression or a literal.
 *
 * @since 0.1.0
 * @category models
 */
export type Element =
  | { readonly _tag: "placeholder"; readonly index: number }
  | { readonly _tag: "null" }
  | { readonly _tag: "default" }
  | { readonly _tag: "other" }

/**
 * @since 0.1.0
 * @category models
 */
export interface InsertTemplate {
  /** Up to the tuple, the leading comments included. */
  readonly prefix: string
  /** The tuple with its parentheses. */
  readonly tuple: Placeholders.Template
  /** Behind the tuple, without a closing semicolon and the comments around it. */
  readonly suffix: string
  readonly elements: ReadonlyArray<Element>
  /** The table as it is written, quotes and database included. */
  readonly table: string
  /** Names without their quotes; `undefined` where the statement lists none. */
  readonly columns: ReadonlyArray<string> | undefined
  /** Each row is stored as a new one or the statement fails: no REPLACE, IGNORE or ON DUPLICATE KEY UPDATE. */
  readonly everyRowIsNew: boolean
}

const modifiers: ReadonlySet<string> = new Set(["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"])
/** Inside the tuple their value depends on the rows before. */
const dependsOnRows: ReadonlySet<string> = new Set(["SELECT", "LAST_INSERT_ID", "LASTVAL", "ROW_COUNT"])

/**
 * The template of an INSERT or REPLACE of one row; `undefined` for a statement that is no such thing, or that is not
 * surely the same with more rows. Manual: "INSERT Statement".
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (sql: string, mode: Placeholders.SqlMode): InsertTemplate | undefined => {
  const tokens = tokenize(sql, mode)
  return tokens === undefined ? undefined : new Statement(sql, tokens).read()
}

/** What the tokens say, read from the first to the last. */
class Statement {
  private readonly sql: string
  private readonly tokens: ReadonlyArray<Token>
  private at = 0

  constructor(sql: string, tokens: ReadonlyArray<Token>) {
    this.sql = sql
    this.tokens = tokens
  }

  read(): InsertTemplate | undefined {
    const insert = this.word("INSERT")
    if (!insert && !this.word("REPLACE")) return undefined
    let everyRowIsNew = insert
    while (modifiers.has(this.peekWord())) {
      if (this.peekWord() === "IGNORE") everyRowIsNew = false
      this.at++
    }
    this.word("INTO")
    const table = this.name()
    if (table === undefined) return undefined
    if (this.word("PARTITION") && this.group() === undefined) return undefined
    const columns = this.columns()
    if (!this.word("VALUES") && !this.word("VALUE")) return undefined
    const head = this.tokens.slice(0, this.at)
    const tuple = this.group()
    if (tuple === undefined || head.some(isPlaceholder)) return undefined
    if (tuple.some(({ kind, text }) => (kind === "mark" && text === "@") || dependsOnRows.has(text))) return undefined
    const rest = this.rest()
    if (rest === undefined) return undefined
    const start = tuple[0]!.start
    const end = tuple.at(-1)!.end
    return {
      prefix: this.sql.slice(0, start),
      tuple: {
        parts: around(this.sql, start, end, tuple.filter(isPlaceholder)),
        severalStatements: false,
        inComments: false
      },
      suffix: rest.length === 0 ? "" : this.sql.slice(end, rest.at(-1)!.end),
      elements: elementsOf(tuple),
      table,
      columns,
      everyRowIsNew: everyRowIsNew && !rest.some(({ kind, text }) => kind === "word" && text === "DUPLICATE")
    }
  }

  private peekWord(): string {
    const token = this.tokens[this.at]
    return token?.kind === "word" ? token.text : ""
  }

  private word(text: string): boolean {
    if (this.peekWord() !== text) return false
    this.at++
    return true
  }

  private mark(text: string): boolean {
    const token = this.tokens[this.at]
    if (token?.kind !== "mark" || token.text !== text) return false
    this.at++
    return true
  }

  /** The name of a table, with that of its database or without. */
  private name(): string | undefined {
    const first = this.tokens[this.at]
    do {
      const token = this.tokens[this.at]
      if (token?.kind !== "word" && token?.kind !== "name") return undefined
      this.at++
    } while (this.mark("."))
    return this.sql.slice(first!.start, this.tokens[this.at - 1]!.end)
  }

  /** What stands in parentheses, with them; none of it is a second statement. */
  private group(): ReadonlyArray<Token> | undefined {
    const from = this.at
    if (!this.mark("(")) return undefined
    for (let depth = 1; depth > 0; this.at++) {
      const token = this.tokens[this.at]
      if (token === undefined || (token.kind === "mark" && token.text === ";")) return undefined
      if (token.kind === "mark" && token.text === "(") depth++
      if (token.kind === "mark" && token.text === ")") depth--
    }
    return this.tokens.slice(from, this.at)
  }

  private columns(): ReadonlyArray<string> | undefined {
    const group = this.group()
    return group
      ?.filter(({ kind }, index) => (kind === "word" || kind === "name") && group[index + 1]?.text !== ".")
      .map(({ end, kind, start }) => {
        const text = this.sql.slice(start, end)
        return kind === "word" ? text : text.slice(1, -1).replaceAll(text[0]!.repeat(2), text[0]!)
      })
  }

  /** What follows the tuple, if it may follow many. */
  private rest(): ReadonlyArray<Token> | undefined {
    const rest = this.tokens.slice(this.at)
    const stop = rest.findIndex(({ kind, text }) => kind === "mark" && text === ";")
    if (stop !== -1 && stop !== rest.length - 1) return undefined
    const suffix = stop === -1 ? rest : rest.slice(0, stop)
    return suffix[0]?.text === "," || suffix.some(isPlaceholder) ? undefined : suffix
  }
}

const isPlaceholder = ({ kind }: Token): boolean => kind === "placeholder"

/** The text from `start` to `end` without the placeholders. */
const around = (sql: string, start: number, end: number, placeholders: ReadonlyArray<Token>): ReadonlyArray<string> => {
  const starts = [start, ...placeholders.map((placeholder) => placeholder.end)]
  const ends = [...placeholders.map((placeholder) => placeholder.start), end]
  return starts.map((from, index) => sql.slice(from, ends[index]))
}

const elementsOf = (tuple: ReadonlyArray<Token>): ReadonlyArray<Element> => {
  const elements: Array<ReadonlyArray<Token>> = [[]]
  let depth = 0
  let placeholders = 0
  const indexes = new Map(tuple.filter(isPlaceholder).map((token) => [token, placeholders++]))
  for (const token of tuple.slice(1, -1)) {
    if (token.kind === "mark" && token.text === "(") depth++
    if (token.kind === "mark" && token.text === ")") depth--
    if (token.kind === "mark" && token.text === "," && depth === 0) elements.push([])
    else elements.push([...elements.pop()!, token])
  }
  return elements.map((tokens): Element => {
    const [token] = tokens
    if (token === undefined || tokens.length > 1) return { _tag: "other" }
    if (token.kind === "placeholder") return { _tag: "placeholder", index: indexes.get(token)! }
    if (token.kind !== "word") return { _tag: "other" }
    return token.text === "NULL" ? { _tag: "null" } : token.text === "DEFAULT" ? { _tag: "default" } : { _tag: "other" }
  })
}
