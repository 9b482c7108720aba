/**
 * A million rows through a slow consumer: the memory that it takes, and that the server waits meanwhile. Each in a
 * process of its own, whose memory nothing else uses.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { Report } from "./fixtures/slowConsumer.ts"

const consumer = fileURLToPath(new URL("fixtures/slowConsumer.ts", import.meta.url))
const mebibytes = (bytes: number): number => Math.round(bytes / (1 << 20))

const consume = (url: string) =>
  Effect.promise(async () => {
    const env = { ...process.env, SLOW_CONSUMER_URL: url }
    const { stdout } = await promisify(execFile)(process.execPath, [consumer], { env })
    return JSON.parse(stdout) as Report
  })

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a stream from ${server.name}`, () => {
    it.live("of a million rows to a consumer that sleeps stays within 64 MiB, and the server waits", () =>
      Effect.gen(function* () {
        const { url } = yield* MysqlServer.MysqlServer
        const report = yield* consume(Redacted.value(url))
        const { before, chunks, growth, looks, pulled, rows, unread, waits } = report
        console.log(
          `${server.name}: ${rows} rows, ${mebibytes(pulled)} MiB, in ${chunks} chunks; resident ${mebibytes(before)} ` +
            `MiB before, at most ${mebibytes(growth)} MiB more; the server waited at ${waits} of ${looks} looks, ` +
            `with up to ${unread === undefined ? "?" : mebibytes(unread)} MiB unread here`
        )
        expect(rows).toBe(1_000_000)
        expect(growth).toBeLessThanOrEqual(64 << 20)
        expect(waits).toBeGreaterThan(0)
        if (unread !== undefined) expect(unread).toBeGreaterThan(0)
        expect(report.usable).toBe(true)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
