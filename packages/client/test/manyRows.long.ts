/**
 * Five million rows: in no more memory than a hundredth of them, and left after the first. Each in a process of its own,
 * whose memory nothing else uses.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { Report } from "./fixtures/manyRows.ts"

const streamer = fileURLToPath(new URL("fixtures/manyRows.ts", import.meta.url))
const mebibytes = (bytes: number): number => Math.round(bytes / (1 << 20))

const stream = (url: string, count: number) =>
  Effect.promise(async () => {
    const env = { ...process.env, MANY_ROWS_URL: url, MANY_ROWS_COUNT: String(count) }
    const { stdout } = await promisify(execFile)(process.execPath, [streamer], { env })
    return JSON.parse(stdout) as Report
  })

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`five million rows of ${server.name}`, () => {
    it.live("take the memory of fifty thousand, and cost nothing when they are left", () =>
      Effect.gen(function* () {
        const url = Redacted.value((yield* MysqlServer.MysqlServer).url)
        const few = yield* stream(url, 50_000)
        const many = yield* stream(url, 5_000_000)
        for (const { first, millis, peak, rows } of [few, many]) {
          console.log(
            `${server.name}: ${rows} rows in ${Math.round(millis)} ms, resident at most ${mebibytes(peak)} MiB; left after ` +
              `the first row in ${Math.round(first.millis)} ms, with ${mebibytes(first.pulled)} MiB pulled`
          )
          expect(first.answered).toBe(true)
          expect(first.pulled).toBeLessThan(32 << 20)
        }
        expect([few.rows, many.rows]).toEqual([50_000, 5_000_000])
        expect(many.peak - few.peak).toBeLessThan(32 << 20)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
