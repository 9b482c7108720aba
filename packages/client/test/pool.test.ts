/**
 * The pool on real servers: what borrowers get, how it grows, and how it ends.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as MysqlPool from "../src/MysqlPool.ts"
import { now, outcomeOf, reasonOf } from "./poolSupport/pools.ts"
import * as proxy from "./poolSupport/proxy.ts"
import { atRest, connectedTo, eventually, gone, idOf, makePool } from "./poolSupport/real.ts"
import * as recording from "./poolSupport/recording.ts"
import { awaitRunning, connect, scalar } from "./support/servers.ts"

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a pool on ${server.name}`, () => {
    it.live("gives many borrowers on few connections their own results", () =>
      Effect.gen(function* () {
        const { pool } = yield* makePool({ maxConnections: 4 })
        const numbers = Array.from({ length: 400 }, (_, index) => index)
        const rows = yield* Effect.forEach(
          numbers,
          (number) =>
            pool.use((connection) =>
              connection.query<{ n: number; id: number }>(
                number % 2 === 0
                  ? `SELECT ${number} AS n, CONNECTION_ID() AS id`
                  : "SELECT ? AS n, CONNECTION_ID() AS id",
                number % 2 === 0 ? [] : [number]
              )
            ),
          { concurrency: "unbounded" }
        )
        expect(rows.map((result) => result.rows[0]!.n)).toEqual(numbers)
        expect(new Set(rows.map((result) => result.rows[0]!.id)).size).toBeLessThanOrEqual(4)
        expect(yield* pool.stats).toMatchObject(atRest)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("lends streams and transactions side by side", () =>
      Effect.gen(function* () {
        const { pool } = yield* makePool({ maxConnections: 3 })
        yield* pool.use((connection) => connection.query("CREATE TABLE counted (n INT NOT NULL) ENGINE = InnoDB"))
        const transaction = Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* pool.reserve
            yield* connection.begin()
            yield* connection.query("INSERT INTO counted VALUES (1), (2), (3)")
            yield* connection.commit
          })
        )
        const streamed = Effect.scoped(
          Effect.flatMap(pool.get, (connection) =>
            Stream.runCount(connection.stream("SELECT 1 FROM information_schema.collations"))
          )
        )
        const counts = yield* Effect.all(
          Array.from({ length: 12 }, (_, index) => (index % 2 === 0 ? Effect.as(transaction, 0) : streamed)),
          { concurrency: "unbounded" }
        )
        expect(counts.filter((count) => count > 0)).toHaveLength(6)
        expect(yield* pool.use((connection) => scalar(connection, "SELECT COUNT(*) FROM counted"))).toBe(18)
      }).pipe(Effect.provide(server.layer))
    )
    describe("and connecting", () => {
      /** An account that exists, and a password that is not its own. */
      const denied = Effect.gen(function* () {
        const root = yield* connect()
        const { host, port } = yield* MysqlServer.MysqlServer
        const username = `effect_mysql_${randomBytes(4).toString("hex")}`
        yield* Effect.acquireRelease(root.query(`CREATE USER '${username}'@'%' IDENTIFIED BY 'right'`), () =>
          Effect.orDie(root.query(`DROP USER '${username}'@'%'`))
        )
        return { host, port, username, password: Redacted.make("wrong") }
      })

      it.live("tells those who wait at once that the login is refused, and tries it once", () =>
        Effect.gen(function* () {
          const book = recording.make()
          const pool = yield* book.recorded(MysqlPool.make({ ...(yield* denied), initialization: "lazy" }))
          expect(book.attempts).toBe(0)
          const exits = yield* Effect.forEach(Array.from({ length: 6 }), () => Effect.exit(idOf(pool)), {
            concurrency: "unbounded"
          })
          expect(exits.map(reasonOf)).toEqual(
            exits.map(() => expect.objectContaining({ _tag: "LoginError", errno: 1045 }))
          )
          expect(book.attempts).toBe(1)
          expect(yield* pool.stats).toMatchObject({ ...atRest, idle: 0 })
        }).pipe(Effect.provide(server.layer))
      )

      it.live("fails while the pool is made, where it is not lazy", () =>
        Effect.gen(function* () {
          const book = recording.make()
          const exit = yield* Effect.exit(book.recorded(MysqlPool.make(yield* denied)))
          expect(reasonOf(exit)).toMatchObject({ _tag: "LoginError", errno: 1045 })
          expect(book.attempts).toBe(1)
        }).pipe(Effect.provide(server.layer))
      )

      it.live("tells counts and the last failure when the server is away for too long", () =>
        Effect.gen(function* () {
          const { host, port, url } = yield* MysqlServer.MysqlServer
          const way = yield* proxy.make({ host, port })
          const through = new URL(Redacted.value(url))
          through.host = `127.0.0.1:${way.port}`
          const config = { url: Redacted.make(through.href), maxConnections: 3 }
          yield* way.cut
          expect(reasonOf(yield* Effect.exit(MysqlPool.make(config)))).toMatchObject({ _tag: "ConnectError" })
          const pool = yield* MysqlPool.make({ ...config, initialization: "lazy", acquireTimeout: "300 millis" })
          const exits = yield* Effect.forEach([1, 2], () => Effect.exit(idOf(pool)), { concurrency: 2 })
          expect(reasonOf(exits[0]!)).toMatchObject({
            _tag: "AcquireTimeout",
            idle: 0,
            used: 0,
            pending: 2,
            max: 3,
            cause: { reason: { _tag: "ConnectError", address: `127.0.0.1:${way.port}` } }
          })
          yield* way.open
          // Where much else goes on, connecting may take longer than that.
          const served = Effect.eventually(pool.use((connection) => scalar(connection, "SELECT 1")))
          expect(yield* served).toBe(1)
        }).pipe(Effect.provide(server.layer))
      )

      it.live("opens nothing before it is needed, and afterwards as many as it may", () =>
        Effect.gen(function* () {
          const book = recording.make()
          const observer = yield* connect()
          const { database, pool } = yield* book.recorded(makePool({ initialization: "lazy", maxConnections: 3 }))
          expect(yield* connectedTo(observer, database)).toBe(0)
          const together = yield* Deferred.make<void>()
          let inside = 0
          yield* Effect.forEach(
            Array.from({ length: 3 }),
            () =>
              pool.use(() => {
                if (++inside === 3) Deferred.doneUnsafe(together, Effect.void)
                return Deferred.await(together)
              }),
            { concurrency: 3 }
          )
          expect(yield* connectedTo(observer, database)).toBe(3)
          expect(book.attempts).toBe(3)
        }).pipe(Effect.provide(server.layer))
      )

      it.live("keeps the minimum open without anybody asking", () =>
        Effect.gen(function* () {
          const observer = yield* connect()
          const { database, pool } = yield* makePool({ minConnections: 3, connectConcurrency: 2 })
          yield* eventually(Effect.map(pool.stats, ({ idle }) => idle === 3))
          expect(yield* connectedTo(observer, database)).toBe(3)
          const id = yield* idOf(pool)
          yield* pool.use(pool.invalidate)
          yield* eventually(Effect.map(pool.stats, ({ connecting, idle }) => idle === 3 && connecting === 0))
          yield* gone(observer, id)
          expect(yield* connectedTo(observer, database)).toBe(3)
        }).pipe(Effect.provide(server.layer))
      )

      it.live("lives with fewer connections than it would open, where the account may have no more", () =>
        Effect.gen(function* () {
          const root = yield* connect()
          const { host, port } = yield* MysqlServer.MysqlServer
          const username = `effect_mysql_${randomBytes(4).toString("hex")}`
          yield* Effect.acquireRelease(
            root.query(`CREATE USER '${username}'@'%' IDENTIFIED BY 'few' WITH MAX_USER_CONNECTIONS 2`),
            () => Effect.orDie(root.query(`DROP USER '${username}'@'%'`))
          )
          const config = { host, port, username, password: Redacted.make("few"), maxConnections: 6 }
          const pool = yield* MysqlPool.make({ ...config })
          const ids = yield* Effect.forEach(
            Array.from({ length: 40 }),
            () => pool.use((connection) => scalar(connection, "SELECT CONNECTION_ID()")),
            { concurrency: "unbounded" }
          )
          expect(ids).toHaveLength(40)
          expect(new Set(ids).size).toBeLessThanOrEqual(2)
        }).pipe(Effect.provide(server.layer))
      )
    })

    describe("and its end", () => {
      it.live("leaves no connection on the server and no socket here", () =>
        Effect.gen(function* () {
          const observer = yield* connect()
          const scope = yield* Scope.make()
          const before = process.getActiveResourcesInfo().filter((name) => name.includes("TCP")).length
          const { database, pool } = yield* Scope.provide(makePool({ minConnections: 2, maxConnections: 4 }), scope)
          const id = yield* idOf(pool)
          // A line for stopping statements is open too.
          const borrower = yield* Effect.forkChild(
            pool.use((connection) => connection.query("SELECT SLEEP(60)")),
            now
          )
          yield* awaitRunning(observer, id, "SLEEP")
          yield* Fiber.interrupt(borrower)
          const lent = yield* Scope.make()
          yield* Scope.provide(pool.get, lent)
          const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), now)
          expect(outcomeOf(yield* Effect.exit(idOf(pool)))).toBe("PoolClosed")
          expect(closing.pollUnsafe()).toBeUndefined()
          yield* Scope.close(lent, Exit.void)
          yield* Fiber.join(closing)
          yield* eventually(Effect.map(connectedTo(observer, database), (count) => count === 0))
          yield* eventually(
            Effect.sync(() => process.getActiveResourcesInfo().filter((name) => name.includes("TCP")).length <= before)
          )
        }).pipe(Effect.provide(server.layer))
      )

      it.live("tells those who wait, and cuts what is still running when its patience is over", () =>
        Effect.gen(function* () {
          const observer = yield* connect()
          const scope = yield* Scope.make()
          const { database, pool } = yield* Scope.provide(
            makePool({ maxConnections: 1, shutdownTimeout: "100 millis" }),
            scope
          )
          const id = yield* idOf(pool)
          const borrower = yield* Effect.forkChild(
            pool.use((connection) => connection.query("SELECT SLEEP(60)")),
            now
          )
          yield* awaitRunning(observer, id, "SLEEP")
          const waiting = yield* Effect.forkChild(idOf(pool), now)
          yield* Scope.close(scope, Exit.void)
          expect(outcomeOf(yield* Fiber.await(waiting))).toBe("PoolClosed")
          expect(reasonOf(yield* Fiber.await(borrower))).toMatchObject({ _tag: "ConnectionLost" })
          yield* eventually(Effect.map(connectedTo(observer, database), (count) => count === 0))
        }).pipe(Effect.provide(server.layer))
      )
    })
  })
}
