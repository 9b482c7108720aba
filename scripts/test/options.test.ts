import { describe, expect, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Options from "../lib/options.ts"

const none: Options.Options = {
  servers: undefined,
  allNodes: false,
  runtimes: false,
  long: false,
  seed: undefined,
  noInstall: false,
  vitest: []
}

describe("the command line of the tests", () => {
  it.each<readonly [args: ReadonlyArray<string>, options: Partial<Options.Options>]>([
    [[], {}],
    [["--servers", "mariadb-10.11, mysql-9.7"], { servers: ["mariadb-10.11", "mysql-9.7"] }],
    [["--servers=mariadb-11.8"], { servers: ["mariadb-11.8"] }],
    [["--servers", "none"], { servers: [] }],
    [["--no-install", "--all-nodes"], { noInstall: true, allNodes: true }],
    [["--runtimes"], { runtimes: true }],
    [["--long", "--seed", "7"], { long: true, seed: 7 }],
    [["packages/client", "-t", "pool", "--bail=1"], { vitest: ["packages/client", "-t", "pool", "--bail=1"] }],
    [["a", "--servers", "none", "b"], { servers: [], vitest: ["a", "b"] }]
  ])("%j", (args, options) => {
    expect(Options.parse(args, {})).toEqual(Result.succeed({ ...none, ...options }))
  })

  it("EFFECT_MYSQL_NO_INSTALL forbids installing too", () => {
    expect(Options.parse([], { EFFECT_MYSQL_NO_INSTALL: "1" })).toEqual(Result.succeed({ ...none, noInstall: true }))
  })

  it.each([[["--servers"]], [["--servers="]], [["--seed", "x"]], [["--seed"]], [["--help"]]])(
    "%j is refused",
    (args) => {
      expect(Result.isFailure(Options.parse(args, {}))).toBe(true)
    }
  )
})
