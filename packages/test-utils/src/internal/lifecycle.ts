/**
 * The one state machine of a server that we may start and stop: running, paused or stopped, over a driver that does it
 * to a process or a container. Transitions run one at a time and end only when they are complete, so that each may
 * follow each: whoever asks for `start` after `kill` gets a server that serves, and never a second one beside the first.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { MysqlServerError } from "../MysqlServerError.ts"
import { MysqlServerError as Failure } from "../MysqlServerError.ts"

type Step = Effect.Effect<void, MysqlServerError>

/** What can be done to one process or container. Each step ends when its result can be seen from outside. */
export interface Driver {
  /** For messages. */
  readonly name: string
  /** Starts what is stopped and waits until it answers. When it fails nothing runs. */
  readonly launch: Step
  /** Waits until it answers, after a pause. */
  readonly answers: Step
  /** Orderly; of a server that runs. */
  readonly terminate: Step
  /** At once, without a chance to write; of a server that runs or is paused. */
  readonly kill: Step
  readonly pause: Step
  readonly resume: Step
  /** `false` also when it has ended without being asked to. */
  readonly isAlive: Effect.Effect<boolean>
}

export interface Lifecycle {
  readonly start: Step
  readonly stop: Step
  readonly kill: Step
  readonly pause: Step
  readonly resume: Step
}

type State = "running" | "paused" | "stopped"

/** The lifecycle of a server that is not running yet. */
export const make = (driver: Driver): Lifecycle => {
  const turns = Semaphore.makeUnsafe(1)
  let paused = false

  const state: Effect.Effect<State> = Effect.map(driver.isAlive, (alive) =>
    !alive ? "stopped" : paused ? "paused" : "running"
  )
  const resume = Effect.tap(driver.resume, () =>
    Effect.sync(() => {
      paused = false
    })
  )
  const launch = Effect.suspend(() => {
    paused = false
    return driver.launch
  })
  const notRunning = (verb: string): Step =>
    Effect.fail(
      new Failure({ operation: `${verb} ${driver.name}`, tried: ["it is not running"], advice: "Run `start` first." })
    )
  const transition = (of: { readonly [S in State]: Step }): Step =>
    Semaphore.withPermit(turns, Effect.uninterruptible(Effect.flatMap(state, (now) => of[now])))

  return {
    // A launch can take long and may be given up; its driver then leaves nothing running.
    start: transition({
      running: Effect.void,
      paused: Effect.andThen(resume, driver.answers),
      stopped: Effect.interruptible(launch)
    }),
    stop: transition({
      running: driver.terminate,
      paused: Effect.andThen(resume, driver.terminate),
      stopped: Effect.void
    }),
    kill: transition({ running: driver.kill, paused: driver.kill, stopped: Effect.void }),
    pause: transition({
      running: Effect.tap(driver.pause, () =>
        Effect.sync(() => {
          paused = true
        })
      ),
      paused: Effect.void,
      stopped: notRunning("pause")
    }),
    resume: transition({ running: Effect.void, paused: resume, stopped: notRunning("resume") })
  }
}
