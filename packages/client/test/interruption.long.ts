/**
 * A thousand interrupted statements on each server: how many leave the connection in use, and how long it took.
 */

import { describe, expect, it } from "@effect/vitest"
import { SharedServers } from "@effect-mysql/test-utils"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import * as MysqlPool from "../src/MysqlPool.ts"
import { awaitIdle, connect } from "./support/servers.ts"

const tries = 1000
const seed = Number(process.env.TEST_SEED ?? 1)

const shown = (millis: Array<number>): string => {
  const sorted = [...millis].sort((a, b) => a - b)
  return `median ${sorted[sorted.length >> 1]!.toFixed(1)} ms, longest ${sorted.at(-1)!.toFixed(1)} ms`
}

/** Interrupts it a few milliseconds after it began, and says how long that took. */
const interrupted = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>, pauseMillis: number) {
  const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
  yield* Effect.sleep(pauseMillis)
  const start = performance.now()
  yield* Fiber.interrupt(fiber)
  return performance.now() - start
})

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`interruptions on ${server.name}`, () => {
    it.live(`at least 990 of ${tries} leave the same connection in use`, () =>
      Effect.gen(function* () {
        const { url } = yield* MysqlServer.MysqlServer
        const observer = yield* connect()
        const pool = yield* MysqlPool.make({ url, maxConnections: 1 })
        const millis: Array<number> = []
        const ids = new Map<number, number>()
        for (let index = 0; index < tries; index++) {
          const sleep = (connection: MysqlConnection) => {
            const id = connection.info.connectionId
            ids.set(id, (ids.get(id) ?? 0) + 1)
            return connection.query("SELECT SLEEP(10)")
          }
          millis.push(yield* interrupted(pool.use(sleep), (index * seed) % 4))
        }
        const same = Math.max(...ids.values())
        console.log(`${server.name}: ${same} of ${tries} on one connection, ${shown(millis)}`)
        expect(same).toBeGreaterThanOrEqual(990)
        for (const id of ids.keys()) yield* awaitIdle(observer, id)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
