/**
 * Lines that break: how far each statement was, and that nobody waits for ever.
 */
import { describe, expect, it } from "@effect/vitest"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { writeOf } from "../src/internal/directLine.ts"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import { Transport, type TransportConnection } from "../src/Transport.ts"
import { lineWithBackPressure, needs } from "./support/runtimes.ts"
import { commandOf, inMemory, type Line, listen, logIn, reasonOf, type Script } from "./support/script.ts"
import { awaitRunning, connect } from "./support/servers.ts"
import * as wire from "./support/wire.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const connectTo = (script: Script, config?: MysqlConfig) =>
  Effect.provideService(MysqlConnection.make(config ?? {}), Transport, inMemory(script))

/** Takes some commands and answers the first with this; then the line breaks. */
const breaksAfter = (commands: number, reply: Uint8Array, how: "end" | "reset" = "end"): Script =>
  Effect.fnUntraced(function* (line: Line) {
    yield* logIn(line)
    for (let command = 0; command < commands; command++) yield* line.receive
    yield* line.send(reply)
    yield* line[how]
  })

const lost = (phase: string) => ({ _tag: "ConnectionLost", phase })

const rows = wire.packets(wire.texts("x", ["a", "b"]))
const firstPacket = 4 + wire.count(1).length

describe("a line that breaks", () => {
  it.effect("anywhere in a reply tells whether it had begun", () =>
    Effect.gen(function* () {
      for (let cut = 0; cut < rows.length; cut++) {
        const connection = yield* connectTo(breaksAfter(1, rows.subarray(0, cut)))
        const reason = reasonOf(yield* Effect.exit(connection.query("SELECT x")))
        expect([cut, reason]).toMatchObject([cut, lost(cut < firstPacket ? "sent" : "replyStarted")])
        expect(connection.statusUnsafe().closed).toBe(true)
      }
    })
  )

  it.effect("anywhere in a stream comes after the rows that had arrived", () =>
    Effect.gen(function* () {
      const seen = new Set<number>()
      for (let cut = 0; cut < rows.length; cut++) {
        const connection = yield* connectTo(breaksAfter(1, rows.subarray(0, cut)))
        const got: Array<unknown> = []
        const exit = yield* connection.stream("SELECT x").pipe(
          Stream.runForEach((row) => Effect.sync(() => got.push(row))),
          Effect.exit
        )
        expect(reasonOf(exit)).toMatchObject(lost(cut < firstPacket ? "sent" : "replyStarted"))
        expect([{ x: "a" }, { x: "b" }].slice(0, got.length)).toEqual(got)
        seen.add(got.length)
      }
      expect([...seen]).toEqual([0, 1, 2])
    })
  )

  it.effect("tells each of several how far his statement was", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(breaksAfter(2, rows.subarray(0, 20)))
      const fibers = [
        yield* fork(connection.query("SELECT 1")),
        yield* fork(connection.query("SELECT 2")),
        yield* fork(Stream.runDrain(connection.stream("SELECT 3"))),
        yield* fork(connection.query("SELECT 4")),
        yield* fork(Effect.scoped(Effect.flatMap(connection.reserve, (own) => own.begin())))
      ]
      const exits = yield* Effect.forEach(fibers, (fiber) => Fiber.await<unknown, never>(fiber as never))
      expect(exits.map((exit) => reasonOf(exit))).toMatchObject([
        lost("replyStarted"),
        lost("sent"),
        lost("notSent"),
        lost("notSent"),
        lost("notSent")
      ])
    })
  )

  it.effect("while a statement is prepared tells that nothing has run", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(breaksAfter(1, new Uint8Array(0)))
      const reason = reasonOf(yield* Effect.exit(connection.query("SELECT ?", [1])))
      expect(reason).toMatchObject(lost("sent"))
    })
  )

  it.effect("because the session was idle for too long has not run what came then", () =>
    Effect.gen(function* () {
      const unasked = wire.packets([wire.err(4031, "The client was disconnected because of inactivity.")], 0)
      const connection = yield* connectTo(
        Effect.fnUntraced(function* (line) {
          yield* logIn(line)
          yield* line.send(unasked)
          yield* line.receive
          yield* line.end
        })
      )
      const fibers = [yield* fork(connection.query("INSERT 1")), yield* fork(connection.query("INSERT 2"))]
      for (const fiber of fibers) {
        const reason = reasonOf(yield* Fiber.await(fiber))
        expect(reason).toMatchObject({ ...lost("notSent"), problem: expect.stringContaining("inactivity") })
      }
    })
  )

  it.effect("after an error was told does not hide it", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(
        Effect.fnUntraced(function* (line) {
          yield* logIn(line)
          yield* line.receive
          yield* line.reply(wire.ok({ status: ServerStatus.autocommit | ServerStatus.inTransaction }))
          yield* line.receive
          yield* line.reply(wire.err(1213, "Deadlock found", "40001"))
          // Whether the transaction lives is asked, and not answered.
          expect(commandOf(yield* line.receive)).toBe(wire.Code.PING)
          yield* line.end
        })
      )
      yield* connection.query("BEGIN")
      const exit = yield* Effect.exit(connection.query("UPDATE t SET n = 1"))
      expect(reasonOf(exit)).toMatchObject({ _tag: "ServerError", errno: 1213 })
      expect(connection.statusUnsafe()).toMatchObject({ closed: true, inTransaction: false })
    })
  )

  it.live("while a statement is being written leaves open whether it ran", () =>
    Effect.gen(function* () {
      const broken = yield* Deferred.make<void>()
      const address = yield* listen((line) =>
        Effect.andThen(logIn(line), Effect.andThen(Deferred.await(broken), line.reset))
      )
      const connection = yield* MysqlConnection.make(address)
      const fiber = yield* fork(connection.query(`SELECT '${"x".repeat(32 << 20)}'`))
      yield* Deferred.succeed(broken, undefined)
      expect(reasonOf(yield* Fiber.await(fiber))).toMatchObject(lost("sent"))
      expect(connection.statusUnsafe().closed).toBe(true)
    })
  )

  it.live.each(["offer", "lend"] as const)("fails what it has not taken by %s, and what comes then", (hand, context) =>
    Effect.gen(function* () {
      needs(context, "failedWrites")
      const begun = yield* Deferred.make<void>()
      const address = yield* listen((line) => Effect.andThen(Deferred.await(begun), line.reset), "slowly")
      const line = yield* Effect.flatMap(Transport, (transport) => transport.connect(address))
      const write = writeOf(line.direct![hand])
      const fiber = yield* fork(write(new Uint8Array(64 << 20)))
      yield* Deferred.succeed(begun, undefined)
      expect(reasonOf(yield* Fiber.await(fiber))).toMatchObject(lost("sent"))
      expect(reasonOf(yield* Effect.exit(write(new Uint8Array(1))))).toMatchObject(lost("notSent"))
    })
  )

  it.effect("while it was idle says why, where the server has said so and nothing can be written any more", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<void>()
      const lastWords = wire.packets([wire.err(4031, "The client was disconnected because of inactivity.")], 0)
      const connection = yield* Effect.provideService(
        MysqlConnection.make({}),
        Transport,
        inMemory((line) =>
          logIn(line).pipe(
            Effect.andThen(line.send(lastWords)),
            Effect.andThen(line.end),
            Effect.andThen(Deferred.succeed(ended, undefined))
          )
        )
      )
      yield* Deferred.await(ended)
      // What was on its way has arrived then.
      yield* Effect.yieldNow
      const reason = reasonOf(yield* Effect.exit(connection.query("INSERT INTO t VALUES (1)")))
      expect(reason).toMatchObject(lost("notSent"))
      expect(reason?.message).toContain("inactivity")
    })
  )

  it.live("while it was idle has not run what comes then", () =>
    Effect.gen(function* () {
      for (const how of ["end", "reset"] as const) {
        const broken = yield* Deferred.make<void>()
        const lines: Array<TransportConnection> = []
        const address = yield* listen((line) =>
          Effect.andThen(logIn(line), Effect.andThen(Deferred.await(broken), line[how]))
        )
        const connection = yield* watchingLines(lines, MysqlConnection.make(address))
        yield* Deferred.succeed(broken, undefined)
        yield* untilIdleIs(lines[0]!, "closed")
        const exit = yield* Effect.exit(connection.query("INSERT INTO t VALUES (1)"))
        expect(reasonOf(exit)).toMatchObject(lost("notSent"))
      }
    })
  )

  it.live("by our own hand fails what is under way", () =>
    Effect.gen(function* () {
      const received = yield* Deferred.make<void>()
      const address = yield* listen((line) =>
        Effect.andThen(logIn(line), Effect.andThen(line.receive, Deferred.succeed(received, undefined)))
      )
      const scope = yield* Scope.make()
      const connection = yield* Scope.provide(MysqlConnection.make(address), scope)
      const fiber = yield* fork(connection.query("SELECT 1"))
      yield* Deferred.await(received)
      yield* Scope.close(scope, Exit.void)
      expect(reasonOf(yield* Fiber.await(fiber))).toMatchObject(lost("sent"))
      expect(reasonOf(yield* Effect.exit(connection.query("SELECT 1")))).toMatchObject(lost("notSent"))
    })
  )
})

