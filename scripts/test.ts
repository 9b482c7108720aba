/**
 * `npm test`: starts every database server that can be had, runs vitest beside them, and says at the end which servers
 * there were and what the tests came to. The last line is the sum; the exit code is 0 only if something passed, nothing
 * failed and, where `EFFECT_MYSQL_REQUIRE_SERVERS=1`, no server was missing that must be there.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { randomInt } from "node:crypto"
import * as Flavour from "../packages/test-utils/src/Flavour.ts"
import * as SharedServers from "../packages/test-utils/src/SharedServers.ts"
import * as Main from "./lib/main.ts"
import * as Nodes from "./lib/nodes.ts"
import * as NpmBinary from "./lib/npmBinary.ts"
import * as Options from "./lib/options.ts"
import * as Runtimes from "./lib/runtimes.ts"
import * as Servers from "./lib/servers.ts"
import * as Summary from "./lib/summary.ts"
import * as Vitest from "./lib/vitest.ts"

/** Packages without input and output: their tests run on every Node that is supported. */
const purePackages: ReadonlyArray<string> = ["packages/protocol/test/"]

const log = (line: string): Effect.Effect<void> => Effect.sync(() => console.error(line))

/** On another Node, or on another runtime. */
interface OtherRun {
  readonly title: string
  readonly outcome: Result.Result<Summary.Summary, NpmBinary.Failure>
}

const runElsewhere = (options: Options.Options, env: NodeJS.ProcessEnv): Effect.Effect<ReadonlyArray<OtherRun>> => {
  const onNodes = (options.allNodes ? Nodes.versions : []).map((version) => ({
    title: `Node ${version}`,
    run: Effect.flatMap(Nodes.get(version, options.noInstall), (node) =>
      Vitest.run({ runtime: node, args: purePackages, env })
    )
  }))
  const onRuntimes = (options.runtimes ? Runtimes.all : []).map((runtime) => ({
    title: runtime.title,
    run: Effect.flatMap(NpmBinary.get(runtime, options.noInstall), (binary) =>
      Vitest.run({ runtime: binary, runtimeArgs: runtime.args, args: Runtimes.tests(env), env })
    )
  }))
  return Effect.forEach([...onNodes, ...onRuntimes], ({ run, title }) =>
    Effect.map(Effect.result(run), (outcome): OtherRun => ({ title, outcome }))
  )
}

interface Outcome {
  readonly servers: ReadonlyArray<SharedServers.Description>
  readonly own: Summary.Summary
  readonly others: ReadonlyArray<OtherRun>
}

/** The servers are gone again before anything is said about the result. */
const runTests = (flavours: ReadonlyArray<Flavour.Flavour>, options: Options.Options): Effect.Effect<Outcome> =>
  Effect.scoped(
    Effect.gen(function* () {
      const servers = yield* SharedServers.start(flavours, { log })
      const seed = options.seed ?? (options.long ? randomInt(2 ** 31) : undefined)
      if (options.long) yield* log(`The same inputs again: npm run test:long -- --seed ${seed}`)
      // What it asks for has been decided: a test that names its provider, or a server by URL, is not to be overruled.
      const { EFFECT_MYSQL_PROVIDER: _, ...inherited } = process.env
      const env = {
        ...inherited,
        ...SharedServers.toEnv([...servers, ...SharedServers.notAskedFor(flavours)]),
        ...(options.long ? { EFFECT_MYSQL_TESTS: "long" } : {}),
        ...(options.noInstall ? { EFFECT_MYSQL_NO_INSTALL: "1" } : {}),
        ...(seed === undefined ? {} : { TEST_SEED: String(seed) })
      }
      const own = yield* Vitest.run({ runtime: process.execPath, args: options.vitest, env })
      const others = yield* runElsewhere(options, env)
      return { servers, own, others }
    })
  )

const describeOther = ({ outcome, title }: OtherRun): string =>
  `${title}: ${Result.isSuccess(outcome) ? Summary.line(outcome.success) : `NOT RUN: ${outcome.failure.reason}`}`

/** What could not be had is a failure: it was asked for by name. */
const sumOf = ({ others, own }: Outcome): Summary.Summary =>
  others.reduce((sum, { outcome, title }) => {
    const added = Result.isSuccess(outcome) ? outcome.success : Summary.failure(`${title} could not be had`)
    return Summary.add(sum, added)
  }, own)

/** Prints the end of the output and gives the exit code. */
const conclude = (outcome: Outcome): number => {
  const sum = sumOf(outcome)
  const required = process.env.EFFECT_MYSQL_REQUIRE_SERVERS === "1"
  const missed = required ? Servers.missedBy(outcome.servers) : []
  const lines = [
    "",
    ...Servers.table(outcome.servers),
    ...Object.entries(sum.skipReasons).map(([reason, count]) => `Skipped ${count}: ${reason}`),
    ...(outcome.others.length === 0 ? [] : [`Node ${process.versions.node}: ${Summary.line(outcome.own)}`]),
    ...outcome.others.map(describeOther),
    ...sum.troubles,
    ...missed.map((server) => `${Servers.title(server)} is required here and was not there: this run is a failure`),
    ...(sum.passed + sum.failed === 0 ? ["No test ran: this run is a failure"] : []),
    ...(process.env.EFFECT_MYSQL_CI_NOTE ? [process.env.EFFECT_MYSQL_CI_NOTE] : []),
    ...Servers.notRun(outcome.servers),
    Summary.line(sum)
  ]
  console.log(lines.join("\n"))
  return Summary.isSuccess(sum) && missed.length === 0 ? 0 : 1
}

const refuse = (line: string): Effect.Effect<number> => Effect.as(log(line), 2)

Main.run(
  Effect.suspend(() => {
    const parsed = Options.parse(process.argv.slice(2), process.env)
    if (Result.isFailure(parsed)) return refuse(parsed.failure)
    const options = parsed.success
    const wanted = options.servers ?? Flavour.all
    const unknown = wanted.filter((name) => !Flavour.isFlavour(name))
    if (unknown.length > 0) return refuse(`There is no server ${unknown.join(", ")}: ${Flavour.all.join(", ")} or none`)
    return Effect.map(runTests(wanted.filter(Flavour.isFlavour), options), conclude)
  })
)
