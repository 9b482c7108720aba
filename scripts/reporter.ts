/**
 * A vitest reporter that is quiet about what passes: failures come in full at the end, a terminal also sees a line per
 * file. It leaves the counts in the file that `EFFECT_MYSQL_TEST_SUMMARY` names; the last word is `scripts/test.ts`'s.
 */

import * as Result from "effect/Result"
import type { SerializedError } from "vitest"
import {
  DefaultReporter,
  type TestCase,
  type TestModule,
  type TestRunEndReason,
  type TestSuite,
  type Vitest
} from "vitest/node"
import { writeFileSync } from "node:fs"
import * as SharedServers from "../packages/test-utils/src/SharedServers.ts"
import { fileVariable, type Summary } from "./lib/summary.ts"

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`

/** The servers that tests cannot have, and why. */
const unavailable: ReadonlyArray<SharedServers.SharedServer> = Result.getOrElse(
  SharedServers.fromEnvironment(process.env[SharedServers.environmentVariable] ?? "[]"),
  () => []
).filter(({ available }) => !available)

/** Says why a test was skipped where it did not say so itself: the server that its block is for, or the block. */
const skippedWith = (test: TestCase): string => {
  const server = unavailable.find(({ name }) => test.fullName.includes(name))
  if (server !== undefined) return `${server.name}: ${server.reason}`
  let outermost: TestCase | TestSuite = test
  while (outermost.parent.type === "suite") outermost = outermost.parent
  return `${test.module.relativeModuleId} > ${outermost.name}`
}

/** The counts of one test file. A test that was left without a result, since its worker died, has failed. */
const countModule = (testModule: TestModule): Summary => {
  let passed = 0
  let failed = testModule.errors().length
  let skipped = 0
  const skipReasons: Record<string, number> = {}
  for (const suite of testModule.children.allSuites()) failed += suite.errors().length
  for (const test of testModule.children.allTests()) {
    const result = test.result()
    if (result.state === "passed") passed += 1
    else if (result.state === "skipped") {
      skipped += 1
      const reason = result.note ?? skippedWith(test)
      skipReasons[reason] = (skipReasons[reason] ?? 0) + 1
    } else failed += 1
  }
  return { passed, failed, skipped, skipReasons, troubles: [] }
}

export default class QuietReporter extends DefaultReporter {
  constructor() {
    super({ summary: false })
  }

  override onInit(vitest: Vitest): void {
    this.ctx = vitest
    // The long tests are run for the figures that they print.
    if (process.env.EFFECT_MYSQL_TESTS !== "long") this.silent ??= "passed-only"
  }

  override onTestRunEnd(
    testModules: ReadonlyArray<TestModule>,
    unhandledErrors: ReadonlyArray<SerializedError>,
    reason: TestRunEndReason
  ): void {
    super.onTestRunEnd(testModules, unhandledErrors, reason)
    const file = process.env[fileVariable]
    if (file === undefined) return
    const counts = testModules.map(countModule)
    writeFileSync(file, JSON.stringify({ counts, unhandledErrors: unhandledErrors.length }))
  }

  override printTestModule(testModule: TestModule): void {
    if (!this.isTTY) return
    const { failed, passed, skipped } = countModule(testModule)
    const parts = [
      ...(passed > 0 ? [`${passed} passed`] : []),
      ...(failed > 0 ? [`${failed} failed`] : []),
      ...(skipped > 0 ? [`${skipped} skipped`] : [])
    ]
    this.log(`${testModule.relativeModuleId}: ${parts.join(", ")} (${seconds(testModule.diagnostic().duration)})`)
  }

  override reportTestSummary(): void {}
}
