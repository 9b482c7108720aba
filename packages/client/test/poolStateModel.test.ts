/**
 * The pure machine of the pool against a small model of it. More histories of the same kind are in
 * `poolStateModel.long.ts`.
 */
import { describe, expect, it } from "@effect/vitest"
import * as stateModel from "./poolSupport/stateModel.ts"

const leastSteps = 20_000

describe("the pool's machine and a model of it", () => {
  it(`agree over ${leastSteps} random events`, () => {
    expect(stateModel.run({ seed: 20_261_123, histories: 300 })).toBeGreaterThan(leastSteps)
  })
})
