/**
 * Runtimes beside Node: the client's tests, those that run on Node, run on Bun and Deno too. What a runtime lacks is in
 * `packages/client/test/support/runtimes.ts`, with the tests that are skipped for it.
 */
import type * as NpmBinary from "./npmBinary.ts"

export interface Runtime extends NpmBinary.Program {
  /** Before the program. */
  readonly args: ReadonlyArray<string>
}

const platform = `${process.platform}-${process.arch === "arm64" ? "aarch64" : process.arch}`
const libc = process.platform === "linux" ? "-glibc" : ""

const bun = "1.4.5"
const deno = "2.9.6"

export const all: ReadonlyArray<Runtime> = [
  {
    title: `Bun ${bun}`,
    packageName: `@oven/bun-${platform}`,
    version: bun,
    path: ["bin", "bun"],
    folder: `bun-${bun}`,
    args: ["run"]
  },
  {
    title: `Deno ${deno}`,
    packageName: `@deno/${process.platform}-${process.arch}${libc}`,
    version: deno,
    path: ["deno"],
    folder: `deno-${deno}`,
    // Types have been checked; rights are not what is tried here.
    args: ["run", "--no-check", "--allow-all"]
  }
]

/** What runs on them: the client's tests, or those of them that `EFFECT_MYSQL_RUNTIME_TESTS` names. */
export const tests = (env: NodeJS.ProcessEnv): ReadonlyArray<string> =>
  env.EFFECT_MYSQL_RUNTIME_TESTS?.split(" ").map((name) => `packages/client/test/${name}.test.ts`) ?? [
    "packages/client/test/"
  ]
