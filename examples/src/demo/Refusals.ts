/**
 * Part 3: what goes wrong is a value. A key that is taken is caught by its reason, and a transaction that fails leaves
 * nothing behind.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Census from "./Census.ts"
import { Checks } from "./Checks.ts"
import { Cities, type Summary } from "./Cities.ts"
import { GeoNames } from "./GeoNames.ts"
import * as Screen from "./Screen.ts"

export const duplicate = Effect.gen(function* () {
  const screen = yield* Screen.Screen
  const checks = yield* Checks
  const cities = yield* Cities
  const source = (yield* GeoNames).cities
  const city = source.reduce((a, b) => (b.population > a.population ? b : a))

  yield* screen.heading(`Adding ${city.name} once more`)
  const violated = yield* cities.add([city]).pipe(
    Effect.as(undefined),
    Effect.catchReason("SqlError", "UniqueViolation", (reason) => Effect.succeed(reason))
  )
  yield* screen.line(`  ${violated === undefined ? "Nobody minded" : `${violated._tag}: ${violated.message}`}`)
  yield* checks.expect(
    violated?.constraint.endsWith("PRIMARY") === true,
    "A key that is taken is a UniqueViolation of PRIMARY"
  )
})

class SecondThoughts extends Data.TaggedError("SecondThoughts")<{ readonly within: Summary }> {}

export const rollback = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const screen = yield* Screen.Screen
  const checks = yield* Checks
  const cities = yield* Cities
  const largest = Census.ranking(Census.fromCities((yield* GeoNames).cities))[0]!

  yield* screen.heading("A transaction with second thoughts")
  const before = yield* cities.summary
  const within = yield* Effect.gen(function* () {
    yield* cities.removeCountry(largest.code)
    return yield* new SecondThoughts({ within: yield* cities.summary })
  }).pipe(
    sql.withTransaction,
    Effect.catchTag("SecondThoughts", ({ within }) => Effect.succeed(within))
  )
  const after = yield* cities.summary
  yield* screen.line(`  Before          ${Screen.number(before.cities).padStart(8)} cities`)
  yield* screen.line(
    `  Within          ${Screen.number(within.cities).padStart(8)} cities: ${Screen.country(largest.code)} was deleted`
  )
  yield* screen.line(`  After it failed ${Screen.number(after.cities).padStart(8)} cities`)
  yield* checks.expect(
    within.cities === before.cities - largest.cities && within.people === before.people - largest.people,
    `The transaction saw its own work: ${Screen.number(largest.cities)} cities fewer`
  )
  yield* checks.expect(
    after.cities === before.cities && after.people === before.people,
    "When it failed, everything was as before"
  )
})
