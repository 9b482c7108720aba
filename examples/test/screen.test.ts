/**
 * What the example prints, without a database.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Census from "../src/demo/Census.ts"
import { City, CityId } from "../src/demo/City.ts"
import * as Screen from "../src/demo/Screen.ts"

const on = (
  output: Omit<Screen.Output, "write">,
  effect: Effect.Effect<void, never, Screen.Screen>
): Effect.Effect<string> =>
  Effect.suspend(() => {
    const texts: Array<string> = []
    const screen = Screen.Screen.layer({ ...output, write: (text) => texts.push(text) })
    return Effect.map(Effect.provide(effect, screen), () => texts.join(""))
  })

const twentySteps = Effect.gen(function* () {
  const screen = yield* Screen.Screen
  yield* screen.withProgress(1000, (progress) =>
    Effect.forEach(Array.from({ length: 20 }), () =>
      Effect.andThen(TestClock.adjust("100 millis"), progress.advance(50))
    )
  )
})

const city = (id: number, country: string, population: number): City =>
  new City({
    id: CityId.make(id),
    name: "a",
    country,
    region: null,
    kind: "PPL",
    population,
    latitude: 0,
    longitude: 0
  })

describe("Screen", () => {
  it.each([
    [0, ""],
    [0.5, "██"],
    [0.53125, "██▏"],
    [1, "████"],
    [7, "████"]
  ])("a share of %s is a bar of %s", (share, expected) => {
    expect(Screen.bar(share, 4)).toBe(expected)
  })

  it("numbers, times and rates are for people", () => {
    expect([Screen.number(138398), Screen.time(12), Screen.time(1234), Screen.rate(138398, 2000)]).toEqual([
      "138,398",
      "12 ms",
      "1.23 s",
      "69,199 rows/s"
    ])
  })

  it.effect("a bar redraws itself on a terminal, and is five lines elsewhere", () =>
    Effect.gen(function* () {
      const terminal = yield* on({ isTTY: true, columns: 120 }, twentySteps)
      expect(terminal.split("\r")).toHaveLength(21)
      expect(terminal.split("\n")).toHaveLength(2)
      expect(terminal.endsWith(`${"█".repeat(40)} 100 %  1,000 of 1,000, 500 rows/s\u001b[K\n`)).toBe(true)
      const lines = (yield* on({}, twentySteps)).split("\n")
      expect(lines.map((line) => line.match(/\d+ %/)?.[0])).toEqual([
        "20 %",
        "40 %",
        "60 %",
        "80 %",
        "100 %",
        undefined
      ])
    })
  )

  it.effect.each([20, 50, 80, 200])("a bar never fills a line of %s columns, as far as numbers allow", (columns) =>
    Effect.gen(function* () {
      const terminal = yield* on({ isTTY: true, columns }, twentySteps)
      const longest = Math.max(...terminal.split(/[\r\n]/).map((line) => line.length))
      expect(longest).toBeLessThan(Math.max(columns, 50))
    })
  )
})

describe("Census", () => {
  const census = Census.fromCities([city(1, "JP", 5), city(2, "BR", 7), city(3, "JP", 4)])

  it("adds up by country and ranks by people", () => {
    expect(Census.ranking(census)).toEqual([
      { code: "JP", cities: 2, people: 9 },
      { code: "BR", cities: 1, people: 7 }
    ])
  })

  it.each([
    ["another sum", [city(1, "JP", 5), city(2, "BR", 7), city(3, "JP", 5)], false],
    ["a city more", [city(1, "JP", 5), city(2, "BR", 7), city(3, "JP", 4), city(4, "JP", 0)], false],
    ["another country", [city(1, "JP", 9), city(2, "FR", 7)], false],
    ["another order", [city(2, "BR", 7), city(3, "JP", 4), city(1, "JP", 5)], true]
  ])("is compared by its sums: %s", (_, cities, same) => {
    expect(Census.equals(census, Census.fromCities(cities))).toBe(same)
  })
})
