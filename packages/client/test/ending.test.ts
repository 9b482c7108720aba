/**
 * Sessions that the server ends, and servers that take no writes or nothing at all: recognised for what they are.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import * as MysqlError from "../src/MysqlError.ts"
import { Transport } from "../src/Transport.ts"
import { inMemory, type Line, logIn, reasonOf } from "./support/script.ts"
import { awaitRunning, connect, connectToDatabase } from "./support/servers.ts"
import * as wire from "./support/wire.ts"

const errorOf = <A>(exit: Exit.Exit<A, MysqlError.MysqlError>): MysqlError.MysqlError => {
  const reason = reasonOf(exit)
  if (reason === undefined) throw new Error("it did not fail")
  return MysqlError.make(reason)
}

/** A connection whose next command gets this answer. */
const answering = (bytes: Uint8Array) =>
  Effect.provideService(
    MysqlConnection.make({}),
    Transport,
    inMemory(
      Effect.fnUntraced(function* (line: Line) {
        yield* logIn(line)
        yield* line.receive
        yield* line.send(bytes)
        yield* Effect.never
      })
    )
  )

describe("an error that ends the session", () => {
  const ends: ReadonlyArray<readonly [errno: number, message: string]> = [
    [1053, "Server shutdown in progress"],
    [1927, "Connection was killed"],
    [3169, "The session was killed"],
    [1158, "Got an error reading communication packets"]
  ]

  it.effect.each(ends)("%s is the loss of the line: whether the statement ran is open", ([errno, message]) =>
    Effect.gen(function* () {
      const connection = yield* answering(wire.packets([wire.err(errno, message)]))
      const exit = yield* Effect.exit(connection.query("INSERT INTO t VALUES (1)"))
      expect(reasonOf(exit)).toMatchObject({
        _tag: "ConnectionLost",
        phase: "replyStarted",
        problem: expect.stringContaining(message),
        cause: { _tag: "ServerError", errno }
      })
      expect(connection.statusUnsafe().closed).toBe(true)
    })
  )

  it.effect.each([...ends, [4031, "The client was disconnected because of inactivity"] as const])(
    "%s that was sent before the command was read is no answer to it: it has not run",
    ([errno, message]) =>
      Effect.gen(function* () {
        const connection = yield* answering(wire.packets([wire.err(errno, message)], 0))
        expect(reasonOf(yield* Effect.exit(connection.query("INSERT INTO t VALUES (1)")))).toMatchObject({
          _tag: "ConnectionLost",
          phase: "notSent"
        })
      })
  )

  it.effect("leaves the outcome of a COMMIT open", () =>
    Effect.gen(function* () {
      const connection = yield* answering(wire.packets([wire.err(1053, "Server shutdown in progress")]))
      const own = yield* connection.reserve
      expect(reasonOf(yield* Effect.exit(own.commit))).toMatchObject({ _tag: "CommitOutcomeUnknown" })
    })
  )

  it.effect("is not one that only has the number of another product's", () =>
    Effect.gen(function* () {
      const connection = yield* answering(wire.packets([wire.err(4031, "Referenced trigger does not exist")]))
      expect(reasonOf(yield* Effect.exit(connection.query("CREATE TRIGGER x")))).toMatchObject({
        _tag: "ServerError",
        errno: 4031
      })
      expect(connection.statusUnsafe().closed).toBe(false)
    })
  )
})

