/**
 * A statement as tokens, for those who have to know more of it than where its placeholders are. A number is a word, or
 * several with marks between them.
 *
 * Manual: "Literal Values", "Schema Object Names", "Comments".
 *
 * @since 0.1.0
 */
import * as Placeholders from "./Placeholders.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Token {
  readonly kind: "word" | "name" | "string" | "placeholder" | "mark"
  /** Of a word in upper case; of a mark the character. */
  readonly text: string
  readonly start: number
  readonly end: number
}

const wordCharacters = /[\w$\u0080-\uffff]+/y

/**
 * The tokens without comments and white space; `undefined` where a comment is code.
 *
 * @since 0.1.0
 * @category decoding
 */
export const tokenize = (sql: string, mode: Placeholders.SqlMode): ReadonlyArray<Token> | undefined => {
  const tokens: Array<Token> = []
  let at = 0
  while (at < sql.length) {
    const character = sql[at]!
    const start = at
    const end = Placeholders.skipped(sql, at, mode)
    if (end !== undefined) {
      at = end
      if (character === "`" || (character === '"' && mode.ansiQuotes)) {
        // A doubled quote belongs to the name.
        while (sql[at] === character) at = Placeholders.skipped(sql, at, mode)!
        tokens.push({ kind: "name", text: character, start, end: at })
      } else if (character === "'" || character === '"') {
        tokens.push({ kind: "string", text: character, start, end: at })
      }
      continue
    }
    if (character === "/" && sql[at + 1] === "*") return undefined
    wordCharacters.lastIndex = at
    if (wordCharacters.test(sql)) {
      at = wordCharacters.lastIndex
      tokens.push({ kind: "word", text: sql.slice(start, at).toUpperCase(), start, end: at })
      continue
    }
    at++
    if (!Placeholders.isSpace(character)) {
      tokens.push({ kind: character === "?" ? "placeholder" : "mark", text: character, start, end: at })
    }
  }
  return tokens
}
