import * as Result from "effect/Result"
import { afterEach, expect, it, vi } from "vitest"
import { ColumnType } from "../../src/ColumnType.ts"
import { textRow } from "../support/wire.ts"

afterEach(() => {
  vi.unstubAllGlobals()
})

it("where the runtime forbids code from strings, rows are decoded all the same, however many", async () => {
  const forbidden = vi.fn(
    class {
      constructor() {
        throw new EvalError("Code generation from strings disallowed for this context")
      }
    }
  )
  vi.resetModules()
  const RowDecoder = await import("../../src/row/RowDecoder.ts")
  vi.stubGlobal("Function", forbidden)
  const columns = ["__proto__", "n"].map((name, index) => ({
    name,
    table: "",
    database: "",
    originalName: "",
    originalTable: "",
    collation: 45,
    length: 20,
    type: index === 0 ? ColumnType.VAR_STRING : ColumnType.LONG,
    flags: 0,
    decimals: 0,
    extendedType: undefined,
    format: undefined
  }))
  const options = { protocol: "text", shape: "object", decoding: {}, offsetMinutes: 0 } as const
  const decoder = Result.getOrThrow(RowDecoder.make(columns, options))
  const row = textRow("a", "1")
  for (let count = 0; count < 200; count++) {
    expect(Object.entries(decoder.decode(row, 0, row.length) as object)).toEqual([
      ["__proto__", "a"],
      ["n", 1]
    ])
  }
  expect(Result.isSuccess(RowDecoder.make(columns, options))).toBe(true)
  expect(forbidden).toHaveBeenCalledTimes(1)
})
