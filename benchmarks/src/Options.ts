/**
 * The command line.
 */

import * as Flavour from "@effect-mysql/test-utils/Flavour"
import { parseArgs } from "node:util"
import { type ContestantName, contestantNames, isContestant } from "./Contestant.ts"
import { isName, type Name, names } from "./Line.ts"

export interface Options {
  /** `undefined`: the first server of `MYSQL_TEST_URL`. */
  readonly flavour: Flavour.Flavour | undefined
  readonly lines: ReadonlyArray<Name>
  readonly contestants: ReadonlyArray<ContestantName>
  readonly rounds: number
  /** What one round of one contestant aims at. */
  readonly roundMillis: number
  /** CPU time that a contestant has had before it is measured. */
  readonly warmUpMillis: number
  readonly json: string | undefined
  readonly keep: boolean
  /** In place of everything else: the pools. */
  readonly pool: boolean
  /** In place of rounds: the first contestant on the first line for that long, perhaps under the profiler. */
  readonly solo: { readonly seconds: number; readonly profile: string | undefined } | undefined
}

export const usage: string = `npm run bench -- [options]

  --quick               shorter rounds: under three minutes in all
  --flavour NAME        ${Flavour.all.join(", ")}; default: the first server that MYSQL_TEST_URL names,
                        or else mariadb-11.8, where the peers are at their best
  --lines A,B           of ${names.join(", ")}
  --contestants A,B     of ${contestantNames.join(", ")}
  --rounds N            rounds of each contestant on each line
  --json FILE           every round's result as JSON
  --keep                leave the filled tables on the server and use them the next time (with MYSQL_TEST_URL)

  --pool                the pools instead: borrowing without contention, and a burst on a cold pool

One contestant on one line, for a profiler:
  --only NAME --line NAME [--seconds N] [--profile FILE.cpuprofile]
`

const list = <A extends string>(
  option: string,
  text: string | undefined,
  all: ReadonlyArray<A>,
  is: (name: string) => name is A
): ReadonlyArray<A> => {
  if (text === undefined) return all
  return text.split(",").map((name) => {
    if (!is(name)) throw new Error(`--${option} ${name}: not one of ${all.join(", ")}`)
    return name
  })
}

const positive = (option: string, text: string | undefined, otherwise: number): number => {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${option} ${text}: not a positive number`)
  return value
}

/** Throws where something is not an option or not a value of it; `undefined` when help is asked for. */
export const parse = (args: ReadonlyArray<string>): Options | undefined => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      quick: { type: "boolean" },
      flavour: { type: "string" },
      lines: { type: "string" },
      contestants: { type: "string" },
      rounds: { type: "string" },
      json: { type: "string" },
      keep: { type: "boolean" },
      pool: { type: "boolean" },
      only: { type: "string" },
      line: { type: "string" },
      seconds: { type: "string" },
      profile: { type: "string" }
    }
  })
  if (values.help === true) return undefined
  const flavour = values.flavour ?? ((process.env.MYSQL_TEST_URL ?? "") === "" ? "mariadb-11.8" : undefined)
  if (flavour !== undefined && !Flavour.isFlavour(flavour)) {
    throw new Error(`--flavour ${flavour}: not one of ${Flavour.all.join(", ")}`)
  }
  const solo = values.only !== undefined
  if (solo && values.line === undefined) throw new Error("--only needs --line")
  if (!solo && (values.line ?? values.seconds ?? values.profile) !== undefined) {
    throw new Error("--line, --seconds and --profile go with --only")
  }
  const quick = values.quick === true
  return {
    flavour,
    lines: list("lines", solo ? values.line : values.lines, names, isName),
    contestants: list("contestants", values.only ?? values.contestants, contestantNames, isContestant),
    rounds: Math.ceil(positive("rounds", values.rounds, quick ? 9 : 41)),
    // Many short rounds rather than few long ones: what disturbs the machine for a second then hits all alike.
    roundMillis: quick ? 80 : 100,
    warmUpMillis: quick ? 800 : 3_000,
    json: values.json,
    keep: values.keep === true,
    pool: values.pool === true,
    solo: solo ? { seconds: positive("seconds", values.seconds, 5), profile: values.profile } : undefined
  }
}
