/**
 * The crowd of `races.test.ts` with many more orders of events, from the seed of the run on.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Crowd from "./support/crowd.ts"

const seed = Number(process.env.TEST_SEED ?? 1)
const crowds = 1000

describe("a crowd on one connection", () => {
  it.live(`each gets what is his, in ${crowds} orders of events from seed ${seed} on`, () =>
    Effect.gen(function* () {
      let kills = 0
      for (let index = 0; index < crowds; index++) {
        kills += yield* Effect.scoped(Crowd.run(seed + index)).pipe(
          Effect.onError(() => Effect.sync(() => console.log(`It was seed ${seed + index}`)))
        )
      }
      console.log(`${crowds} crowds of 60 fibers: ${kills} statements were stopped by KILL`)
      expect(kills).toBeGreaterThan(0)
    })
  )
})
