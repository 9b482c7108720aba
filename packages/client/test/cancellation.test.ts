/**
 * How a statement is stopped: what goes over which line, what is never stopped, and what happens when stopping fails.
 * Servers follow a script here, and time is the test's.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Command from "@effect-mysql/protocol/command/Command"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { Connection } from "../src/internal/Connection.ts"
import { make as makeEntry } from "../src/internal/Entry.ts"
import * as replies from "../src/internal/replies.ts"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import * as MysqlPool from "../src/MysqlPool.ts"
import { Transport } from "../src/Transport.ts"
import { commandOf, inMemory, type Line, logIn, reasonOf, type Script, textOf } from "./support/script.ts"
import * as Simulation from "./support/simulation.ts"
import * as wire from "./support/wire.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const connectTo = (script: Script, config?: MysqlConfig) =>
  Effect.provideService(MysqlConnection.make(config ?? {}), Transport, inMemory(script))

/** The first line follows one script, the lines beside it another. */
const twoLines =
  (first: Script, beside: Script): Script =>
  (line) =>
    line.index === 0 ? first(line) : beside(line)

/** Answers a text command with a row when it is told to. */
const heldAnswer = (line: Line, answer: Deferred.Deferred<void>) =>
  Effect.gen(function* () {
    yield* logIn(line)
    yield* line.receive
    yield* Deferred.await(answer)
    yield* line.reply(...wire.texts("x", ["done"]))
  })

/** Goes on with `SELECT 1`. */
const answerNext = (line: Line) =>
  Effect.gen(function* () {
    yield* line.receive
    yield* line.reply(...wire.texts("x", ["next"]))
  })

