/**
 * The syntax of option files: groups, names, values with quotes and escapes, comments. What an option means is not
 * looked at here.
 *
 * Manual: "Using Option Files".
 */
import * as Result from "effect/Result"

export interface OptionLine {
  readonly group: string
  /** With dashes, whichever of dash and underscore was written, and without `loose-`. */
  readonly name: string
  /** `undefined` where there is a name alone. */
  readonly value: string | undefined
  /** From 1 on. */
  readonly line: number
}

const quotes: ReadonlySet<string> = new Set(["'", '"'])

/** From the first `#` on that is in no quotes. */
const withoutComment = (text: string): string => {
  let quote = ""
  let escaped = false
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!
    if (quotes.has(character) && !escaped) quote = quote === "" ? character : quote === character ? "" : quote
    if (quote === "" && character === "#") return text.slice(0, index)
    escaped = quote !== "" && character === "\\" && !escaped
  }
  return text
}

const escapes: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  r: "\r",
  s: " ",
  "\\": "\\",
  "'": "'",
  '"': '"'
}

/** A backslash before anything else is a backslash. */
const unescaped = (text: string): string =>
  text.replace(/\\(.)/gs, (whole, character: string) => escapes[character] ?? whole)

const valueOf = (text: string): string => {
  const quoted = text.length > 1 && quotes.has(text[0]!) && text.at(-1) === text[0]
  return unescaped(quoted ? text.slice(1, -1) : text)
}

/** Every option of every group, in the order of the file, or what is wrong by lines. */
export const parse = (text: string): Result.Result<ReadonlyArray<OptionLine>, ReadonlyArray<string>> => {
  const options: Array<OptionLine> = []
  const faults: Array<string> = []
  let group: string | undefined
  for (const [index, raw] of text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .entries()) {
    const line = index + 1
    const content = raw.trim()
    if (content === "" || content.startsWith("#") || content.startsWith(";") || content.startsWith("!")) continue
    if (content.startsWith("[")) {
      const end = content.indexOf("]")
      if (end < 0) faults.push(`line ${line}: a group without its closing bracket`)
      group = end < 0 ? "" : content.slice(1, end).trim()
      continue
    }
    if (group === undefined) {
      faults.push(`line ${line}: an option before any group`)
      continue
    }
    const option = withoutComment(content)
    const equals = option.indexOf("=")
    const name = (equals < 0 ? option : option.slice(0, equals))
      .trim()
      .replaceAll("_", "-")
      .replace(/^loose-/, "")
    const value = equals < 0 ? undefined : valueOf(option.slice(equals + 1).trim())
    options.push({ group, name, value, line })
  }
  return faults.length === 0 ? Result.succeed(options) : Result.fail(faults)
}
