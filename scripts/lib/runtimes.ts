/**
 * Runtimes beside Node on which the client is tried: Bun and Deno, by a program that tries what depends on the runtime
 * (`packages/client/test/fixtures/portable.ts`).
 */
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as Command from "./command.ts"
import * as NpmBinary from "./npmBinary.ts"
import * as Summary from "./summary.ts"
import { root } from "./workspace.ts"

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

const program = join(root, "packages", "client", "test", "fixtures", "portable.ts")

/** Of what the program prints last. */
export const read = (output: string, exitCode: number): Summary.Summary => {
  const match = /: (\d+) passed, (\d+) failed\s*$/.exec(output)
  if (match === null)
    return Summary.failure(`it ended with ${exitCode} and without a sum: ${output.slice(-500).trim()}`)
  const failures = [...output.matchAll(/^.*: FAILED(?:\n(?!.*: ok$).*){0,10}/gm)].map(([failure]) => failure)
  return { ...Summary.empty, passed: Number(match[1]), failed: Number(match[2]), troubles: failures }
}

export const run = (
  runtime: Runtime,
  noInstall: boolean,
  env: NodeJS.ProcessEnv
): Effect.Effect<Summary.Summary, NpmBinary.Failure> =>
  Effect.flatMap(NpmBinary.get(runtime, noInstall), (binary) =>
    Effect.map(Command.run(binary, [...runtime.args, program], { cwd: root, env }), ({ exitCode, output }) =>
      read(output, exitCode)
    )
  )
