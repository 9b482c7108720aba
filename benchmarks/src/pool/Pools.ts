/**
 * Pools side by side: what borrowing and giving back costs without contention, and what a burst on a cold pool comes to.
 * All in one process, in rounds that begin with another pool each time; medians over the rounds are shown.
 */
import * as Effect from "effect/Effect"
import type { Target } from "../Contestant.ts"
import { median } from "../Statistics.ts"
import * as Burst from "./Burst.ts"
import { makers, type Subject } from "./Subject.ts"

const rounds = 9
const warmUp = 20_000
const borrows = 20_000
const selects = 2_000

interface Cost {
  readonly wall: number
  readonly cpu: number
}

const timed = async (run: (times: number) => Promise<void>, times: number): Promise<Cost> => {
  const cpuBefore = process.cpuUsage()
  const begun = performance.now()
  await run(times)
  const wall = ((performance.now() - begun) * 1000) / times
  const { system, user } = process.cpuUsage(cpuBefore)
  return { wall, cpu: (user + system) / times }
}

/** Rounds of all, each beginning with another one. */
const interleaved = async <A>(
  subjects: ReadonlyArray<Subject>,
  run: (subject: Subject) => Promise<A>
): Promise<ReadonlyArray<ReadonlyArray<A>>> => {
  const samples: Array<Array<A>> = subjects.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < subjects.length; index++) {
      const at = (round + index) % subjects.length
      samples[at]!.push(await run(subjects[at]!))
    }
  }
  return samples
}

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: ReadonlyArray<string>): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  ")
  return [line(head), ...rows.map(line)].join("\n")
}

const micros = (costs: ReadonlyArray<Cost>, part: keyof Cost): string =>
  median(costs.map((cost) => cost[part])).toFixed(2)

const compare = async (target: Target): Promise<string> => {
  const subjects = await Promise.all(makers.map((make) => make(target, 4)))
  for (const subject of subjects) {
    await subject.select(selects)
    await subject.borrow(warmUp)
  }
  const borrowing = await interleaved(subjects, (subject) => timed(subject.borrow, borrows))
  const selecting = await interleaved(subjects, (subject) => timed(subject.select, selects))
  for (const subject of subjects) await subject.close()
  const bursts: Array<Array<Burst.Figures>> = makers.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, make] of makers.entries()) bursts[index]!.push(await Burst.run(make, target))
  }
  const burst = (
    figures: ReadonlyArray<Burst.Figures>,
    name: "connects" | "median" | "p99" | "total",
    digits: number
  ) => median(figures.map((figure) => figure[name])).toFixed(digits)
  return [
    "borrow and give back, without contention; then the same with a SELECT 1 in between (µs each)",
    table(
      ["", "borrow, wall", "borrow, CPU", "+ SELECT 1, wall", "+ SELECT 1, CPU"],
      subjects.map(({ name }, index) => [
        name,
        micros(borrowing[index]!, "wall"),
        micros(borrowing[index]!, "cpu"),
        micros(selecting[index]!, "wall"),
        micros(selecting[index]!, "cpu")
      ])
    ),
    "",
    Burst.title,
    table(
      ["", "connects", "median wait, ms", "p99 wait, ms", "all done, ms"],
      bursts.map((figures) => [
        figures[0]!.name,
        burst(figures, "connects", 0),
        burst(figures, "median", 1),
        burst(figures, "p99", 1),
        burst(figures, "total", 1)
      ])
    )
  ].join("\n")
}

/** Ends with the tables. */
export const run = (target: Target): Effect.Effect<string> => Effect.promise(() => compare(target))
