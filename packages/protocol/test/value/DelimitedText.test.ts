import * as BigDecimal from "effect/BigDecimal"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as DelimitedText from "../../src/value/DelimitedText.ts"
import * as MysqlTypes from "../../src/value/MysqlTypes.ts"
import type { SqlMode } from "../../src/value/Placeholders.ts"

const plain: SqlMode = { noBackslashEscapes: false, ansiQuotes: false }
const { defaultFormat } = DelimitedText

describe("the format that a statement states", () => {
  it.each<[sql: string, format: Partial<DelimitedText.Format>, mode?: Partial<SqlMode>]>([
    ["LOAD DATA LOCAL INFILE 'x' INTO TABLE t", {}],
    ["… FIELDS TERMINATED BY ',' LINES TERMINATED BY '\\r\\n'", { fieldsTerminatedBy: ",", linesTerminatedBy: "\r\n" }],
    [
      "… COLUMNS TERMINATED BY ';' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY ''",
      { fieldsTerminatedBy: ";", enclosedBy: '"', escapedBy: "" }
    ],
    [
      "… FIELDS ENCLOSED BY '''' LINES STARTING BY 'xx' TERMINATED BY '|'",
      { enclosedBy: "'", linesStartingBy: "xx", linesTerminatedBy: "|" }
    ],
    ["… FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\'", {}],
    ["… FIELDS TERMINATED BY '\\!'", { fieldsTerminatedBy: "!" }],
    ["… FIELDS ESCAPED BY '\\'", {}, { noBackslashEscapes: true }],
    ["… FIELDS TERMINATED BY ',' (a, fields)", { fieldsTerminatedBy: "," }]
  ])("%s", (sql, format, mode = {}) => {
    expect(DelimitedText.formatOf(sql.replace("…", "LOAD DATA"), { ...plain, ...mode })).toEqual(
      Result.succeed({ ...defaultFormat, ...format })
    )
  })

  it.each<[clauses: string, fault: RegExp]>([
    ["/*! FIELDS TERMINATED BY ',' */", /a comment that is code/],
    ["FIELDS TERMINATED BY 0x2c", /fieldsTerminatedBy is not a string in quotes/],
    ["FIELDS TERMINATED BY", /is not a string in quotes/],
    ["FIELDS TERMINATED BY '' ENCLOSED BY ''", /rows of fixed size/],
    ["LINES TERMINATED BY ''", /rows of fixed size/],
    ["FIELDS ENCLOSED BY 'ab'", /single characters/],
    ["FIELDS TERMINATED BY 'ü'", /are ASCII/],
    ["FIELDS TERMINATED BY 'n'", /means another one behind "\\"/],
    ["FIELDS TERMINATED BY '\\n'", /begin alike/],
    ["FIELDS TERMINATED BY ',' ENCLOSED BY ','", /begin alike/]
  ])("%s is none that rows can be written in", (clauses, fault) => {
    const result = DelimitedText.formatOf(`LOAD DATA LOCAL INFILE 'x' INTO TABLE t ${clauses}`, plain)
    expect(Result.isFailure(result) && result.failure).toMatch(fault)
  })
})

describe("rows", () => {
  const encode = (rows: ReadonlyArray<ReadonlyArray<unknown>>, format: Partial<DelimitedText.Format> = {}) =>
    DelimitedText.makeEncoder({ ...defaultFormat, ...format }, 0)(rows)

  const textOf = (rows: ReadonlyArray<ReadonlyArray<unknown>>, format?: Partial<DelimitedText.Format>): string =>
    Result.getOrThrow(encode(rows, format)).toString("latin1")

  it.each<[value: unknown, text: string]>([
    [null, "\\N"],
    [true, "1"],
    [false, "0"],
    [-5, "-5"],
    [0.1, "0.1"],
    [-0, "-0"],
    [MysqlTypes.float(1.5), "1.5"],
    [BigDecimal.fromStringUnsafe("1.50"), "1.50"],
    ["a\tb\nc\\d\0", "a\\\tb\\\nc\\\\d\\0"],
    [Uint8Array.of(0xff, 0x09, 0x00), "\xff\\\t\\0"],
    [MysqlTypes.date("2024-02-29"), "2024-02-29"],
    [new Date("2024-02-29T23:59:58.5Z"), "2024-02-29 23:59:58.500000"],
    [Duration.millis(-1), "-00:00:00.001000"]
  ])("%o", (value, text) => {
    expect(textOf([[value]])).toBe(`${text}\n`)
  })

  it("are in UTF-8, beside bytes too", () => {
    const utf8 = Buffer.from("ü").toString("latin1")
    expect(textOf([["ü"], ["ü", Uint8Array.of(0xfc)], ["ü"]])).toBe(`${utf8}\n${utf8}\t\xfc\n${utf8}\n`)
  })

  it.each<[format: Partial<DelimitedText.Format>, text: string]>([
    [{ fieldsTerminatedBy: ",", linesStartingBy: ">" }, ">a,it's,\\N\n"],
    [{ enclosedBy: "'", fieldsTerminatedBy: "," }, "'a','it\\'s',\\N\n"],
    [{ enclosedBy: "'", escapedBy: "", fieldsTerminatedBy: "," }, "'a','it''s',NULL\n"]
  ])("in the format %o", (format, text) => {
    expect(textOf([["a", "it's", null]], format)).toBe(text)
  })

  it.each<
    [name: string, rows: ReadonlyArray<ReadonlyArray<unknown>>, format: Partial<DelimitedText.Format>, error: object]
  >([
    ["undefined", [["a"], ["a", undefined]], {}, { row: 1, parameter: 1 }],
    ["NULL where nothing says it", [[1, null]], { escapedBy: "" }, { row: 0, parameter: 1 }],
    ["a terminator that nothing escapes", [["a"], ["a\tb"]], { escapedBy: "" }, { row: 1, parameter: 0 }]
  ])("with %s are refused", (_name, rows, format, error) => {
    expect(encode(rows, format)).toMatchObject({ failure: { _tag: "ParameterError", ...error } })
  })

  it("are counted over all calls of an encoder", () => {
    const encoder = DelimitedText.makeEncoder(defaultFormat, 0)
    encoder([["a"], ["b"]])
    expect(encoder([[undefined]])).toMatchObject({ failure: { row: 2 } })
  })
})
