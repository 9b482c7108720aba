/**
 * A server in memory as a pool sees it: it lets lines be opened, keeps book of every command on each of them, and lets
 * the test decide when and how an attempt to connect ends, when a statement ends and when a line dies.
 *
 * | command | reply |
 * | --- | --- |
 * | `SELECT HOLD x` | a row with `x`, when the test releases `x`; ERR 1317 when it is killed before |
 * | `BEGIN`, `START TRANSACTION` | OK, in a transaction until `COMMIT`, `ROLLBACK` or a reset |
 * | `SET …` | OK |
 * | `SELECT DATABASE()` | a row with the database, which `USE` and its command choose |
 * | `KILL …` | OK; the statement ends, or the line |
 * | `SELECT x`, and any other text | a row with `x` |
 * | `COM_RESET_CONNECTION` | OK, when the test lets resets pass |
 */
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type * as MysqlError from "../../src/MysqlError.ts"
import type { Transport } from "../../src/Transport.ts"
import { commandOf, inMemory, type Line, logIn, textOf } from "../support/script.ts"
import * as wire from "../support/wire.ts"

/** One line as the server sees it. */
export interface ServerLine {
  /** From 0 on, in the order of connecting. */
  readonly index: number
  readonly connectionId: number
  /** What came after the login: texts, `RESET`, `USE x`, `PING`, `QUIT`. */
  readonly commands: Array<string>
  /** The client has not closed it. */
  open: boolean
  /** The server closes it, as after a KILL. */
  readonly cut: Effect.Effect<void>
  /** The server says something unasked. */
  readonly say: (payload: Uint8Array) => Effect.Effect<void>
}

export interface Server {
  readonly transport: Transport
  readonly lines: Array<ServerLine>
  /** Times at which connecting was tried, in milliseconds. */
  readonly attempts: Array<number>
  /** What an attempt meets before it has a line, from now on. */
  connecting: (attempt: number) => Effect.Effect<void, MysqlError.MysqlError>
  /** Lets `SELECT HOLD x` end. */
  readonly release: (x: string) => void
  /** Ends when the server runs this text, on any line. */
  readonly running: (text: string) => Effect.Effect<void>
  /** Closed: resets are not answered, or pings. */
  readonly resets: Latch.Latch
  readonly pings: Latch.Latch
}

interface Running {
  readonly text: string
  readonly killed: Deferred.Deferred<void>
}

const killText = /^KILL (QUERY|CONNECTION) (\d+)$/
const holdText = "SELECT HOLD "

export const make = (): Server => {
  const lines: Array<ServerLine> = []
  const attempts: Array<number> = []
  const held = new Map<string, Deferred.Deferred<void>>()
  const began = new Map<string, Deferred.Deferred<void>>()
  const current = new Map<number, Running>()
  const resets = Latch.makeUnsafe(true)
  const pings = Latch.makeUnsafe(true)

  const signal = (signals: Map<string, Deferred.Deferred<void>>, name: string): Deferred.Deferred<void> => {
    const known = signals.get(name) ?? Deferred.makeUnsafe<void>()
    signals.set(name, known)
    return known
  }

  const query = Effect.fnUntraced(function* (line: Line, own: ServerLine, text: string, status: number) {
    const [, what, id] = killText.exec(text) ?? []
    if (what !== undefined) {
      if (what === "CONNECTION") {
        const other = lines.find(({ connectionId }) => connectionId === Number(id))
        if (other !== undefined) yield* other.cut
      }
      const target = current.get(Number(id))
      if (target !== undefined) Deferred.doneUnsafe(target.killed, Effect.void)
      return yield* line.reply(wire.ok())
    }
    const running: Running = { text, killed: Deferred.makeUnsafe() }
    current.set(own.connectionId, running)
    Deferred.doneUnsafe(signal(began, text), Effect.void)
    if (text.startsWith(holdText)) {
      yield* Effect.raceFirst(Deferred.await(signal(held, text.slice(holdText.length))), Deferred.await(running.killed))
    }
    current.delete(own.connectionId)
    yield* Deferred.isDoneUnsafe(running.killed)
      ? line.reply(wire.err(1317, "Query execution was interrupted", "70100"))
      : text.startsWith("SET ") || /^(?:BEGIN|START|COMMIT|ROLLBACK)/.test(text)
        ? line.reply(wire.ok({ status }))
        : line.reply(...wire.texts("x", [text.replace(/^SELECT (?:HOLD )?/, "")], status))
  })

  const serve = Effect.fnUntraced(function* (line: Line): Effect.fn.Return<void, never, Scope.Scope> {
    const own: ServerLine = {
      index: line.index,
      connectionId: 42 + line.index,
      commands: [],
      open: true,
      cut: line.end,
      say: (payload) => line.send(wire.packets([payload], 0))
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => lines.push(own)),
      () =>
        Effect.sync(() => {
          own.open = false
        })
    )
    yield* logIn(line)
    let status: number = ServerStatus.autocommit
    let database: string | null = null
    while (true) {
      const received = yield* line.receive
      const text = textOf(received)
      switch (commandOf(received)) {
        case wire.Code.QUIT:
          own.commands.push("QUIT")
          return yield* line.end
        case wire.Code.QUERY:
          own.commands.push(text)
          if (/^(?:BEGIN|START)/.test(text)) status |= ServerStatus.inTransaction
          if (/^(?:COMMIT|ROLLBACK)/.test(text)) status &= ~ServerStatus.inTransaction
          if (text === "SELECT DATABASE()") yield* line.reply(...wire.texts("x", [database], status))
          else yield* query(line, own, text, status)
          break
        case wire.Code.RESET_CONNECTION:
          own.commands.push("RESET")
          Deferred.doneUnsafe(signal(began, "RESET"), Effect.void)
          yield* resets.await
          status = ServerStatus.autocommit
          yield* line.reply(wire.ok())
          break
        case wire.Code.INIT_DB:
          own.commands.push(`USE ${text}`)
          database = text
          yield* line.reply(wire.ok({ status }))
          break
        default:
          own.commands.push("PING")
          yield* pings.await
          yield* line.reply(wire.ok({ status }))
      }
    }
  })

  const memory = inMemory(serve)
  const server: Server = {
    transport: {
      connect: Effect.fnUntraced(function* (target) {
        attempts.push(yield* Clock.currentTimeMillis)
        yield* server.connecting(attempts.length - 1)
        return yield* memory.connect(target)
      })
    },
    lines,
    attempts,
    connecting: () => Effect.void,
    release: (x) => {
      Deferred.doneUnsafe(signal(held, x), Effect.void)
    },
    running: (text) => Deferred.await(signal(began, text)),
    resets,
    pings
  }
  return server
}
