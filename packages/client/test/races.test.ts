/**
 * Orders of events that nobody would think of: a crowd of fibers on one connection, interrupted anywhere. A seed that
 * fails here fails each time.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Crowd from "./support/crowd.ts"

describe("a crowd on one connection", () => {
  it.live.each(Arr.range(1, 40))("each gets what is his, and nobody is stopped for another (seed %i)", (seed) =>
    Effect.scoped(Crowd.run(seed))
  )

  it.live("and statements are stopped in it", () =>
    Effect.gen(function* () {
      const kills = yield* Effect.forEach(Arr.range(41, 45), (seed) => Effect.scoped(Crowd.run(seed)))
      expect(kills.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
    })
  )
})
