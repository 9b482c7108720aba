/**
 * Pools under random faults for half an hour, or for `SOAK_SECONDS`: lines that break, sessions that are killed, outages,
 * evictions, suspensions, borrowers that are interrupted or leave their sessions dirty. Afterwards nothing is left, and the
 * heap has not grown.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import * as MysqlPool from "../src/MysqlPool.ts"
import * as chaos from "./poolSupport/chaos.ts"
import { now, outcomeOf } from "./poolSupport/pools.ts"
import * as proxy from "./poolSupport/proxy.ts"
import { connectedTo, eventually } from "./poolSupport/real.ts"
import { connect, listed, scalar } from "./support/servers.ts"

const seed = Number(process.env.TEST_SEED ?? 1)
const soakSeconds = Number(process.env.SOAK_SECONDS ?? 1800)
const borrowers = 20
const mebibyte = 1024 * 1024

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

const heapAfterCollection = (): number => {
  collect()
  collect()
  return process.memoryUsage().heapUsed
}

const resources = (kind: string): number =>
  process.getActiveResourcesInfo().filter((name) => name.includes(kind)).length

/** Fibers that run. */
const countingFibers = () => {
  let running = 0
  const service: Metric.FiberRuntimeMetricsService = {
    recordFiberStart: () => void running++,
    recordFiberEnd: () => void running--
  }
  return { service, running: () => running }
}

/** A pool and its borrowers, on one server. `over` says when it is enough. Ends with what the borrowers came to. */
const soak = Effect.fnUntraced(function* (random: () => number, over: () => boolean) {
  const upTo = (limit: number): number => Math.floor(random() * limit)
  const server = yield* MysqlServer.MysqlServer
  const observer = yield* connect()
  const database = yield* server.database
  const way = yield* proxy.make(server)
  const through = new URL(Redacted.value(server.url))
  through.host = `127.0.0.1:${way.port}`
  const scope = yield* Scope.make()
  const pool = yield* Scope.provide(
    MysqlPool.make({
      url: Redacted.make(through.href),
      database,
      minConnections: 1,
      maxConnections: 6,
      acquireTimeout: "3 seconds",
      idleTimeout: "2 seconds",
      maxLifetime: "5 seconds",
      keepaliveTime: "1 second",
      leakDetection: "1 minute",
      connectTimeout: "5 seconds"
    }),
    scope
  )
  yield* pool.use((connection) => connection.query("CREATE TABLE numbers (n INT NOT NULL) ENGINE = InnoDB"))

  const outcomes: Record<string, number> = {}
  const wrong: Array<string> = []
  const visit = (connection: MysqlConnection) =>
    Effect.gen(function* () {
      const id = connection.info.connectionId
      if (connection.statusUnsafe().inTransaction) wrong.push(`${id} came in a transaction`)
      const n = upTo(1_000_000)
      const { rows } = yield* connection.query<{ n: number; id: number; v: unknown }>(
        "SELECT ? AS n, CONNECTION_ID() AS id, @left AS v",
        [n]
      )
      if (rows[0]?.n !== n || rows[0].id !== id || rows[0].v !== null) wrong.push(JSON.stringify({ n, id, rows }))
      const what = upTo(10)
      if (what === 0) yield* connection.query("SET @left = 5")
      if (what === 1) yield* connection.query("BEGIN")
      if (what === 2) yield* connection.query("SELECT SLEEP(0.05)")
      if (what === 3) yield* connection.query("SELECT SLEEP(60)", [], { timeout: "30 millis" })
      if (what === 4) {
        const many = connection.stream(
          "SELECT a.id FROM information_schema.collations a, information_schema.collations b"
        )
        yield* Stream.runDrain(Stream.take(many, upTo(2000)))
      }
      if (what === 5) yield* pool.invalidate(connection)
      if (what === 6) yield* connection.query("INSERT INTO numbers VALUES (?)", [n])
    })
  const once = Effect.suspend(() => {
    const borrowed = random() < 0.5 ? pool.use(visit) : Effect.scoped(Effect.flatMap(pool.reserve, visit))
    return random() < 0.2 ? Effect.timeoutOption(borrowed, upTo(60)) : borrowed
  })
  const borrower = Effect.exit(once).pipe(
    Effect.tap((exit) => {
      const outcome = outcomeOf(exit)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      return Effect.void
    }),
    Effect.repeat({ until: over })
  )

  const kill = Effect.gen(function* () {
    const rows = yield* listed(observer, "db = ?", [database])
    if (rows.length > 0) yield* Effect.exit(observer.query(`KILL ${rows[upTo(rows.length)]!.id}`))
  })
  const outage = way.cut.pipe(Effect.andThen(Effect.suspend(() => Effect.sleep(upTo(500)))), Effect.andThen(way.open))
  const pause = pool.suspend.pipe(
    Effect.andThen(Effect.suspend(() => Effect.sleep(upTo(200)))),
    Effect.andThen(pool.resume)
  )
  const fault = Effect.suspend(() => {
    const what = upTo(12)
    return what < 6 ? kill : what < 8 ? pool.evictAll : what < 10 ? pause : what === 10 ? outage : Effect.void
  })
  const faults = Effect.suspend(() => Effect.sleep(upTo(300))).pipe(
    Effect.andThen(fault),
    Effect.repeat({ until: over })
  )

  const crowd = yield* Effect.forEach(Array.from({ length: borrowers }), () => Effect.forkChild(borrower, now))
  const chaotic = yield* Effect.forkChild(faults, now)
  yield* Fiber.join(chaotic)
  yield* Fiber.joinAll(crowd)
  // It still serves.
  const last = yield* Effect.forEach(
    Array.from({ length: 12 }),
    () => pool.use((connection) => scalar(connection, "SELECT 1")),
    { concurrency: "unbounded" }
  )
  if (last.join() !== Array.from({ length: 12 }, () => 1).join()) wrong.push(`at the end: ${last}`)
  const stats = yield* pool.stats
  if (stats.used + stats.pending > 0) yield* eventually(Effect.map(pool.stats, ({ used }) => used === 0))
  yield* Scope.close(scope, Exit.void)
  yield* eventually(Effect.map(connectedTo(observer, database), (count) => count === 0))
  return { outcomes, wrong }
})

