/**
 * Ten thousand statements on each server that are stopped at about the moment at which they end: the statement behind
 * each of them is never hit.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as LateKills from "./support/lateKills.ts"
import { connect } from "./support/servers.ts"

const seed = Number(process.env.TEST_SEED ?? 1)
const connections = 4
const triesEach = 2500

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a KILL on ${server.name}`, () => {
    it.live(`never hits the statement behind the one that it was for, in ${connections * triesEach} tries`, () =>
      Effect.gen(function* () {
        const interrupted = yield* Effect.forEach(
          Arr.range(1, connections),
          (index) => Effect.flatMap(connect(), (connection) => LateKills.run(connection, triesEach, seed + index)),
          { concurrency: "unbounded" }
        )
        const total = interrupted.reduce((sum, count) => sum + count, 0)
        console.log(`${server.name}: ${total} of ${connections * triesEach} statements were interrupted under way`)
        expect(total).toBeGreaterThan(1000)
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )
  })
}
