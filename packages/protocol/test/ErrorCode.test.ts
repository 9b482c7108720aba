import { describe, expect, it } from "vitest"
import * as ErrorCode from "../src/ErrorCode.ts"

describe.each(["mysql", "mariadb"] as const)("the errors of %s", (product) => {
  const all = ErrorCode.all(product)

  it("are many, in order, each with a name and an SQLSTATE", () => {
    expect(all.length).toBeGreaterThan(1300)
    for (const [index, { errno, sqlState, symbol }] of all.entries()) {
      expect(errno).toBeGreaterThan(all[index - 1]?.errno ?? 999)
      expect(symbol).toMatch(/^(?:ER|WARN|OBSOLETE)_\w+$/)
      expect(sqlState).toMatch(/^[0-9A-Z]{5}$/)
    }
  })

  it("are found by number and by name", () => {
    const duplicate = { errno: 1062, symbol: "ER_DUP_ENTRY", sqlState: "23000" }
    expect(ErrorCode.find(1062, product)).toEqual(duplicate)
    expect(ErrorCode.named("ER_DUP_ENTRY", product)).toEqual(duplicate)
    expect(ErrorCode.find(9999, product)).toBeUndefined()
    expect(ErrorCode.named("ER_NO_SUCH_ERROR", product)).toBeUndefined()
  })
})

it("have other SQLSTATEs for one name where the products differ", () => {
  const states = (symbol: string) =>
    (["mysql", "mariadb"] as const).map((product) => ErrorCode.named(symbol, product)?.sqlState)
  expect(states("ER_TRUNCATED_WRONG_VALUE_FOR_FIELD")).toEqual(["HY000", "22007"])
  expect(states("ER_LOCK_DEADLOCK")).toEqual(["40001", "40001"])
})
