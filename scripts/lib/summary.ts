/**
 * What a run of tests came to: the counts, why tests were skipped, and the last line that is printed about it.
 */

export interface Summary {
  readonly passed: number
  /** Failed tests, files that could not be loaded, failed hooks of suites and errors that no test caught. */
  readonly failed: number
  readonly skipped: number
  /** How many tests were skipped for each reason that was given. */
  readonly skipReasons: Readonly<Record<string, number>>
  /** What failed besides tests: lines to be shown. */
  readonly troubles: ReadonlyArray<string>
}

export const empty: Summary = { passed: 0, failed: 0, skipped: 0, skipReasons: {}, troubles: [] }

/** One failure that is no test's. */
export const failure = (trouble: string): Summary => ({ ...empty, failed: 1, troubles: [trouble] })

/** The reporter writes the summary, as JSON, to the file that this variable names. */
export const fileVariable = "EFFECT_MYSQL_TEST_SUMMARY"

export const add = (left: Summary, right: Summary): Summary => {
  const skipReasons: Record<string, number> = { ...left.skipReasons }
  for (const [reason, count] of Object.entries(right.skipReasons)) {
    skipReasons[reason] = (skipReasons[reason] ?? 0) + count
  }
  return {
    passed: left.passed + right.passed,
    failed: left.failed + right.failed,
    skipped: left.skipped + right.skipped,
    skipReasons,
    troubles: [...left.troubles, ...right.troubles]
  }
}

/** A run in which nothing was run proves nothing. */
export const isSuccess = (summary: Summary): boolean => summary.failed === 0 && summary.passed > 0

export const line = (summary: Summary): string =>
  `${summary.passed} passed, ${summary.failed} failed, ${summary.skipped} skipped`
