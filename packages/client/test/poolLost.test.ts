/**
 * Lines that die under a pool, on real servers: who notices, who is told, and what the next borrower gets.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as MysqlPool from "../src/MysqlPool.ts"
import { now, outcomeOf, reasonOf } from "./poolSupport/pools.ts"
import * as proxy from "./poolSupport/proxy.ts"
import { atRest, eventually, gone, idOf, kill, makePool } from "./poolSupport/real.ts"
import * as recording from "./poolSupport/recording.ts"
import { awaitRunning, connect, scalar } from "./support/servers.ts"

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`lines that die under a pool on ${server.name}`, () => {
    it.live("never lends a connection that was killed while idle", () =>
      Effect.gen(function* () {
        const observer = yield* connect()
        const { pool } = yield* makePool({ maxConnections: 2 })
        for (let turn = 0; turn < 5; turn++) {
          const id = yield* idOf(pool)
          yield* kill(observer, id)
          const next = yield* pool.use((connection) => scalar(connection, "SELECT CONNECTION_ID()"))
          expect(next).not.toBe(id)
        }
        expect(yield* pool.stats).toMatchObject({ ...atRest, idle: 1 })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("never lends a connection that the server ended because nobody used it", () =>
      Effect.gen(function* () {
        const observer = yield* connect()
        // What a borrower sets and nobody resets the pool does not know of.
        const { pool } = yield* makePool({ resetOnRelease: "rollback" })
        const id = yield* idOf(pool)
        yield* pool.use((connection) => connection.query("SET SESSION wait_timeout = 1"))
        yield* gone(observer, id)
        expect(yield* pool.use((connection) => scalar(connection, "SELECT CONNECTION_ID()"))).not.toBe(id)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("stays below the server's wait_timeout by itself", () =>
      Effect.gen(function* () {
        const book = recording.make()
        const config = { sessionVariables: { wait_timeout: 1 }, maxConnections: 3, minConnections: 3 }
        const { pool } = yield* book.recorded(makePool(config))
        yield* eventually(Effect.map(pool.stats, ({ idle }) => idle === 3))
        // So many of them, each within half of the time after which the server would have ended the session.
        yield* eventually(
          Effect.sync(() => book.lines.every((line) => line.filter((command) => command === "PING").length >= 4))
        )
        expect(book.lines).toHaveLength(3)
        expect(yield* pool.stats).toMatchObject({ ...atRest, idle: 3 })
        expect(yield* pool.use((connection) => scalar(connection, "SELECT @@wait_timeout"))).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("fails the borrower whose connection is killed, and replaces it for those who wait", () =>
      Effect.gen(function* () {
        const observer = yield* connect()
        const { pool } = yield* makePool({ maxConnections: 1 })
        const id = yield* idOf(pool)
        const borrower = yield* Effect.forkChild(
          pool.use((connection) => connection.query("SELECT SLEEP(60)")),
          now
        )
        const waiting = yield* Effect.forkChild(
          pool.use((connection) => scalar(connection, "SELECT CONNECTION_ID()")),
          now
        )
        yield* awaitRunning(observer, id, "SLEEP")
        yield* observer.query(`KILL ${id}`)
        expect(reasonOf(yield* Fiber.await(borrower))).toMatchObject({ _tag: "ConnectionLost", phase: "sent" })
        expect(yield* Fiber.join(waiting)).not.toBe(id)
        expect(yield* pool.stats).toMatchObject({ ...atRest, idle: 1 })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("does not hand on a connection that was killed while somebody had it and did nothing", () =>
      Effect.gen(function* () {
        const observer = yield* connect()
        const { pool } = yield* makePool({ maxConnections: 1 })
        const waiting = yield* pool.use((connection) =>
          Effect.gen(function* () {
            const fiber = yield* Effect.forkDetach(
              pool.use((other) => scalar(other, "SELECT CONNECTION_ID()")),
              now
            )
            yield* kill(observer, connection.info.connectionId)
            return { fiber, id: connection.info.connectionId }
          })
        )
        expect(yield* Fiber.join(waiting.fiber)).not.toBe(waiting.id)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("stops what an interrupted borrower was running, and lends the same connection again", () =>
      Effect.gen(function* () {
        const observer = yield* connect()
        const { pool } = yield* makePool({ maxConnections: 1 })
        const id = yield* idOf(pool)
        for (let turn = 0; turn < 5; turn++) {
          const borrower = yield* Effect.forkChild(
            pool.use((connection) => connection.query("SELECT SLEEP(60)")),
            now
          )
          yield* awaitRunning(observer, id, "SLEEP")
          const waiting = yield* Effect.forkChild(
            pool.use((connection) => scalar(connection, "SELECT CONNECTION_ID()")),
            now
          )
          yield* Fiber.interrupt(borrower)
          expect(yield* Fiber.join(waiting)).toBe(id)
        }
        expect(yield* pool.stats).toMatchObject({ ...atRest, idle: 1 })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("comes back after an outage by itself, and every failure in between is a typed one", () =>
      Effect.gen(function* () {
        const { host, port, url } = yield* MysqlServer.MysqlServer
        const way = yield* proxy.make({ host, port })
        const through = new URL(Redacted.value(url))
        through.host = `127.0.0.1:${way.port}`
        const pool = yield* MysqlPool.make({ url: Redacted.make(through.href), maxConnections: 4, minConnections: 2 })
        const outcomes: Array<string> = []
        let done = false
        const busy = Effect.suspend(() => Effect.exit(pool.use((connection) => scalar(connection, "SELECT 1")))).pipe(
          Effect.tap((exit) => Effect.sync(() => outcomes.push(outcomeOf(exit)))),
          Effect.repeat({ until: () => done })
        )
        const succeeded = (since: number) =>
          eventually(Effect.sync(() => outcomes.slice(since).filter((outcome) => outcome === "success").length > 50))
        const crowd = yield* Effect.forEach(Array.from({ length: 12 }), () => Effect.forkChild(busy, now))
        for (let outage = 0; outage < 3; outage++) {
          yield* succeeded(outcomes.length)
          yield* way.cut
          yield* eventually(Effect.map(pool.stats, ({ idle, used }) => idle + used === 0))
          yield* way.open
        }
        yield* succeeded(outcomes.length)
        done = true
        yield* Fiber.joinAll(crowd)
        const last = yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => pool.use((connection) => scalar(connection, "SELECT 1")),
          { concurrency: "unbounded" }
        )
        expect(last).toEqual(Array.from({ length: 8 }, () => 1))
        expect(new Set(outcomes)).toEqual(new Set(["success", "ConnectionLost"]))
        expect(yield* pool.stats).toMatchObject({ used: 0, pending: 0 })
      }).pipe(Effect.provide(server.layer))
    )
  })
}
