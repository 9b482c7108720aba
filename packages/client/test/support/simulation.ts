/**
 * A small server in memory that runs one command after the other on each line, as real ones do, and keeps book: what it
 * ran, and which statement a KILL hit. Its statements do nothing; what they are called tells when and how they end.
 *
 * | text | reply |
 * | --- | --- |
 * | `ECHO x` | a row with `x` |
 * | `ROWS x n` | `n` rows with `x`, each in a chunk of its own |
 * | `FEED x n` | the same, and the end when the test releases it; ERR 1317 when it is killed |
 * | `HOLD x` | as `ECHO x`, when the test releases it; ERR 1317 when it is killed |
 * | `FAIL x` | ERR 1064 |
 * | `ECHO ?`, `HOLD ?` prepared | the parameter; ERR 1210 when its type was never sent |
 */
import { Reader } from "@effect-mysql/protocol/Bytes"
import { ColumnType } from "@effect-mysql/protocol/ColumnType"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { MysqlConfig } from "../../src/MysqlConfig.ts"
import * as MysqlConnection from "../../src/MysqlConnection.ts"
import type { MysqlError } from "../../src/MysqlError.ts"
import { Transport } from "../../src/Transport.ts"
import { commandOf, inMemory, type Line, logIn, textOf } from "./script.ts"
import * as wire from "./wire.ts"
import { Code } from "./wire.ts"

export interface Simulation {
  readonly transport: Transport
  readonly connect: (config?: MysqlConfig) => Effect.Effect<MysqlConnection.MysqlConnection, MysqlError, Scope.Scope>
  /** Texts in the order in which they began to run, parameters filled in, on all lines but those that kill. */
  readonly ran: Array<string>
  /** What the server was running when a KILL arrived; `undefined` when it was nothing. */
  readonly killed: Array<string | undefined>
  /** Writes to the first line while a KILL was under way: what is in them could be hit. */
  readonly exposed: () => number
  /** Commands on the first line that have arrived and wait for those before them. */
  readonly unread: () => number
  /** Writes that have arrived, on all lines. */
  readonly writes: () => number
  readonly lines: () => { readonly opened: number; readonly closed: number }
  /** How often a statement was prepared. */
  readonly preparations: () => number
  /** Prepared statements that are open, by text. */
  readonly prepared: ReadonlyMap<number, string>
  /** Ends `HOLD x`. */
  readonly release: (x: string) => void
  /** Ends when a text like this begins to run. */
  readonly running: (text: string) => Effect.Effect<void>
}

export interface Options {
  /** What passes before a KILL takes effect, and before its OK. */
  readonly beforeKill?: Effect.Effect<void> | undefined
  readonly afterKill?: Effect.Effect<void> | undefined
  /** What passes between any two steps. */
  readonly between?: Effect.Effect<void> | undefined
  /** The client's side of a line has nothing but Effects. */
  readonly effectsOnly?: boolean | undefined
}

interface Statement {
  readonly text: string
  type: number | undefined
}

interface Session {
  current: { readonly text: string; readonly killed: Deferred.Deferred<void> } | undefined
  readonly unread: () => number
}

/** One parameter: NULL bitmap, whether types follow, type, value. */
const parameterOf = (payload: Buffer, statement: Statement): string | undefined => {
  const reader = new Reader("execute", payload, 10)
  const isNull = (reader.u8() & 1) !== 0
  if (reader.u8() === 1) statement.type = reader.u16()
  if (statement.type === undefined) return undefined
  if (isNull) return "null"
  return statement.type === ColumnType.LONGLONG ? `${reader.u64()}` : reader.lengthEncodedText()
}

