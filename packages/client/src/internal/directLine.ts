/**
 * The two faces of a line: Effects, and the functions that the statements of a connection are sent and answered with.
 * Whoever has one of them gets the other here.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { MysqlError } from "../MysqlError.ts"
import type { Chunks, DirectLine, TransportConnection } from "../Transport.ts"
import * as failures from "./failures.ts"

/** Not the reason why nothing comes any more. */
export const isChunks = (taken: Chunks | MysqlError): taken is Chunks => Array.isArray(taken)

export const pullOf = (take: DirectLine["take"]): TransportConnection["pull"] =>
  Effect.callback<Chunks, MysqlError>((resume) => {
    const attempt = (): void => {
      const taken = take(attempt)
      if (taken !== undefined) resume(isChunks(taken) ? Effect.succeed(taken) : Effect.fail(taken))
    }
    attempt()
  })

export const writeOf =
  (offer: DirectLine["offer"]): TransportConnection["write"] =>
  (bytes) =>
    Effect.callback<void, MysqlError>((resume) => {
      const done = (error?: MysqlError): void => resume(error === undefined ? Effect.void : Effect.fail(error))
      const taken = offer(bytes, done)
      if (taken !== false) done(taken === true ? undefined : taken)
    })

export const of = (connection: TransportConnection): DirectLine => connection.direct ?? new Running(connection)

/** Runs the Effects of a transport that has nothing else. */
class Running implements DirectLine {
  private readonly connection: TransportConnection
  private pulling: Fiber.Fiber<Chunks, MysqlError> | undefined = undefined
  private onArrival: (() => void) | undefined = undefined

  constructor(connection: TransportConnection) {
    this.connection = connection
  }

  take(onArrival: () => void): Chunks | MysqlError | undefined {
    this.pulling ??= Effect.runFork(this.connection.pull)
    const exit = this.pulling.pollUnsafe()
    if (exit !== undefined) {
      this.pulling = undefined
      return Exit.isSuccess(exit) ? exit.value : errorOf(exit)
    }
    if (this.onArrival === undefined) {
      this.pulling.addObserver(() => {
        const arrived = this.onArrival
        this.onArrival = undefined
        arrived?.()
      })
    }
    this.onArrival = onArrival
    return undefined
  }

  /** Runs apart from the fibers whose commands these are: interrupting one of them must not tear what others have added. */
  offer(bytes: Uint8Array, onRoom: (error?: MysqlError) => void): boolean | MysqlError {
    const writing = Effect.runFork(this.connection.write(bytes))
    const exit = writing.pollUnsafe()
    if (exit !== undefined) return Exit.isSuccess(exit) ? true : errorOf(exit)
    writing.addObserver((end) => onRoom(Exit.isSuccess(end) ? undefined : errorOf(end)))
    return false
  }

  /** What is written is the transport's for good. */
  lend(bytes: Uint8Array, onReturn: (error?: MysqlError) => void): boolean | MysqlError {
    return this.offer(Uint8Array.from(bytes), onReturn)
  }
}

const errorOf = (exit: Exit.Failure<unknown, MysqlError>): MysqlError => {
  const error = Exit.findErrorOption(exit)
  return error._tag === "Some" ? error.value : failures.lostLine("the transport ended without a result")
}
