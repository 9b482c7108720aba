/**
 * What users of aiomysql's pool rely on, and what of it hangs or leaks there, case by case on real servers. Wrong options
 * are in `poolSeen`, the server's patience with idle connections is in `poolLost`.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as MysqlPool from "../src/MysqlPool.ts"
import { now, outcomeOf, reasonOf } from "./poolSupport/pools.ts"
import * as proxy from "./poolSupport/proxy.ts"
import { eventually, gone, idOf, makePool } from "./poolSupport/real.ts"
import { connect, scalar } from "./support/servers.ts"

/** A connection that the test gives back when it wants to. */
const acquire = Effect.fnUntraced(function* (pool: MysqlPool.MysqlPool) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const connection = yield* Scope.provide(pool.reserve, scope)
  return { connection, id: connection.info.connectionId, release: Scope.close(scope, Exit.void) }
})

const idle = (pool: MysqlPool.MysqlPool, count: number) =>
  eventually(Effect.map(pool.stats, (stats) => stats.idle === count && stats.used === 0 && stats.connecting === 0))

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`aiomysql's pool on ${server.name}`, () => {
    it.live("has one connection of at most ten when it is made, or as many as the server takes", () =>
      Effect.gen(function* () {
        const { pool } = yield* makePool()
        expect(yield* pool.stats).toEqual({ idle: 1, used: 0, connecting: 0, pending: 0, max: 10 })
        for (const minConnections of [0, 1]) {
          const unbounded = yield* makePool({ minConnections, maxConnections: Number.POSITIVE_INFINITY })
          const lent = yield* Effect.forEach(Array.from({ length: 12 }), () => acquire(unbounded.pool))
          expect(new Set(lent.map(({ id }) => id)).size).toBe(12)
          expect(yield* unbounded.pool.stats).toMatchObject({ used: 12, max: Number.POSITIVE_INFINITY })
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("takes connections back in any order; the one used last is lent first", () =>
      Effect.gen(function* () {
        const { pool } = yield* makePool({ minConnections: 3, maxConnections: 3 })
        const [a, b, c] = [yield* acquire(pool), yield* acquire(pool), yield* acquire(pool)]
        yield* b.release
        yield* a.release
        yield* c.release
        expect((yield* acquire(pool)).id).toBe(c.id)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("of one connection serves two, one after the other", () =>
      Effect.gen(function* () {
        const { pool } = yield* makePool({ maxConnections: 1 })
        const sizes: Array<number> = []
        const one = pool.use((connection) =>
          Effect.gen(function* () {
            yield* connection.query("DO SLEEP(0.01)")
            const stats = yield* pool.stats
            sizes.push(stats.idle + stats.used + stats.connecting)
            return connection.info.connectionId
          })
        )
        const ids = yield* Effect.all([one, one], { concurrency: 2 })
        expect([new Set(ids).size, sizes]).toEqual([1, [1, 1]])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("never lends a connection in a transaction, and serves who waits for one that comes back so", () =>
      Effect.gen(function* () {
        const { database, pool } = yield* makePool({ maxConnections: 1 })
        const outside = yield* connect({ database })
        yield* outside.query("CREATE TABLE st (v INT) ENGINE = InnoDB")
        const held = yield* acquire(pool)
        const waiting = yield* Effect.forkChild(
          pool.use((connection) => Effect.succeed(connection.statusUnsafe())),
          now
        )
        yield* held.connection.query("BEGIN")
        yield* held.connection.query("INSERT INTO st VALUES (1)")
        yield* held.release
        expect(yield* Fiber.join(waiting)).toMatchObject({ inTransaction: false, autocommit: true })
        expect(yield* scalar(outside, "SELECT COUNT(*) FROM st")).toBe(0)
        yield* idle(pool, 1)
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("without autocommit undoes what nobody committed, though a SELECT came last", () =>
      Effect.gen(function* () {
        const { database, pool } = yield* makePool({ autocommit: false, maxConnections: 1 })
        const outside = yield* connect({ database })
        yield* outside.query("CREATE TABLE st (v INT) ENGINE = InnoDB")
        yield* outside.query("INSERT INTO st VALUES (1)")
        const held = yield* acquire(pool)
        yield* held.connection.query("UPDATE st SET v = 9")
        yield* held.connection.query("SELECT 1")
        expect(held.connection.statusUnsafe()).toMatchObject({ inTransaction: true })
        yield* held.release
        expect(yield* pool.use((connection) => scalar(connection, "SELECT v FROM st"))).toBe(1)
        yield* idle(pool, 1)
        yield* outside.query("UPDATE st SET v = 2")
        expect(yield* pool.use((connection) => scalar(connection, "SELECT v FROM st"))).toBe(2)
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("ends when the last connection is back, also one in a transaction", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { pool } = yield* Scope.provide(makePool({ minConnections: 4 }), scope)
        const [a, b] = [yield* acquire(pool), yield* acquire(pool)]
        yield* b.connection.query("BEGIN")
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), now)
        yield* a.release
        yield* eventually(Effect.map(pool.stats, ({ connecting, idle, used }) => idle + connecting === 0 && used === 1))
        expect(closing.pollUnsafe()).toBeUndefined()
        yield* b.release
        yield* Fiber.join(closing)
        expect(yield* pool.stats).toMatchObject({ idle: 0, used: 0, connecting: 0 })
        expect(outcomeOf(yield* Effect.exit(idOf(pool)))).toBe("PoolClosed")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that ends at once cuts what is lent and fails who waits; what comes back later does no harm", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { pool } = yield* Scope.provide(makePool({ maxConnections: 1, shutdownTimeout: 0 }), scope)
        const held = yield* acquire(pool)
        const waiting = yield* Effect.forkChild(idOf(pool), now)
        yield* Scope.close(scope, Exit.void)
        expect(outcomeOf(yield* Fiber.await(waiting))).toBe("PoolClosed")
        expect(outcomeOf(yield* Effect.exit(held.connection.query("SELECT 1")))).toBe("ConnectionLost")
        yield* held.release
        expect(yield* pool.stats).toMatchObject({ idle: 0, used: 0, connecting: 0, pending: 0 })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("lends the same connection until it is too old, then another", () =>
      Effect.gen(function* () {
        const { pool } = yield* makePool({ maxLifetime: "1 second" })
        const id = yield* idOf(pool)
        expect(yield* idOf(pool)).toBe(id)
        yield* Effect.sleep("1 second")
        expect(yield* idOf(pool)).not.toBe(id)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("does not lend an idle connection whose line was reset", () =>
      Effect.gen(function* () {
        const { host, port, url } = yield* MysqlServer.MysqlServer
        const way = yield* proxy.make({ host, port })
        const through = new URL(Redacted.value(url))
        through.host = `127.0.0.1:${way.port}`
        const pool = yield* MysqlPool.make({ url: Redacted.make(through.href) })
        const observer = yield* connect()
        const id = yield* idOf(pool)
        yield* way.cut
        yield* way.open
        yield* gone(observer, id)
        expect(yield* idOf(pool)).not.toBe(id)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("over a line to nobody fails when it is made, or when it is first needed, and keeps nothing", () =>
      Effect.gen(function* () {
        const config = { host: "127.0.0.1", port: 1, acquireTimeout: "100 millis" } as const
        expect(outcomeOf(yield* Effect.exit(MysqlPool.make(config)))).toBe("ConnectError")
        const pool = yield* MysqlPool.make({ ...config, initialization: "lazy" })
        const reason = reasonOf(yield* Effect.exit(idOf(pool)))
        expect(reason).toMatchObject({ _tag: "AcquireTimeout", cause: { reason: { _tag: "ConnectError" } } })
        expect(yield* pool.stats).toMatchObject({ idle: 0, used: 0, pending: 0 })
      })
    )

    it.live("serves the second in line when the first gives up, and the third waits on", () =>
      Effect.gen(function* () {
        const { pool } = yield* makePool({ maxConnections: 1 })
        const held = yield* acquire(pool)
        const [first, second, third] = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(acquire(pool), now))
        yield* Fiber.interrupt(first!)
        yield* held.release
        const next = yield* Fiber.join(second!)
        expect([next.id, third!.pollUnsafe()]).toEqual([held.id, undefined])
        expect(yield* pool.stats).toMatchObject({ used: 1, pending: 1 })
        yield* next.release
        yield* (yield* Fiber.join(third!)).release
        yield* idle(pool, 1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that evicts all fills up to its minimum again", () =>
      Effect.gen(function* () {
        const { pool } = yield* makePool({ minConnections: 3, maxConnections: 3 })
        yield* idle(pool, 3)
        const before = yield* Effect.forEach([1, 2, 3], () => acquire(pool))
        yield* Effect.forEach(before, ({ release }) => release)
        yield* pool.evictAll
        const after = yield* acquire(pool)
        expect(before.map(({ id }) => id)).not.toContain(after.id)
        yield* eventually(Effect.map(pool.stats, (stats) => stats.idle === 2 && stats.used === 1))
      }).pipe(Effect.provide(server.layer))
    )
  })
}
