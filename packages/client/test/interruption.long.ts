/**
 * A thousand interruptions on each server, at any moment of a statement's life: what share of them leaves the connection
 * in use, how long they take, and that nothing is left running.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "./support/random.ts"
import { awaitRunning, connect, listed, scalar } from "./support/servers.ts"

const seed = Number(process.env.TEST_SEED ?? 1)
const interruptions = 1000

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`interruption on ${server.name}`, () => {
    it.live(`of ${interruptions} statements that sleep leaves 990 connections in use, and nothing running`, () =>
      Effect.gen(function* () {
        const random = Random.make(seed)
        const observer = yield* connect()
        let connection = yield* connect()
        let kept = 0
        const millis: Array<number> = []
        for (let round = 0; round < interruptions; round++) {
          const { connectionId } = connection.info
          const prepared = random.below(2) === 0
          const fiber = yield* Effect.forkChild(
            prepared ? connection.query("SELECT SLEEP(?)", [10]) : connection.query("SELECT SLEEP(10)"),
            { startImmediately: true }
          )
          const moment = random.below(3)
          if (moment === 1) yield* Effect.sleep(`${random.below(5)} millis`)
          if (moment === 2) yield* awaitRunning(observer, connectionId, "SLEEP")
          const [duration] = yield* Effect.timed(Fiber.interrupt(fiber))
          millis.push(Duration.toMillis(duration))
          const id = yield* Effect.option(scalar(connection, "SELECT CONNECTION_ID()"))
          if (id._tag === "Some" && id.value === connectionId) kept++
          else connection = yield* connect()
        }
        millis.sort((left, right) => left - right)
        const [median, most, longest] = [0.5, 0.99, 1].map((share) => millis[Math.ceil(share * millis.length) - 1])
        console.log(
          `${server.name}: ${kept} of ${interruptions} interruptions left the connection in use; ` +
            `half of them took ${median} ms, 99 of 100 ${most}, the longest ${longest}`
        )
        expect(kept).toBeGreaterThanOrEqual(990)
        yield* Effect.repeat(listed(observer, "info LIKE 'SELECT SLEEP(10)%'"), { until: (rows) => rows.length === 0 })
      }).pipe(Effect.provide(server.layer))
    )
  })
}
