/**
 * What a run of vitest is counted as, by real runs over the files in `fixtures`.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SharedServers from "../../packages/test-utils/src/SharedServers.ts"
import * as Summary from "../lib/summary.ts"
import * as Vitest from "../lib/vitest.ts"

const runOn = (file: string, ...args: ReadonlyArray<string>): Effect.Effect<Summary.Summary> => runWith({}, file, args)

const runWith = (env: NodeJS.ProcessEnv, file: string, args: ReadonlyArray<string>): Effect.Effect<Summary.Summary> =>
  Vitest.run({
    runtime: process.execPath,
    args: ["--config=scripts/test/fixtures/vitest.config.ts", `scripts/test/fixtures/${file}`, ...args],
    env: { ...process.env, ...env },
    show: false
  })

describe("a run of vitest", () => {
  it.live("counts what passed, and why tests were skipped", () =>
    Effect.map(runOn("passes"), (summary) =>
      expect(summary).toEqual({
        ...Summary.empty,
        passed: 1,
        skipped: 2,
        skipReasons: { "there is no server": 1, "scripts/test/fixtures/passes.outcome.ts > a block": 1 }
      })
    )
  )

  it.live("skips what is for servers that nobody asked for: a file of nothing else is no failure", () => {
    const servers = SharedServers.toEnv(SharedServers.notAskedFor(["mysql-9.7"]))
    const reasons = { "mariadb-11.8: not asked for": 2, "mariadb-10.11: not asked for": 2 }
    return Effect.map(runWith(servers, "onServers", []), (summary) =>
      expect(summary).toEqual({ ...Summary.empty, skipped: 4, skipReasons: reasons })
    )
  })

  it.live.each([
    ["a test that fails", "fails", { passed: 1, failed: 1 }],
    ["a hook that fails", "hook", { passed: 1, failed: 1 }],
    ["a file that cannot be loaded", "load", { passed: 0, failed: 1 }],
    ["an error that no test caught", "unhandled", { passed: 1, failed: 1 }]
  ] as const)("counts %s as a failure", ([_, file, counts]) =>
    Effect.map(runOn(file), (summary) => {
      expect(summary).toEqual({ ...Summary.empty, ...counts })
      expect(Summary.isSuccess(summary)).toBe(false)
    })
  )

  it.live("is no success without a test", () =>
    Effect.map(runOn("nothing-of-this-name"), (summary) => {
      expect(summary).toEqual(Summary.empty)
      expect(Summary.isSuccess(summary)).toBe(false)
    })
  )

  it.live("is a failure when vitest cannot even start", () =>
    Effect.map(runOn("passes", "--no-such-option=1"), (summary) => {
      expect(summary.failed).toBe(1)
      expect(summary.troubles).toEqual(["vitest ended with 1 and without a report"])
    })
  )
})
