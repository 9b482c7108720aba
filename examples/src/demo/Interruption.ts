/**
 * Part 4: a query that would take minutes is interrupted after 200 ms, and the server stops working on it: its list of
 * processes says so, asked over another connection.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { Checks } from "./Checks.ts"
import { Cities } from "./Cities.ts"
import { GeoNames } from "./GeoNames.ts"
import { Processes } from "./Processes.ts"
import * as Screen from "./Screen.ts"

const patienceMillis = 200
/** From the interruption until everything is over here: far more than it takes, far less than the query would. */
const returnWithinMillis = 1000

export const interruption = Effect.gen(function* () {
  const screen = yield* Screen.Screen
  const checks = yield* Checks
  const cities = yield* Cities
  const processes = yield* Processes
  const count = (yield* GeoNames).cities.length

  yield* screen.heading(
    `Comparing ${Screen.number((count * (count - 1)) / 2)} pairs of cities, for ${patienceMillis} ms`
  )
  const query = yield* Effect.forkChild(cities.closePairs)
  const seenRunning = processes.running.pipe(
    Effect.repeat({ until: (running) => running.length > 0, schedule: Schedule.spaced("10 millis") }),
    Effect.timeoutOption("10 seconds")
  )
  yield* Effect.all([seenRunning, Effect.sleep(patienceMillis)], { concurrency: "unbounded" })
  const before = yield* processes.running
  const asked = yield* Clock.currentTimeMillis
  yield* Fiber.interrupt(query)
  const took = (yield* Clock.currentTimeMillis) - asked
  const after = yield* processes.leftOver

  for (const { connectionId, statement } of before) {
    const text = (statement ?? "").replace(/\s+/g, " ").trim()
    yield* screen.line(`  Before the interruption connection ${connectionId} runs ${text.slice(0, 50)} …`)
  }
  const left = after.length === 0 ? "the server runs nothing any more" : `${after.length} still run on the server`
  yield* screen.line(`  ${Screen.time(took)} later ${left}`)
  yield* checks.expect(
    before.some(({ statement }) => statement?.includes("cities b") === true),
    "The long query was running on the server"
  )
  yield* checks.expect(took < returnWithinMillis, `Its interruption took less than ${returnWithinMillis} ms`)
  yield* checks.expect(after.length === 0, "It is gone from the server's list of processes")
})
