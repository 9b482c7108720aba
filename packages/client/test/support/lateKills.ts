/**
 * Statements that end at about the moment at which they are stopped, each followed by another one on the same
 * connection: a KILL that came late would hit that one.
 */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { MysqlConnection } from "../../src/MysqlConnection.ts"
import type { MysqlError } from "../../src/MysqlError.ts"
import * as Random from "./random.ts"

/** A millisecond, which a KILL takes as well. */
const first = ["SELECT SLEEP(0.001)", "SELECT SLEEP(0.0005)", "SELECT 1", "DO SLEEP(0.001)"]

/** How many of the first ones were still under way when they were interrupted. */
export const run = Effect.fnUntraced(function* (
  connection: MysqlConnection,
  tries: number,
  seed: number
): Effect.fn.Return<number, MysqlError> {
  const random = Random.make(seed)
  let interrupted = 0
  for (let x = 0; x < tries; x++) {
    const sql = random.pick(first)
    const fiber = yield* Effect.forkChild(connection.query(sql), { startImmediately: true })
    const moment = random.below(4)
    if (moment === 1) yield* Effect.yieldNow
    if (moment > 1) yield* Effect.sleep(`${random.below(3)} millis`)
    if (fiber.pollUnsafe() === undefined) interrupted++
    yield* Fiber.interrupt(fiber)
    const { rows } = yield* connection.query("SELECT SLEEP(0.001) AS slept, ? AS x", [x])
    // On MySQL a SLEEP that is hit returns 1; elsewhere it fails.
    expect(rows).toEqual([{ slept: 0, x }])
  }
  return interrupted
})
