/**
 * The command line of `npm test`: what is ours is taken out, the rest is vitest's.
 */
import * as Result from "effect/Result"

export interface Options {
  /** Names as they were written; undefined: every server that can be had. */
  readonly servers: ReadonlyArray<string> | undefined
  readonly allNodes: boolean
  readonly runtimes: boolean
  readonly long: boolean
  readonly seed: number | undefined
  readonly noInstall: boolean
  readonly vitest: ReadonlyArray<string>
}

export const usage = `npm test -- [options] [file filters] [options of vitest]
  --servers a,b   only these: mysql-9.7, mariadb-11.8, mariadb-10.11; none: no server at all
  --no-install    install nothing: neither packages of the workspace nor servers
  --all-nodes     the tests of the pure packages also on the oldest Node supported and on the LTS before ours
  --runtimes      the tests of the client also on Bun and Deno
  --seed N        TEST_SEED for the tests that draw their inputs`

/** `--name value` and `--name=value` are the same; what is wrong comes back as one line. */
export const parse = (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv): Result.Result<Options, string> => {
  const vitest: Array<string> = []
  let options: Options = {
    servers: undefined,
    allNodes: false,
    runtimes: false,
    long: false,
    seed: undefined,
    noInstall: env.EFFECT_MYSQL_NO_INSTALL === "1",
    vitest
  }
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!
    const equals = arg.indexOf("=")
    const name = equals === -1 ? arg : arg.slice(0, equals)
    const value = (): string | undefined => (equals === -1 ? args[++index] : arg.slice(equals + 1))
    switch (name) {
      case "--servers": {
        const names = value()
        if (names === undefined || names === "" || names.startsWith("-"))
          return Result.fail("--servers needs names, or `none`")
        options = { ...options, servers: names === "none" ? [] : names.split(",").map((server) => server.trim()) }
        break
      }
      case "--seed": {
        const text = value() ?? ""
        if (!/^\d{1,10}$/.test(text)) return Result.fail("--seed needs a whole number")
        options = { ...options, seed: Number(text) }
        break
      }
      case "--no-install":
        options = { ...options, noInstall: true }
        break
      case "--all-nodes":
        options = { ...options, allNodes: true }
        break
      case "--runtimes":
        options = { ...options, runtimes: true }
        break
      case "--long":
        options = { ...options, long: true }
        break
      case "--help":
      case "-h":
        return Result.fail(usage)
      default:
        vitest.push(arg)
    }
  }
  return Result.succeed(options)
}
