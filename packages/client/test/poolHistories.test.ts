/**
 * The pool over a server in memory through random histories: in whatever order fibers go on, borrowers are interrupted
 * and lines are cut, nobody gets what somebody else has or left behind.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Connection } from "../src/internal/Connection.ts"
import * as Core from "../src/internal/Core.ts"
import * as canceller from "../src/internal/canceller.ts"
import * as MysqlConfig from "../src/MysqlConfig.ts"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import * as MysqlError from "../src/MysqlError.ts"
import { Transport } from "../src/Transport.ts"
import * as chaos from "./poolSupport/chaos.ts"
import * as pools from "./poolSupport/pools.ts"
import { now, outcomeOf } from "./poolSupport/pools.ts"
import * as Scripted from "./poolSupport/scripted.ts"

const atRest = (idle: number, max: number) => ({ idle, used: 0, connecting: 0, pending: 0, max })

/** Lets time pass until the fiber has ended, slowly: what can be done without time is done first. */
const ended = <A, E>(fiber: Fiber.Fiber<A, E>, what: () => unknown): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let seconds = 0; fiber.pollUnsafe() === undefined; seconds++) {
      if (seconds > 120) yield* Effect.die(new Error(`it does not end: ${JSON.stringify(what())}`))
      yield* Effect.repeat(Effect.yieldNow, { times: 200 })
      yield* TestClock.adjust("1 second")
    }
  })

/** One history: borrowers, and somebody who interrupts them, cuts lines and lets time pass. */
const history = (seed: number) =>
  Effect.gen(function* () {
    const next = chaos.random(seed)
    const upTo = (limit: number): number => Math.floor(next() * limit)
    const server = Scripted.make()
    server.connecting = () => (next() < 0.2 ? Effect.fail(down) : Effect.void)
    const scope = yield* Scope.make()
    const pool = yield* Scope.provide(
      pools.over(server, { initialization: "lazy", maxConnections: 3, connectConcurrency: 2, shutdownTimeout: 100 }),
      scope
    )
    const inUse = new Set<number>()
    const wrong: Array<string> = []

    /** What a borrower finds, and what he leaves behind. */
    const visit = (name: string, what: number) => (connection: MysqlConnection) =>
      Effect.gen(function* () {
        const id = connection.info.connectionId
        const line = server.lines.find((other) => other.connectionId === id)!
        if (inUse.has(id)) wrong.push(`${name} got ${id}, which somebody has`)
        inUse.add(id)
        const { commands } = line
        const dirt = Math.max(commands.lastIndexOf("SET @a = 1"), commands.lastIndexOf("BEGIN"))
        if (dirt > commands.lastIndexOf("RESET")) wrong.push(`${name} got ${id} as somebody left it`)
        if (connection.statusUnsafe().inTransaction) wrong.push(`${name} got ${id} in a transaction`)
        const { rows } = yield* connection.query(`SELECT ${name}`)
        if (JSON.stringify(rows) !== JSON.stringify([{ x: name }])) wrong.push(`${name} got ${JSON.stringify(rows)}`)
        if (what === 0) yield* connection.query("BEGIN")
        if (what === 1) yield* connection.query("SET @a = 1")
        if (what === 2) yield* connection.query(`SELECT HOLD ${name}`)
        if (what === 3)
          yield* Effect.all([connection.query(`SELECT HOLD ${name}`), connection.query("SELECT ECHO")], {
            concurrency: 2
          })
        if (what === 4) yield* pool.invalidate(connection)
      }).pipe(Effect.ensuring(Effect.sync(() => inUse.delete(connection.info.connectionId))))

    const borrowers = yield* Effect.forEach(
      Array.from({ length: 14 }, (_, index) => `b${index}`),
      (name) => {
        const visited = visit(name, upTo(7))
        return Effect.forkChild(next() < 0.5 ? pool.use(visited) : Effect.scoped(Effect.flatMap(pool.get, visited)))
      }
    )
    for (let turn = 0; turn < 40; turn++) {
      for (let steps = upTo(8); steps > 0; steps--) yield* Effect.yieldNow
      const what = upTo(6)
      if (what === 0) borrowers[upTo(borrowers.length)]!.interruptUnsafe()
      if (what === 1 && server.lines.length > 0) yield* server.lines[upTo(server.lines.length)]!.cut
      if (what === 2) server.release(`b${upTo(borrowers.length)}`)
      if (what === 3) yield* TestClock.adjust(upTo(50))
    }
    const early = next() < 0.5
    const closing = early ? yield* Effect.forkChild(Scope.close(scope, Exit.void)) : undefined
    for (const [index, fiber] of borrowers.entries()) {
      server.release(`b${index}`)
      if (next() < 0.3) fiber.interruptUnsafe()
    }
    // Back-offs and the patience of a pool that closes are over then, and so is that of whoever waits.
    const exits = yield* Effect.forkChild(Effect.forEach(borrowers, Fiber.await))
    yield* ended(exits, () => ({
      left: borrowers.flatMap((fiber, index) => (fiber.pollUnsafe() === undefined ? [index] : [])),
      stats: Effect.runSync(pool.stats),
      lines: server.lines
    }))
    if (closing === undefined) {
      yield* pools.until(pool, { used: 0, pending: 0 })
      const { connecting, idle } = yield* pool.stats
      if (idle + connecting > 3) wrong.push(`${idle} idle and ${connecting} connecting`)
    }
    const closed = closing ?? (yield* Effect.forkChild(Scope.close(scope, Exit.void)))
    yield* ended(closed, () => ({ stats: Effect.runSync(pool.stats), lines: server.lines }))
    yield* pools.awaiting(
      () => server.lines.every((line) => !line.open),
      () => server.lines.filter((line) => line.open)
    )
    const outcomes = (yield* Fiber.join(exits)).map(outcomeOf)
    return { wrong, outcomes, stats: yield* pool.stats }
  })

