/**
 * The machine of the pool against its model over many more random events, from the seed of the run on.
 */
import { describe, expect, it } from "@effect/vitest"
import * as stateModel from "./poolSupport/stateModel.ts"

const seed = Number(process.env.TEST_SEED ?? 1)
const leastSteps = 100_000

describe("the pool's machine and a model of it", () => {
  it(`agree over ${leastSteps} random events, from seed ${seed} on`, () => {
    let steps = 0
    for (let round = 0; steps < leastSteps; round++) steps += stateModel.run({ seed: seed + round, histories: 300 })
    console.log(`${steps} random events, from seed ${seed} on`)
    expect(steps).toBeGreaterThanOrEqual(leastSteps)
  })
})
