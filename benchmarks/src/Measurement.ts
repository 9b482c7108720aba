/**
 * The order of things. First every contestant's answer to every line is checked cell by cell, in processes that end
 * with that. Then, for each line, fresh processes are warmed up and run round by round, each round beginning with
 * another contestant, so that what changes on the machine in the meantime hits all of them alike. Only one process works
 * at a time. A run whose sum is wrong ends the benchmark.
 *
 * The check has processes of its own because V8 remembers, for each place that makes objects, whether they lived long:
 * rows that are looked at one by one do, and the same place would go on to make all its rows in the old generation.
 */
import * as Effect from "effect/Effect"
import { entry } from "./Contestant.ts"
import { BenchError, type Member } from "./Crew.ts"
import { accountCount } from "./Dataset.ts"
import { expectedSum, type Ledger, lines, type Name } from "./Line.ts"
import type { Run } from "./Order.ts"
import type { Server } from "./Server.ts"

export interface Sample {
  readonly operationsPerSecond: number
  readonly cpuMicros: number
}

export interface Pace {
  readonly rounds: number
  readonly roundMillis: number
  /** CPU time. */
  readonly warmUpMillis: number
}

export interface Measured {
  readonly member: Member
  /** One a round. */
  readonly samples: ReadonlyArray<Sample>
}

/** What a run says per operation. */
export const toSample = (line: Name, turns: number, run: Run): Sample => {
  const operations = turns * lines[line].operationsPerTurn
  return { operationsPerSecond: (operations * 1000) / run.wallMillis, cpuMicros: run.cpuMicros / operations }
}

const verified = (
  member: Member,
  line: Name,
  turns: number,
  ledger: Ledger,
  run: Effect.Effect<Run, BenchError>
): Effect.Effect<Run, BenchError> =>
  Effect.flatMap(run, (result) => {
    const { title, role } = entry(member.name)
    const rows = turns * lines[line].rowsPerTurn
    const sum = expectedSum(line, turns, ledger)
    if (result.rows !== rows) {
      return Effect.fail(new BenchError({ message: `${title}, ${line}: ${result.rows} rows instead of ${rows}` }))
    }
    if (role !== "limit" && result.sum !== sum) {
      return Effect.fail(
        new BenchError({ message: `${title}, ${line}: the cells add up to ${result.sum}, not ${sum}` })
      )
    }
    return Effect.succeed(result)
  })

/** Turns that show every row of the line at least once to the check. */
const turnsOfCheck = (line: Name): number => (lines[line].rowsPerTurn >= 100 ? 1 : accountCount)

/** Compares each row of one contestant's answer with what was stored. */
export const check = (line: Name, member: Member, ledger: Ledger): Effect.Effect<Run, BenchError> => {
  const turns = turnsOfCheck(line)
  return verified(member, line, turns, ledger, member.ask({ type: "check", line, turns }))
}

/**
 * Runs ever more turns until the process has had its CPU time, for that is what compilation follows, on a busy machine
 * too. Gives the turns that a round should have.
 */
const warmUp = (
  line: Name,
  pace: Pace,
  run: (turns: number) => Effect.Effect<Run, BenchError>
): Effect.Effect<number, BenchError> =>
  Effect.gen(function* () {
    let turns = 1
    let cpuMillis = 0
    let perTurn = Number.POSITIVE_INFINITY
    while (cpuMillis < pace.warmUpMillis) {
      const result = yield* run(turns)
      const cpuPerTurn = result.cpuMicros / 1000 / turns
      cpuMillis += result.cpuMicros / 1000
      perTurn = result.wallMillis / turns
      turns = Math.max(1, Math.min(turns * 2, Math.ceil((pace.warmUpMillis - cpuMillis) / cpuPerTurn)))
    }
    return Math.max(lines[line].rowsPerTurn >= 10_000 ? 1 : 2, Math.round(pace.roundMillis / perTurn))
  })

export const measure = (
  line: Name,
  crew: ReadonlyArray<Member>,
  pace: Pace,
  server: Server,
  ledger: Ledger
): Effect.Effect<ReadonlyArray<Measured>, BenchError> =>
  Effect.gen(function* () {
    const run = (member: Member, turns: number): Effect.Effect<Run, BenchError> =>
      verified(member, line, turns, ledger, member.ask({ type: "run", line, turns }))
    const racers: Array<{ readonly member: Member; readonly turns: number; readonly samples: Array<Sample> }> = []
    for (const member of crew) {
      racers.push({ member, turns: yield* warmUp(line, pace, (turns) => run(member, turns)), samples: [] })
    }
    for (let round = 0; round < pace.rounds; round++) {
      for (let index = 0; index < racers.length; index++) {
        const racer = racers[(round + index) % racers.length]!
        racer.samples.push(toSample(line, racer.turns, yield* run(racer.member, racer.turns)))
      }
    }
    if (line === "transaction") {
      const deposits = yield* server.deposits
      const booked = ledger.balances.reduce((total, balance) => total + balance, 0)
      if (deposits !== booked) {
        return yield* Effect.fail(new BenchError({ message: `the accounts hold ${deposits}, not ${booked}` }))
      }
    }
    return racers
  })
