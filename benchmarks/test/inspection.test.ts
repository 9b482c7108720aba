/**
 * The check that goes before all timing: what it must refuse, and what it must not.
 */
import { describe, expect, it } from "@effect/vitest"
import { type BenchRow, columns, rowAt } from "../src/Dataset.ts"
import { inspector } from "../src/Inspection.ts"
import { expectedSum, Ledger, names } from "../src/Line.ts"
import { Reader } from "../src/Reader.ts"

const first = (): Record<string, unknown> => ({ ...rowAt(1) })

describe("inspector", () => {
  it("takes the rows that were stored, in the types that drivers give", () => {
    const inspect = inspector("rows-text")
    inspect(rowAt(1))
    inspect({ ...rowAt(2), account: BigInt(rowAt(2).account), token: new Uint8Array(rowAt(2).token) })
    inspect(Object.assign(Object.create(null), rowAt(3)))
  })

  const refused: ReadonlyArray<readonly [what: string, row: () => object]> = [
    ["another row", () => rowAt(2)],
    ["a string for a number", () => ({ ...first(), id: "1" })],
    ["a number for a decimal", () => ({ ...first(), amount: Number(rowAt(1).amount) })],
    ["a string for a date", () => ({ ...first(), created_at: rowAt(1).created_at.toISOString() })],
    ["text in another encoding", () => ({ ...first(), title: `${rowAt(1).title}\u00c3` })],
    ["undefined for NULL", () => ({ ...first(), note: rowAt(1).note === null ? undefined : null })],
    ["a column too few", () => Object.fromEntries(Object.entries(first()).slice(0, -1))],
    ["columns in another order", () => Object.fromEntries(Object.entries(first()).reverse())],
    ["a row as an array", () => Object.values(first())],
    ["a row of a class", () => Object.assign(new (class Row {})(), first())],
    [
      "a column that is decoded when it is read",
      () => Object.defineProperty(first(), "title", { enumerable: true, get: () => rowAt(1).title })
    ]
  ]

  it.each(refused)("refuses %s", (_what, row) => {
    expect(() => inspector("rows-text")(row())).toThrow()
  })
})

describe("expectedSum", () => {
  const read = (rows: ReadonlyArray<BenchRow>): number => {
    const reader = new Reader()
    reader.allRows(rows)
    return reader.sum
  }
  const page = Array.from({ length: 1_000 }, (_, index) => rowAt(index + 1))

  it("is what reading the rows of the turns gives", () => {
    expect(expectedSum("rows-text", 3, new Ledger())).toBe(3 * read(page))
  })

  it.each(columns)("changes with the column %s", (column) => {
    const other = rowAt(503)[column]
    expect(other).not.toEqual(page[500]![column])
    const changed = page.map((row, index) => (index === 500 ? { ...row, [column]: other } : row))
    expect(read(changed)).not.toBe(read(page))
  })

  it("knows the balances that transactions leave behind", () => {
    const ledger = new Ledger()
    expect(expectedSum("transaction", 2, ledger)).toBe(2)
    expect(expectedSum("transaction", 2, ledger)).toBe(4)
  })

  it.each(names)("of %s grows with the turns", (name) => {
    expect(expectedSum(name, 2, new Ledger())).toBeGreaterThan(expectedSum(name, 1, new Ledger()))
  })
})
