/**
 * Character sets that a client can send in, other than all of Unicode as UTF-8: text to bytes, or the finding that a
 * character is not in the set. Only those are here in which a quote and a backslash are always one byte.
 *
 * Manual: "Character Sets and Collations": "The utf8mb3 Character Set", "The latin1 and cp1252 Character Sets".
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export interface Charset {
  readonly name: string
  /** `undefined` where the text has a character that the set lacks. */
  readonly encode: (text: string) => Buffer | undefined
}

/**
 * Why a text was not sent, in words.
 *
 * @since 0.1.0
 * @category accessors
 */
export const unfit = (charset: Charset): string =>
  `the text has a character that the session's character set ${charset.name} cannot represent`

/** Bytes 0x80 to 0x9f of the server's latin1, which is cp1252 with its five gaps as control characters. */
const upperControls =
  "\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f" +
  "\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178"

const byteOf = (code: number): number => {
  if (code < 0x80 || (code > 0x9f && code < 0x100)) return code
  const index = upperControls.indexOf(String.fromCharCode(code))
  return index < 0 ? -1 : 0x80 + index
}

const latin1: Charset = {
  name: "latin1",
  encode: (text) => {
    const bytes = Buffer.allocUnsafe(text.length)
    for (let index = 0; index < text.length; index++) {
      const byte = byteOf(text.charCodeAt(index))
      if (byte < 0) return undefined
      bytes[index] = byte
    }
    return bytes
  }
}

const fitting = (name: string, unfitting: RegExp): Charset => ({
  name,
  encode: (text) => (unfitting.test(text) ? undefined : Buffer.from(text, "utf8"))
})

const beyondAscii = /[^\0-\x7f]/

const sets: ReadonlyMap<string, Charset | undefined> = new Map<string, Charset | undefined>([
  ["utf8mb4", undefined],
  ["binary", undefined],
  ["utf8mb3", fitting("utf8mb3", /[\ud800-\udfff]/)],
  ["latin1", latin1],
  ["ascii", fitting("ascii", beyondAscii)]
])

/**
 * By the server's name of the set; `undefined` for those in which every text goes as UTF-8. Of a set that is not known
 * here only ASCII is sent, which is the same in all that a server takes from a client.
 *
 * @since 0.1.0
 * @category constructors
 */
export const named = (name: string): Charset | undefined =>
  sets.has(name) ? sets.get(name) : fitting(name, beyondAscii)
