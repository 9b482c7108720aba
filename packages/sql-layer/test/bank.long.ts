/** The same for a minute on each server, which crashes four times. */
import { describe, expect, it } from "@effect/vitest"
import { SharedServers } from "@effect-mysql/test-utils"
import * as Effect from "effect/Effect"
import { run } from "./bank.ts"

const seed = Number(process.env.TEST_SEED ?? 1)

for (const server of SharedServers.all) {
  describe.skipIf(!server.canOwn)(`a bank on ${server.name}, for a minute`, () => {
    it.live(
      "keeps its sum, and what was told of every transfer is so",
      () =>
        Effect.gen(function* () {
          const figures = yield* run({ until: { time: "60 seconds" }, crashEvery: 1000, crashes: 4, seed })
          console.log(`${server.name}: ${JSON.stringify(figures)}`)
          expect(figures.crashes).toBeGreaterThan(0)
        }).pipe(Effect.scoped, Effect.provide(server.own())),
      300_000
    )
  })
}
