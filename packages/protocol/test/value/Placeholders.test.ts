import { describe, expect, it } from "vitest"
import * as Placeholders from "../../src/value/Placeholders.ts"
import { bytes, exchange, servers, session } from "../support/fixture.ts"
import { placeholderCases } from "../support/placeholderCases.ts"
import { replay } from "../support/replay.ts"

const plain: Placeholders.SqlMode = { noBackslashEscapes: false, ansiQuotes: false }

const modeOf = (mode: string | undefined): Placeholders.SqlMode => ({
  noBackslashEscapes: mode === "noBackslashEscapes",
  ansiQuotes: mode === "ansiQuotes"
})

describe.each(servers)("%s counts the same placeholders", (server) => {
  const recorded = session(server, "placeholders")

  it.each(placeholderCases)("$sql ($mode)", ({ mode, placeholders, sql }) => {
    const { command, response } = exchange(recorded, sql)
    const reply = replay([bytes(response)], { command, capabilities: recorded.capabilities })
    expect(reply.prepared?.parameterCount).toBe(placeholders)
    expect(Placeholders.parse(sql, modeOf(mode)).parts).toHaveLength(placeholders + 1)
  })
})

describe("parts", () => {
  it.each<[sql: string, parts: ReadonlyArray<string>]>([
    ["", [""]],
    ["?", ["", ""]],
    ["SELECT ?, '?', ? FROM t", ["SELECT ", ", '?', ", " FROM t"]],
    ["??", ["", "", ""]],
    ["SELECT '?", ["SELECT '?"]],
    ['SELECT "?', ['SELECT "?']],
    ["SELECT `?", ["SELECT `?"]],
    ["SELECT '\\", ["SELECT '\\"]],
    ["SELECT /* ?", ["SELECT /* ?"]],
    ["SELECT /*! ?", ["SELECT /*! ", ""]],
    ["SELECT 1 -- ?", ["SELECT 1 -- ?"]],
    ["SELECT 1 # ?", ["SELECT 1 # ?"]],
    ["SELECT 2 * ? / ?", ["SELECT 2 * ", " / ", ""]],
    ["SELECT 5 */ ?", ["SELECT 5 */ ", ""]],
    ["SELECT /*M! ?, */ ?", ["SELECT /*M! ", ", */ ", ""]]
  ])("%s", (sql, parts) => {
    expect(Placeholders.parse(sql, plain).parts).toEqual(parts)
  })

  it("put together again with the placeholders they are the text", () => {
    for (const { mode, sql } of placeholderCases) {
      expect(Placeholders.parse(sql, modeOf(mode)).parts.join("?")).toBe(sql)
    }
  })

  it.each(["\u00a0", "\u0085", "\u2028", "x", "?"])("-- before %o is two signs, not a comment", (character) => {
    expect(Placeholders.parse(`SELECT 1 --${character}?`, plain).parts.length).toBeGreaterThan(1)
  })

  it.each([" ", "\t", "\n", "\r", "\v", "\f", "\0", "\x01", "\x1f", "\x7f"])(
    "-- before %o is a comment",
    (character) => {
      expect(Placeholders.parse(`SELECT 1 --${character}? `, plain).parts).toHaveLength(character === "\n" ? 2 : 1)
    }
  )
})

describe("several statements", () => {
  it.each<[sql: string, several: boolean, mode?: string]>([
    ["SELECT 1", false],
    ["SELECT 1;", false],
    ["SELECT 1; ", false],
    ["SELECT 1;\n\t\r\n", false],
    ["SELECT 1; -- done", false],
    ["SELECT 1; # done", false],
    ["SELECT 1; /* done */", false],
    ["SELECT 1;;", false],
    ["SELECT 1; SELECT 2", true],
    ["SELECT 1;SELECT 2", true],
    ["SELECT 1; /* and */ SELECT 2", true],
    ["SELECT 1; -- and\nSELECT 2", true],
    ["SELECT 1; /*! SELECT 2 */", true],
    ["SELECT 1; (SELECT 2)", true],
    ["SELECT 1; ?", true],
    ["SELECT 1; `x`", true],
    ["SELECT 1;\u00a0", true],
    ["SELECT ';'", false],
    ['SELECT "; DELETE"', false],
    ["SELECT `;` FROM t", false],
    ["SELECT 1 -- ; SELECT 2", false],
    ["SELECT 1 /* ; SELECT 2 */", false],
    ["SELECT 'a\\'; DELETE FROM t", false],
    ["SELECT 'a\\'; DELETE FROM t", true, "noBackslashEscapes"],
    ['SELECT "a\\"; DELETE FROM t', false],
    ['SELECT "a\\"; DELETE FROM t', true, "ansiQuotes"]
  ])("%s: %s (%s)", (sql, several, mode) => {
    expect(Placeholders.parse(sql, modeOf(mode)).severalStatements).toBe(several)
  })
})
