/**
 * Connections that come and go, counted by real servers: too many of them, those that are given up on the way, and what a
 * server thinks of how they end.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import * as Random from "./support/random.ts"
import { reasonOf } from "./support/script.ts"
import { connect, listed, scalar } from "./support/servers.ts"

const status = (connection: MysqlConnection, name: string) =>
  Effect.map(
    connection.query<ReadonlyArray<string>>(`SHOW GLOBAL STATUS LIKE '${name}'`, [], { rows: "array" }),
    ({ rows }) => Number(rows[0]![1])
  )

const others = (observer: MysqlConnection) =>
  Effect.map(
    listed(observer, "id <> CONNECTION_ID() AND user NOT IN ('system user', 'event_scheduler')"),
    (rows) => rows.length
  )

for (const server of SharedServers.all) {
  describe.skipIf(!server.available || !server.canOwn)(`connections to ${server.name}`, () => {
    it.live("are too many at some point, which is said before the login; later there is room again", () =>
      Effect.gen(function* () {
        const refused = yield* Effect.scoped(
          Effect.gen(function* () {
            for (let count = 0; count < 20; count++) {
              const reason = reasonOf(yield* Effect.exit(connect()))
              if (reason !== undefined) return reason
            }
            return undefined
          })
        )
        expect(refused).toMatchObject({
          _tag: "ConnectError",
          problem: expect.stringContaining("Too many connections")
        })
        // The server frees a place a moment after the session has ended.
        const again = Effect.scoped(Effect.flatMap(connect(), (connection) => scalar(connection, "SELECT 1")))
        expect(yield* Effect.eventually(again)).toBe(1)
      }).pipe(Effect.provide(server.own({ settings: { "max-connections": 10 } })))
    )

    it.live("end in a way that the server calls orderly", () =>
      Effect.gen(function* () {
        const observer = yield* connect()
        const before = yield* status(observer, "Aborted_clients")
        yield* Effect.scoped(Effect.flatMap(connect(), ({ ping }) => ping))
        yield* Effect.exit(Effect.scoped(Effect.andThen(connect(), Effect.fail("after it was used"))))
        yield* Effect.repeat(others(observer), { until: (count) => count === 0 })
        expect(yield* status(observer, "Aborted_clients")).toBe(before)
      }).pipe(Effect.provide(server.own()))
    )

    it.live("that are given up at any moment of connecting leave nothing behind", () =>
      Effect.gen(function* () {
        const observer = yield* connect()
        const { below } = Random.make(7)
        yield* Effect.forEach(
          Array.from({ length: 60 }, () => below(25)),
          (millis) =>
            Effect.scoped(
              Effect.gen(function* () {
                const fiber = yield* Effect.forkChild(Effect.andThen(connect(), Effect.never))
                yield* Effect.sleep(millis)
                yield* Fiber.interrupt(fiber)
              })
            ),
          { concurrency: 4 }
        )
        yield* Effect.repeat(others(observer), { until: (count) => count === 0 })
        // Those that break off too often are held against the host.
        expect(yield* scalar(yield* connect(), "SELECT 1")).toBe(1)
      }).pipe(Effect.provide(server.own({ settings: { "max-connect-errors": 1000 } })))
    )
  })
}
