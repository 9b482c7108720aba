import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as Literal from "../../src/value/Literal.ts"
import * as MysqlTypes from "../../src/value/MysqlTypes.ts"
import * as Placeholders from "../../src/value/Placeholders.ts"
import { bytes, type RecordedExchange, servers, session } from "../support/fixture.ts"
import { parameterCases, textCases } from "../support/parameterCases.ts"
import { replay } from "../support/replay.ts"

const context = (noBackslashEscapes = false, offsetMinutes = 0): Literal.LiteralContext => ({
  sqlMode: { noBackslashEscapes, ansiQuotes: false },
  offsetMinutes
})

describe("literals", () => {
  it.each<[value: unknown, literal: string]>([
    [null, "NULL"],
    [true, "TRUE"],
    [false, "FALSE"],
    [0, "0"],
    [-42, "-42"],
    [18446744073709551615n, "18446744073709551615"],
    [-123456789012345678901234567890n, "-123456789012345678901234567890."],
    [0.5, "0.5e0"],
    [-0, "-0e0"],
    [1e21, "1e+21"],
    [5e-324, "5e-324"],
    [BigDecimal.fromStringUnsafe("1.50"), "1.50"],
    ["", "''"],
    ["it's", "'it\\'s'"],
    ["\\", "'\\\\'"],
    ["\0\n\r\x1a\"'\\", "'\\0\\n\\r\\Z\\\"\\'\\\\'"],
    ["tab\tstays, as does %_", "'tab\tstays, as does %_'"],
    ["ü€😀", "'ü€😀'"],
    [Uint8Array.of(0x27, 0x5c, 0xff), "x'275cff'"],
    [new Uint8Array(0), "x''"],
    [Buffer.from("abcd").subarray(1, 3), "x'6263'"],
    [new Float32Array([1]), "x'0000803f'"],
    [new Date("2024-02-29T23:59:58.7Z"), "TIMESTAMP'2024-02-29 23:59:58.700000'"],
    [DateTime.makeUnsafe("0001-01-01T00:00:00Z"), "TIMESTAMP'0001-01-01 00:00:00'"],
    [Duration.millis(3_723_004), "TIME'01:02:03.004000'"],
    [Duration.nanos(-1000n), "TIME'-00:00:00.000001'"],
    [Duration.hours(838), "TIME'838:00:00'"],
    [MysqlTypes.date("2024-02-29"), "DATE'2024-02-29'"],
    [MysqlTypes.date("0000-02-29"), "DATE'0000-02-29'"],
    [MysqlTypes.date("1900-02-29"), "'1900-02-29'"],
    [MysqlTypes.date("2024-02-30"), "'2024-02-30'"],
    [MysqlTypes.date("2024-02-00"), "'2024-02-00'"],
    [MysqlTypes.date("2024-00-31"), "'2024-00-31'"],
    [MysqlTypes.datetime("0000-00-00 00:00:00"), "'0000-00-00 00:00:00'"],
    [MysqlTypes.bigintUnsigned(5), "CAST(5 AS UNSIGNED)"],
    [MysqlTypes.decimal("5"), "5."],
    [MysqlTypes.float(1.1), "CAST(1.100000023841858e0 AS FLOAT)"]
  ])("%o", (value, literal) => {
    expect(Literal.encode(value, context())).toEqual(Result.succeed(literal))
  })

  it.each<[value: string, literal: string]>([
    ["", "''"],
    ["it's", "'it''s'"],
    ["\\", "'\\'"],
    ["\\'", "'\\'''"],
    ['\0\n"', "'\0\n\"'"]
  ])("without backslash escapes: %o", (value, literal) => {
    expect(Literal.encode(value, context(true))).toEqual(Result.succeed(literal))
  })

  it("a DATETIME is in the session's time zone", () => {
    expect(Literal.encode(new Date("2024-02-29T23:00:00Z"), context(false, 120))).toEqual(
      Result.succeed("TIMESTAMP'2024-03-01 01:00:00'")
    )
  })

  it.each([
    ["plain", "`plain`"],
    ["", "``"],
    ["a`b", "`a``b`"],
    ["`; DROP TABLE t; --", "```; DROP TABLE t; --`"],
    ["back\\slash", "`back\\slash`"]
  ])("identifier %s", (name, quoted) => {
    expect(Literal.identifier(name)).toBe(quoted)
  })
})

