/**
 * The README of the repository and of each package, and the page about transactions: every block of TypeScript is a file
 * of `src/readme`, word for word, and prints on every server what the text says that it prints.
 */

import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import type { MysqlServerError } from "@effect-mysql/test-utils/MysqlServerError"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { readdirSync, readFileSync } from "node:fs"
import { run, source } from "./support.ts"

interface Block {
  readonly language: string
  readonly text: string
}

interface Snippet {
  readonly readme: string
  /** Which block of it, from 1 on. */
  readonly block: number
  readonly text: string
  /** The file that holds the text; `undefined` where none does. */
  readonly file: string | undefined
  /** What it prints; a file without output is one that others import. */
  readonly output: string | undefined
}

const root = new URL("../../", import.meta.url)
const readmes = [
  "README.md",
  ...["client", "protocol", "sql-layer", "test-utils"].map((name) => `packages/${name}/README.md`),
  "docs/transactions.md"
]

const blocksOf = (markdown: string): ReadonlyArray<Block> =>
  Array.from(markdown.matchAll(/^```(\w*)\n(.*?)^```$/gms), ([, language, text]) => ({
    language: language!,
    text: text!
  }))

const files: ReadonlyMap<string, string> = new Map(
  readdirSync(source("readme")).map((file) => [file, readFileSync(source(`readme/${file}`), "utf8")])
)

const snippets: ReadonlyArray<Snippet> = readmes.flatMap((readme) => {
  const blocks = blocksOf(readFileSync(new URL(readme, root), "utf8"))
  return blocks.flatMap(({ language, text }, index) => {
    if (language !== "ts") return []
    const file = Array.from(files).find(([, content]) => content === text)?.[0]
    const next = blocks[index + 1]
    return [{ readme, block: index + 1, text, file, output: next?.language === "text" ? next.text : undefined }]
  })
})

const environment = (
  server: MysqlServer.Server
): Effect.Effect<Readonly<Record<string, string>>, MysqlServerError, Scope.Scope> =>
  Effect.map(Effect.all([server.database, server.database]), ([database, second]) => {
    const url = Redacted.value(server.url)
    return { DATABASE_URL: `${url}/${database}`, SECOND_DATABASE_URL: `${url}/${second}`, MYSQL_TEST_URL: url }
  })

describe("README", () => {
  it.each(snippets)("block $block of $readme is a file, whose types are checked: $file", ({ file, text }) => {
    expect(file, text).toBeDefined()
  })

  it("every file is shown", () => {
    expect(snippets.map(({ file }) => file).sort()).toEqual([...files.keys()].sort())
  })

  it("all but what others import say what they print", () => {
    expect(snippets.filter(({ output }) => output === undefined).map(({ file }) => file)).toEqual(["Database.ts"])
  })
})

for (const shared of SharedServers.all) {
  describe.skipIf(!shared.available)(`README on ${shared.name}`, () => {
    it.live(
      "every program prints what is said of it, one after the other on the same database",
      () =>
        Effect.gen(function* () {
          const env = yield* environment(yield* MysqlServer.MysqlServer)
          for (const { file, output } of snippets) {
            if (file === undefined || output === undefined) continue
            expect({ file, ...(yield* run(`readme/${file}`, { env })) }).toEqual({
              file,
              exitCode: 0,
              stdout: output,
              stderr: ""
            })
          }
        }).pipe(Effect.provide(shared.layer)),
      120_000
    )
  })
}
