/**
 * What a pool tells of itself - counts, metrics, spans, warnings - and what it tells those who configure or use it
 * wrongly. Over a server in memory.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as TestClock from "effect/testing/TestClock"
import * as MysqlError from "../src/MysqlError.ts"
import type { MysqlPool, PoolConfig } from "../src/MysqlPool.ts"
import * as pools from "./poolSupport/pools.ts"
import { now, outcomeOf, reasonOf } from "./poolSupport/pools.ts"
import * as Scripted from "./poolSupport/scripted.ts"

const connectionId = (pool: MysqlPool) => pool.use((connection) => Effect.succeed(connection.info.connectionId))

const borrow = Effect.fnUntraced(function* (pool: MysqlPool) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const connection = yield* Scope.provide(pool.get, scope)
  return { connection, giveBack: Scope.close(scope, Exit.void) }
})

const faultsOf = (config: object) =>
  Effect.map(Effect.exit(pools.over(Scripted.make(), config as PoolConfig)), (exit) => {
    const reason = reasonOf(exit)
    return reason?._tag === "ConfigurationError" ? reason.faults : []
  })

describe("the configuration", () => {
  const wrong: ReadonlyArray<readonly [object, ReadonlyArray<string>]> = [
    [{ minConnections: -1 }, ["minConnections is not an integer of at least 0"]],
    [{ maxConnections: 0 }, ["maxConnections is not an integer of at least 1"]],
    [{ maxConnections: 2.5 }, ["maxConnections is not an integer of at least 1"]],
    [{ minConnections: 5, maxConnections: 2 }, ["minConnections 5 is more than maxConnections 2"]],
    [{ connectConcurrency: 0 }, ["connectConcurrency is not an integer of at least 1"]],
    [{ initialization: "eager" }, ['initialization "eager" is none of failFast, lazy']],
    [{ resetOnRelease: "never" }, ['resetOnRelease "never" is none of always, tracked, rollback']],
    [{ multiplex: "yes" }, ['multiplex "yes" is none of true, false']],
    [{ acquireTimeout: "soon" }, ["acquireTimeout is not a duration"]],
    [{ acquireTimeout: 0 }, ["acquireTimeout is zero"]],
    [{ idleTimeout: -1 }, ["idleTimeout is not a duration"]],
    [{ maxLifetime: 0 }, ["maxLifetime is zero"]],
    [{ leakDetection: 0 }, ["leakDetection is zero"]],
    [{ shutdownTimeout: "later" }, ["shutdownTimeout is not a duration"]],
    [
      { keepaliveTime: "30 minutes", maxLifetime: "30 minutes" },
      ["keepaliveTime is not shorter than maxLifetime: no connection would ever be kept alive by it"]
    ],
    [{ poolName: "" }, ["poolName is empty"]],
    [{ maxConnection: 3 }, ["unknown option maxConnection"]],
    [
      { port: 0, maxConnections: -1, idleTimeout: "x", colour: "blue" },
      [
        "port 0 is not between 1 and 65535",
        "unknown option colour",
        "maxConnections is not an integer of at least 1",
        "idleTimeout is not a duration"
      ]
    ]
  ]

  it.effect.each(wrong)("%j is refused with all its faults, and nothing is opened", ([config, faults]) =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const exit = yield* Effect.exit(pools.over(server, config as PoolConfig))
      const reason = reasonOf(exit)
      expect(reason?._tag === "ConfigurationError" ? [...reason.faults].sort() : []).toEqual([...faults].sort())
      expect(server.attempts).toEqual([])
    })
  )

  it.effect("may set no limit to the number of connections", () =>
    Effect.gen(function* () {
      const pool = yield* pools.over(Scripted.make(), { maxConnections: Number.POSITIVE_INFINITY })
      yield* Effect.forEach(Array.from({ length: 30 }), () => borrow(pool), { concurrency: "unbounded" })
      expect(yield* pool.stats).toEqual({ idle: 0, used: 30, connecting: 0, pending: 0, max: Number.POSITIVE_INFINITY })
      expect(yield* faultsOf({ minConnections: Number.POSITIVE_INFINITY })).toHaveLength(1)
    })
  )
})

describe("multiplex", () => {
  it.effect("lets many statements share few connections", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1, multiplex: true })
      const names = Array.from({ length: 20 }, (_, index) => `n${index}`)
      const rows = yield* Effect.forEach(
        names,
        (name) => pool.use((connection) => Effect.map(connection.query(`SELECT ${name}`), (result) => result.rows)),
        { concurrency: "unbounded" }
      )
      expect(rows).toEqual(names.map((x) => [{ x }]))
      expect(server.lines).toHaveLength(1)
      expect(yield* pool.stats).toEqual({ idle: 1, used: 0, connecting: 0, pending: 0, max: 1 })
    })
  )

  it.effect("keeps what is reserved for one alone, first come, first served", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1, multiplex: true })
      const done: Array<string> = []
      const reserved = yield* Effect.forkChild(
        Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* pool.reserve
            yield* connection.begin()
            yield* connection.query("SELECT HOLD it")
            yield* connection.commit
            done.push("reserved")
          })
        ),
        now
      )
      yield* server.running("SELECT HOLD it")
      const shared = yield* Effect.forkChild(
        pool.use((connection) => Effect.map(connection.query("SELECT 1"), () => done.push("shared"))),
        now
      )
      expect(yield* pool.stats).toMatchObject({ used: 1, pending: 1 })
      server.release("it")
      yield* Fiber.joinAll([reserved, shared])
      expect(done).toEqual(["reserved", "shared"])
    })
  )

  it.effect("nobody joins a connection that somebody has changed, and it is reset when the last has left", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 1, multiplex: true })
      const first = yield* borrow(pool)
      const second = yield* borrow(pool)
      yield* first.connection.query("SET @a = 1")
      const third = yield* Effect.forkChild(connectionId(pool), now)
      expect(yield* pool.stats).toMatchObject({ used: 1, pending: 1 })
      yield* first.giveBack
      expect(third.pollUnsafe()).toBeUndefined()
      yield* second.giveBack
      yield* Fiber.join(third)
      expect(server.lines[0]!.commands).toContain("RESET")
    })
  )

  it.effect("opens more connections while one is shared", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const pool = yield* pools.over(server, { maxConnections: 3, multiplex: true })
      const held = yield* Effect.forEach(Array.from({ length: 6 }), () => borrow(pool))
      yield* pools.until(pool, { connecting: 0 })
      expect(server.lines.length).toBeGreaterThan(1)
      for (const { giveBack } of held) yield* giveBack
      expect(yield* pool.stats).toMatchObject({ used: 0, pending: 0 })
    })
  )
})

describe("leakDetection", () => {
  interface Told {
    readonly level: string
    readonly message: ReadonlyArray<unknown>
  }

  const listening = <A, E, R>(told: Array<Told>, effect: Effect.Effect<A, E, R>) =>
    Effect.provide(
      effect,
      Logger.layer([
        Logger.make(({ logLevel, message }) => {
          told.push({ level: logLevel, message: Array.isArray(message) ? message : [message] })
        })
      ])
    )

  const stackOf = ({ message }: Told): string =>
    message.flatMap((part) => (part instanceof Error ? [part.stack] : [])).join()

  it.effect(
    "warns once of a connection that is not back, with the place that borrowed it, and tells when it is",
    () => {
      const told: Array<Told> = []
      return listening(
        told,
        Effect.gen(function* () {
          const pool = yield* pools.over(Scripted.make(), { leakDetection: "10 seconds" })
          const leaking = yield* Effect.forkChild(
            pool.use(function placeThatBorrows() {
              return Effect.sleep("1 minute")
            }),
            now
          )
          yield* TestClock.adjust("9 seconds")
          expect(told).toEqual([])
          yield* TestClock.adjust("40 seconds")
          yield* pools.awaiting(() => told.length > 0)
          expect(told).toHaveLength(1)
          expect(told[0]!.level).toBe("Warn")
          expect(told[0]!.message[0]).toMatch(/^A connection has been lent for 1\ds and is not back$/)
          expect(stackOf(told[0]!)).toContain("poolSeen.test.ts")
          yield* TestClock.adjust("11 seconds")
          yield* Fiber.join(leaking)
          yield* pools.awaiting(() => told.length > 1)
          expect(told[1]).toMatchObject({ level: "Info" })
          expect(told[1]!.message[0]).toBe("The connection that was lent for too long came back after 1m")
          yield* connectionId(pool)
          yield* TestClock.adjust("1 minute")
          expect(told).toHaveLength(2)
        })
      )
    }
  )

  it.effect("knows the place of `get` and `reserve` as well", () => {
    const told: Array<Told> = []
    return listening(
      told,
      Effect.gen(function* () {
        const pool = yield* pools.over(Scripted.make(), { leakDetection: "10 seconds" })
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* pool.get
            yield* pool.reserve
            yield* TestClock.adjust("20 seconds")
            yield* pools.awaiting(() => told.length === 2)
          })
        )
        for (const warning of told.slice(0, 2)) expect(stackOf(warning)).toContain("poolSeen.test.ts")
      })
    )
  })

  it.effect("is silent where it is not asked for", () => {
    const told: Array<Told> = []
    return listening(
      told,
      Effect.gen(function* () {
        const pool = yield* pools.over(Scripted.make())
        yield* borrow(pool)
        yield* TestClock.adjust("1 day")
        expect(told).toEqual([])
      })
    )
  })
})

describe("metrics", () => {
  const byName = (snapshots: ReadonlyArray<Metric.Metric.Snapshot>) =>
    Object.fromEntries(
      snapshots.map(({ attributes, id, state }) => [
        [id.replace("db.client.connection.", ""), attributes?.["db.client.connection.state"]].filter(Boolean).join(" "),
        "count" in state ? Number(state.count) : undefined
      ])
    )
  const read = Effect.map(Metric.snapshot, byName)

  it.effect("have the names of OpenTelemetry, count what happened, and are gone with the pool", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      server.connecting = () => Effect.sleep(50)
      const scope = yield* Scope.make()
      const config = { initialization: "lazy", minConnections: 1, maxConnections: 2, acquireTimeout: 1000 } as const
      const pool = yield* Scope.provide(pools.over(server, { ...config, poolName: "orders" }), scope)
      const first = yield* Effect.forkChild(borrow(pool), now)
      yield* TestClock.adjust(50)
      const held = yield* Fiber.join(first)
      const second = yield* Effect.forkChild(borrow(pool), now)
      const third = yield* Effect.forkChild(connectionId(pool), now)
      yield* TestClock.adjust(50)
      yield* Fiber.join(second)
      expect(yield* read).toEqual({
        "count idle": 0,
        "count used": 2,
        "idle.max": 2,
        "idle.min": 1,
        max: 2,
        pending_requests: 1,
        timeouts: 0,
        create_time: 2,
        wait_time: 2,
        use_time: 0
      })
      yield* TestClock.adjust(1000)
      yield* Fiber.await(third)
      yield* held.giveBack
      const snapshots = yield* Metric.snapshot
      expect(yield* read).toMatchObject({
        "count idle": 1,
        "count used": 1,
        timeouts: 1,
        pending_requests: 0,
        use_time: 1
      })
      for (const { attributes } of snapshots) expect(attributes?.["db.client.connection.pool.name"]).toBe("orders")
      const created = snapshots.find(({ id }) => id === "db.client.connection.create_time")!
      expect(created.attributes?.unit).toBe("s")
      expect(created.state).toMatchObject({ sum: 0.1, min: 0.05, max: 0.05 })
      const used = snapshots.find(({ id }) => id === "db.client.connection.use_time")!
      expect(used.state).toMatchObject({ min: 1.05, max: 1.05 })
      const buckets = used.type === "Histogram" ? used.state.buckets : []
      expect(buckets.map(([boundary]) => boundary)).toEqual([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10])
      expect(buckets.map(([, count]) => count)).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 1])
      yield* Effect.forkChild(TestClock.adjust("1 minute"))
      yield* Scope.close(scope, Exit.void)
      expect(yield* read).toEqual({})
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("of pools of one name are sums, and what was counted stays when one of them ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const config = { poolName: "orders", minConnections: 1 }
      yield* pools.over(Scripted.make(), { ...config, maxConnections: 2 })
      const other = yield* Scope.provide(pools.over(Scripted.make(), { ...config, maxConnections: 3 }), scope)
      yield* pools.over(Scripted.make(), { poolName: "users", maxConnections: 50 })
      const { giveBack } = yield* borrow(other)
      const orders = Effect.map(Metric.snapshot, (snapshots) =>
        byName(snapshots.filter(({ attributes }) => attributes?.["db.client.connection.pool.name"] === "orders"))
      )
      const together = { "count idle": 1, "count used": 1, "idle.min": 2, max: 5, create_time: 2, wait_time: 1 }
      expect(yield* orders).toMatchObject(together)
      yield* giveBack
      yield* Scope.close(scope, Exit.void)
      const left = { "count idle": 1, "count used": 0, "idle.min": 1, max: 2, create_time: 2, use_time: 1 }
      expect(yield* orders).toMatchObject(left)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("call the pool by its address and database where it has no name", () =>
    Effect.gen(function* () {
      yield* pools.over(Scripted.make(), { host: "db", port: 3307, database: "shop" })
      const [one] = yield* Metric.snapshot
      expect(one!.attributes).toMatchObject({ "db.client.connection.pool.name": "db:3307/shop" })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})

describe("spans", () => {
  it.effect("show connecting and waiting, and nothing where neither was needed", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const server = Scripted.make()
      const run = Effect.gen(function* () {
        const pool = yield* pools.over(server, { maxConnections: 1, poolName: "orders" })
        yield* connectionId(pool)
        const held = yield* borrow(pool)
        const waiting = yield* Effect.forkChild(Effect.withSpan(connectionId(pool), "request"), now)
        yield* held.giveBack
        yield* Fiber.join(waiting)
      })
      yield* Effect.withTracer(run, tracer)
      expect(spans.map(({ name }) => name)).toEqual(["MysqlPool.connect", "request", "MysqlPool.wait"])
      const [connect, request, wait] = spans
      expect(connect!.kind).toBe("client")
      expect(connect!.attributes.get("server.address")).toBe("localhost:3306")
      expect(connect!.status._tag).toBe("Ended")
      for (const span of [connect!, wait!]) {
        expect(span.attributes.get("db.client.connection.pool.name")).toBe("orders")
      }
      expect(wait!.parent._tag === "Some" ? wait!.parent.value.spanId : undefined).toBe(request!.spanId)
    })
  )

  it.effect("tell why connecting failed", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const server = Scripted.make()
      const denied = MysqlError.make(new MysqlError.LoginError({ errno: 1045, plugin: "x", problem: "denied" }))
      server.connecting = () => Effect.fail(denied)
      yield* Effect.withTracer(Effect.exit(pools.over(server)), tracer)
      const [connect] = spans
      const exit = connect!.status._tag === "Ended" ? connect!.status.exit : Exit.void
      expect(Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined).toBe(denied)
    })
  )
})

describe("the end of a pool", () => {
  it.effect("interrupts who is in `use` and does nothing with the connection, when its patience is over", () =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const scope = yield* Scope.make()
      const pool = yield* Scope.provide(pools.over(server, { shutdownTimeout: "2 seconds" }), scope)
      const dreaming = yield* Effect.forkChild(
        pool.use(() => Effect.never),
        now
      )
      const holding = yield* borrow(pool)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), now)
      yield* TestClock.adjust(1999)
      expect(dreaming.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      yield* Fiber.join(closing)
      expect(outcomeOf(yield* Fiber.await(dreaming))).toBe("interrupted")
      // Whoever has one by a scope finds it closed.
      expect(outcomeOf(yield* Effect.exit(holding.connection.query("SELECT 1")))).toBe("ConnectionLost")
      yield* holding.giveBack
      expect(yield* pool.stats).toMatchObject({ idle: 0, used: 0 })
      expect(server.lines.every((line) => !line.open)).toBe(true)
    })
  )
})
