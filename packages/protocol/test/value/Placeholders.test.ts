import * as Result from "effect/Result"
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

describe("placeholders with names", () => {
  it.each<[sql: string, names: ReadonlyArray<string>, positional?: string, mode?: string]>([
    ["SELECT 1", []],
    ["SELECT :a", ["a"], "SELECT ?"],
    ["SELECT :a, :b, :a", ["a", "b", "a"], "SELECT ?, ?, ?"],
    ["SELECT :_a1,:B", ["_a1", "B"], "SELECT ?,?"],
    [
      "SELECT * FROM t WHERE a=:a AND b IN(:b)LIMIT :c",
      ["a", "b", "c"],
      "SELECT * FROM t WHERE a=? AND b IN(?)LIMIT ?"
    ],
    ["SELECT :a-:b", ["a", "b"], "SELECT ?-?"],
    ["SET @a := :b", ["b"], "SET @a := ?"],
    ["SET @a:=:b", ["b"], "SET @a:=?"],
    ["SET @a:=b", []],
    ["SELECT a::b", []],
    ["SELECT ::b", []],
    ["SELECT 10:20", []],
    ["SELECT : a", []],
    ["SELECT :1", []],
    ["SELECT :", []],
    ["SELECT '10:20:30', TIME'10:ab', :c", ["c"], "SELECT '10:20:30', TIME'10:ab', ?"],
    ["SELECT d->>'$.a:b', :c", ["c"], "SELECT d->>'$.a:b', ?"],
    ['SELECT ":a", `b:c`, :d', ["d"], 'SELECT ":a", `b:c`, ?'],
    ["SELECT 'it''s :a', 'it\\'s :b', :c", ["c"], "SELECT 'it''s :a', 'it\\'s :b', ?"],
    ["SELECT 'a\\', :b, ':c'", ["b"], "SELECT 'a\\', ?, ':c'", "noBackslashEscapes"],
    ["SELECT 1 -- :a\n, :b # :c", ["b"], "SELECT 1 -- :a\n, ? # :c"],
    ["SELECT /* :a */ :b /*! , :c */", ["b", "c"], "SELECT /* :a */ ? /*! , ? */"],
    ["again:LOOP SET a = :a; END LOOP", ["a"], "again:LOOP SET a = ?; END LOOP"],
    ["`again`:LOOP", []],
    ["ä:LOOP", []],
    ["SELECT 'a':b", []],
    ["SELECT 'a?', :b", ["b"], "SELECT 'a?', ?"]
  ])("%s: %o", (sql, names, positional = sql, mode = undefined) => {
    expect(Placeholders.named(sql, modeOf(mode))).toEqual(Result.succeed({ sql: positional, names }))
  })

  it("do not go together with those that have none", () => {
    const result = Placeholders.named("SELECT :a, ?", plain)
    expect(result).toMatchObject({ failure: { _tag: "ParameterError", parameter: 1 } })
    expect(Result.isFailure(result) && result.failure.message).toMatch(/has a \? \(at 11\) beside the names/)
  })

  it("take their values from a record, in the order of the text", () => {
    expect(Placeholders.valuesOf(["b", "a", "b"], { a: 1, b: null, c: 3 })).toEqual(Result.succeed([null, 1, null]))
  })

  it.each<[values: Record<string, unknown>]>([[{}], [{ toString: undefined }]])(
    "%o has no value for :toString",
    (values) => {
      expect(Placeholders.valuesOf(["toString"], values)).toMatchObject({
        failure: { parameter: "toString", message: "There is no value for :toString" }
      })
    }
  )
})

describe("placeholders in comments that only some servers execute", () => {
  it.each([
    ["SELECT ?", false],
    ["SELECT /*! 1 */ ?", false],
    ["SELECT /*!50000 ? */ 1", true],
    ["SELECT /*M! ? */ ?", true]
  ])("%s: %s", (sql, inComments) => {
    expect(Placeholders.parse(sql, plain).inComments).toBe(inComments)
  })
})
