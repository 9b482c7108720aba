/**
 * The service of the example on every server, with a few of the cities.
 */

import { describe, expect, layer } from "@effect/vitest"
import * as MysqlClient from "@effect-mysql/sql-layer/MysqlClient"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as SqlClient from "effect/sql/SqlClient"
import { Checks } from "../src/demo/Checks.ts"
import * as Cities from "../src/demo/Cities.ts"
import { City, CityId } from "../src/demo/City.ts"
import { ChecksFailed, demo } from "../src/demo/Demo.ts"
import { GeoNames } from "../src/demo/GeoNames.ts"
import { Processes } from "../src/demo/Processes.ts"
import * as Screen from "../src/demo/Screen.ts"

const Database = Layer.unwrap(
  Effect.gen(function* () {
    const server = yield* MysqlServer.MysqlServer
    return MysqlClient.layer({ url: server.url, database: yield* server.database, maxConnections: 4 })
  })
)

const services = (shared: SharedServers.SharedServer) =>
  Layer.mergeAll(Cities.Cities.layer, Processes.layer).pipe(
    Layer.provideMerge(Database),
    Layer.provideMerge(shared.layer)
  )

/** As many as the comparison of all pairs needs to take seconds. */
const some = 8000

const withCities = Effect.fnUntraced(function* (count: number) {
  const cities = yield* Cities.Cities
  const { cities: source } = yield* Effect.provide(GeoNames, GeoNames.layer(count))
  yield* cities.createTable
  if (Arr.isReadonlyArrayNonEmpty(source)) yield* cities.add(source)
  return { cities, source }
})

for (const shared of SharedServers.all) {
  describe.skipIf(!shared.available)(`Cities on ${shared.name}`, () => {
    layer(services(shared), { excludeTestServices: true })((it) => {
      it.effect("what was added comes back as it was, as cities", () =>
        Effect.gen(function* () {
          const { cities, source } = yield* withCities(500)
          const all = yield* Stream.runCollect(cities.all)
          expect(all.sort((a, b) => a.id - b.id)).toEqual(source)
          expect(all[0]).toBeInstanceOf(City)
          expect(yield* cities.summary).toEqual(
            new Cities.Summary({ cities: 500, people: source.reduce((sum, city) => sum + city.population, 0) })
          )
        })
      )

      it.effect("an empty table is a summary of zeros and a stream that ends", () =>
        Effect.gen(function* () {
          const { cities } = yield* withCities(0)
          expect(yield* cities.summary).toEqual(new Cities.Summary({ cities: 0, people: 0 }))
          expect(yield* Stream.runCollect(cities.all)).toEqual([])
        })
      )

      it.effect("a city is found by its id, or is not", () =>
        Effect.gen(function* () {
          const { cities, source } = yield* withCities(3)
          expect(yield* cities.find(CityId.make(2))).toEqual(Option.some(source[1]))
          expect(yield* cities.find(CityId.make(4))).toEqual(Option.none())
        })
      )

      it.effect("of a batch with a key that is taken, nothing is added", () =>
        Effect.gen(function* () {
          const { cities, source } = yield* withCities(3)
          const other = new City({ ...source[2]!, id: CityId.make(4) })
          const reason = yield* cities.add([other, source[0]!]).pipe(
            Effect.as(undefined),
            Effect.catchReason("SqlError", "UniqueViolation", (reason) => Effect.succeed(reason))
          )
          expect(reason?.constraint).toMatch(/PRIMARY$/)
          expect((yield* cities.summary).cities).toBe(3)
        })
      )

      it.effect("the largest batch is as large as is said", () =>
        Effect.gen(function* () {
          const { cities } = yield* withCities(Cities.maxBatch)
          expect((yield* cities.summary).cities).toBe(Cities.maxBatch)
        })
      )

      it.effect("a row that is no city fails with what is wrong with it", () =>
        Effect.gen(function* () {
          const { cities } = yield* withCities(2)
          const sql = yield* SqlClient.SqlClient
          yield* sql`UPDATE cities SET country = 'j1' WHERE id = 2`
          const error = yield* Effect.flip(Stream.runDrain(cities.all))
          expect(error._tag).toBe("SchemaError")
          expect(error.message).toMatch(/country/)
        })
      )

      it.effect("the whole example holds its checks, and says so", () =>
        Effect.gen(function* () {
          const lines: Array<string> = []
          const screen = Screen.Screen.layer({ write: (text) => lines.push(text) })
          yield* Effect.provide(demo("of the tests"), Layer.mergeAll(Checks.layer, GeoNames.layer(some), screen))
          const text = lines.join("")
          // A server that `MYSQL_TEST_URL` names may have no TLS.
          const line = shared.provider === "url" ? "(, over TLSv1\\.\\d)?" : ", over TLSv1\\.\\d"
          expect(text).toMatch(new RegExp(`^Server: (MySQL|MariaDB) \\d+\\.\\d+\\.\\d+ of the tests${line}`, "m"))
          expect(text).toMatch(/^Loaded +8,000 rows, [\d,]+ rows\/s$/m)
          expect(text).toMatch(/^Streamed +8,000 rows, [\d,]+ rows\/s$/m)
          expect(text).toMatch(/^ {2}✓ Nothing is left running$/m)
          expect(text).not.toContain("✗")
        })
      )

      it.effect("the example fails when what came back is not what went in", () =>
        Effect.gen(function* () {
          const cities = yield* Cities.Cities
          const lines: Array<string> = []
          const screen = Screen.Screen.layer({ write: (text) => lines.push(text) })
          const failure = yield* demo("of the tests").pipe(
            Effect.provide(Layer.mergeAll(Checks.layer, GeoNames.layer(some), screen)),
            Effect.provideService(Cities.Cities, {
              ...cities,
              all: Stream.filter(cities.all, (city) => city.id !== 7)
            }),
            Effect.flip
          )
          expect(lines.filter((line) => line.includes("✗"))).toEqual([
            "  ✗ 8,000 cities came back, each as it went in\n",
            expect.stringContaining("The sums by country are those of the source")
          ])
          expect(failure).toEqual(new ChecksFailed({ failed: 2 }))
        })
      )
    })
  })
}
