/**
 * Part 1: the table is made, and all cities go into it, many by one statement.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Checks } from "./Checks.ts"
import { Cities } from "./Cities.ts"
import { GeoNames } from "./GeoNames.ts"
import * as Screen from "./Screen.ts"

/** Of 500, 1,000 and 2,000 the best, or nearly, on each of the three servers. */
const batchSize = 1000
/** Over as many connections: with one, the server would wait for us and we for the server. */
const batchesAtOnce = 4

/** Gives how long it took, in milliseconds. */
export const load = Effect.gen(function* () {
  const screen = yield* Screen.Screen
  const checks = yield* Checks
  const cities = yield* Cities
  const source = (yield* GeoNames).cities

  yield* screen.heading(`Loading ${Screen.number(source.length)} cities, ${Screen.number(batchSize)} to an INSERT`)
  yield* cities.createTable
  const [took] = yield* Effect.timed(
    screen.withProgress(source.length, (progress) =>
      Stream.fromIterable(source).pipe(
        Stream.rechunk(batchSize),
        Stream.chunks,
        Stream.mapEffect((batch) => Effect.andThen(cities.add(batch), progress.advance(batch.length)), {
          concurrency: batchesAtOnce
        }),
        Stream.runDrain
      )
    )
  )
  const millis = Duration.toMillis(took)

  const people = source.reduce((sum, city) => sum + city.population, 0)
  const loaded = yield* cities.summary
  yield* screen.line(
    `  ${Screen.number(loaded.cities)} cities with ${Screen.number(loaded.people)} people in ${Screen.time(millis)}`
  )
  yield* checks.expect(
    loaded.cities === source.length && loaded.people === people,
    `The server counts ${Screen.number(source.length)} cities and ${Screen.number(people)} people, as the source`
  )
  return millis
})
