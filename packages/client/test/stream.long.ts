/**
 * A million rows for a consumer that sleeps: memory stays where it was, and the server waits.
 */

import { describe, expect, it } from "@effect/vitest"
import { SharedServers } from "@effect-mysql/test-utils"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as BackPressure from "./support/backPressure.ts"
import { connect } from "./support/servers.ts"

const rows = 1_000_000
const mebibyte = 1024 * 1024
const growthLimit = 64 * mebibyte

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a long stream on ${server.name}`, () => {
    it.live("keeps the process within 64 MiB of its size before", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const observer = yield* connect()
        const before = process.memoryUsage.rss()
        let seen = 0
        let largest = before
        const streaming = yield* Effect.forkChild(
          connection.stream(BackPressure.manyRows(rows)).pipe(
            Stream.runForEachArray((chunk) => {
              seen += chunk.length
              largest = Math.max(largest, process.memoryUsage.rss())
              return Effect.sleep("2 millis")
            })
          )
        )
        yield* BackPressure.awaitBlocked(observer, connection.info.connectionId)
        const unsent = yield* BackPressure.unsentBytes(observer, connection.info.connectionId)
        yield* Fiber.join(streaming)
        const growth = largest - before
        console.log(
          `${server.name}: ${seen} rows; ${(before / mebibyte).toFixed(0)} MiB before, at most ` +
            `${(growth / mebibyte).toFixed(1)} MiB more; ${unsent} bytes waited in the server's socket`
        )
        expect(seen).toBe(rows)
        expect(growth).toBeLessThan(growthLimit)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