describe("a statement is stopped", () => {
  it.effect("by a KILL QUERY with its connection's number, on a line beside it", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      const kills: Array<string> = []
      const connection = yield* connectTo(
        twoLines(
          (line) => Effect.andThen(heldAnswer(line, answer), answerNext(line)),
          Effect.fnUntraced(function* (line) {
            yield* logIn(line)
            kills.push(textOf(yield* line.receive))
            yield* Deferred.succeed(answer, undefined)
            yield* line.reply(wire.ok())
          })
        )
      )
      yield* Fiber.interrupt(yield* fork(connection.query("SELECT 1")))
      expect(kills).toEqual(["KILL QUERY 42"])
      expect((yield* connection.query("SELECT 1")).rows).toEqual([{ x: "next" }])
    })
  )

  it.effect("only when both its reply and that of the KILL are there, the interruption returns", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      const killed = yield* Deferred.make<void>()
      const confirm = yield* Deferred.make<void>()
      const connection = yield* connectTo(
        twoLines(
          (line) => Effect.andThen(heldAnswer(line, answer), answerNext(line)),
          Effect.fnUntraced(function* (line) {
            yield* logIn(line)
            yield* line.receive
            yield* Deferred.succeed(killed, undefined)
            yield* Deferred.await(confirm)
            yield* line.reply(wire.ok())
          })
        )
      )
      const fiber = yield* fork(connection.query("SELECT 1"))
      const interrupting = yield* fork(Fiber.interrupt(fiber))
      yield* Deferred.await(killed)
      const next = yield* fork(connection.query("SELECT 1"))
      yield* Deferred.succeed(answer, undefined)
      yield* TestClock.adjust("50 millis")
      expect(interrupting.pollUnsafe()).toBeUndefined()
      expect(next.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(confirm, undefined)
      yield* Fiber.join(interrupting)
      expect((yield* Fiber.join(next)).rows).toEqual([{ x: "next" }])
    })
  )

  it.effect("again, when a KILL came before the statement and had no effect", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      const first = yield* Deferred.make<void>()
      const connection = yield* connectTo(
        twoLines(
          (line) => Effect.andThen(heldAnswer(line, answer), answerNext(line)),
          Effect.fnUntraced(function* (line) {
            yield* logIn(line)
            yield* line.receive
            yield* line.reply(wire.ok())
            yield* Deferred.succeed(first, undefined)
            yield* line.receive
            yield* Deferred.succeed(answer, undefined)
            yield* line.reply(wire.ok())
          })
        )
      )
      const interrupting = yield* fork(Fiber.interrupt(yield* fork(connection.query("SELECT 1"))))
      yield* Deferred.await(first)
      expect(interrupting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interrupting)
      expect((yield* connection.query("SELECT 1")).rows).toEqual([{ x: "next" }])
    })
  )

  it.effect("not at all, when its reply comes first; the login of the line beside it is finished all the same", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      const dialled = yield* Deferred.make<void>()
      const greet = yield* Deferred.make<void>()
      const loggedIn = yield* Deferred.make<void>()
      const after: Array<number> = []
      const connection = yield* connectTo(
        twoLines(
          (line) => Effect.andThen(heldAnswer(line, answer), answerNext(line)),
          Effect.fnUntraced(function* (line) {
            yield* Deferred.succeed(dialled, undefined)
            yield* Deferred.await(greet)
            yield* logIn(line)
            yield* Deferred.succeed(loggedIn, undefined)
            after.push(commandOf(yield* line.receive))
          })
        )
      )
      const interrupting = yield* fork(Fiber.interrupt(yield* fork(connection.query("SELECT 1"))))
      yield* Deferred.await(dialled)
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(interrupting)
      expect((yield* connection.query("SELECT 1")).rows).toEqual([{ x: "next" }])
      // A server blocks a host whose logins break off too often.
      yield* Deferred.succeed(greet, undefined)
      yield* Deferred.await(loggedIn)
      yield* TestClock.adjust("1 second")
      expect(after).toEqual([])
    })
  )

  it.effect("by the same line beside it as the one before; it is closed when nobody has needed it for a while", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      for (const x of ["a", "b", "c"]) {
        const fiber = yield* fork(connection.query(`HOLD ${x}`))
        yield* server.running(`HOLD ${x}`)
        yield* Fiber.interrupt(fiber)
        yield* TestClock.adjust("1 second")
      }
      expect(server.killed).toEqual(["HOLD a", "HOLD b", "HOLD c"])
      expect(server.lines()).toEqual({ opened: 2, closed: 0 })
      yield* TestClock.adjust("10 seconds")
      expect(server.lines()).toEqual({ opened: 2, closed: 1 })
    })
  )

  it.effect("by one line beside them for a thousand that time out at once on connections of a pool", () =>
    Effect.gen(function* () {
      const count = 1000
      const server = Simulation.make()
      const pool = yield* Effect.provideService(
        MysqlPool.make({
          maxConnections: count,
          connectConcurrency: count,
          statementTimeout: "10 seconds",
          resetOnRelease: "rollback"
        }),
        Transport,
        server.transport
      )
      const texts = Array.from({ length: count }, (_, index) => `HOLD ${index}`)
      const fibers = yield* Effect.forEach(texts, (text) => fork(pool.use((connection) => connection.query(text))))
      yield* Effect.forEach(texts, (text) => server.running(text), { discard: true })
      expect(server.lines()).toEqual({ opened: count, closed: 0 })
      yield* TestClock.adjust("10 seconds")
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      expect(exits.filter((exit) => reasonOf(exit)?._tag !== "StatementTimeout")).toEqual([])
      expect(server.lines()).toEqual({ opened: count + 1, closed: 0 })
      // Each is killed once, and no connection is lost for it.
      expect(new Set(server.killed).size).toBe(count)
      expect(server.killed).toHaveLength(count)
      const again = yield* Effect.forEach(
        texts,
        (_, index) => pool.use((connection) => connection.query(`ECHO ${index}`)),
        {
          concurrency: "unbounded"
        }
      )
      expect(again.map(({ rows }) => rows)).toEqual(texts.map((_, index) => [{ x: `${index}` }]))
      expect(server.lines().opened).toBe(count + 1)
    })
  )

  it.effect("and so is each of several that nobody waits for any more", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const fibers = [yield* fork(connection.query("HOLD a")), yield* fork(connection.query("HOLD b"))]
      yield* server.running("HOLD a")
      yield* Effect.yieldNow
      yield* Fiber.interruptAll(fibers)
      expect(server.killed).toEqual(["HOLD a", "HOLD b"])
    })
  )

  it.effect("once where it is given up twice, and both wait for that", () =>
    Effect.gen(function* () {
      const killing = Deferred.makeUnsafe<void>()
      const mayKill = Deferred.makeUnsafe<void>()
      const beforeKill = Effect.andThen(Deferred.succeed(killing, undefined), Deferred.await(mayKill))
      const server = Simulation.make({ beforeKill })
      const connection = yield* server.connect()
      // As a stream's scope does after the fiber that waited for its first row, if that is suspended in between.
      const { core } = connection as Connection
      const bytes = Command.query("HOLD x", core.session.capabilities)
      const entry = makeEntry({ bytes, reply: replies.ofOwn(core, "query") })
      yield* fork(core.exchange.run(entry, replies.succeeded))
      yield* server.running("HOLD x")
      const first = yield* fork(core.exchange.abandon(entry))
      yield* Deferred.await(killing)
      const second = yield* fork(core.exchange.abandon(entry))
      expect([first, second].map((fiber) => fiber.pollUnsafe())).toEqual([undefined, undefined])
      yield* Deferred.succeed(mayKill, undefined)
      yield* Fiber.joinAll([first, second])
      expect((yield* connection.query("ECHO next")).rows).toEqual([{ x: "next" }])
      expect(server.killed).toEqual(["HOLD x"])
    })
  )

  it.effect("before its connection is closed: closing the line alone would let it run on", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const scope = yield* Scope.make()
      const connection = yield* Scope.provide(server.connect(), scope)
      const first = yield* fork(connection.query("HOLD first"))
      const left = yield* fork(connection.query("HOLD left"))
      yield* server.running("HOLD first")
      yield* Effect.yieldNow
      yield* Fiber.interrupt(left)
      server.release("first")
      yield* Fiber.join(first)
      yield* Scope.close(scope, Exit.void)
      expect(server.killed).toEqual(["HOLD left"])
    })
  )

  it.effect("in a transaction with an error: whether the transaction lives is asked", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      const inTransaction = 3
      const connection = yield* connectTo(
        twoLines(
          Effect.fnUntraced(function* (line) {
            yield* logIn(line)
            yield* line.receive
            yield* line.reply(wire.ok({ status: inTransaction }))
            yield* line.receive
            yield* Deferred.await(answer)
            yield* line.reply(wire.err(1317))
            expect(commandOf(yield* line.receive)).toBe(wire.Code.PING)
            yield* line.reply(wire.ok())
          }),
          Effect.fnUntraced(function* (line) {
            yield* logIn(line)
            yield* line.receive
            yield* Deferred.succeed(answer, undefined)
            yield* line.reply(wire.ok())
          })
        )
      )
      yield* connection.query("BEGIN")
      expect(connection.statusUnsafe().inTransaction).toBe(true)
      yield* Fiber.interrupt(yield* fork(connection.query("UPDATE t SET n = 1")))
      expect(connection.statusUnsafe().inTransaction).toBe(false)
    })
  )

  it.effect("not before all of it has been written", () =>
    Effect.gen(function* () {
      const taken = yield* Deferred.make<void>()
      const server = Simulation.make()
      const slow: Transport = {
        connect: (target) =>
          Effect.map(server.transport.connect(target), (line) => ({
            ...line,
            direct: undefined,
            write: (bytes: Uint8Array) =>
              Buffer.from(bytes).includes("HOLD big")
                ? Effect.andThen(Deferred.await(taken), line.write(bytes))
                : line.write(bytes)
          }))
      }
      const connection = yield* Effect.provideService(MysqlConnection.make({}), Transport, slow)
      const interrupting = yield* fork(Fiber.interrupt(yield* fork(connection.query("HOLD big"))))
      yield* TestClock.adjust("1 second")
      expect(server.killed).toEqual([])
      yield* Deferred.succeed(taken, undefined)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interrupting)
      expect(server.killed).toEqual(["HOLD big"])
    })
  )
})

