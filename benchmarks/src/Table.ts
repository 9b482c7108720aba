/**
 * Results as text: a table a line of the benchmark as it comes in, and one of all lines at the end, in Markdown so that
 * it can be put into a note.
 */
import { type ContestantName, entry } from "./Contestant.ts"
import { lines, type Name } from "./Line.ts"
import type { Measured } from "./Measurement.ts"
import { median, spread } from "./Statistics.ts"

export interface Figure {
  readonly contestant: ContestantName
  readonly operationsPerSecond: number
  readonly cpuMicros: number
  readonly cpuSpread: number
  /** CPU in relation to the better of the peers that ran, whatever their options: the median of all rounds' ratios. */
  readonly ratio: number | undefined
}

export interface LineFigures {
  readonly line: Name
  readonly figures: ReadonlyArray<Figure>
}

export const figuresOf = (line: Name, measured: ReadonlyArray<Measured>): LineFigures => {
  const cpu = ({ samples }: Measured): ReadonlyArray<number> => samples.map((sample) => sample.cpuMicros)
  const [better] = measured
    .filter(({ member }) => entry(member.name).role === "peer")
    .sort((a, b) => median(cpu(a)) - median(cpu(b)))
  return {
    line,
    figures: measured.map((each) => ({
      contestant: each.member.name,
      operationsPerSecond: median(each.samples.map((sample) => sample.operationsPerSecond)),
      cpuMicros: median(cpu(each)),
      cpuSpread: spread(cpu(each)),
      ratio: better === undefined ? undefined : median(inPairs(cpu(each), cpu(better)))
    }))
  }
}

/** Round by round: a machine whose speed drifts has the same speed within a round. */
const inPairs = (ours: ReadonlyArray<number>, theirs: ReadonlyArray<number>): ReadonlyArray<number> =>
  ours.map((value, round) => value / theirs[round]!)

/** Three significant digits below 100, whole numbers with separators above. */
const shown = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3)

const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>, edge: string, between: string): ReadonlyArray<string> => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    `${edge}${row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join(between)}${edge}`.trimEnd()
  )
}

export const ofLine = ({ line, figures }: LineFigures): string => {
  const rows = [
    ["", "ops/s", "CPU µs/op", "spread", "÷ better peer"],
    ...figures.map((figure) => [
      `  ${entry(figure.contestant).title}`,
      shown(figure.operationsPerSecond),
      shown(figure.cpuMicros),
      `±${(figure.cpuSpread * 100).toFixed(0)} %`,
      figure.ratio === undefined ? "" : figure.ratio.toFixed(2)
    ])
  ]
  return `${lines[line].title}\n${aligned(rows, "", "  ").join("\n")}\n`
}

/** CPU µs per operation of everyone on every line, with the ratio of ours. */
export const ofAll = (all: ReadonlyArray<LineFigures>): string => {
  const contestants = all[0]?.figures.map((figure) => figure.contestant) ?? []
  const header = ["CPU µs/op", ...contestants.map((name) => entry(name).title)]
  const body = all.map(({ line, figures }) => [
    line,
    ...figures.map((figure) =>
      entry(figure.contestant).role === "ours" && figure.ratio !== undefined
        ? `${shown(figure.cpuMicros)} (${figure.ratio.toFixed(2)}×)`
        : shown(figure.cpuMicros)
    )
  ])
  const [first, ...rest] = aligned([header, ...body], "|", " | ").map((row) =>
    row.replace(/^\|/, "| ").replace(/\|$/, " |")
  )
  const rule = `|${header.map((_, column) => (column === 0 ? " --- " : " ---: ")).join("|")}|`
  return [first, rule, ...rest].join("\n")
}
