/**
 * One prepared statement, executed with values of one type after another: each comes back as if it were the first. A
 * server derives the type of a placeholder from what it was given, and would convert what comes later to it.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlTypes from "@effect-mysql/protocol/value/MysqlTypes"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as BigDecimal from "effect/BigDecimal"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { connect } from "./support/servers.ts"

const values: ReadonlyArray<readonly [name: string, value: unknown]> = [
  ["true", true],
  ["7", 7],
  ["2^53 + 1", 2n ** 53n + 1n],
  ["2^64 - 1", 2n ** 64n - 1n],
  ["0.1", 0.1],
  ["a decimal", BigDecimal.fromStringUnsafe("12345678901234567890.123456789")],
  ["2^70", 2n ** 70n],
  ["a float", MysqlTypes.float(1.5)],
  ["text", "b'ü"],
  ["digits", "12"],
  ["bytes", Uint8Array.of(0, 255)],
  ["a DATE", MysqlTypes.date("2024-02-29")],
  ["a DATETIME", new Date("2024-02-29T12:34:56.789Z")],
  ["a TIME", Duration.millis(45_296_007)],
  ["NULL", null]
]

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`one statement with values of many types on ${server.name}`, () => {
    it.live("gives each back as if it were the first", () =>
      Effect.gen(function* () {
        const connection = yield* connect({ decoding: { dateTime: "string" } })
        const back = (sql: string, value: unknown) =>
          Effect.map(connection.query(sql, [value]), ({ rows }) => String(rows[0]!.v).replace(/(\.\d*?)0+$/, "$1"))
        const alone = new Map<string, string>()
        for (const [name, value] of values) alone.set(name, yield* back(`SELECT /* ${name} */ ? AS v`, value))
        const lost: Array<string> = []
        for (const [first, before] of values) {
          for (const [second, value] of values) {
            const sql = `SELECT /* ${first}, ${second} */ ? AS v`
            yield* back(sql, before)
            // Between them values that the server takes without deriving anything from them.
            if (typeof before === "number") yield* back(sql, 5)
            yield* back(sql, null)
            const found = yield* back(sql, value)
            if (found !== alone.get(second)) lost.push(`${second} after ${first}: ${found}, not ${alone.get(second)}`)
          }
        }
        expect(lost).toEqual([])
      }).pipe(Effect.provide(server.layer))
    )
  })
}
