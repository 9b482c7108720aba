/**
 * The whole example, in the order in which it is shown. It needs services and does not know who provides them: `demo.ts`
 * gives it a terminal, a server and all cities, a test gives it a few.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { Checks } from "./Checks.ts"
import { GeoNames } from "./GeoNames.ts"
import { interruption } from "./Interruption.ts"
import { introduce } from "./Introduction.ts"
import { load } from "./Load.ts"
import * as Memory from "./Memory.ts"
import { Processes } from "./Processes.ts"
import { read } from "./Read.ts"
import { duplicate, rollback } from "./Refusals.ts"
import * as Screen from "./Screen.ts"

/** Some of what has to be true was not. */
export class ChecksFailed extends Data.TaggedError("ChecksFailed")<{ readonly failed: number }> {
  override get message(): string {
    return `${this.failed} of the checks did not hold`
  }
}

/** `origin` says where the server comes from. Fails with `ChecksFailed` if the example did not do what it shows. */
export const demo = Effect.fnUntraced(function* (origin: string) {
  const screen = yield* Screen.Screen
  const checks = yield* Checks
  const processes = yield* Processes
  const { length } = (yield* GeoNames).cities
  const started = yield* Clock.currentTimeMillis

  yield* introduce(origin)
  const loading = yield* load
  const reading = yield* read
  yield* duplicate
  yield* rollback
  yield* interruption
  const left = yield* processes.leftOver
  yield* checks.expect(left.length === 0, "Nothing is left running")

  const found = yield* checks.all
  yield* screen.heading("Checks")
  yield* Effect.forEach(found, ({ holds, text }) => screen.verdict(holds, text), { discard: true })
  yield* screen.line()
  yield* screen.line(`Loaded    ${Screen.number(length)} rows, ${Screen.rate(length, loading)}`)
  yield* screen.line(`Streamed  ${Screen.number(length)} rows, ${Screen.rate(length, reading)}`)
  yield* screen.line(`Memory    ${Memory.format(yield* Memory.peak)} at most, with all cities of the source in it`)
  yield* screen.line(`Time      ${Screen.time((yield* Clock.currentTimeMillis) - started)}`)
  const failed = found.filter(({ holds }) => !holds).length
  if (failed > 0) return yield* new ChecksFailed({ failed })
})
