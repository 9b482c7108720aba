/**
 * The page for those who come from aiomysql has every row of its tables, each with a test that exists or the word that it
 * has no counterpart.
 */
import { describe, expect, it } from "@effect/vitest"
import { existsSync, readFileSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const page = readFileSync(`${root}/docs/aiomysql.md`, "utf8")

/** Rows with a number, by the cells of each. */
const rows = [...page.matchAll(/^\| ([A-Z]\d+) \|.*\|$/gm)].map(([line, id]) => ({
  id: id!,
  cells: line.split(/(?<!\\)\|/).map((cell) => cell.trim())
}))

/** How many rows each chapter has. */
const chapters: Readonly<Record<string, number>> = {
  A: 7,
  B: 27,
  C: 24,
  D: 12,
  E: 20,
  F: 10,
  G: 10,
  H: 4,
  I: 11,
  J: 15
}

const exists = (name: string): boolean => {
  if (!name.includes("/")) return existsSync(`${root}/packages/client/test/${name}.test.ts`)
  return (
    existsSync(`${root}/${name}.test.ts`) ||
    (existsSync(`${root}/${name}`) && statSync(`${root}/${name}`).isDirectory())
  )
}

describe("docs/aiomysql.md", () => {
  it.each(Object.entries(chapters))("has every row of chapter %s", (chapter, count) => {
    const ids = rows.map(({ id }) => id).filter((id) => id.startsWith(chapter))
    expect(ids).toEqual(Array.from({ length: count }, (_, index) => `${chapter}${index + 1}`))
  })

  it("names tests that exist for each row, or says that there is no counterpart", () => {
    const without = rows.filter(({ cells }) => {
      const tests = [...cells.at(-2)!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
      return tests.length === 0 ? !cells[3]!.startsWith("no counterpart") : !tests.every(exists)
    })
    expect(without.map(({ id }) => id)).toEqual([])
  })
})
