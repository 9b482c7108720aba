/**
 * Rows as the text that LOAD DATA reads, in the format that the statement states. What cannot be written in it is an
 * error, never another value.
 *
 * Text is UTF-8: the statement has to say `CHARACTER SET utf8mb4`, or `CHARACTER SET binary` where there are bytes.
 *
 * Manual: "LOAD DATA Statement", "Field and Line Handling".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { dayText, momentText, timeText } from "./Literal.ts"
import { classify, type Parameter, ParameterError } from "./Parameter.ts"
import type * as Placeholders from "./Placeholders.ts"
import { type Token, tokenize } from "./Token.ts"
import type { Zone } from "./Zone.ts"

/**
 * The clauses FIELDS and LINES of LOAD DATA.
 *
 * @since 0.1.0
 * @category models
 */
export interface Format {
  readonly fieldsTerminatedBy: string
  readonly enclosedBy: string
  readonly escapedBy: string
  readonly linesStartingBy: string
  readonly linesTerminatedBy: string
}

/**
 * Of a statement that says nothing: tabs, no quotes, backslash, line feed.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultFormat: Format = {
  fieldsTerminatedBy: "\t",
  enclosedBy: "",
  escapedBy: "\\",
  linesStartingBy: "",
  linesTerminatedBy: "\n"
}

type Clause = keyof Format

/** The words of each clause, the longer ones first. */
const clauses: ReadonlyArray<readonly [section: "FIELDS" | "LINES", words: ReadonlyArray<string>, clause: Clause]> = [
  ["FIELDS", ["TERMINATED", "BY"], "fieldsTerminatedBy"],
  ["FIELDS", ["OPTIONALLY", "ENCLOSED", "BY"], "enclosedBy"],
  ["FIELDS", ["ENCLOSED", "BY"], "enclosedBy"],
  ["FIELDS", ["ESCAPED", "BY"], "escapedBy"],
  ["LINES", ["STARTING", "BY"], "linesStartingBy"],
  ["LINES", ["TERMINATED", "BY"], "linesTerminatedBy"]
]

/**
 * The format that a LOAD DATA statement states. Fails with a sentence where it is one that rows cannot be written in: a
 * clause that is no string, terminators that cannot be told from values, rows of fixed size.
 *
 * @since 0.1.0
 * @category decoding
 */
export const formatOf = (sql: string, mode: Placeholders.SqlMode): Result.Result<Format, string> => {
  const tokens = tokenize(sql, mode)
  if (tokens === undefined) return Result.fail("the statement has a comment that is code")
  const format: { -readonly [Key in Clause]: string } = { ...defaultFormat }
  let at = 0
  while (at < tokens.length) {
    const word = wordAt(tokens, at)
    const section = word === "FIELDS" || word === "COLUMNS" ? "FIELDS" : word === "LINES" ? "LINES" : undefined
    at++
    if (section === undefined) continue
    for (let found = clauseAt(tokens, at, section); found !== undefined; found = clauseAt(tokens, at, section)) {
      at += found.words
      const value = stringAt(sql, tokens, at, mode)
      if (value === undefined) return Result.fail(`${found.clause} is not a string in quotes`)
      format[found.clause] = value.text
      at += value.tokens
    }
  }
  const fault = faultOf(format)
  return fault === undefined ? Result.succeed(format) : Result.fail(fault)
}

const wordAt = (tokens: ReadonlyArray<Token>, at: number): string | undefined =>
  tokens[at]?.kind === "word" ? tokens[at].text : undefined

const clauseAt = (
  tokens: ReadonlyArray<Token>,
  at: number,
  section: "FIELDS" | "LINES"
): { readonly clause: Clause; readonly words: number } | undefined => {
  for (const [of, words, clause] of clauses) {
    if (of === section && words.every((word, index) => wordAt(tokens, at + index) === word)) {
      return { clause, words: words.length }
    }
  }
  return undefined
}

/** The value of a string literal, whose doubled quotes make several tokens of it. */
const stringAt = (
  sql: string,
  tokens: ReadonlyArray<Token>,
  at: number,
  mode: Placeholders.SqlMode
): { readonly text: string; readonly tokens: number } | undefined => {
  const first = tokens[at]
  if (first?.kind !== "string") return undefined
  let until = at + 1
  while (tokens[until]?.kind === "string" && tokens[until]!.start === tokens[until - 1]!.end) until++
  const inside = sql.slice(first.start + 1, tokens[until - 1]!.end - 1).replaceAll(first.text.repeat(2), first.text)
  const text = mode.noBackslashEscapes
    ? inside
    : inside.replace(/\\([\s\S])/g, (_, character: string) => escapes[character] ?? character)
  return { text, tokens: until - at }
}

const escapes: Readonly<Record<string, string>> = {
  "0": "\0",
  b: "\b",
  n: "\n",
  r: "\r",
  t: "\t",
  Z: "\x1a"
}

