/**
 * Rows and result sets as they come. Nothing is pulled from the socket that the consumer does not ask for; what it leaves
 * unread is stopped on the server when its scope closes.
 */
import type { ResultSet as Received } from "@effect-mysql/protocol/reply/Reply"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Field, ResultSet } from "../MysqlConnection.ts"
import * as MysqlError from "../MysqlError.ts"
import type { Core } from "./Core.ts"
import { type Entry, failureOf } from "./Entry.ts"
import * as failures from "./failures.ts"
import { type Finish, type Manner, streaming } from "./Request.ts"
import { fieldsOf } from "./results.ts"

/** Runs a statement whose reply is read here. */
export type Run = (manner: Manner, finish: Finish<Entry>) => Effect.Effect<Entry, MysqlError.MysqlError>

type Chunk<A> = readonly [A, ...Array<A>]
type Pull<A> = Effect.Effect<Chunk<A>, MysqlError.MysqlError | Cause.Done<void>>

const isChunk = <A>(rows: ReadonlyArray<unknown>): rows is Chunk<A> => rows.length > 0

/** The rows of the first result set. */
export const rows = <A>(core: Core, run: Run): Stream.Stream<A, MysqlError.MysqlError> =>
  Stream.scoped(
    Stream.fromPull(
      Effect.map(open(core, run, 1), (reading) => {
        let ended = false
        const pull: Pull<A> = Effect.clockWith((clock) => {
          reading.resume(clock)
          const { reply } = reading.entry
          const [set] = reply.results
          const rows = set === undefined ? reply.takeRows() : ended ? [] : set.rows
          if (set !== undefined) ended = true
          if (isChunk<A>(rows)) {
            reading.pause(clock)
            return Effect.succeed(rows)
          }
          const { decodeError } = reply
          const error = decodeError === undefined ? reading.failure : failures.decode(decodeError)
          if (error !== undefined) return Effect.fail(error)
          return reading.over ? Cause.done() : Effect.andThen(reading.advance, pull)
        })
        return pull
      })
    )
  )

/** All result sets, one after the other. */
export const sets = <A>(core: Core, run: Run): Stream.Stream<ResultSet<A>, MysqlError.MysqlError> =>
  Stream.scoped(
    Stream.fromPull(
      Effect.gen(function* () {
        const reading = yield* open(core, run, Number.POSITIVE_INFINITY, true)
        let current: StreamedSet<A> | undefined
        yield* Effect.addFinalizer(() => Effect.sync(() => current?.close()))
        const next: Pull<ResultSet<A>> = Effect.suspend(() => {
          const { reply } = reading.entry
          if (reply.results.length === 0 && !reply.inRows) {
            const error = reading.failure
            if (error !== undefined) return Effect.fail(error)
            return reading.over ? Cause.done() : Effect.andThen(reading.advance, next)
          }
          current = new StreamedSet(reading)
          return Effect.succeed([current])
        })
        return Effect.suspend(() => (current === undefined ? next : Effect.andThen(current.leave, next)))
      })
    )
  )

/** A reply that is read as it comes. */
class Reading {
  entry: Entry
  private readonly core: Core
  private pausedAt: number | undefined = undefined
  private longestPause = 0

  constructor(core: Core, entry: Entry) {
    this.core = core
    this.entry = entry
  }

  get over(): boolean {
    return this.entry.state === "done"
  }

  get advance(): Effect.Effect<void> {
    return this.core.exchange.advance(this.entry)
  }

  /** What the server or the line has to say beside the rows. */
  get failure(): MysqlError.MysqlError | undefined {
    const error = failureOf(this.entry, "server")
    return error === undefined ? undefined : this.explained(error)
  }

  pause(clock: Clock.Clock): void {
    this.pausedAt = clock.currentTimeMillisUnsafe()
  }

  resume(clock: Clock.Clock): void {
    if (this.pausedAt === undefined) return
    this.longestPause = Math.max(this.longestPause, clock.currentTimeMillisUnsafe() - this.pausedAt)
    this.pausedAt = undefined
  }