describe("an error of the server", () => {
  const made = (errno: number, serverMessage: string): MysqlError.MysqlError =>
    MysqlError.make(new MysqlError.ServerError({ errno, sqlState: "HY000", symbol: "", serverMessage, sql: "" }))
  const cases: ReadonlyArray<readonly [errno: number, message: string, readOnly: boolean, unavailable: boolean]> = [
    [1290, "The MySQL server is running with the --super-read-only option so it cannot execute this", true, false],
    [1290, "The MariaDB server is running with the --read-only option so it cannot execute this", true, false],
    [1290, "The MariaDB server is running with the --secure-file-priv option so it cannot execute this", false, false],
    [1792, "Cannot execute statement in a READ ONLY transaction.", true, false],
    [1836, "Running in read-only mode", true, false],
    [1047, "WSREP has not yet prepared node for application use", false, true],
    [1047, "Unknown command", false, false],
    [1053, "Server shutdown in progress", false, true],
    [3032, "The server is currently in offline mode", false, true],
    [3168, "Server isn't available", false, true],
    [3797, "Error while waiting for group transactions commit on group_replication_consistency", false, true],
    [1213, "Deadlock found when trying to get lock", false, false]
  ]

  it.each(cases)("%s %s", (errno, message, readOnly, unavailable) => {
    expect([MysqlError.isReadOnly(made(errno, message)), MysqlError.isUnavailable(made(errno, message))]).toEqual([
      readOnly,
      unavailable
    ])
  })
})

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a read-only transaction on ${server.name}`, () => {
    it.live("takes no writes, and says so", () =>
      Effect.gen(function* () {
        const own = yield* (yield* connectToDatabase()).reserve
        yield* own.query("CREATE TABLE t (n INT) ENGINE = InnoDB")
        yield* own.begin({ accessMode: "read only" })
        const error = errorOf(yield* Effect.exit(own.query("INSERT INTO t VALUES (1)")))
        expect(error.reason).toMatchObject({ _tag: "ServerError", errno: 1792 })
        expect(MysqlError.isReadOnly(error)).toBe(true)
        expect(MysqlError.isUnavailable(error)).toBe(false)
        expect(own.statusUnsafe().inTransaction).toBe(true)
      }).pipe(Effect.provide(server.layer))
    )
  })

  describe.skipIf(!server.available || !server.canOwn)(`${server.name} as an operator changes it`, () => {
    const writer = (root: MysqlConnection.MysqlConnection, database: string) =>
      Effect.as(
        Effect.forEach(
          ["CREATE USER ann IDENTIFIED BY 'pass'", `GRANT ALL ON ${database}.* TO ann`, "GRANT PROCESS ON *.* TO ann"],
          (sql) => root.query(sql)
        ),
        { username: "ann", password: Redacted.make("pass"), database }
      )

    it.live("read-only", () =>
      Effect.gen(function* () {
        const { database } = yield* MysqlServer.MysqlServer
        const root = yield* connect()
        const connection = yield* connect(yield* writer(root, yield* database))
        yield* connection.query("CREATE TABLE t (n INT)")
        yield* root.query("SET GLOBAL read_only = ON")
        const error = errorOf(yield* Effect.exit(connection.query("INSERT INTO t VALUES (?)", [1])))
        expect(error.reason).toMatchObject({ _tag: "ServerError", errno: 1290 })
        expect(MysqlError.isReadOnly(error)).toBe(true)
        yield* root.query("SET GLOBAL read_only = OFF")
        yield* connection.query("INSERT INTO t VALUES (?)", [1])
      }).pipe(Effect.provide(server.own()))
    )

    if (server.flavour === "mysql-9.7") {
      it.live("offline", () =>
        Effect.gen(function* () {
          const { database } = yield* MysqlServer.MysqlServer
          const root = yield* connect()
          const config = yield* writer(root, yield* database)
          const connection = yield* connect(config)
          yield* root.query("SET GLOBAL offline_mode = ON")
          expect(reasonOf(yield* Effect.exit(connection.query("SELECT 1")))?._tag).toBe("ConnectionLost")
          const error = errorOf(yield* Effect.exit(Effect.scoped(connect(config))))
          expect(MysqlError.isUnavailable(error)).toBe(true)
        }).pipe(Effect.provide(server.own()))
      )
    }

    it.live("shut down, with a statement running and a connection idle", () =>
      Effect.gen(function* () {
        const { stop } = yield* MysqlServer.MysqlServer
        const idle = yield* connect()
        const busy = yield* connect()
        const running = yield* Effect.forkChild(
          Effect.exit(
            busy.query(
              "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c"
            )
          )
        )
        yield* awaitRunning(idle, busy.info.connectionId, "columns a")
        yield* stop
        const error = errorOf(yield* Fiber.join(running))
        expect(error.reason).toMatchObject({ _tag: "ConnectionLost" })
        expect(["sent", "replyStarted"]).toContain((error.reason as MysqlError.ConnectionLost).phase)
        expect(reasonOf(yield* Effect.exit(idle.query("SELECT 1")))).toMatchObject({ _tag: "ConnectionLost" })
        expect([busy, idle].map((connection) => connection.statusUnsafe().closed)).toEqual([true, true])
      }).pipe(Effect.provide(server.own()))
    )
  })
}
