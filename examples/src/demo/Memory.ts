/**
 * How much memory the process holds, in MiB: now, and at most since it started.
 */
import * as Effect from "effect/Effect"

const mebibyte = 1024 * 1024

/** Resident size. */
export const resident: Effect.Effect<number> = Effect.sync(() => process.memoryUsage.rss() / mebibyte)

/** The largest resident size so far. The system counts in KiB. */
export const peak: Effect.Effect<number> = Effect.sync(() => process.resourceUsage().maxRSS / 1024)

export const format = (mebibytes: number): string => `${Math.round(mebibytes)} MiB`