const faultOf = (format: Format): string | undefined => {
  const { enclosedBy, escapedBy, fieldsTerminatedBy, linesStartingBy, linesTerminatedBy } = format
  if (fieldsTerminatedBy === "" || linesTerminatedBy === "") return "rows of fixed size are not written"
  if (enclosedBy.length > 1 || escapedBy.length > 1) return "quotes and escapes are single characters"
  const parts = [enclosedBy, escapedBy, fieldsTerminatedBy, linesStartingBy, linesTerminatedBy]
  if (parts.some((part) => !/^[\0-\x7f]*$/.test(part))) return "terminators and quotes are ASCII"
  // Where lines start is looked for at their start only.
  const firsts = [enclosedBy, escapedBy, fieldsTerminatedBy, linesTerminatedBy].map((part) => part.slice(0, 1))
  if (escapedBy !== "" && firsts.some((first) => /[0bnrtZN]/.test(first))) {
    return `a terminator or quote begins with a character that means another one behind "${escapedBy}"`
  }
  // Two parts that begin alike would be taken for one another.
  const said = firsts.filter((first) => first !== "")
  return new Set(said).size === said.length ? undefined : "two of terminators, quote and escape begin alike"
}

/**
 * @since 0.1.0
 * @category models
 */
export type Encoder = (rows: ReadonlyArray<ReadonlyArray<unknown>>) => Result.Result<Buffer, ParameterError>

/**
 * Encodes rows one after the other; an error names the row, counted from the first that this encoder was given.
 *
 * @since 0.1.0
 * @category encoding
 */
export const makeEncoder = (format: Format, zone: Zone): Encoder => {
  const { enclosedBy, escapedBy, fieldsTerminatedBy, linesStartingBy, linesTerminatedBy } = format
  const special = [escapedBy, enclosedBy, fieldsTerminatedBy[0]!, linesTerminatedBy[0]!, "\0"]
  const needsEscape = new RegExp(`[${special.map(inClass).join("")}]`, "g")
  const escape = (value: string): string =>
    value.replace(needsEscape, (character) => escapedBy + (character === "\0" ? "0" : character))
  const field = (value: Parameter, binary: boolean, parameter: number): string => {
    if (value._tag === "Null") {
      if (escapedBy !== "") return `${escapedBy}N`
      if (enclosedBy !== "") return "NULL"
      throw new ParameterError({ parameter, message: "the format has no way to write NULL" })
    }
    const text = textOf(value)
    const characters = typeof text !== "string" ? text.toString("latin1") : binary ? latin1(text) : text
    if (escapedBy !== "") return enclosedBy + escape(characters) + enclosedBy
    if (enclosedBy !== "") return enclosedBy + characters.replaceAll(enclosedBy, enclosedBy.repeat(2)) + enclosedBy
    if (characters.includes(fieldsTerminatedBy) || characters.includes(linesTerminatedBy)) {
      throw new ParameterError({ parameter, message: "the format has no way to write a terminator inside a value" })
    }
    return characters
  }
  let count = 0
  return (rows) => {
    const parts: Array<Buffer> = []
    let lines = ""
    try {
      for (const row of rows) {
        const values = row.map((value, parameter) => classify(value, parameter, zone))
        const binary = values.some(({ _tag }) => _tag === "Bytes")
        const fields = values.map((value, parameter) => field(value, binary, parameter))
        const line = linesStartingBy + fields.join(fieldsTerminatedBy) + linesTerminatedBy
        if (binary) {
          parts.push(Buffer.from(lines, "utf8"), Buffer.from(line, "latin1"))
          lines = ""
        } else {
          lines += line
        }
        count++
      }
    } catch (error) {
      const { message, parameter } = error as ParameterError
      return Result.fail(new ParameterError({ parameter, row: count, message }))
    }
    const last = Buffer.from(lines, "utf8")
    return Result.succeed(parts.length === 0 ? last : Buffer.concat([...parts, last]))
  }
}

const inClass = (character: string): string =>
  character === "" ? "" : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`

/** The bytes of UTF-8 as characters. */
const latin1 = (text: string): string => Buffer.from(text, "utf8").toString("latin1")

const textOf = (value: Exclude<Parameter, { readonly _tag: "Null" }>): string | Buffer => {
  switch (value._tag) {
    case "Boolean":
      return value.value ? "1" : "0"
    case "Integer":
    case "Double":
    case "Float":
      return Object.is(value.value, -0) ? "-0" : `${value.value}`
    case "Decimal":
      return value.digits
    case "Text":
      return value.value
    case "Bytes":
      return Buffer.from(value.value.buffer, value.value.byteOffset, value.value.byteLength)
    case "Date":
      return dayText(value)
    case "DateTime":
      return momentText(value)
    case "Time":
      return timeText(value.micros)
  }
}
