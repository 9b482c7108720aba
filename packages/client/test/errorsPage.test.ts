/**
 * The page on errors speaks of every reason that there is, of none that there is not, and of every phase of a loss.
 */
import { describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import * as MysqlError from "../src/MysqlError.ts"

const page = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8")

const reasons = Object.entries(MysqlError)
  .filter(([name, value]) => value.prototype instanceof Error && name !== "MysqlError")
  .map(([name]) => name)

describe("docs/errors.md", () => {
  it("has a section on each reason", () => {
    expect(reasons.length).toBeGreaterThan(10)
    expect([...page.matchAll(/^### (.*)$/gm)].map((match) => match[1]!).sort()).toEqual([...reasons].sort())
  })

  it("has a line on each phase in which a line is lost", () => {
    const phases: Record<MysqlError.ConnectionLost["phase"], true> = {
      idle: true,
      notSent: true,
      sent: true,
      replyStarted: true
    }
    expect([...page.matchAll(/^- `(\w+)`:/gm)].map((match) => match[1])).toEqual(Object.keys(phases))
  })
})
