/**
 * Programs of the examples as processes of their own, as a user runs them.
 */
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

export const source = (file: string): string => fileURLToPath(new URL(`../src/${file}`, import.meta.url))

export interface Ended {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly args?: ReadonlyArray<string> | undefined
  /** Sent once the output holds this text. */
  readonly signal?: { readonly name: NodeJS.Signals; readonly after: string } | undefined
  /** The output is closed once it holds this text, as `head` does. */
  readonly readUntil?: string | undefined
}

/** Runs a file of `src` to its end. Interruption ends it. */
export const run = (file: string, options: Options = {}): Effect.Effect<Ended> =>
  Effect.callback<Ended>((resume) => {
    const child: ChildProcess = spawn(process.execPath, [source(file), ...(options.args ?? [])], {
      // Whatever provider the run of the tests asks for: here the server is the one that the test names.
      env: { ...process.env, NO_COLOR: "1", EFFECT_MYSQL_PROVIDER: "url", ...options.env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    const output = { stdout: "", stderr: "" }
    let signal = options.signal
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        output[name] += text
        if (signal !== undefined && output[name].includes(signal.after)) {
          child.kill(signal.name)
          signal = undefined
        }
        if (options.readUntil !== undefined && output[name].includes(options.readUntil)) child[name]?.destroy()
      })
    }
    child.once("close", (exitCode) => resume(Effect.succeed({ exitCode, ...output })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })
