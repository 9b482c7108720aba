/**
 * KILL on a side connection. A pool shares one canceller: its line is opened when it is first needed, serves one
 * request after the other, and is closed when nobody has needed it for a few seconds.
 *
 * A KILL names a connection by number: before it is sent, the server at the other end is compared with the one that gave
 * the number.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Resolved } from "../MysqlConfig.ts"
import * as MysqlError from "../MysqlError.ts"
import { Transport } from "../Transport.ts"
import * as failures from "./failures.ts"
import * as login from "./login.ts"
import type { KillRequest } from "./Stopping.ts"
import { addressOf } from "./target.ts"

export interface Canceller {
  /**
   * Stops the statement that runs on `session`, or ends the session with it; ends when the server has confirmed it.
   * Whether that is still wanted is looked up right before the KILL is written: a statement that has ended meanwhile
   * needs none.
   */
  readonly kill: (
    config: Resolved,
    session: login.Session,
    request: KillRequest,
    what?: "QUERY" | "CONNECTION"
  ) => Effect.Effect<void, MysqlError.MysqlError>
}

interface Line {
  readonly session: login.Session
  readonly scope: Scope.Closeable
  readonly address: string
  /** The user: each may end his own connections. */
  readonly username: string
}

const linger = Duration.seconds(3)
/** ER_NO_SUCH_THREAD: the session is gone, and its statement with it. */
const noSuchThread = 1094

/** The line, if one is open, is closed with the scope. */
export const make: Effect.Effect<Canceller, never, Scope.Scope> = Effect.gen(function* () {
  const transport = yield* Transport
  // Its own, which is open until the connections that need it are closed.
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
  const semaphore = yield* Semaphore.make(1)
  let line: Line | undefined
  let closing: Fiber.Fiber<void> | undefined

  const close = Effect.suspend(() => {
    const open = line
    line = undefined
    return open === undefined ? Effect.void : Scope.close(open.scope, Exit.void)
  })

  const open = Effect.fnUntraced(function* (config: Resolved, session: login.Session) {
    const beside = login.beside(config, session)
    const address = addressOf(beside.target)
    const { username } = config
    const fits = line?.address === address && line.username === username
    if (line !== undefined && fits && (yield* line.session.transport.idle) === "quiet") return line
    yield* close
    const ofLine = yield* Scope.fork(scope)
    const side = yield* login.connect(beside).pipe(
      Effect.provideService(Transport, transport),
      Scope.provide(ofLine),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(ofLine, exit)))
    )
    line = { session: side, scope: ofLine, address, username }
    return line
  })

  const request = Effect.fnUntraced(function* (
    config: Resolved,
    session: login.Session,
    kill: KillRequest,
    what: string
  ) {
    if (!kill.wanted) return
    const { address, session: side } = yield* open(config, session)
    if (side.identity !== session.identity) {
      return yield* MysqlError.make(
        new MysqlError.ConnectError({ address, problem: "another server answers at this address now" })
      )
    }
    if (!kill.wanted) return
    kill.pending = true
    const sql = `KILL ${what} ${session.greeting.connectionId}`
    const [reply] = yield* login.flight(side.transport, side.parser, side.capabilities, [
      Command.query(sql, side.capabilities)
    ])
    kill.pending = false
    const err = reply?.err
    if (err !== undefined && err.errno !== noSuchThread)
      return yield* failures.server(err, sql, session.greeting.product)
  })

  const closeLater = Effect.map(Effect.forkIn(Effect.delay(semaphore.withPermit(close), linger), scope), (fiber) => {
    closing = fiber
  })

  const attempt = (config: Resolved, session: login.Session, kill: KillRequest, what: string) =>
    semaphore.withPermit(
      Effect.suspend(() => (closing === undefined ? Effect.void : Fiber.interrupt(closing))).pipe(
        Effect.andThen(request(config, session, kill, what)),
        // What was interrupted or went wrong half-way leaves a line that is out of step.
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? closeLater : close))
      )
    )

  return {
    // In a fiber of its own: a login that nobody needs any more is finished all the same, since servers block a host
    // whose logins break off too often, and the line may serve the next request.
    kill: (config, session, kill, what = "QUERY") =>
      Effect.flatMap(Effect.forkIn(attempt(config, session, kill, what), scope), Fiber.join)
  }
})