describe("interpolate", () => {
  const run = (sql: string, parameters: ReadonlyArray<unknown>) =>
    Literal.interpolate(Placeholders.parse(sql, context().sqlMode), parameters, context())

  it("puts literals where the placeholders are, and nowhere else", () => {
    expect(run("SELECT ?, '?', ? -- ?", ["a?b", null])).toEqual(Result.succeed("SELECT 'a?b', '?', NULL -- ?"))
    expect(run("SELECT 1", [])).toEqual(Result.succeed("SELECT 1"))
  })

  it.each<[sql: string, value: unknown, text: string]>([
    ["SELECT ?AS v", 5, "SELECT 5 AS v"],
    ["SELECT ?.5", 5, "SELECT 5 .5"],
    ["SELECT N?", "a", "SELECT N 'a'"],
    ["SELECT x?", "61", "SELECT x '61'"],
    ["SELECT _latin1?", "a", "SELECT _latin1 'a'"],
    ["SELECT 'a'?", "b", "SELECT 'a' 'b'"],
    ["SELECT ?'a'", "b", "SELECT 'b' 'a'"],
    ["SELECT @?", "a", "SELECT @ 'a'"],
    ["SELECT 1-?", -1, "SELECT 1- -1"],
    ["SELECT ??", 1, "SELECT 1 1"],
    ["SELECT ä?", 1, "SELECT ä 1"],
    ["SELECT (?)", 1, "SELECT (1)"]
  ])("a literal stays a token of its own: %s", (sql, value, text) => {
    const { parts } = Placeholders.parse(sql, context().sqlMode)
    expect(run(sql, new Array(parts.length - 1).fill(value))).toEqual(Result.succeed(text))
  })

  it.each([
    [
      "SELECT /*!99999 ? */ 1",
      "*/ DROP TABLE t; /*",
      "SELECT /*!99999 _utf8mb4 x'2a2f2044524f50205441424c4520743b202f2a' */ 1"
    ],
    ["SELECT /*M! ? */ 1", "ü", "SELECT /*M! _utf8mb4 x'c3bc' */ 1"],
    ["SELECT /*! ? */ 1", Uint8Array.of(1), "SELECT /*! x'01' */ 1"]
  ])("nothing ends a comment that the server may not execute: %s", (sql, value, text) => {
    expect(run(sql, [value])).toEqual(Result.succeed(text))
  })

  it("replacement patterns of JavaScript are text", () => {
    expect(run("SELECT ?", ["$& $1 $$ $'"])).toEqual(Result.succeed("SELECT '$& $1 $$ $\\''"))
  })

  it.each([
    ["SELECT ?", [], 0],
    ["SELECT ?", [1, 2], 1],
    ["SELECT 1", [1], 0],
    ["SELECT ?, ?, ?", [1, 2], 2]
  ] as ReadonlyArray<[string, ReadonlyArray<unknown>, number]>)(
    "%s with %j is an error of arity",
    (sql, values, parameter) => {
      expect(run(sql, values)).toMatchObject({ failure: { _tag: "ParameterError", parameter } })
      expect(Literal.checkArity(2, 2)).toBeUndefined()
    }
  )
})

describe.each(servers)("%s understood", (server) => {
  const recorded = session(server, "parameters")
  const heardOf = ({ command, response }: RecordedExchange): unknown => {
    const reply = replay([bytes(response)], {
      command,
      capabilities: recorded.capabilities,
      decoding: { dateTime: "string" }
    })
    return (reply.results[0]!.rows[0] as ReadonlyArray<unknown>)[0]
  }
  const spoken = (prefix: string, name: string) =>
    recorded.exchanges.find((candidate) => candidate.name === `${prefix}: ${name}`)!
  const sqlOf = ({ request }: RecordedExchange): string => bytes(request).subarray(5).toString("utf8")

  it.each(parameterCases)("$name as a literal", ({ heard, name, offsetMinutes, sql, value }) => {
    const exchange = spoken("literal", name)
    const literal = Result.getOrThrow(Literal.encode(value, context(false, offsetMinutes)))
    expect(sql.replace("?", () => literal)).toBe(sqlOf(exchange))
    expect(heardOf(exchange)).toEqual(heard)
  })

  it.each(textCases)("$name as a literal without backslash escapes", ({ heard, name, sql, value }) => {
    const exchange = spoken("literal without backslash escapes", name)
    const literal = Result.getOrThrow(Literal.encode(value, context(true)))
    expect(sql.replace("?", () => literal)).toBe(sqlOf(exchange))
    expect(heardOf(exchange)).toEqual(heard)
  })
})
