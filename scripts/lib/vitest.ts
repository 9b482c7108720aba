/**
 * One run of vitest in a process of its own, on the Node or other runtime of one's choice, with what it came to.
 */

import * as Effect from "effect/Effect"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Command from "./command.ts"
import * as Summary from "./summary.ts"
import { root } from "./workspace.ts"

export interface Run {
  readonly runtime: string
  /** For the runtime, before the program. */
  readonly runtimeArgs?: ReadonlyArray<string> | undefined
  readonly args: ReadonlyArray<string>
  readonly env: NodeJS.ProcessEnv
  /** Whether vitest's output goes to ours. Default: it does. */
  readonly show?: boolean | undefined
}

interface Report {
  readonly counts: ReadonlyArray<Summary.Summary>
  readonly unhandledErrors: number
}

/** Vitest may end badly with every test passed (a worker that hangs, an error between files): that is a failure. */
const conclude = (file: string, exitCode: number): Summary.Summary => {
  if (!existsSync(file)) return Summary.failure(`vitest ended with ${exitCode} and without a report`)
  const report = JSON.parse(readFileSync(file, "utf8")) as Report
  const counted = report.counts.reduce(Summary.add, { ...Summary.empty, failed: report.unhandledErrors })
  if (counted.failed > 0 || exitCode === 0 || report.counts.length === 0) return counted
  return Summary.add(counted, Summary.failure(`vitest ended with ${exitCode} although no test failed`))
}

export const run = (options: Run): Effect.Effect<Summary.Summary> =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-mysql-tests-"))),
    (folder) => {
      const file = join(folder, "summary.json")
      const vitest = join(root, "node_modules", "vitest", "vitest.mjs")
      const args = [...(options.runtimeArgs ?? []), vitest, "run", "--reporter=./scripts/reporter.ts", ...options.args]
      const plain = process.stdout.isTTY ? {} : { NO_COLOR: "1" }
      // Every test file and many a test start processes that load the same modules. What comes out of the cache knows its
      // functions less exactly than coverage wants it.
      const compiled = options.args.some((arg) => arg.startsWith("--coverage"))
        ? {}
        : { NODE_COMPILE_CACHE: join(folder, "compiled") }
      const env = { ...plain, ...compiled, ...options.env, [Summary.fileVariable]: file }
      return Effect.map(
        Command.run(options.runtime, args, { cwd: root, env, show: options.show ?? true }),
        ({ exitCode }) => conclude(file, exitCode)
      )
    },
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