const down = MysqlError.make(new MysqlError.ConnectError({ address: "db:3306", problem: "ECONNREFUSED" }))

describe("in any order", () => {
  it.effect.each([1, 2, 3, 4, 5])("a fiber suspended at step %i hears that a statement has been stopped", (step) =>
    Effect.gen(function* () {
      const server = Scripted.make()
      const killing = Latch.makeUnsafe()
      server.connecting = (attempt) => (attempt === 0 ? Effect.void : killing.await)
      const config = yield* MysqlConfig.resolve({})
      const core = yield* Effect.flatMap(canceller.make, (cancel) => Core.open(config, cancel)).pipe(
        Effect.provideService(Transport, server.transport)
      )
      const connection = new Connection(core, undefined)
      const statement = yield* Effect.forkChild(connection.query("SELECT HOLD it"), now)
      yield* server.running("SELECT HOLD it")
      const stopping = yield* Effect.forkChild(Fiber.interrupt(statement), now)
      expect(core.exchange.quiet).toBe(false)
      const parked = chaos.parking(step)
      const settling = yield* Effect.forkChild(
        Effect.provideService(core.exchange.settled, Scheduler.Scheduler, parked.scheduler),
        now
      )
      yield* killing.open
      yield* Fiber.join(stopping)
      parked.resume()
      yield* pools.awaiting(() => settling.pollUnsafe() !== undefined)
    })
  )

  it.effect("nobody gets what somebody else has or left behind, and nothing is left at the end", () =>
    Effect.gen(function* () {
      const seen = new Set<string>()
      for (let seed = 1; seed <= 150; seed++) {
        const { outcomes, stats, wrong } = yield* Effect.provideService(
          history(seed),
          Scheduler.Scheduler,
          chaos.scheduler(chaos.random(-seed))
        )
        expect(wrong, `seed ${seed}`).toEqual([])
        expect(stats, `seed ${seed}`).toEqual(atRest(0, 3))
        for (const outcome of outcomes) seen.add(outcome)
      }
      expect([...seen].sort()).toEqual(["ConnectionLost", "PoolClosed", "interrupted", "success"])
    })
  )
})