  /** A server that could not write for too long cuts the line: what it had written before arrives all the same. */
  private explained(error: MysqlError.MysqlError): MysqlError.MysqlError {
    const { reason } = error
    const limit = this.core.config.streamPauseLimit
    if (reason._tag !== "ConnectionLost" || this.longestPause < Duration.toMillis(limit)) return error
    const problem =
      `${reason.problem}; the stream had paused for ${Duration.format(Duration.millis(this.longestPause))}, ` +
      `and the server was told to wait ${Duration.format(limit)} (streamPauseLimit)`
    return MysqlError.make(new MysqlError.ConnectionLost({ phase: reason.phase, problem, cause: reason }))
  }
}

/** Runs the statement; what is still under way when the scope closes is stopped. */
const open = (
  core: Core,
  run: Run,
  maxSets: number,
  several: boolean = false
): Effect.Effect<Reading, MysqlError.MysqlError, Scope.Scope> =>
  Effect.suspend(() => {
    let opened: Entry | undefined
    const manner = streaming(maxSets, several, (entry) => {
      opened = entry
    })
    return Effect.addFinalizer(() => (opened === undefined ? Effect.void : core.exchange.abandon(opened))).pipe(
      Effect.andThen(run(manner, Effect.succeed)),
      Effect.map((entry) => new Reading(core, entry))
    )
  })

/** One of several result sets: the one that is read now, or one that can be read no more. */
class StreamedSet<A> implements ResultSet<A> {
  readonly fields: ReadonlyArray<Field>
  readonly rows: Stream.Stream<A, MysqlError.MysqlError>
  private readonly reading: Reading
  private state: "unread" | "reading" | "closed" = "unread"
  private end: Received["ok"] | undefined = undefined

  constructor(reading: Reading) {
    this.reading = reading
    const { reply } = reading.entry
    const [complete] = reply.results
    const metadata = complete === undefined ? reply.metadata : complete.metadata
    this.fields = metadata === undefined ? [] : fieldsOf(metadata.columns)
    // A set without rows is over before it is handed out.
    this.end = complete?.ok
    this.rows = Stream.fromPull(Effect.suspend(() => this.start()))
  }

  get affectedRows(): number {
    return Number(this.end?.affectedRows ?? 0)
  }

  get insertId(): number | bigint {
    return this.end?.insertId ?? 0
  }

  get warningCount(): number {
    return this.end?.warningCount ?? 0
  }

  get info(): string {
    return this.end?.info ?? ""
  }

  get isOutParameters(): boolean {
    return ((this.end?.status ?? 0) & ServerStatus.outParameters) !== 0
  }

  close(): void {
    this.state = "closed"
  }

  /** Whatever is left of its rows is stepped over. */
  get leave(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.close()
      const { reply } = this.reading.entry
      if (reply.results.length > 0) {
        this.end = reply.results.shift()!.ok
        return Effect.void
      }
      if (this.reading.over || reply.err !== undefined) return Effect.void
      reply.skipSet()
      return Effect.andThen(this.reading.advance, this.leave)
    })
  }

  private start(): Effect.Effect<Pull<A>, MysqlError.MysqlError> {
    if (this.state !== "unread") return closed
    this.state = "reading"
    let taken = false
    const pull: Pull<A> = Effect.clockWith((clock) => {
      if (this.state === "closed") return closed
      this.reading.resume(clock)
      const { reply } = this.reading.entry
      const [complete] = reply.results
      const rows = complete === undefined ? reply.takeRows() : taken ? [] : complete.rows
      if (complete !== undefined) {
        taken = true
        this.end = complete.ok
      }
      if (isChunk<A>(rows)) {
        this.reading.pause(clock)
        return Effect.succeed(rows)
      }
      const decodeError = complete === undefined ? reply.setError : complete.decodeError
      if (decodeError !== undefined) return Effect.fail(failures.decode(decodeError))
      if (complete !== undefined) return Cause.done()
      const error = this.reading.failure
      if (error !== undefined) return Effect.fail(error)
      return Effect.andThen(this.reading.advance, pull)
    })
    return Effect.succeed(pull)
  }
}

const closed: Effect.Effect<never, MysqlError.MysqlError> = Effect.fail(
  MysqlError.make(new MysqlError.ResultSetClosed({}))
)