describe("pools under random faults", () => {
  it.live(
    `leave nothing behind after ${soakSeconds} s, from seed ${seed} on`,
    () =>
      Effect.gen(function* () {
        const servers = SharedServers.all.filter(({ available }) => available)
        const before = { sockets: resources("TCP"), timers: resources("Timeout") }
        const fibers = countingFibers()
        const end = performance.now() + soakSeconds * 1000
        const heap: Array<number> = []
        const sampling = Effect.sync(() => void heap.push(heapAfterCollection())).pipe(
          Effect.andThen(Effect.sleep(Math.max(1000, soakSeconds * 10))),
          Effect.forever
        )
        const sampler = yield* Effect.forkChild(sampling)
        const results = yield* Effect.forEach(
          servers,
          (server, index) =>
            Effect.scoped(soak(chaos.random(seed + index), () => performance.now() > end)).pipe(
              Effect.provide(server.layer),
              Effect.map((result) => ({ ...result, name: server.name }))
            ),
          { concurrency: "unbounded" }
        ).pipe(Effect.provideService(Metric.FiberRuntimeMetrics, fibers.service))
        yield* Fiber.interrupt(sampler)
        yield* Effect.timeoutOption(eventually(Effect.sync(() => resources("TCP") <= before.sockets)), "20 seconds")
        expect(resources("TCP"), "sockets").toBeLessThanOrEqual(before.sockets)
        heap.push(heapAfterCollection())

        for (const { name, outcomes, wrong } of results) {
          console.log(`${name}: ${JSON.stringify(outcomes)}`)
          expect(wrong).toEqual([])
          expect(outcomes.defect).toBeUndefined()
          expect(outcomes.success).toBeGreaterThan(0)
        }
        const inMebibytes = heap.map((bytes) => (bytes / mebibyte).toFixed(1))
        console.log(`heap in MiB: ${inMebibytes.join(" ")}; fibers at the end: ${fibers.running()}`)
        expect(fibers.running()).toBe(0)
        expect(resources("Timeout")).toBeLessThanOrEqual(before.timers)
        // The first quarter is for what is made once.
        const settled = heap.slice(Math.ceil(heap.length / 4))
        const half = Math.floor(settled.length / 2)
        const median = (bytes: ReadonlyArray<number>) => [...bytes].sort((a, b) => a - b)[Math.floor(bytes.length / 2)]!
        expect(median(settled.slice(half)) - median(settled.slice(0, half))).toBeLessThan(3 * mebibyte)
      }),
    (soakSeconds + 600) * 1000
  )
})
