/**
 * What the program that tries other runtimes prints, as a sum.
 */
import { describe, expect, it } from "vitest"
import * as Runtimes from "../lib/runtimes.ts"

describe("the output of the program", () => {
  it("ends in the counts", () => {
    expect(Runtimes.read("Bun, s: a: ok\nBun, s: b: ok\nBun: 2 passed, 0 failed\n", 0)).toMatchObject({
      passed: 2,
      failed: 0,
      troubles: []
    })
  })

  it("says what failed, and with what", () => {
    const output = "Bun, s: a: ok\nBun, s: b: FAILED\nError: x\n    at y\nBun, s: c: ok\nBun: 2 passed, 1 failed\n"
    expect(Runtimes.read(output, 1)).toMatchObject({
      passed: 2,
      failed: 1,
      troubles: [expect.stringContaining("b: FAILED\nError: x")]
    })
  })

  it("that breaks off is a failure", () => {
    expect(Runtimes.read("Bun, s: a: ok\nSegmentation fault", 139)).toMatchObject({ passed: 0, failed: 1 })
  })
})