describe("what ends a transaction", () => {
  const endings = [
    "COMMIT",
    "commit and chain",
    "ROLLBACK",
    "XA COMMIT 'x'",
    "/* from the shop */ COMMIT",
    "-- from the shop\nCOMMIT",
    "# from the shop\nROLLBACK",
    "/*!50000 COMMIT */",
    "INSERT INTO t VALUES (1); COMMIT"
  ]

  it.effect.each(endings)("is never stopped: %j", (sql) =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      const lines: Array<number> = []
      const connection = yield* connectTo((line) => {
        lines.push(line.index)
        return Effect.andThen(heldAnswer(line, answer), answerNext(line))
      })
      const interrupting = yield* fork(Fiber.interrupt(yield* fork(connection.query(sql))))
      yield* TestClock.adjust("2 seconds")
      expect(interrupting.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(interrupting)
      expect(lines).toEqual([0])
      expect((yield* connection.query("SELECT 1")).rows).toEqual([{ x: "next" }])
    })
  )
})

describe("what cannot be stopped is cut off", () => {
  const silent: Script = (line) => Effect.andThen(logIn(line), line.receive)

  const cutOff: ReadonlyArray<readonly [string, Script]> = [
    ["the line beside it is refused", (line) => line.reset],
    ["nobody greets on the line beside it", () => Effect.never],
    ["another server answers on the line beside it", (line) => Effect.andThen(logIn(line, "another"), Effect.never)],
    ["a KILL has no effect", (line) => Effect.andThen(logIn(line), Effect.forever(answerOk(line)))],
    ["the server refuses to kill", (line) => Effect.andThen(logIn(line), Effect.forever(answerErr(line, 1095)))]
  ]

  const answerOk = (line: Line) => Effect.andThen(line.receive, line.reply(wire.ok()))
  const answerErr = (line: Line, errno: number) => Effect.andThen(line.receive, line.reply(wire.err(errno)))

  it.effect.each(cutOff)("within a bound, when $0", ([, beside]) =>
    Effect.gen(function* () {
      const connection = yield* connectTo(twoLines(silent, beside))
      const fiber = yield* fork(connection.query("SELECT 1"))
      const waiting = yield* fork(Effect.exit(Effect.scoped(Effect.flatMap(connection.reserve, (own) => own.ping))))
      const interrupting = yield* fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("4 seconds")
      expect(connection.statusUnsafe().closed).toBe(false)
      expect(interrupting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interrupting)
      expect(connection.statusUnsafe().closed).toBe(true)
      expect(reasonOf(yield* Fiber.join(waiting))).toMatchObject({ _tag: "ConnectionLost", phase: "notSent" })
    })
  )

  it.effect("at once, when the line beside it breaks before a KILL is confirmed: it could still hit the next", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(
        twoLines(
          silent,
          Effect.fnUntraced(function* (line) {
            yield* logIn(line)
            yield* line.receive
            yield* line.reset
          })
        )
      )
      yield* Fiber.interrupt(yield* fork(connection.query("SELECT 1")))
      expect(connection.statusUnsafe().closed).toBe(true)
    })
  )

  it.effect("also a COMMIT whose reply does not come", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(silent)
      const interrupting = yield* fork(Fiber.interrupt(yield* fork(connection.query("COMMIT"))))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(interrupting)
      expect(connection.statusUnsafe().closed).toBe(true)
    })
  )

  it.effect("but not when the session that was to be killed is gone: then its end is on the line", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(
        twoLines(
          Effect.fnUntraced(function* (line) {
            yield* logIn(line)
            yield* line.receive
            yield* Effect.sleep("1 second")
            yield* line.end
          }),
          (line) => Effect.andThen(logIn(line), Effect.forever(answerErr(line, 1094)))
        )
      )
      const interrupting = yield* fork(Fiber.interrupt(yield* fork(connection.query("SELECT 1"))))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interrupting)
      expect(connection.statusUnsafe().closed).toBe(true)
    })
  )
})

