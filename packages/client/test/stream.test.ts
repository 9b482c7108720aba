/**
 * Streams of rows from real servers: order, ends, errors, and that nothing is read which nobody pulls.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as kernel from "./support/kernel.ts"
import { lineWithBackPressure } from "./support/runtimes.ts"
import { reasonOf } from "./support/script.ts"
import { connect, connectToDatabase, scalar } from "./support/servers.ts"
import { standstill } from "./support/standstill.ts"
import { counting } from "./support/watching.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"

/** Forty megabytes: more than all buffers on the way hold. */
const large = { sql: `${numbers} SELECT a.i, REPEAT('x', 1000) AS x FROM n a, n b LIMIT 40000`, rows: 40_000 }

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`streams from ${server.name}`, () => {
    it.live("give all rows in their order, in both protocols and shapes", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        for (const [sql, params] of [
          [`${numbers} SELECT i FROM n ORDER BY i`, []],
          [`${numbers} SELECT i FROM n WHERE i > ? ORDER BY i`, [0]]
        ] as const) {
          const objects = yield* Stream.runCollect(connection.stream<{ readonly i: number }>(sql, params))
          expect(objects).toEqual(Arr.range(1, 1000).map((i) => ({ i })))
          const arrays = yield* Stream.runCollect(connection.stream(sql, params, { rows: "array" }))
          expect(arrays).toEqual(Arr.range(1, 1000).map((i) => [i]))
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are empty where there are no rows, and run what returns none", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (n INT)")
        expect(yield* Stream.runCollect(connection.stream("SELECT n FROM t"))).toEqual([])
        expect(yield* Stream.runCollect(connection.stream("SELECT n FROM t WHERE n = ?", [1]))).toEqual([])
        expect(yield* Stream.runCollect(connection.stream("INSERT INTO t VALUES (1)"))).toEqual([])
        expect(yield* Stream.runCollect(connection.stream("INSERT INTO t VALUES (?)", [2]))).toEqual([])
        expect(yield* scalar(connection, "SELECT MAX(n) + COUNT(*) FROM t")).toBe(4)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that nobody runs send nothing, and one that is run twice runs its statement twice", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (n INT)")
        const insert = connection.stream("INSERT INTO t VALUES (1)")
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(0)
        yield* Stream.runDrain(Stream.concat(insert, insert))
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(2)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("fail at once with a statement that is refused", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        for (const [sql, params] of [
          ["SELECT nonsense", []],
          ["SELECT nonsense + ?", [1]]
        ] as const) {
          const exit = yield* Effect.exit(Stream.runDrain(connection.stream(sql, params)))
          expect(reasonOf(exit)).toMatchObject({ _tag: "ServerError", errno: 1054, sql })
        }
        expect(yield* scalar(connection, "SELECT 1")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that fail in the middle give the rows before, and the connection is used on", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        // From 500 on the subquery has two rows where one is allowed.
        const sql = `${numbers} SELECT i, (SELECT b.i FROM n b WHERE b.i <= IF(a.i < 500, 1, 2)) AS one FROM n a ORDER BY a.i LIMIT 600`
        const seen: Array<number> = []
        const exit = yield* connection.stream<{ readonly i: number }>(sql.replace(" ORDER BY a.i", "")).pipe(
          Stream.runForEach(({ i }) => Effect.sync(() => seen.push(i))),
          Effect.exit
        )
        expect(reasonOf(exit)).toMatchObject({ _tag: "ServerError", errno: 1242 })
        expect(seen).toEqual(Arr.range(1, 499))
        expect(yield* scalar(connection, "SELECT 1")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("whose consumer fails stop, and the connection is used on", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const { connectionId } = connection.info
        const exit = yield* connection.stream(large.sql).pipe(
          Stream.runForEach(() => Effect.fail("enough")),
          Effect.flip
        )
        expect(exit).toBe("enough")
        expect(yield* scalar(connection, "SELECT CONNECTION_ID()")).toBe(connectionId)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that nobody pulls are not read: the server has to wait; and then all rows come", () =>
      Effect.gen(function* () {
        const { port } = yield* MysqlServer.MysqlServer
        const watched = counting(connect)
        const connection = yield* watched.connect(lineWithBackPressure)
        const observer = yield* connect()
        const { connectionId } = connection.info
        const paused = yield* Deferred.make<void>()
        const goOn = yield* Deferred.make<void>()
        let rows = 0
        const stream = yield* connection.stream(large.sql).pipe(
          Stream.chunks,
          Stream.runForEach((chunk) => {
            rows += chunk.length
            return Effect.andThen(Deferred.succeed(paused, undefined), Deferred.await(goOn))
          }),
          fork
        )
        yield* Deferred.await(paused)
        // The server's own word that it cannot write, and the kernel's that bytes lie here unread.
        const { pulled } = watched.counts()
        const unread = yield* standstill(observer, connectionId, port)
        if (kernel.tells) expect(unread).toBeGreaterThan(0)
        expect(watched.counts().pulled).toBe(pulled)
        expect(pulled).toBeLessThan(4 * 1024 * 1024)
        yield* Deferred.succeed(goOn, undefined)
        yield* Fiber.join(stream)
        expect(rows).toBe(large.rows)
        expect(watched.counts().pulled).toBeGreaterThan(large.rows * 1000)
        expect(yield* scalar(connection, "SELECT 1")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("of several fibers on one connection run one after the other", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const sums = yield* Effect.forEach(
          Arr.range(1, 10),
          (n) =>
            Stream.runFold(
              connection.stream<{ readonly v: number }>(`${numbers} SELECT i * ? AS v FROM n`, [n]),
              () => 0,
              (sum, { v }) => sum + v
            ),
          { concurrency: "unbounded" }
        )
        expect(sums).toEqual(Arr.range(1, 10).map((n) => n * 500_500))
      }).pipe(Effect.provide(server.layer))
    )
  })
}
