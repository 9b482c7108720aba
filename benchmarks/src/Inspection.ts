/**
 * The check before anything is timed: each row has to be a plain object with own data properties in the order of the
 * select list, and each cell equals the one that was stored. A `bigint` may stand for an integer and a `Buffer` for a
 * `Uint8Array`, as the drivers' defaults have it; nothing else may differ.
 */
import { type BenchRow, pointId, rowAt } from "./Dataset.ts"
import type { Name } from "./Line.ts"

/** Whether a cell is what was stored; which types it may have depends on what that is. */
const isSame = (got: unknown, stored: unknown): boolean => {
  if (typeof stored === "number" && typeof got === "bigint") return BigInt(stored) === got
  if (stored instanceof Date) return got instanceof Date && got.getTime() === stored.getTime()
  if (stored instanceof Uint8Array) return got instanceof Uint8Array && Buffer.compare(got, stored) === 0
  return Object.is(got, stored)
}

const shown = (value: unknown): string => {
  if (value instanceof Date) return `Date ${value.toISOString()}`
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`
  return typeof value === "string" ? JSON.stringify(value) : `${typeof value} ${value}`
}

const inspectShape = (row: object, expected: object): void => {
  const prototype = Object.getPrototypeOf(row)
  if (prototype !== Object.prototype && prototype !== null) throw new Error("a row is not a plain object")
  const names = Object.keys(row).join()
  if (names !== Object.keys(expected).join()) throw new Error(`a row has the properties ${names}`)
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(row))) {
    if (!Object.hasOwn(property, "value")) throw new Error(`the property ${name} of a row is an accessor`)
  }
}

const compare = (index: number, row: object, expected: object): void => {
  inspectShape(row, expected)
  for (const [name, stored] of Object.entries(expected)) {
    const got: unknown = Reflect.get(row, name)
    if (!isSame(got, stored)) {
      throw new Error(`row ${index}, column ${name}: expected ${shown(stored)}, got ${shown(got)}`)
    }
  }
}

/** The row that comes `index`-th in one turn of a line; `undefined` where only the shape is known beforehand. */
const expectedRow = (line: Name, index: number): BenchRow | { readonly 1: number } | undefined => {
  switch (line) {
    case "select1":
    case "concurrent":
      return { 1: 1 }
    case "point":
      return rowAt(pointId(index))
    case "transaction":
      return undefined
    default:
      return rowAt(index + 1)
  }
}

/** Takes the rows of one turn in their order and throws at the first that is not as it should be. */
export const inspector = (line: Name): ((row: object) => void) => {
  let index = 0
  return (row) => {
    const expected = expectedRow(line, index)
    if (expected === undefined) inspectShape(row, { balance: 0 })
    else compare(index, row, expected)
    index++
  }
}
