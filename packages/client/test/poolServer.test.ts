/**
 * What befalls a pool's server: it is killed and started again under load, has another character set than the pool, and
 * what befalls the pool's own process.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as MysqlPool from "../src/MysqlPool.ts"
import { now, outcomeOf, reasonOf } from "./poolSupport/pools.ts"
import { connectedTo, eventually, idOf } from "./poolSupport/real.ts"
import { connect, listed, scalar } from "./support/servers.ts"

const fibers = 100

for (const server of SharedServers.all) {
  describe.skipIf(!server.available || !server.canOwn)(`a pool on a ${server.name} of its own`, () => {
    it.live("is killed and started again under load: every failure is a typed one, and no statement ran twice", () =>
      Effect.gen(function* () {
        const own = yield* MysqlServer.MysqlServer
        const pool = yield* MysqlPool.make({
          url: own.url,
          database: yield* own.database,
          maxConnections: 20,
          acquireTimeout: "60 seconds"
        })
        // A statement that runs twice shows as two rows of one number: nothing here forbids them.
        yield* pool.use((connection) =>
          connection.query("CREATE TABLE ran (n INT NOT NULL, INDEX (n)) ENGINE = InnoDB")
        )
        let number = 0
        let done = false
        const acknowledged = new Set<number>()
        const certain = new Set<number>()
        const outcomes: Record<string, number> = {}
        const insert = Effect.suspend(() => {
          const n = number++
          return Effect.map(
            Effect.exit(pool.use((connection) => connection.query("INSERT INTO ran VALUES (?)", [n]))),
            (exit) => {
              const reason = reasonOf(exit)
              const phase = reason?._tag === "ConnectionLost" ? ` ${reason.phase}` : ""
              const outcome = outcomeOf(exit) + phase
              outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
              if (Exit.isSuccess(exit)) acknowledged.add(n)
              // Said not to have run: nobody may find it.
              if (phase === " notSent" || phase === " idle") certain.add(n)
            }
          )
        })
        const busy = Effect.repeat(insert, { until: () => done })
        const crowd = yield* Effect.forEach(Array.from({ length: fibers }), () => Effect.forkChild(busy, now))
        const served = (since: number) => eventually(Effect.sync(() => acknowledged.size > since + 500))
        yield* served(0)
        yield* own.kill
        const before = acknowledged.size
        yield* own.start
        const back = performance.now()
        yield* eventually(Effect.sync(() => acknowledged.size > before))
        const seconds = (performance.now() - back) / 1000
        yield* served(acknowledged.size)
        done = true
        yield* Fiber.joinAll(crowd)
        yield* Effect.logInfo(`${server.name}: back after ${seconds.toFixed(2)} s; ${JSON.stringify(outcomes)}`)

        const known = /^(?:success|ConnectionLost (?:sent|notSent|replyStarted|idle)|AcquireTimeout|ServerError)$/
        expect(Object.keys(outcomes).filter((outcome) => !known.test(outcome))).toEqual([])
        const observer = yield* connect({
          database: yield* pool.use((connection) => Effect.sync(() => connection.statusUnsafe().database))
        })
        const twice = yield* observer.query("SELECT n FROM ran GROUP BY n HAVING COUNT(*) > 1")
        expect(twice.rows).toEqual([])
        const { rows } = yield* observer.query<{ n: number }>("SELECT n FROM ran")
        const ran = new Set(rows.map(({ n }) => n))
        expect([...acknowledged].filter((n) => !ran.has(n))).toEqual([])
        expect([...certain].filter((n) => ran.has(n))).toEqual([])
        expect(yield* pool.stats).toMatchObject({ used: 0, pending: 0 })
      }).pipe(Effect.provide(server.own()))
    )

    it.live("with another character set: the next borrower has the configured one, also after a reset", () =>
      Effect.gen(function* () {
        const own = yield* MysqlServer.MysqlServer
        const pool = yield* MysqlPool.make({ url: own.url, database: yield* own.database, maxConnections: 1 })
        const asked =
          "SELECT CONCAT_WS(' ', @@character_set_client, @@character_set_connection, @@character_set_results)"
        const session = pool.use((connection) =>
          Effect.all([scalar(connection, asked), scalar(connection, "SELECT 'ü€語😀'")])
        )
        const configured = ["utf8mb4 utf8mb4 utf8mb4", "ü€語😀"]
        expect(yield* session).toEqual(configured)
        const id = yield* idOf(pool)
        for (const statement of ["SET @left = 1", "SET NAMES latin1", "SET character_set_results = NULL"]) {
          yield* pool.use((connection) => connection.query(statement))
          expect(yield* session).toEqual(configured)
        }
        const written = yield* pool.use((connection) =>
          scalar(connection, "SELECT HEX(CONVERT(? USING utf8mb4))", ["ü€語😀"])
        )
        expect(written).toBe(Buffer.from("ü€語😀").toString("hex").toUpperCase())
        expect(yield* idOf(pool)).toBe(id)
      }).pipe(
        Effect.provide(
          server.own({ settings: { character_set_server: "latin1", collation_server: "latin1_swedish_ci" } })
        )
      )
    )
  })

  describe.skipIf(!server.available)(`the process of a pool on ${server.name}`, () => {
    it.live("that gets SIGTERM stops what it runs and leaves no session", () =>
      Effect.gen(function* () {
        const { database: fresh, url } = yield* MysqlServer.MysqlServer
        const database = yield* fresh
        const observer = yield* connect()
        const program = fileURLToPath(new URL("./fixtures/poolService.ts", import.meta.url))
        const child = yield* Effect.acquireRelease(
          Effect.sync(() =>
            spawn(process.execPath, [program], {
              env: { ...process.env, POOL_SERVICE_URL: Redacted.value(url), POOL_SERVICE_DATABASE: database },
              stdio: "ignore"
            })
          ),
          (child) => Effect.sync(() => void child.kill("SIGKILL"))
        )
        const ended = yield* Effect.forkChild(
          Effect.callback<{ readonly code: number | null; readonly signal: string | null }>((resume) => {
            child.once("exit", (code, signal) => resume(Effect.succeed({ code, signal })))
          }),
          now
        )
        const sleeping = listed(observer, "db = ? AND info LIKE '%SLEEP%'", [database])
        yield* eventually(Effect.map(sleeping, (rows) => rows.length === 3))
        process.kill(child.pid!, "SIGTERM")
        // By itself and not by the signal: all finalizers have run.
        expect(yield* Fiber.join(ended)).toEqual({ code: 130, signal: null })
        yield* eventually(Effect.map(connectedTo(observer, database), (count) => count === 0))
      }).pipe(Effect.provide(server.layer))
    )
  })
}
