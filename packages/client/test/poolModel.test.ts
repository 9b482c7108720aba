/**
 * A pool on each server beside a model of what it owes its borrowers. More steps are in `poolModel.long.ts`.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as serverModel from "./poolSupport/serverModel.ts"

const steps = 300

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a pool on ${server.name} and a model of it`, () => {
    it.effect(`agree over ${steps} random steps`, () =>
      Effect.gen(function* () {
        const played = yield* serverModel.run(20_261_126, steps)
        expect(Object.keys(played)).toHaveLength(10)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
