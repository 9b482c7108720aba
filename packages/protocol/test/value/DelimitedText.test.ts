import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as DelimitedText from "../../src/value/DelimitedText.ts"
import * as MysqlTypes from "../../src/value/MysqlTypes.ts"

const plain = { noBackslashEscapes: false, ansiQuotes: false }
const { defaultFormat } = DelimitedText

const load = (clauses: string) =>
  `LOAD DATA LOCAL INFILE 'fields terminated by' INTO TABLE t ${clauses} IGNORE 1 LINES (a)`

describe("the format that a statement states", () => {
  it.each<[clauses: string, format: Partial<DelimitedText.Format>]>([
    ["", {}],
    ["FIELDS TERMINATED BY ','", { fieldsTerminatedBy: "," }],
    [
      "columns terminated by '||' enclosed by '\"' escaped by ''",
      { fieldsTerminatedBy: "||", enclosedBy: '"', escapedBy: "" }
    ],
    ["FIELDS OPTIONALLY ENCLOSED BY ''''", { enclosedBy: "'" }],
    ["FIELDS ENCLOSED BY '\\'' ESCAPED BY '\\\\'", { enclosedBy: "'", escapedBy: "\\" }],
    [
      "FIELDS TERMINATED BY \"\\t\" LINES TERMINATED BY '\\r\\n'",
      { fieldsTerminatedBy: "\t", linesTerminatedBy: "\r\n" }
    ],
    ["LINES STARTING BY '> ' TERMINATED BY '\\n'", { linesStartingBy: "> " }],
    ["/* FIELDS TERMINATED BY ',' */ LINES TERMINATED BY ';'", { linesTerminatedBy: ";" }]
  ])("%j", (clauses, format) => {
    expect(DelimitedText.formatOf(load(clauses), plain)).toEqual(Result.succeed({ ...defaultFormat, ...format }))
  })

  it("a backslash is one where the mode says so", () => {
    expect(DelimitedText.formatOf(load("FIELDS ESCAPED BY '\\'"), { ...plain, noBackslashEscapes: true })).toEqual(
      Result.succeed(defaultFormat)
    )
  })

  it.each([
    "FIELDS TERMINATED BY ''",
    "FIELDS TERMINATED BY 0x2c",
    "FIELDS TERMINATED BY 'ü'",
    "FIELDS TERMINATED BY 'N'",
    "FIELDS ENCLOSED BY 'ab'",
    "FIELDS TERMINATED BY '\\n'",
    "/*! FIELDS */ LINES TERMINATED BY ';'"
  ])("rows cannot be written in: %s", (clauses) => {
    expect(Result.isFailure(DelimitedText.formatOf(load(clauses), plain))).toBe(true)
  })
})

describe("rows as text", () => {
  const write = (format: Partial<DelimitedText.Format>, ...rows: ReadonlyArray<ReadonlyArray<unknown>>) =>
    Result.map(DelimitedText.makeEncoder({ ...defaultFormat, ...format }, 0)(rows), (bytes) => bytes.toString("latin1"))

  it.each<[format: Partial<DelimitedText.Format>, row: ReadonlyArray<unknown>, text: string]>([
    [{}, ["a\tb\nc\\d\0", null, 1, true, 0.5, 10n], "a\\\tb\\\nc\\\\d\\0\t\\N\t1\t1\t0.5\t10\n"],
    [{ fieldsTerminatedBy: ",", enclosedBy: '"' }, ['say "x, y"', null], '"say \\"x\\, y\\"",\\N\n'],
    [
      { fieldsTerminatedBy: ",", enclosedBy: '"', escapedBy: "" },
      ['say "x, y"', null, "NULL"],
      '"say ""x, y""",NULL,"NULL"\n'
    ],
    [{ linesStartingBy: "> ", linesTerminatedBy: "\r\n" }, ["a\r\nb"], "> a\\\r\nb\r\n"],
    [{}, ["ü"], "Ã¼\n"],
    [
      {},
      [false, -0, MysqlTypes.float(1.5), MysqlTypes.decimal("1.10"), MysqlTypes.time("-24:00:01.5")],
      "0\t-0\t1.5\t1.10\t-24:00:01.500000\n"
    ],
    [
      {},
      [MysqlTypes.date("2026-11-26"), MysqlTypes.datetime("2026-11-26 16:32:30.25")],
      "2026-11-26\t2026-11-26 16:32:30.250000\n"
    ],
    [{ enclosedBy: "", escapedBy: "" }, ["a", 1], "a\t1\n"],
    [{}, [Uint8Array.of(0, 9, 200), "ü"], "\\0\\\tÈ\tÃ¼\n"]
  ])("%j: case %#", (format, row, text) => {
    expect(write(format, row)).toEqual(Result.succeed(text))
  })

  it.each<[name: string, value: unknown]>([
    ["NULL", null],
    ["the end of a field", "a\tb"],
    ["the end of a line", "a\nb"]
  ])("what has no form without quote and escape is refused: %s", (_name, value) => {
    const written = write({ enclosedBy: "", escapedBy: "" }, ["a", value])
    expect(written).toMatchObject({ failure: { _tag: "ParameterError", parameter: 1, row: 0 } })
  })

  it("an error names the row, counted over all calls", () => {
    const encode = DelimitedText.makeEncoder(defaultFormat, 0)
    expect(Result.isSuccess(encode([["a"], ["b"]]))).toBe(true)
    const error = Result.flip(encode([["c"], ["d", Number.NaN]]))
    expect(Result.getOrThrow(error)).toMatchObject({ row: 3, parameter: 1 })
  })
})
