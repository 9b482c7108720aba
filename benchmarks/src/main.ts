/**
 * The benchmark's entry. Options are in `Options.ts`, what is measured in `Line.ts`, by whom in `Contestant.ts`.
 */

import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { cpus, loadavg } from "node:os"
import manifest from "../package.json" with { type: "json" }
import { type ContestantName, entry } from "./Contestant.ts"
import * as Cores from "./Cores.ts"
import { BenchError, join } from "./Crew.ts"
import { Ledger, lines, type Name } from "./Line.ts"
import { check, measure, toSample } from "./Measurement.ts"
import { type Options, parse, usage } from "./Options.ts"
import * as Pools from "./pool/Pools.ts"
import * as Server from "./Server.ts"
import { figuresOf, type LineFigures, ofAll, ofLine } from "./Table.ts"

/** Runs one contestant alone, in a worker as ever. */
const solo = (options: Options, seconds: number, profile: string | undefined) =>
  Effect.gen(function* () {
    const [name] = options.contestants
    const [line] = options.lines
    const cores = Cores.separate()
    const server = yield* Server.make(options.flavour, options.keep)
    const member = yield* join(name!, server.target, cores)
    const once = yield* member.ask({ type: "run", line: line!, turns: 1 })
    const turns = Math.max(1, Math.round(250 / once.wallMillis))
    const run = yield* member.ask({ type: "repeat", line: line!, turns, seconds, profile })
    const sample = toSample(line!, run.rows / lines[line!].rowsPerTurn, run)
    yield* Console.log(
      `${entry(name!).title}, ${lines[line!].title}: ${Math.round(sample.operationsPerSecond)} ops/s, ` +
        `${sample.cpuMicros.toFixed(2)} µs CPU/op${profile === undefined ? "" : `; profile in ${profile}`}`
    )
  })

const conditions = (version: string, cores?: Cores.Cores): string => {
  const { mariadb, mysql2 } = manifest.dependencies
  const processors = cpus()
  return [
    `server ${version} over TCP on loopback; node ${process.versions.node}; mysql2 ${mysql2}, mariadb ${mariadb}`,
    `${processors.length} × ${processors[0]?.model.trim()}, load before: ${loadavg()[0]!.toFixed(2)}`,
    ...(cores === undefined ? [] : [cores.description])
  ].join("\n")
}

const contest = (options: Options) =>
  Effect.gen(function* () {
    const cores = Cores.separate()
    const server = yield* Server.make(options.flavour, options.keep)
    const enter = (name: ContestantName) => join(name, server.target, cores)
    const checkAll = (name: ContestantName) =>
      Effect.scoped(
        Effect.flatMap(enter(name), (member) =>
          Effect.forEach(options.lines, (line) => check(line, member, ledger), { discard: true })
        )
      )
    const race = (line: Name) =>
      Effect.scoped(
        Effect.flatMap(Effect.forEach(options.contestants, enter, { concurrency: "unbounded" }), (crew) =>
          measure(line, crew, options, server, ledger)
        )
      )
    const where = conditions(server.version, cores)
    yield* Console.log(`${where}\n`)
    const ledger = new Ledger()
    for (const name of options.contestants) yield* checkAll(name)
    const all: Array<LineFigures> = []
    const samples: Array<unknown> = []
    for (const line of options.lines) {
      const measured = yield* race(line)
      const figures = figuresOf(line, measured)
      all.push(figures)
      samples.push({ ...figures, rounds: measured.map((each) => each.samples) })
      yield* Console.log(ofLine(figures))
    }
    yield* Console.log(ofAll(all))
    if (options.json !== undefined) {
      const file = options.json
      yield* Effect.sync(() =>
        writeFileSync(file, `${JSON.stringify({ conditions: where, lines: samples }, null, 2)}\n`)
      )
    }
  })

const pools = (options: Options) =>
  Effect.gen(function* () {
    const server = yield* Server.make(options.flavour, options.keep)
    yield* Console.log(`${conditions(server.version)}\n`)
    yield* Console.log(yield* Pools.run(server.target))
  })

const program = Effect.gen(function* () {
  const options = yield* Effect.try({
    try: () => parse(process.argv.slice(2)),
    catch: (error) => new BenchError({ message: `${error instanceof Error ? error.message : error}\n\n${usage}` })
  })
  if (options === undefined) return yield* Console.log(usage)
  if (options.pool) yield* pools(options)
  else if (options.solo !== undefined) yield* solo(options, options.solo.seconds, options.solo.profile)
  else yield* contest(options)
}).pipe(
  Effect.scoped,
  Effect.catchTag("BenchError", ({ message }) =>
    Effect.flatMap(Console.error(message), () =>
      Effect.sync(() => {
        process.exitCode = 1
      })
    )
  )
)

NodeRuntime.runMain(program)
