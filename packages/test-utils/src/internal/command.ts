/**
 * Commands that run to their end: installers, initialisers, `docker`. Servers, which stay, are in `nativeServer.ts`.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"

/** How many of the last lines of output an error carries. */
const tailLines = 15

export class CommandError extends Data.TaggedError("CommandError")<{
  readonly command: string
  /** `undefined` when the command could not be run at all. */
  readonly exitCode: number | undefined
  readonly output: ReadonlyArray<string>
  readonly cause?: unknown
}> {
  override get message(): string {
    const outcome = this.exitCode === undefined ? "could not be run" : `ended with code ${this.exitCode}`
    return `\`${this.command}\` ${outcome}${this.output.length === 0 ? "" : `: ${this.output.join(" | ")}`}`
  }
}

export interface RunOptions {
  readonly environment?: NodeJS.ProcessEnv | undefined
  /** Called with every line of standard output and standard error. */
  readonly onLine?: ((line: string) => void) | undefined
  /** Ends the command together with its children also when this process is killed. For what takes long. */
  readonly guarded?: boolean | undefined
  /** A command whose standard output becomes this one's standard input. */
  readonly inputFrom?: readonly [command: string, ...args: ReadonlyArray<string>] | undefined
}

/** Ends a command and what it has started: each leads a process group of its own. */
const killGroup = (child: ChildProcess): void => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, "SIGKILL")
  } catch {
    child.kill("SIGKILL")
  }
}

/** Waits for the end of a pipe, and kills the group. */
const guard = (leader: number): ChildProcess => {
  const script = 'while read -r _; do :; done; kill -KILL -- "-$1"'
  const child = spawn("sh", ["-c", script, "sh", String(leader)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"]
  })
  // Without it the command still ends with its fiber.
  child.on("error", () => {})
  return child
}

/** Runs a command and gives its standard output. Interruption kills it together with its children. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options?: RunOptions
): Effect.Effect<string, CommandError> =>
  Effect.callback<string, CommandError>((resume) => {
    const shown = [command, ...args].join(" ")
    const stdout: Array<string> = []
    const tail: Array<string> = []
    const note = (line: string): void => {
      if (line !== "" && tail.push(line) > tailLines) tail.shift()
      options?.onLine?.(line)
    }
    const fail = (exitCode: number | undefined, cause?: unknown): void =>
      resume(Effect.fail(new CommandError({ command: shown, exitCode, output: tail, cause })))
    const source =
      options?.inputFrom === undefined
        ? undefined
        : spawn(options.inputFrom[0], options.inputFrom.slice(1), { detached: true, stdio: ["ignore", "pipe", "pipe"] })
    const child = spawn(command, args, {
      detached: true,
      stdio: [source === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      env: options?.environment ?? process.env
    })
    let sourceFailure: string | undefined
    if (source !== undefined && child.stdin !== null) {
      const input = child.stdin
      // The reader may end first; its own exit code tells.
      input.on("error", () => {})
      source.stdout.pipe(input)
      createInterface({ input: source.stderr }).on("line", note)
      source.on("error", (cause) => {
        sourceFailure = cause.message
        input.destroy()
      })
      source.on("close", (code) => {
        if (code !== 0 && sourceFailure === undefined) {
          sourceFailure = `${options?.inputFrom?.[0]} ended with code ${code}`
        }
      })
    }
    createInterface({ input: child.stdout! }).on("line", (line) => {
      stdout.push(line)
      note(line)
    })
    createInterface({ input: child.stderr! }).on("line", note)
    const guarding = options?.guarded === true && child.pid !== undefined ? guard(child.pid) : undefined
    child.on("error", (cause) => {
      if (source !== undefined) killGroup(source)
      note(cause.message)
      fail(undefined, cause)
    })
    child.on("close", (code) => {
      guarding?.kill("SIGKILL")
      if (sourceFailure !== undefined) {
        note(sourceFailure)
        fail(code ?? 1)
      } else if (code === 0) {
        resume(Effect.succeed(stdout.join("\n")))
      } else {
        fail(code ?? 1)
      }
    })
    return Effect.sync(() => {
      killGroup(child)
      if (source !== undefined) killGroup(source)
    })
  })