/** Keeps the lines that are opened meanwhile. */
const watchingLines = <A, E, R>(lines: Array<TransportConnection>, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Transport, (transport) =>
    Effect.provideService(effect, Transport, {
      connect: (target) => Effect.tap(transport.connect(target), (line) => Effect.sync(() => lines.push(line)))
    })
  )

/** Waits for what the line shows without being read. */
const untilIdleIs = (line: TransportConnection, ...states: ReadonlyArray<"quiet" | "bytes" | "closed">) =>
  Effect.repeat(Effect.delay(line.idle, "1 millis"), { until: (state) => states.includes(state) })

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a session that ${server.name} ends`, () => {
    it.live("while it is idle has not run what comes then", () =>
      Effect.gen(function* () {
        const lines: Array<TransportConnection> = []
        const connection = yield* watchingLines(lines, connect())
        const observer = yield* connect()
        yield* observer.query(`KILL CONNECTION ${connection.info.connectionId}`)
        yield* untilIdleIs(lines[0]!, "closed", "bytes")
        for (const next of [connection.query("SELECT 1"), connection.query("SELECT ?", [1])]) {
          expect(reasonOf(yield* Effect.exit(next))).toMatchObject(lost("notSent"))
        }
        expect(connection.statusUnsafe().closed).toBe(true)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("in the middle of a statement leaves open whether it ran", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const { connectionId } = connection.info
        const observer = yield* connect()
        const fiber = yield* fork(connection.query("DO SLEEP(60)"))
        const behind = yield* fork(connection.query("SELECT 1"))
        yield* awaitRunning(observer, connectionId, "SLEEP")
        yield* observer.query(`KILL CONNECTION ${connectionId}`)
        // MySQL lets a SLEEP end as if nothing had happened before it ends the session.
        const reason = reasonOf(yield* Fiber.await(fiber))
        if (reason !== undefined) expect(reason).toMatchObject(lost("sent"))
        expect(reasonOf(yield* Fiber.await(behind))).toMatchObject({ _tag: "ConnectionLost" })
        expect(connection.statusUnsafe().closed).toBe(true)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("in the middle of its rows says that the reply had begun", () =>
      Effect.gen(function* () {
        const connection = yield* connect(lineWithBackPressure)
        const observer = yield* connect()
        const seen = yield* Deferred.make<void>()
        const goOn = yield* Deferred.make<void>()
        const numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
        const fiber = yield* connection.stream(`${numbers} SELECT REPEAT('x', 1000) FROM n a, n b, n c`).pipe(
          Stream.chunks,
          Stream.runForEach(() => Effect.andThen(Deferred.succeed(seen, undefined), Deferred.await(goOn))),
          fork
        )
        yield* Deferred.await(seen)
        yield* observer.query(`KILL CONNECTION ${connection.info.connectionId}`)
        yield* Deferred.succeed(goOn, undefined)
        expect(reasonOf(yield* Fiber.await(fiber))).toMatchObject(lost("replyStarted"))
      }).pipe(Effect.provide(server.layer))
    )

    it.live("because it was idle for too long has not run what comes then", () =>
      Effect.gen(function* () {
        const lines: Array<TransportConnection> = []
        const connection = yield* watchingLines(lines, connect({ sessionVariables: { wait_timeout: 1 } }))
        yield* untilIdleIs(lines[0]!, "bytes", "closed")
        const reason = reasonOf(yield* Effect.exit(connection.query("SELECT 1")))
        expect(reason).toMatchObject(lost("notSent"))
        if (connection.info.product === "mysql") expect(reason?.message).toContain("inactivity")
      }).pipe(Effect.provide(server.layer))
    )
  })
}
