/**
 * The service of the example: a table of cities behind an interface that speaks of cities, not of rows. It needs a
 * `SqlClient` and does not know which database is behind it, nor how it is reached.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { City, CityId, CountryCode } from "./City.ts"

/** The largest batch: a statement takes 65,535 placeholders, and a city is eight of them. */
export const maxBatch = 8191

/** How many cities there are, and how many people live in them. */
export class Summary extends Schema.Class<Summary>("Summary")({
  cities: Schema.Natural,
  people: Schema.Natural
}) {}

/** The database fails, or holds what the schema of a city does not allow. */
export type Failure = SqlError | Schema.SchemaError

export class Cities extends Context.Service<
  Cities,
  {
    /** Makes the table, empty; one that is there goes. */
    readonly createTable: Effect.Effect<void, SqlError>
    /** Adds cities by one statement, at most `maxBatch`. Fails with `UniqueViolation` where an id is taken. */
    readonly add: (cities: NonEmptyReadonlyArray<City>) => Effect.Effect<void, Failure>
    /** Every city, as the server sends them: never more of them in memory than the consumer asks for. */
    readonly all: Stream.Stream<City, Failure>
    readonly find: (id: CityId) => Effect.Effect<Option.Option<City>, Failure>
    readonly summary: Effect.Effect<Summary, Failure>
    readonly removeCountry: (country: string) => Effect.Effect<void, Failure>
    /** How many pairs of cities lie within about a kilometre. Compares each with each: of all cities it takes minutes. */
    readonly closePairs: Effect.Effect<number, Failure>
  }
>()("examples/Cities") {
  static readonly layer: Layer.Layer<Cities, never, SqlClient.SqlClient> = Layer.effect(
    Cities,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const createTable = Effect.andThen(
        sql`DROP TABLE IF EXISTS cities`,
        sql`
          CREATE TABLE cities (
            id INT UNSIGNED PRIMARY KEY,
            name VARCHAR(100) NOT NULL,
            country CHAR(2) NOT NULL,
            region VARCHAR(10),
            kind VARCHAR(10) NOT NULL,
            population INT UNSIGNED NOT NULL,
            latitude DOUBLE NOT NULL,
            longitude DOUBLE NOT NULL
          ) CHARACTER SET utf8mb4
        `
      )

      const add = SqlSchema.void({
        Request: Schema.NonEmptyArray(City),
        execute: (cities) => sql`INSERT INTO cities ${sql.insert(cities)}`
      })

      const decode = Schema.decodeUnknownEffect(Schema.NonEmptyArray(City))
      const all = sql`SELECT * FROM cities`.stream.pipe(Stream.mapArrayEffect((rows) => decode(rows)))

      const find = SqlSchema.findOneOption({
        Request: CityId,
        Result: City,
        execute: (id) => sql`SELECT * FROM cities WHERE id = ${id}`
      })

      // SUM is a DECIMAL, which comes as a string; cast to an integer it comes as a number.
      const summary = SqlSchema.findOne({
        Request: Schema.Void,
        Result: Summary,
        execute: () => sql`
          SELECT COUNT(*) AS cities, CAST(COALESCE(SUM(population), 0) AS UNSIGNED) AS people FROM cities
        `
      })().pipe(Effect.catchTag("NoSuchElementError", Effect.die))

      const removeCountry = SqlSchema.void({
        Request: CountryCode,
        execute: (country) => sql`DELETE FROM cities WHERE country = ${country}`
      })

      const closePairs = SqlSchema.findOne({
        Request: Schema.Void,
        Result: Schema.Struct({ pairs: Schema.Natural }),
        execute: () => sql`
          SELECT COUNT(*) AS pairs FROM cities a JOIN cities b ON a.id < b.id
          WHERE ABS(a.latitude - b.latitude) + ABS(a.longitude - b.longitude) < 0.01
        `
      })().pipe(
        Effect.map(({ pairs }) => pairs),
        Effect.catchTag("NoSuchElementError", Effect.die)
      )

      return Cities.of({ createTable, add, all, find, summary, removeCountry, closePairs })
    })
  )
}
