/**
 * Child processes of the scripts: run to the end with their output kept, or shown as it comes. Interruption ends the
 * process together with everything it has started.
 */

import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"

export interface Options {
  readonly cwd?: string | undefined
  readonly env?: NodeJS.ProcessEnv | undefined
  /** Whether the output goes to ours instead of being kept. */
  readonly show?: boolean | undefined
}

export interface Result {
  readonly exitCode: number
  /** Standard output and standard error, in the order in which they came. */
  readonly output: string
}

const graceMilliseconds = 10_000

/** The whole group is signalled: commands start workers of their own. */
const signalGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    child.kill(signal)
  }
}

const terminate = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      resume(Effect.void)
      return
    }
    const timer = setTimeout(() => signalGroup(child, "SIGKILL"), graceMilliseconds)
    child.once("close", () => {
      clearTimeout(timer)
      resume(Effect.void)
    })
    signalGroup(child, "SIGTERM")
  })

/** A command that cannot be started ends with 127, as in a shell. */
export const run = (command: string, args: ReadonlyArray<string>, options: Options = {}): Effect.Effect<Result> =>
  Effect.callback<Result>((resume) => {
    const kept: Array<Buffer> = []
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      detached: true,
      stdio: options.show === true ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"]
    })
    child.stdout?.on("data", (chunk: Buffer) => kept.push(chunk))
    child.stderr?.on("data", (chunk: Buffer) => kept.push(chunk))
    child.once("error", (error) => resume(Effect.succeed({ exitCode: 127, output: `${command}: ${error.message}` })))
    child.once("close", (code) =>
      resume(Effect.succeed({ exitCode: code ?? 1, output: Buffer.concat(kept).toString("utf8") }))
    )
    return terminate(child)
  })
