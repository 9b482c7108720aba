/**
 * A worker process as seen from the parent: started and ended with a scope, asked one thing at a time.
 */

import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { type ContestantName, entry, type Target } from "./Contestant.ts"
import type { Cores } from "./Cores.ts"
import type { Order, Report, Run } from "./Order.ts"

/** A contestant that failed or answered wrongly. */
export class BenchError extends Data.TaggedError("BenchError")<{ readonly message: string }> {}

export interface Member {
  readonly name: ContestantName
  readonly ask: (order: Exclude<Order, { readonly type: "connect" | "close" }>) => Effect.Effect<Run, BenchError>
}

const script = fileURLToPath(new URL("./worker.ts", import.meta.url))

const send = (name: ContestantName, child: ChildProcess, order: Order): Effect.Effect<Run | undefined, BenchError> =>
  Effect.callback<Run | undefined, BenchError>((resume) => {
    const fail = (message: string): void =>
      resume(Effect.fail(new BenchError({ message: `${entry(name).title}: ${message}` })))
    const onMessage = (report: Report): void => {
      stop()
      if (report.type === "done") resume(Effect.succeed(report.run))
      else fail(report.message)
    }
    const onExit = (code: number | null, signal: string | null): void => {
      stop()
      fail(`its process ended with ${signal ?? code}`)
    }
    const stop = (): void => {
      child.off("message", onMessage)
      child.off("exit", onExit)
    }
    child.on("message", onMessage)
    child.on("exit", onExit)
    child.send(order)
    return Effect.sync(stop)
  })

const start = (name: ContestantName, cores: Cores): Effect.Effect<ChildProcess, BenchError, Scope.Scope> =>
  Effect.acquireRelease(
    // All drivers take times as UTC: the processes' own zone is UTC, and the peers default to it.
    Effect.sync(() => fork(script, [name], { ...cores.starter, env: { ...process.env, TZ: "UTC" } })),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        if (child.connected) child.send({ type: "close" } satisfies Order)
      }).pipe(
        Effect.timeoutOrElse({
          duration: "5 seconds",
          orElse: () => Effect.sync(() => void child.kill("SIGKILL"))
        }),
        Effect.interruptible
      )
  )

/** A worker with its contestant connected. */
export const join = (
  name: ContestantName,
  target: Target,
  cores: Cores
): Effect.Effect<Member, BenchError, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* start(name, cores)
    yield* send(name, child, { type: "connect", contestant: name, target })
    return {
      name,
      ask: (order) =>
        Effect.flatMap(send(name, child, order), (run) =>
          run === undefined ? Effect.fail(new BenchError({ message: `${name}: no result` })) : Effect.succeed(run)
        )
    }
  })
