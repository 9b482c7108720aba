/**
 * Cities added up by country: what the stream of cities is folded into. It grows with the number of countries, not with
 * the number of cities.
 */
import type { City } from "./City.ts"

export interface Country {
  readonly code: string
  readonly cities: number
  readonly people: number
}

/** Changes as cities are added. */
export interface Census {
  readonly countries: Map<string, { cities: number; people: number }>
}

export const make = (): Census => ({ countries: new Map() })

export const add = (census: Census, city: City): void => {
  const country = census.countries.get(city.country)
  if (country === undefined) {
    census.countries.set(city.country, { cities: 1, people: city.population })
  } else {
    country.cities += 1
    country.people += city.population
  }
}

export const fromCities = (cities: Iterable<City>): Census => {
  const census = make()
  for (const city of cities) add(census, city)
  return census
}

/** The countries with most people first. */
export const ranking = (census: Census): ReadonlyArray<Country> =>
  Array.from(census.countries, ([code, totals]) => ({ code, ...totals })).sort((a, b) => b.people - a.people)

export const equals = (a: Census, b: Census): boolean =>
  a.countries.size === b.countries.size &&
  Array.from(a.countries).every(([code, totals]) => {
    const other = b.countries.get(code)
    return other !== undefined && other.cities === totals.cities && other.people === totals.people
  })
