/**
 * Part 2: the whole table comes back as a stream and is added up by country on its way. A few rows are in memory at a
 * time: when this side is slow the server waits.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Census from "./Census.ts"
import { Checks } from "./Checks.ts"
import { Cities } from "./Cities.ts"
import * as City from "./City.ts"
import { GeoNames } from "./GeoNames.ts"
import * as Memory from "./Memory.ts"
import * as Screen from "./Screen.ts"

const shown = 10
const nameWidth = 16
const peopleWidth = 13
const barWidth = 36

const chart = (census: Census.Census): ReadonlyArray<string> => {
  const countries = Census.ranking(census).slice(0, shown)
  const most = countries[0]?.people ?? 1
  return countries.map(({ code, people }) => {
    const name = Screen.country(code).padEnd(nameWidth)
    return `  ${name} ${Screen.number(people).padStart(peopleWidth)} ${Screen.bar(people / most, barWidth)}`
  })
}

/** Gives how long it took, in milliseconds. */
export const read = Effect.gen(function* () {
  const screen = yield* Screen.Screen
  const checks = yield* Checks
  const cities = yield* Cities
  const source = (yield* GeoNames).cities

  yield* screen.heading("Streaming the table back, added up by country")
  const census = Census.make()
  let rows = 0
  let unchanged = 0
  let largestChunk = 0
  const before = yield* Memory.resident
  let most = before
  const started = yield* Clock.currentTimeMillis
  yield* cities.all.pipe(
    Stream.runForEachArray((chunk) =>
      Effect.map(Memory.resident, (resident) => {
        rows += chunk.length
        largestChunk = Math.max(largestChunk, chunk.length)
        most = Math.max(most, resident)
        for (const city of chunk) {
          Census.add(census, city)
          const original = source[city.id - 1]
          if (original !== undefined && City.equals(city, original)) unchanged += 1
        }
      })
    )
  )
  const millis = (yield* Clock.currentTimeMillis) - started

  yield* screen.line(`  ${Screen.number(rows)} rows in ${Screen.time(millis)}, ${Screen.rate(rows, millis)}`)
  yield* screen.line(
    `  At most ${Screen.number(largestChunk)} rows at a time; memory grew by ${Memory.format(most - before)}`
  )
  yield* screen.line()
  yield* screen.line(`  Most people in listed cities, of ${census.countries.size} countries`)
  yield* Effect.forEach(chart(census), (line) => screen.line(line), { discard: true })

  yield* checks.expect(
    rows === source.length && unchanged === source.length,
    `${Screen.number(source.length)} cities came back, each as it went in`
  )
  yield* checks.expect(
    Census.equals(census, Census.fromCities(source)),
    `The sums by country are those of the source, in ${census.countries.size} countries`
  )
  return millis
})
