/**
 * The mutations of `Fuzz.test.ts`, five million packets and a hundred thousand sessions of them, from the seed of the run.
 */
import { describe, expect, it } from "vitest"
import { fuzzPackets, fuzzSessions } from "./fuzz.ts"

const seed = Number(process.env.TEST_SEED ?? 1)
const mebibyte = 2 ** 20

describe("mutations of what servers and clients have sent", () => {
  it.each([
    ["packets", fuzzPackets, 5_000_000],
    ["whole sessions", fuzzSessions, 100_000]
  ] as const)("%s: every outcome is a value or a typed error", async (name, fuzz, count) => {
    const { errors, faults, grownBytes, values } = await fuzz(seed, count)
    console.log(
      `${count} mutated ${name}: ${values} values, ${errors} errors, ${faults.length} faults; ` +
        `memory grew by at most ${(grownBytes / mebibyte).toFixed(1)} MiB`
    )
    expect(faults).toEqual([])
    expect(values + errors).toBe(count)
    expect(grownBytes).toBeLessThan(50 * mebibyte)
  })
})
