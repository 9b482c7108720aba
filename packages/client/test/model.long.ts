/**
 * The random steps of `model.test.ts`, 20,000 on each server, from the seed of the run.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Model from "./support/model.ts"
import { connect, connectToDatabase } from "./support/servers.ts"

const seed = Number(process.env.TEST_SEED ?? 1)
const steps = 20_000

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`random steps on ${server.name}`, () => {
    it.live(`${steps} of them are answered rightly, from seed ${seed}`, () =>
      Effect.gen(function* () {
        for (const [count, workers] of [
          [1, 8],
          [4, 16]
        ] as const) {
          const first = yield* connectToDatabase()
          const database = first.statusUnsafe().database!
          const others = yield* Effect.forEach(Array.from({ length: count - 1 }), () => connect({ database }))
          const connections = [first, ...others]
          const taken = yield* Model.run({ connections, workers, steps: steps / 2, seed })
          const counts = Array.from(taken, ([kind, times]) => `${kind} ${times}`).join(", ")
          console.log(`${server.name}, ${count} connections, ${workers} fibers: ${counts}`)
          expect(connections.map((connection) => connection.statusUnsafe().closed)).toEqual(
            connections.map(() => false)
          )
        }
      }).pipe(Effect.provide(server.layer))
    )
  })
}
