/**
 * A city as the service knows it: what may be in a row of the table, and nothing else. Rows that come from the database
 * are decoded with it, so that the rest of the program never sees a value that it does not expect.
 */
import * as Schema from "effect/Schema"

export const CityId = Schema.Int.pipe(Schema.brand("CityId"))
export type CityId = typeof CityId.Type

export const CountryCode = Schema.String.check(Schema.isPattern(/^[A-Z]{2}$/))

export class City extends Schema.Class<City>("City")({
  id: CityId,
  name: Schema.NonEmptyString,
  country: CountryCode,
  /** A code of the region within the country. */
  region: Schema.NullOr(Schema.NonEmptyString),
  /** GeoNames' kind of place: `PPLC` is a capital, `PPLA` the seat of a region. */
  kind: Schema.NonEmptyString,
  /** 0 where it is not known. */
  population: Schema.Natural,
  latitude: Schema.Finite,
  longitude: Schema.Finite
}) {}

/** Whether two cities agree in every field. */
export const equals = (a: City, b: City): boolean =>
  a.id === b.id &&
  a.name === b.name &&
  a.country === b.country &&
  a.region === b.region &&
  a.kind === b.kind &&
  a.population === b.population &&
  a.latitude === b.latitude &&
  a.longitude === b.longitude
