/**
 * How statements that nobody waits for any more are stopped on the server: by KILLs from another line, each awaited, until
 * everything they said has been read away; the line is cut when that takes too long. From the decision to the end nothing
 * else is written, since a KILL names a connection and not a statement.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { MysqlError } from "../MysqlError.ts"
import type { Entry } from "./Entry.ts"
import * as failures from "./failures.ts"

/** Between the one who wants a statement stopped and the one who does it. */
export interface KillRequest {
  /** The statement still runs. */
  wanted: boolean
  /** The KILL is on its way: until the server has answered, it could hit whatever runs then. */
  pending: boolean
}

/** The connection whose statements are stopped. */
export interface Target {
  readonly cancellation: "kill" | "close" | "wait"
  /** Stops what runs on the server's side of this connection, and ends when that is confirmed. */
  readonly kill: (request: KillRequest) => Effect.Effect<void, MysqlError>
  /** Starts an effect in a fiber of its own, with the services that the connection was made with. */
  readonly runFork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  /** What is under way, in its order. */
  readonly inFlight: ReadonlyArray<Entry>
  readonly isLost: () => boolean
  readonly lose: (error: MysqlError) => void
  /** Ends when the socket has taken what was given to it. */
  readonly written: Effect.Effect<void>
  /** Reads until this entry is done. */
  readonly drain: (entry: Entry) => Effect.Effect<void>
  readonly isUploading: () => boolean
  readonly endUpload: () => void
  /** Sends a ping that nobody waits for. */
  readonly ping: () => Entry
  /** What has waited may go on. */
  readonly goOn: () => void
}

/** How long stopping a statement may take before the line is cut. */
const bound = Duration.seconds(5)
/** A KILL that came before its statement did has no effect: it is repeated after this time. */
const killInterval = Duration.millis(100)

export class Stopping {
  private readonly target: Target
  private active = false
  private afterwards: Array<() => void> = []
  /** An ERR came in a transaction meanwhile: whether the transaction lives is open. */
  private uncertain = false

  constructor(target: Target) {
    this.target = target
  }

  /** A statement is being stopped: nothing is written until that is over. */
  get isActive(): boolean {
    return this.active
  }

  /** Whether the transaction lives is to be asked when it is over. */
  askAfterwards(): void {
    this.uncertain = true
  }

  /** Something runs on the server, and all of it can be stopped without harm. */
  get isPossible(): boolean {
    const { inFlight } = this.target
    return inFlight.length > 0 && inFlight.every((entry) => entry.killable)
  }

  /**
   * Stops the abandoned statements that are left and reads their replies, or waits for whoever does that already. It runs
   * in a fiber of its own, so that the deadline can interrupt the reading and nothing else can.
   */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    if (this.active) return this.over
    const { cancellation, inFlight, isLost, lose, runFork } = this.target
    // Somebody may have sent a command since this was decided: then its reader comes by here again.
    const wanted = inFlight.length > 0 && inFlight.every((entry) => entry.abandoned)
    if (isLost() || !wanted) return Effect.void
    if (cancellation === "close") {
      lose(failures.lostLine("cut because a statement was interrupted"))
      return Effect.void
    }
    this.active = true
    return Effect.asVoid(Fiber.await(runFork(this.bounded())))
  })

  private get over(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      // The fiber may have been suspended since.
      if (!this.active) return resume(Effect.void)
      this.afterwards.push(() => resume(Effect.void))
    })
  }

  private bounded(): Effect.Effect<void> {
    const { cancellation, endUpload, goOn, inFlight, lose } = this.target
    if (cancellation === "wait") endUpload()
    const stopped = Effect.andThen(
      cancellation === "kill" && this.isPossible
        ? this.killAndDrain
        : Effect.suspend(() => this.drain(inFlight.at(-1))),
      Effect.suspend(() => (this.uncertain && !this.target.isLost() ? this.drain(this.target.ping()) : Effect.void))
    )
    const bounded =
      cancellation === "wait"
        ? stopped
        : Effect.timeoutOrElse(stopped, {
            duration: bound,
            orElse: () =>
              Effect.sync(() => lose(failures.lostLine("cut because a statement could not be stopped in time")))
          })
    return Effect.ensuring(
      bounded,
      Effect.sync(() => {
        this.active = false
        this.uncertain = false
        goOn()
        for (const resume of this.afterwards.splice(0)) resume()
      })
    )
  }

  /**
   * KILLs until everything that was abandoned has been read away: one KILL stops one statement, and none that has not
   * arrived yet. What is on its way is awaited like the reply itself, since a late one would hit the next statement.
   */
  private readonly killAndDrain: Effect.Effect<void> = Effect.suspend(() => {
    const first = this.target.inFlight[0]
    if (first === undefined || this.target.isLost()) return Effect.void
    const request: KillRequest = { wanted: true, pending: false }
    return Effect.forkChild(this.killing(request)).pipe(
      Effect.flatMap((killing) =>
        Effect.flatMap(this.drain(first), () => {
          request.wanted = false
          return request.pending ? Fiber.await(killing) : Fiber.interrupt(killing)
        })
      ),
      // Its reply may come with the deadline that interrupts all this.
      Effect.onInterrupt(() => Effect.sync(() => void (request.wanted = false))),
      Effect.andThen(this.killAndDrain)
    )
  })

  private killing(request: KillRequest): Effect.Effect<void> {
    const { endUpload, isUploading, kill, lose, written } = this.target
    const attempt: Effect.Effect<void> = Effect.flatMap(Effect.ignore(kill(request)), () => {
      if (request.pending) return Effect.sync(() => lose(failures.lostLine("cut because a KILL was not confirmed")))
      // What the server has of the file is undone only where the KILL came before the end.
      endUpload()
      return request.wanted ? Effect.delay(attempt, killInterval) : Effect.void
    })
    // A server that asks for a file runs the statement already, and need not take what is being written.
    return isUploading() ? attempt : Effect.andThen(written, attempt)
  }

  /** Reads until this entry is over. */
  private drain(entry: Entry | undefined): Effect.Effect<void> {
    return entry === undefined ? Effect.void : this.target.drain(entry)
  }
}
