/**
 * A crowd of fibers that do everything at once on one connection, each at its own pace, and are interrupted at any point:
 * what must hold afterwards, whatever the order was.
 */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as Stream from "effect/Stream"
import type { MysqlConnection } from "../../src/MysqlConnection.ts"
import type { MysqlError } from "../../src/MysqlError.ts"
import * as Random from "./random.ts"
import * as Simulation from "./simulation.ts"

const yields = (count: number): Effect.Effect<void> =>
  count === 0
    ? Effect.void
    : Effect.andThen(
        Effect.yieldNow,
        Effect.suspend(() => yields(count - 1))
      )

const rowsOf = (result: { readonly rows: ReadonlyArray<unknown> }): ReadonlyArray<unknown> => result.rows

/** One member of the crowd: what it does, and the rows that it has to get. */
const act = (
  random: Random.Random,
  connection: MysqlConnection,
  x: string
): { readonly effect: Effect.Effect<unknown, MysqlError>; readonly result: unknown } => {
  const row = [{ x }]
  switch (random.below(9)) {
    case 0:
      return { effect: Effect.map(connection.query(`ECHO ${x}`), rowsOf), result: row }
    case 1:
    case 2:
      return { effect: Effect.map(connection.query(`HOLD ${x}`), rowsOf), result: row }
    case 3:
      return { effect: Effect.map(connection.query("ECHO ?", [Number(x)]), rowsOf), result: row }
    case 4:
      return { effect: Effect.map(connection.query(`ECHO ? ${x}`, [x]), rowsOf), result: row }
    case 5:
      return { effect: Stream.runCollect(connection.stream(`FEED ${x} 3`)), result: [...row, ...row, ...row] }
    case 6:
      return { effect: Stream.runCollect(Stream.take(connection.stream(`FEED ${x} 3`), 1)), result: row }
    case 7:
      return {
        effect: Effect.scoped(
          Effect.gen(function* () {
            const own = yield* connection.reserve
            yield* own.ping
            yield* own.query("ECHO ?", [x])
            return rowsOf(yield* own.query(`HOLD ${x}`))
          })
        ),
        result: row
      }
    default:
      return {
        effect: Effect.scoped(
          Effect.gen(function* () {
            const statement = yield* connection.prepare(`ECHO ? ${x}`)
            return rowsOf(yield* statement.query([x]))
          })
        ),
        result: row
      }
  }
}

export const run = Effect.fnUntraced(function* (seed: number) {
  const random = Random.make(seed)
  const pause = Effect.suspend(() => yields(random.below(4)))
  const effectsOnly = seed % 4 === 0
  const server = Simulation.make({ between: pause, beforeKill: pause, afterKill: pause, effectsOnly })
  const connection = yield* server.connect({ statementCacheSize: 8 })
  const interrupted = new Set<string>()
  const member = Effect.fnUntraced(function* (x: string) {
    yield* yields(random.below(30))
    const { effect, result } = act(random, connection, x)
    const opsBeforeYield = random.pick([4, 5, 8, 13, 2048])
    const fiber = yield* Effect.forkChild(Effect.provideService(effect, MaxOpsBeforeYield, opsBeforeYield), {
      startImmediately: random.below(2) === 0
    })
    const fate = random.below(3)
    if (fate === 0) {
      yield* yields(random.below(40))
      interrupted.add(x)
      yield* Fiber.interrupt(fiber)
      // With others behind it, it may not be stopped.
      server.release(x)
      return
    }
    if (fate === 1) yield* yields(random.below(60))
    server.release(x)
    const exit = yield* Fiber.await(fiber)
    expect(exit).toEqual(Exit.succeed(result))
  })
  const members = Array.from({ length: 60 }, (_, index) => `${index + 1}`)
  yield* Effect.forEach(members, member, { concurrency: "unbounded", discard: true })
  // The line is where it was, and in step.
  expect(rowsOf(yield* connection.query("ECHO end"))).toEqual([{ x: "end" }])
  expect(connection.statusUnsafe().closed).toBe(false)
  // A KILL named the connection and hit nobody but those who had been interrupted or had seen enough.
  expect(server.exposed()).toBe(0)
  const wronged = server.killed.filter((text) => {
    const [verb, x] = text?.split(" ") ?? []
    return verb === "HOLD" && !interrupted.has(x!)
  })
  expect(wronged).toEqual([])
  // What was prepared is known here, or freed.
  yield* connection.query("ECHO end")
  expect(server.prepared.size).toBeLessThanOrEqual(8)
  return server.killed.length
})