describe("the option `cancellation`", () => {
  const beside: Script = () => Effect.die(new Error("no line beside the first was to be opened"))

  it.effect("`close` cuts the line at once", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const connection = yield* connectTo(
        twoLines(
          Effect.fnUntraced(function* (line) {
            yield* logIn(line)
            yield* line.closed
            yield* Deferred.succeed(closed, undefined)
          }),
          beside
        ),
        { cancellation: "close" }
      )
      yield* Fiber.interrupt(yield* fork(connection.query("SELECT 1")))
      expect(connection.statusUnsafe().closed).toBe(true)
      yield* Deferred.await(closed)
    })
  )

  it.effect("`wait` waits for the reply, however long it takes", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      const connection = yield* connectTo(
        twoLines((line) => Effect.andThen(heldAnswer(line, answer), answerNext(line)), beside),
        { cancellation: "wait" }
      )
      const interrupting = yield* fork(Fiber.interrupt(yield* fork(connection.query("SELECT 1"))))
      yield* TestClock.adjust("1 hour")
      expect(interrupting.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(interrupting)
      expect((yield* connection.query("SELECT 1")).rows).toEqual([{ x: "next" }])
    })
  )
})

describe("what an interrupted statement leaves on the server", () => {
  it.effect("a statement that was prepared for nobody is closed", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const slow = yield* fork(connection.query("HOLD slow"))
      yield* server.running("HOLD slow")
      const preparing = yield* fork(Effect.scoped(connection.prepare("ECHO ?")))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(preparing)
      server.release("slow")
      yield* Fiber.join(slow)
      yield* connection.query("ECHO next")
      expect([...server.prepared.values()]).toEqual([])
    })
  )

  it.effect("a statement that was prepared for the cache is there the next time", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const slow = yield* fork(connection.query("HOLD slow"))
      yield* server.running("HOLD slow")
      const query = yield* fork(connection.query("ECHO ?", ["x"]))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(query)
      server.release("slow")
      yield* Fiber.join(slow)
      yield* connection.query("ECHO next")
      expect((yield* connection.query("ECHO ?", ["y"])).rows).toEqual([{ x: "y" }])
      expect(server.preparations()).toBe(1)
    })
  )

  it.effect("the types of parameters that were never sent are not taken for known", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const statement = yield* connection.prepare("ECHO ?")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* connection.reserve
          yield* Fiber.interrupt(yield* fork(statement.query(["never sent"])))
        })
      )
      expect((yield* statement.query(["sent"])).rows).toEqual([{ x: "sent" }])
    })
  )

  it.effect("a statement waits for its preparation no longer than its fiber does", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* connection.reserve
          yield* Fiber.interrupt(yield* fork(Effect.scoped(connection.prepare("ECHO ?"))))
          yield* Fiber.interrupt(yield* fork(Stream.runDrain(connection.stream("ECHO ?", ["x"]))))
        })
      )
      expect(server.preparations()).toBe(0)
    })
  )
})

describe("the bound of a statement", () => {
  it.effect("is no bound of COMMIT: whether it happened would be open", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      const connection = yield* connectTo((line) => heldAnswer(line, answer), { statementTimeout: "1 second" })
      const own = yield* connection.reserve
      const commit = yield* fork(own.commit)
      yield* TestClock.adjust("1 minute")
      expect(commit.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(commit)
    })
  )

  it.effect("includes the wait for the connection", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      yield* connection.reserve
      const query = yield* fork(Effect.exit(connection.query("ECHO x", [], { timeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      const exit = yield* Fiber.join(query)
      expect(reasonOf(exit)).toMatchObject({ _tag: "StatementTimeout", by: "client" })
      expect(server.ran).toEqual([])
    })
  )
})
