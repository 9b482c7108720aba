/**
 * What the example says, and how: headings, lines, a progress bar that redraws itself on a terminal and is a few lines
 * anywhere else, colours only where they are wanted.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { styleText } from "node:util"

/** Where the text goes: `process.stdout`, or what a test puts in its place. */
export interface Output {
  readonly isTTY?: boolean | undefined
  /** Default 80. */
  readonly columns?: number | undefined
  readonly write: (text: string) => unknown
}

export interface Progress {
  /** This many more are done. */
  readonly advance: (by: number) => Effect.Effect<void>
}

export class Screen extends Context.Service<
  Screen,
  {
    readonly line: (text?: string) => Effect.Effect<void>
    readonly heading: (text: string) => Effect.Effect<void>
    readonly verdict: (holds: boolean, text: string) => Effect.Effect<void>
    /** A bar that is shown while the effect runs. */
    readonly withProgress: <A, E, R>(
      total: number,
      use: (progress: Progress) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E, R>
  }
>()("examples/Screen") {
  static readonly layer = (output: Output): Layer.Layer<Screen> => Layer.succeed(Screen, make(output))
}

/** Between two drawings of a bar. */
const redrawMillis = 50
/** What stands beside a bar, at most: a line that is broken cannot be redrawn. */
const besideBar = 48
const widestBar = 40
/** Lines that a bar makes where nothing can be redrawn. */
const stepsWithoutTerminal = 5

/** 138,398 */
export const number = (value: number): string => Math.round(value).toLocaleString("en")

/** 0.42 s, or 12 ms */
export const time = (millis: number): string =>
  millis < 1000 ? `${Math.round(millis)} ms` : `${(millis / 1000).toFixed(2)} s`

export const rate = (count: number, millis: number): string => `${number((count / millis) * 1000)} rows/s`

const countryNames = new Intl.DisplayNames("en", { type: "region" })

/** The name of a country by its code of two letters. */
export const country = (code: string): string => countryNames.of(code) ?? code

/** A bar of full blocks whose last one is as wide as the rest of the value, in eighths. */
export const bar = (share: number, width: number): string => {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8)
  return "█".repeat(Math.floor(eighths / 8)) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]!
}

const make = (output: Output): Screen["Service"] => {
  const terminal = output.isTTY === true
  // https://no-color.org
  const coloured = terminal && (process.env.NO_COLOR ?? "") === ""
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    coloured ? styleText(format, text, { validateStream: false }) : text
  const write = (text: string): Effect.Effect<void> => Effect.sync(() => output.write(text))

  const drawn = (done: number, total: number, millis: number): string => {
    const share = total === 0 ? 1 : done / total
    const width = Math.max(0, Math.min(widestBar, (output.columns ?? 80) - besideBar))
    const percent = `${Math.floor(share * 100)} %`.padStart(5)
    const speed = rate(done, Math.max(1, millis))
    return `  ${bar(share, width).padEnd(width, "░")} ${percent}  ${number(done)} of ${number(total)}, ${speed}`
  }

  const withProgress: Screen["Service"]["withProgress"] = (total, use) =>
    Effect.flatMap(Clock.currentTimeMillis, (started) => {
      let done = 0
      let drawnAt = 0
      let steps = 0
      const draw = (now: number): void => {
        drawnAt = now
        output.write(`\r${drawn(done, total, now - started)}\u001b[K`)
      }
      const advance = (by: number) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          done += by
          if (terminal) {
            if (now - drawnAt >= redrawMillis || done === total) draw(now)
          } else if (Math.floor((done / total) * stepsWithoutTerminal) > steps) {
            steps = Math.floor((done / total) * stepsWithoutTerminal)
            output.write(`${drawn(done, total, now - started)}\n`)
          }
        })
      // What was drawn stays, whether the effect came to its end or not.
      return Effect.ensuring(use({ advance }), terminal ? write("\n") : Effect.void)
    })

  return {
    line: (text = "") => write(`${text}\n`),
    heading: (text) => write(`\n${style("bold", text)}\n`),
    verdict: (holds, text) => write(`  ${holds ? style("green", "✓") : style("red", "✗")} ${text}\n`),
    withProgress
  }
}
