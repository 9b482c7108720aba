/**
 * A pool on each server beside its model over many more random steps, from the seed of the run.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as serverModel from "./poolSupport/serverModel.ts"

const seed = Number(process.env.TEST_SEED ?? 1)
const steps = 5000

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a pool on ${server.name} and a model of it`, () => {
    it.effect(`agree over ${steps} random steps, from seed ${seed}`, () =>
      Effect.gen(function* () {
        const played = yield* serverModel.run(seed, steps)
        console.log(`${server.name}, seed ${seed}: ${JSON.stringify(played)}`)
        expect(Object.values(played).reduce((sum, count) => sum + count, 0)).toBe(steps)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
