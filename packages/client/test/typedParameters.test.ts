/**
 * Typed parameters on real servers: what is stored comes back the same, prepared and as text.
 */
import { describe, expect, it } from "@effect/vitest"
import type { DecodingOptions } from "@effect-mysql/protocol/row/Decoding"
import * as MysqlTypes from "@effect-mysql/protocol/value/MysqlTypes"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import { connectToDatabase } from "./support/servers.ts"

type Stored = readonly [type: string, sent: unknown, back: unknown, decoding?: DecodingOptions]

const point = { type: "Point", coordinates: [1, 2] } as const

const stored: ReadonlyArray<Stored> = [
  ["BIGINT", MysqlTypes.bigint("-9223372036854775808"), -(2n ** 63n)],
  ["BIGINT UNSIGNED", MysqlTypes.bigintUnsigned(2n ** 64n - 1n), 2n ** 64n - 1n],
  ["DECIMAL(65,30)", MysqlTypes.decimal("1.10"), `1.1${"0".repeat(29)}`],
  ["DECIMAL(5,2)", MysqlTypes.decimal(-1.5), "-1.50"],
  ["DOUBLE", MysqlTypes.double(5), 5],
  ["DATE", MysqlTypes.date("2024-02-29"), "2024-02-29"],
  ["DATE", MysqlTypes.date(new Date("9999-12-31T00:00:00Z")), "9999-12-31"],
  ["DATE", MysqlTypes.date("0000-00-00"), "0000-00-00"],
  ["DATE", MysqlTypes.date("2024-02-00"), "2024-02-00"],
  ["DATETIME(6)", MysqlTypes.datetime("2024-02-29 23:59:58.000001"), "2024-02-29 23:59:58.000001"],
  ["DATETIME(6)", MysqlTypes.datetime("0000-00-00 00:00:00"), "0000-00-00 00:00:00.000000"],
  ["DATETIME(6)", MysqlTypes.datetime(new Date("2024-02-29T22:29:58.5Z")), "2024-03-01 03:59:58.500000"],
  ["TIMESTAMP(6) NULL", MysqlTypes.timestamp("2024-02-29 23:59:58.000001"), "2024-02-29 23:59:58.000001"],
  ["TIME(6)", MysqlTypes.time("-837:59:59.999999"), "-837:59:59.999999"],
  ["VARCHAR(9)", MysqlTypes.text("ü🙂"), "ü🙂"],
  ["VARBINARY(9)", MysqlTypes.binary(Uint8Array.of(0, 255, 39).buffer), Uint8Array.of(0, 255, 39)],
  ["SET('a','b','c')", MysqlTypes.set(["c", "a"]), ["a", "c"]],
  ["SET('a','b','c')", MysqlTypes.set([]), []],
  ["JSON", MysqlTypes.json({ a: [1, "\\'ü", null], big: 2n ** 60n }), { a: [1, "\\'ü", null], big: 2n ** 60n }],
  ["JSON", MysqlTypes.json("text"), "text"],
  ["JSON", MysqlTypes.json(null), null],
  ["GEOMETRY", MysqlTypes.geometry(point), point],
  ["GEOMETRY", MysqlTypes.geometry(point, 4326), { ...point, crs: { type: "name", properties: { name: "EPSG:4326" } } }]
]

const decoding: DecodingOptions = { dateTime: "string", set: "array", geometry: "geojson" }

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`typed parameters on ${server.name}`, () => {
    it.live("are stored as their types say", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase({ timezone: "+05:30", sqlMode: "", decoding })
        for (const [type, sent, back] of stored) {
          yield* connection.query(`CREATE TABLE t (v ${type})`)
          for (const prepare of [true, false]) {
            yield* connection.query("INSERT INTO t VALUES (?)", [sent], { prepare })
          }
          const { rows } = yield* connection.query("SELECT v FROM t")
          expect({ type, rows }).toEqual({ type, rows: [{ v: back }, { v: back }] })
          yield* connection.query("DROP TABLE t")
        }
      }).pipe(Effect.provide(server.layer))
    )
  })
}
