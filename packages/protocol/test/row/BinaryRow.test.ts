/**
 * Rows of the binary protocol as "Binary Protocol Resultset Row" and "Binary Protocol Value" of the manual have them.
 */
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { ColumnType } from "../../src/ColumnType.ts"
import * as Column from "../../src/reply/Column.ts"
import * as ResultSet from "../../src/reply/ResultSet.ts"
import * as BinaryRow from "../../src/row/BinaryRow.ts"
import * as MysqlTypes from "../../src/value/MysqlTypes.ts"
import { columnDefinition, hex } from "../support/wire.ts"

const none = { flags: 0, extended: 0 }

const columnOf = (type: number): Column.Column =>
  Result.getOrThrow(Column.decode(columnDefinition({ name: "c", type }), none))

const encoded = (type: number, value: unknown) =>
  Result.map(BinaryRow.encode([columnOf(type)], [value]), (writer) => Buffer.from(writer.payload()).toString("hex"))

describe("a value in the form of its column", () => {
  it.each<[name: string, type: number, value: unknown, expected: string]>([
    ["TINYINT", ColumnType.TINY, -1, "ff"],
    ["a boolean", ColumnType.TINY, true, "01"],
    ["SMALLINT", ColumnType.SHORT, 258, "0201"],
    ["YEAR", ColumnType.YEAR, 2026, "ea07"],
    ["MEDIUMINT", ColumnType.INT24, -2, "feffffff"],
    ["INT", ColumnType.LONG, 1, "01000000"],
    ["BIGINT", ColumnType.LONGLONG, 2n ** 63n - 1n, "ffffffffffffff7f"],
    ["FLOAT", ColumnType.FLOAT, 1.5, "0000c03f"],
    ["FLOAT of a whole number", ColumnType.FLOAT, 2, "00000040"],
    ["DOUBLE", ColumnType.DOUBLE, 1.5, "000000000000f83f"],
    ["DOUBLE of a FLOAT", ColumnType.DOUBLE, MysqlTypes.float(1.5), "000000000000f83f"],
    ["DECIMAL", ColumnType.NEWDECIMAL, MysqlTypes.decimal("1.10"), "04312e3130"],
    ["VARCHAR", ColumnType.VAR_STRING, "ü", "02c3bc"],
    ["VARCHAR of a number", ColumnType.VAR_STRING, 12, "023132"],
    ["BLOB", ColumnType.BLOB, Uint8Array.of(0, 255), "0200ff"],
    ["DATE", ColumnType.DATE, MysqlTypes.date("2026-11-26"), "04ea070b1a"],
    ["DATETIME", ColumnType.DATETIME, MysqlTypes.datetime("2026-11-26 16:32:30"), "07ea070b1a10201e"],
    ["TIME", ColumnType.TIME, MysqlTypes.time("-24:00:01"), "0801" + "01000000" + "000001"]
  ])("%s", (_name, type, value, expected) => {
    expect(encoded(type, value)).toEqual(Result.succeed(`0000${expected}`))
  })

  it("NULL is a bit, from the third on", () => {
    const columns = Array.from({ length: 7 }, () => columnOf(ColumnType.TINY))
    const row = BinaryRow.encode(columns, [null, 1, null, 1, 1, 1, null])
    expect(Buffer.from(Result.getOrThrow(row).payload())).toEqual(hex("00 1401 01010101"))
  })

  it.each<[name: string, type: number, value: unknown]>([
    ["text as a number", ColumnType.LONG, "1"],
    ["text as a DOUBLE", ColumnType.DOUBLE, "1"],
    ["a number as a DATE", ColumnType.DATE, 1],
    ["a DATE as a TIME", ColumnType.TIME, MysqlTypes.date("2026-11-26")],
    ["a DATE as text", ColumnType.VAR_STRING, MysqlTypes.date("2026-11-26")],
    ["what no parameter can be", ColumnType.VAR_STRING, {}]
  ])("refused: %s", (_name, type, value) => {
    expect(encoded(type, value)).toMatchObject({ failure: { _tag: "ParameterError", parameter: "c" } })
  })

  it("a result is refused for the sake of one value", () => {
    const result = { columns: [columnOf(ColumnType.LONG)], rows: [[1], ["one"]], protocol: "binary" } as const
    expect(ResultSet.encode(result, none)).toMatchObject({ failure: { _tag: "ParameterError", parameter: "c" } })
  })
})
