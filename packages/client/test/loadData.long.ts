/**
 * A gibibyte up by LOAD DATA LOCAL and down by a stream, as text and as bytes: the memory that it takes, in a process of
 * its own.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { Report } from "./fixtures/gibibyte.ts"

const program = fileURLToPath(new URL("fixtures/gibibyte.ts", import.meta.url))
const mebibytes = (bytes: number): number => Math.round(bytes / (1 << 20))

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a gibibyte to and from ${server.name}`, () => {
    it.live("takes no more than 96 MiB of memory", () =>
      Effect.gen(function* () {
        const { database, url } = yield* MysqlServer.MysqlServer
        const own = new URL(Redacted.value(url))
        own.pathname = `/${yield* database}`
        const report = yield* Effect.promise(async () => {
          const env = { ...process.env, GIBIBYTE_URL: own.href }
          const { stdout } = await promisify(execFile)(process.execPath, [program], { env })
          return JSON.parse(stdout) as Report
        })
        const { before, down, received, sent, stored, up } = report
        console.log(
          `${server.name}: ${mebibytes(sent)} MiB; resident ${mebibytes(before)} MiB before, at most ${mebibytes(up)} MiB ` +
            `more on the way up, ${mebibytes(down.text)} MiB on the way down as text, ${mebibytes(down.bytes)} MiB as bytes`
        )
        expect([sent, stored, received.text, received.bytes]).toEqual([1 << 30, 1 << 30, 1 << 30, 1 << 30])
        expect(up).toBeLessThanOrEqual(96 << 20)
        expect(down.text).toBeLessThanOrEqual(96 << 20)
        expect(down.bytes).toBeLessThanOrEqual(96 << 20)
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )
  })
}