export const make = (options?: Options): Simulation => {
  const ran: Array<string> = []
  const killed: Array<string | undefined> = []
  const prepared = new Map<number, string>()
  const sessions = new Map<number, Session>()
  const held = new Map<string, Deferred.Deferred<void>>()
  const watched: Array<{ readonly text: string; readonly seen: Deferred.Deferred<void> }> = []
  let killing = 0
  let closed = 0
  let preparations = 0
  const holdOf = (x: string): Deferred.Deferred<void> => {
    const known = held.get(x)
    if (known !== undefined) return known
    const made = Deferred.makeUnsafe<void>()
    held.set(x, made)
    return made
  }
  const between = options?.between ?? Effect.void

  const kill = Effect.fnUntraced(function* (id: number) {
    killing++
    yield* options?.beforeKill ?? Effect.void
    const session = sessions.get(id)
    killed.push(session?.current?.text)
    if (session?.current !== undefined) Deferred.doneUnsafe(session.current.killed, Effect.void)
    yield* options?.afterKill ?? Effect.void
    killing--
  })

  const run = Effect.fnUntraced(function* (line: Line, session: Session, text: string, binary: boolean) {
    const [verb = "", x = "", n] = text.split(" ")
    const current = { text, killed: Deferred.makeUnsafe<void>() }
    session.current = current
    ran.push(text)
    for (const watch of watched) if (watch.text === text) Deferred.doneUnsafe(watch.seen, Effect.void)
    yield* between
    const row = binary ? Buffer.concat([Buffer.from([0, 0]), wire.textRow(x)]) : wire.textRow(x)
    /** `false`: killed. */
    const held = Effect.map(Effect.raceFirst(Deferred.await(holdOf(x)), Deferred.await(current.killed)), () => {
      session.current = undefined
      return !Deferred.isDoneUnsafe(current.killed)
    })
    const interrupted = wire.err(1317, "Query execution was interrupted", "70100")
    const one = [wire.count(1), wire.column("x"), row, wire.endOfRows()]
    switch (verb) {
      case "HOLD":
        return yield* (yield* held) ? line.reply(...one) : line.reply(interrupted)
      case "FEED":
      case "ROWS": {
        const head = [wire.count(1), wire.column("x"), ...Array.from({ length: Number(n) }, () => row)]
        for (const [index, payload] of head.entries()) {
          yield* line.send(wire.packets([payload], index + 1))
          yield* between
        }
        const complete = verb === "ROWS" || (yield* held)
        session.current = undefined
        return yield* line.send(wire.packets([complete ? wire.endOfRows() : interrupted], head.length + 1))
      }
      case "FAIL":
        session.current = undefined
        return yield* line.reply(wire.err(1064, x, "42000"))
      default:
        session.current = undefined
        return yield* line.reply(...one)
    }
  })

  const serve = Effect.fnUntraced(function* (line: Line) {
    yield* logIn(line)
    const id = 42 + line.index
    const session: Session = { current: undefined, unread: line.unread }
    sessions.set(id, session)
    yield* Effect.addFinalizer(() => Effect.sync(() => void closed++))
    const statements = new Map<number, Statement>()
    let statementId = line.index * 1_000_000
    while (true) {
      const received = yield* line.receive
      const text = textOf(received)
      yield* between
      switch (commandOf(received)) {
        case Code.QUIT:
          return yield* line.end
        case Code.STMT_CLOSE:
          statements.delete(received.payload.readUInt32LE(1))
          prepared.delete(received.payload.readUInt32LE(1))
          break
        case Code.STMT_PREPARE:
          preparations++
          statements.set(++statementId, { text, type: undefined })
          prepared.set(statementId, text)
          yield* line.reply(...wire.prepareOk(statementId, text.includes("?") ? 1 : 0, [wire.column("x")]))
          break
        case Code.STMT_EXECUTE: {
          const statement = statements.get(received.payload.readUInt32LE(1))
          if (statement === undefined) {
            yield* line.reply(wire.err(1243, "Unknown prepared statement handler"))
            break
          }
          const value = statement.text.includes("?") ? parameterOf(received.payload, statement) : ""
          yield* value === undefined
            ? line.reply(wire.err(1210, "Incorrect arguments to mysqld_stmt_execute"))
            : run(line, session, statement.text.replace("?", value), true)
          break
        }
        case Code.QUERY:
          if (text.startsWith("KILL QUERY ")) {
            yield* kill(Number(text.slice("KILL QUERY ".length)))
            yield* line.reply(wire.ok())
          } else {
            yield* run(line, session, text, false)
          }
          break
        case Code.RESET_CONNECTION:
          for (const known of statements.keys()) prepared.delete(known)
          statements.clear()
          yield* line.reply(wire.ok())
          break
        default:
          yield* line.reply(wire.ok())
      }
    }
  })

  let writes = 0
  let exposed = 0
  const direct = inMemory(serve, (_, line) => {
    writes++
    if (killing > 0 && line === 0) exposed++
  })
  const transport: Transport =
    options?.effectsOnly === true
      ? { connect: (target) => Effect.map(direct.connect(target), (line) => ({ ...line, direct: undefined })) }
      : direct
  return {
    transport,
    connect: (config) => Effect.provideService(MysqlConnection.make(config ?? {}), Transport, transport),
    ran,
    killed,
    exposed: () => exposed,
    prepared,
    unread: () => sessions.get(42)?.unread() ?? 0,
    writes: () => writes,
    lines: () => ({ opened: sessions.size, closed }),
    preparations: () => preparations,
    release: (x) => {
      Deferred.doneUnsafe(holdOf(x), Effect.void)
    },
    running: (text) => {
      if (ran.includes(text)) return Effect.void
      const seen = Deferred.makeUnsafe<void>()
      watched.push({ text, seen })
      return Deferred.await(seen)
    }
  }
}
