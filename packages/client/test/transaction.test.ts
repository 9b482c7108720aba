/**
 * Transactions on a reserved connection: what they do, and what is known about them after an error or a loss.
 */
import { describe, expect, it } from "@effect/vitest"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import type { MysqlError } from "../src/MysqlError.ts"
import { Transport } from "../src/Transport.ts"
import { inMemory, logIn, reasonOf, type Script } from "./support/script.ts"
import { awaitRunning, connect, connectToDatabase, scalar } from "./support/servers.ts"
import * as wire from "./support/wire.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** A fresh table `t` of three rows, and connections to its database, each reserved. */
const reserved = Effect.fnUntraced(function* (config?: MysqlConfig) {
  const first = yield* connectToDatabase(config)
  const database = first.statusUnsafe().database
  yield* first.query("CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL) ENGINE = InnoDB")
  yield* first.query("INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)")
  const second = yield* connect({ ...config, database })
  return { one: yield* first.reserve, two: yield* second.reserve, observer: yield* connect({ database }) }
})

const inTransaction = (connection: MysqlConnection.MysqlConnection) => connection.statusUnsafe().inTransaction

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`transactions on ${server.name}`, () => {
    it.live("are seen by others when they are committed, and never when they are rolled back", () =>
      Effect.gen(function* () {
        const { one, two } = yield* reserved()
        const seen = scalar(two, "SELECT n FROM t WHERE id = 1")
        yield* one.begin()
        expect(inTransaction(one)).toBe(true)
        yield* one.query("UPDATE t SET n = 1 WHERE id = 1")
        expect(yield* seen).toBe(0)
        yield* one.commit
        expect(inTransaction(one)).toBe(false)
        expect(yield* seen).toBe(1)
        yield* one.begin()
        yield* one.query("UPDATE t SET n = 2 WHERE id = 1")
        yield* one.rollback
        expect(inTransaction(one)).toBe(false)
        expect(yield* seen).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("have the isolation and the access mode that are asked for", () =>
      Effect.gen(function* () {
        const { one, two } = yield* reserved()
        yield* two.begin()
        yield* two.query("UPDATE t SET n = 1 WHERE id = 1")
        const seen = scalar(one, "SELECT n FROM t WHERE id = 1")
        yield* one.begin({ isolation: "read uncommitted" })
        expect(yield* seen).toBe(1)
        yield* one.commit
        yield* one.begin({ isolation: "read committed", accessMode: "read only" })
        expect(yield* seen).toBe(0)
        const exit = yield* Effect.exit(one.query("UPDATE t SET n = 2 WHERE id = 2"))
        expect(reasonOf(exit)).toMatchObject({ _tag: "ServerError", errno: 1792 })
        yield* one.commit
        yield* one.begin({ isolation: "repeatable read", consistentSnapshot: true })
        yield* two.commit
        expect(yield* seen).toBe(0)
        yield* one.rollback
        // Only that one transaction had it.
        yield* one.begin()
        expect(yield* seen).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("go back to a savepoint, whatever it is called", () =>
      Effect.gen(function* () {
        const { one } = yield* reserved()
        for (const name of ["a", "with space", "with ` backtick", "1", "ü🙂".slice(0, 1)]) {
          yield* one.begin()
          yield* one.query("UPDATE t SET n = 1")
          yield* one.savepoint(name)
          yield* one.query("UPDATE t SET n = 2")
          yield* one.rollbackTo(name)
          expect(yield* scalar(one, "SELECT MAX(n) FROM t")).toBe(1)
          yield* one.release(name)
          expect(reasonOf(yield* Effect.exit(one.rollbackTo(name)))).toMatchObject({ _tag: "ServerError", errno: 1305 })
          expect(inTransaction(one)).toBe(true)
          yield* one.rollback
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("live on after an error of a statement", () =>
      Effect.gen(function* () {
        const { one } = yield* reserved()
        yield* one.begin()
        yield* one.query("UPDATE t SET n = 1 WHERE id = 1")
        for (const wrong of [one.query("INSERT INTO t VALUES (1, 1)"), one.query("INSERT INTO t VALUES (?, 1)", [1])]) {
          expect(reasonOf(yield* Effect.exit(wrong))).toMatchObject({ errno: 1062 })
          expect(inTransaction(one)).toBe(true)
        }
        yield* one.commit
        expect(yield* scalar(one, "SELECT n FROM t WHERE id = 1")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("live on after waiting too long for a lock", () =>
      Effect.gen(function* () {
        const { one, two } = yield* reserved({ sessionVariables: { innodb_lock_wait_timeout: 1 } })
        yield* two.begin()
        yield* two.query("UPDATE t SET n = 2 WHERE id = 2")
        yield* one.begin()
        yield* one.query("UPDATE t SET n = 1 WHERE id = 1")
        const exit = yield* Effect.exit(one.query("UPDATE t SET n = 1 WHERE id = 2"))
        expect(reasonOf(exit)).toMatchObject({ _tag: "ServerError", errno: 1205 })
        expect(inTransaction(one)).toBe(true)
        yield* one.commit
        expect(yield* scalar(two, "SELECT n FROM t WHERE id = 1")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are gone after a deadlock, and that is known with the error", () =>
      Effect.gen(function* () {
        const { observer, one, two } = yield* reserved()
        yield* one.begin()
        yield* one.query("UPDATE t SET n = 1 WHERE id = 1")
        yield* two.begin()
        yield* two.query("UPDATE t SET n = 2 WHERE id = 2")
        const waiting = yield* fork(one.query("UPDATE t SET n = 1 WHERE id = 2"))
        yield* awaitRunning(observer, one.info.connectionId, "id = 2")
        const exits = [
          yield* Effect.exit(two.query("UPDATE t SET n = 2 WHERE id = ?", [1])),
          yield* Fiber.await(waiting)
        ]
        const [victim, survivor] = Exit.isFailure(exits[0]!) ? [two, one] : [one, two]
        expect(exits.filter(Exit.isFailure).map((exit) => reasonOf(exit))).toMatchObject([
          { _tag: "ServerError", errno: 1213, sqlState: "40001" }
        ])
        expect([inTransaction(victim), inTransaction(survivor)]).toEqual([false, true])
        yield* survivor.rollback
      }).pipe(Effect.provide(server.layer))
    )

    if (server.flavour === "mariadb-11.8") {
      it.live("are gone after a write to what has changed since their snapshot", () =>
        Effect.gen(function* () {
          const { one, two } = yield* reserved()
          yield* one.begin()
          yield* scalar(one, "SELECT n FROM t WHERE id = 1")
          yield* two.query("UPDATE t SET n = 2 WHERE id = 1")
          const exit = yield* Effect.exit(one.query("UPDATE t SET n = 1 WHERE id = 1"))
          expect(reasonOf(exit)).toMatchObject({ _tag: "ServerError", errno: 1020 })
          expect(inTransaction(one)).toBe(false)
        }).pipe(Effect.provide(server.layer))
      )
    }

    it.live("that DDL has committed are over", () =>
      Effect.gen(function* () {
        const { one, two } = yield* reserved()
        yield* one.begin()
        yield* one.query("UPDATE t SET n = 1 WHERE id = 1")
        yield* one.query("CREATE TABLE other (n INT)")
        expect(inTransaction(one)).toBe(false)
        expect(yield* scalar(two, "SELECT n FROM t WHERE id = 1")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that are open without autocommit show as open", () =>
      Effect.gen(function* () {
        const { one } = yield* reserved({ autocommit: false })
        yield* one.commit
        expect(inTransaction(one)).toBe(false)
        const begun: ReadonlyArray<Effect.Effect<unknown, MysqlError>> = [
          one.query("UPDATE t SET n = 1"),
          // Those tell it at the end of their rows.
          one.query("SELECT * FROM t"),
          one.query("SELECT * FROM t WHERE id > ?", [0]),
          Stream.runDrain(one.stream("SELECT * FROM t"))
        ]
        for (const statement of begun) {
          yield* statement
          expect(inTransaction(one)).toBe(true)
          yield* one.rollback
          expect(inTransaction(one)).toBe(false)
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that are left open end with the connection", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const database = connection.statusUnsafe().database
        yield* connection.query("CREATE TABLE t (n INT) ENGINE = InnoDB")
        yield* Effect.scoped(
          Effect.gen(function* () {
            const own = yield* Effect.flatMap(connect({ database }), (other) => other.reserve)
            yield* own.begin()
            yield* own.query("INSERT INTO t VALUES (1)")
          })
        )
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(0)
      }).pipe(Effect.provide(server.layer))
    )
  })
}

describe("the end of a transaction", () => {
  /** Answers BEGIN, and does this with COMMIT. */
  const commits = (reply: Uint8Array): Script =>
    Effect.fnUntraced(function* (line) {
      yield* logIn(line)
      yield* line.receive
      yield* line.reply(wire.ok({ status: ServerStatus.autocommit | ServerStatus.inTransaction }))
      yield* line.receive
      yield* line.send(reply)
      yield* line.end
    })

  const commit = Effect.fnUntraced(function* (script: Script) {
    const connection = yield* Effect.provideService(MysqlConnection.make({}), Transport, inMemory(script))
    const own = yield* connection.reserve
    yield* own.begin()
    return yield* Effect.exit(own.commit)
  })

  it.effect("is unknown where the line breaks anywhere in the reply to COMMIT", () =>
    Effect.gen(function* () {
      const reply = wire.packets([wire.ok()])
      for (let cut = 0; cut < reply.length; cut++) {
        const exit = yield* commit(commits(reply.subarray(0, cut)))
        expect(reasonOf(exit)).toMatchObject({
          _tag: "CommitOutcomeUnknown",
          connectionId: 42,
          cause: { _tag: "ConnectionLost" }
        })
      }
      expect(Exit.isSuccess(yield* commit(commits(reply)))).toBe(true)
    })
  )

  it.effect("is unknown where the reply to COMMIT cannot be read", () =>
    Effect.gen(function* () {
      for (const reply of [wire.packets([new Uint8Array(0)]), wire.packets([wire.ok()], 7)]) {
        expect(reasonOf(yield* commit(commits(reply)))).toMatchObject({
          _tag: "CommitOutcomeUnknown",
          cause: { _tag: "ProtocolError" }
        })
      }
    })
  )

  it.effect("is known where the server refuses", () =>
    Effect.gen(function* () {
      const exit = yield* commit(commits(wire.packets([wire.err(1180, "Got error 149 during COMMIT")])))
      expect(reasonOf(exit)).toMatchObject({ _tag: "ServerError", errno: 1180 })
    })
  )

  it.effect("is known where COMMIT was not sent", () =>
    Effect.gen(function* () {
      const connection = yield* Effect.provideService(
        MysqlConnection.make({}),
        Transport,
        inMemory((line) => Effect.andThen(logIn(line), line.end))
      )
      const own = yield* connection.reserve
      expect(reasonOf(yield* Effect.exit(own.commit))).toMatchObject({ _tag: "ConnectionLost", phase: "notSent" })
    })
  )
})
