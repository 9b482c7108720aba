/**
 * A vitest reporter that is quiet about what passes: failures come in full at the end, a terminal also sees a line per
 * file. It leaves the counts in the file that `EFFECT_MYSQL_TEST_SUMMARY` names; the last word is `scripts/test.ts`'s.
 */

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
import { fileVariable, type Summary } from "./lib/summary.ts"

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`

/** Says why a test was skipped where it did not say so itself: its block was. */
const outermost = (test: TestCase): TestCase | TestSuite => {
  let found: TestCase | TestSuite = test
  while (found.parent.type === "suite") found = found.parent
  return found
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
      const reason = result.note ?? `${testModule.relativeModuleId} > ${outermost(test).name}`
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
