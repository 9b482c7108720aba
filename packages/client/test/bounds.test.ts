/**
 * Bounds of time that the server keeps: of statements, and of streams whose consumer pauses.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { MysqlError } from "../src/MysqlError.ts"
import { lineWithBackPressure } from "./support/runtimes.ts"
import { reasonOf } from "./support/script.ts"
import { awaitGone, connect, scalar } from "./support/servers.ts"

const numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
const endless = `${numbers} SELECT COUNT(*) FROM n a, n b, n c, n d`

/** Forty megabytes: more than all buffers on the way hold. */
const large = { sql: `${numbers} SELECT a.i, REPEAT('x', 1000) AS x FROM n a, n b LIMIT 40000`, rows: 40_000 }

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`bounds that ${server.name} keeps`, () => {
    it.live("stop a statement, typed as the server's, and hold after a reset too", () =>
      Effect.gen(function* () {
        const connection = yield* connect({ serverStatementTimeout: "100 millis" })
        const streamed = Stream.runDrain(connection.stream(endless))
        for (const effect of [connection.query(endless), connection.query(`${endless} WHERE 1 = ?`, [1]), streamed]) {
          expect(reasonOf(yield* Effect.exit(Effect.asVoid<unknown, MysqlError, never>(effect)))).toMatchObject({
            _tag: "StatementTimeout",
            by: "server",
            cause: { _tag: "ServerError" }
          })
        }
        expect(yield* scalar(connection, "SELECT 1")).toBe(1)
        yield* Effect.scoped(Effect.flatMap(connection.reserve, (own) => own.reset))
        expect(reasonOf(yield* Effect.exit(connection.query(endless)))).toMatchObject({ by: "server" })
      }).pipe(Effect.provide(server.layer))
    )

    it.live.skipIf(!server.canOwn)("let a consumer pause for longer than the server's own limit", () =>
      Effect.gen(function* () {
        const observer = yield* connect()
        expect(Number(yield* scalar(observer, "SELECT @@global.net_write_timeout"))).toBe(2)
        const connection = yield* connect()
        let rows = 0
        yield* connection.stream(large.sql).pipe(
          Stream.chunks,
          Stream.runForEach((chunk) => {
            const first = rows === 0
            rows += chunk.length
            return first ? Effect.sleep("5 seconds") : Effect.void
          })
        )
        expect(rows).toBe(large.rows)
        expect(yield* scalar(connection, "SELECT 1")).toBe(1)
      }).pipe(Effect.provide(server.own({ settings: { net_write_timeout: 2 } })))
    )

    it.live("cut a stream that pauses for longer than was agreed, and the error says so", () =>
      Effect.gen(function* () {
        const observer = yield* connect()
        const connection = yield* connect({ ...lineWithBackPressure, streamPauseLimit: "1 second" })
        let paused = false
        const exit = yield* connection.stream(large.sql).pipe(
          Stream.chunks,
          Stream.runForEach(() => {
            if (paused) return Effect.void
            paused = true
            return Effect.andThen(awaitGone(observer, connection.info.connectionId), Effect.sleep("1 second"))
          }),
          Effect.exit
        )
        const reason = reasonOf(exit)
        expect(reason).toMatchObject({ _tag: "ConnectionLost", phase: "replyStarted" })
        expect(reason?.message).toMatch(
          /the stream had paused for .* the server was told to wait 1s \(streamPauseLimit\)/
        )
        expect((yield* connection.status).closed).toBe(true)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
