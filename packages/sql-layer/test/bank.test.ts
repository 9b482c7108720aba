/** Money is neither made nor lost, and everybody is told the truth: a few hundred transfers, and one crash of the server. */
import { describe, expect, it } from "@effect/vitest"
import { SharedServers } from "@effect-mysql/test-utils"
import * as Effect from "effect/Effect"
import { run } from "./bank.ts"

for (const server of SharedServers.all) {
  describe.skipIf(!server.canOwn)(`a bank on ${server.name}`, () => {
    it.live(
      "keeps its sum, and what was told of every transfer is so",
      () =>
        Effect.gen(function* () {
          const figures = yield* run({ until: { transfers: 600 }, crashEvery: 300, crashes: 1, seed: 1 })
          expect(figures.crashes).toBe(1)
          expect(figures.transfers.committed).toBeGreaterThan(0)
          expect(figures.transfers["rolled back"]).toBeGreaterThan(0)
          // Everything that should go wrong did.
          expect(Math.min(figures.repeated, figures.killed, figures.cutAtCommit)).toBeGreaterThan(0)
          expect(figures.transfers.unknown).toBe(0)
        }).pipe(Effect.scoped, Effect.provide(server.own())),
      120_000
    )
  })
}
