/**
 * Figures from samples: which peer ours is compared with, and that medians are medians.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ContestantName } from "../src/Contestant.ts"
import { BenchError } from "../src/Crew.ts"
import type { Measured } from "../src/Measurement.ts"
import { median, spread } from "../src/Statistics.ts"
import { figuresOf, ofAll } from "../src/Table.ts"

const measured = (name: ContestantName, cpu: ReadonlyArray<number>): Measured => ({
  member: { name, ask: () => Effect.fail(new BenchError({ message: "not a process" })) },
  samples: cpu.map((cpuMicros) => ({ operationsPerSecond: 1e6 / cpuMicros, cpuMicros }))
})

it("takes the middle of an odd and the mean of the middle two of an even number", () => {
  expect(median([5, 1, 100])).toBe(5)
  expect(median([4, 1, 2, 100])).toBe(3)
  expect(spread([8, 10, 12, 10, 10])).toBe(0)
})

it("compares with the cheapest peer, and never with the limit", () => {
  const { figures } = figuresOf("select1", [
    measured("connection", [21, 20, 500]),
    measured("mysql2", [40, 40, 40]),
    measured("mariadb-fast", [20, 20, 20]),
    measured("bare", [5, 5, 5])
  ])
  expect(figures.map((figure) => figure.ratio)).toEqual([1.05, 2, 1, 0.25])
})

it("has no ratio without a peer", () => {
  const all = [figuresOf("select1", [measured("connection", [21])])]
  expect(all[0]!.figures[0]!.ratio).toBeUndefined()
  expect(
    ofAll(all)
      .split("\n")
      .map((line) => line.split("|").length)
  ).toEqual([4, 4, 4])
})
