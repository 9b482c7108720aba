import { describe, expect, it } from "vitest"
import { fuzzPackets, fuzzSessions } from "./fuzz.ts"

/** The short run of what `Fuzz.long.ts` does at length. */
const seed = 20_260_101

describe("mutations of what servers and clients have sent", () => {
  it.each([
    ["packets", fuzzPackets, 20_000],
    ["whole sessions", fuzzSessions, 500]
  ] as const)("%s: every outcome is a value or a typed error", async (_name, fuzz, count) => {
    const { errors, faults, values } = await fuzz(seed, count)
    expect(faults).toEqual([])
    expect(values + errors).toBe(count)
    // Neither is all damaged beyond recognition, nor all harmless.
    expect(Math.min(values, errors)).toBeGreaterThan(count / 50)
  })
})
