/** COMMITs whose reply is lost: never repeated blindly, and with a marker looked up. */
import { describe, expect, it } from "@effect/vitest"
import { SharedServers } from "@effect-mysql/test-utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import * as CommitMarkers from "../src/CommitMarkers.ts"
import * as MysqlClient from "../src/MysqlClient.ts"
import * as MysqlEngine from "../src/MysqlEngine.ts"
import { type Cut, through } from "./cutter.ts"
import {
  accounts,
  balances,
  bystander,
  clientLayer,
  connected,
  connectionId,
  eventually,
  failures,
  onEachServer,
  reasons,
  recorder,
  runs
} from "./support.ts"

const retry = Schedule.recurs(3)

const cutAtCommit = Effect.fnUntraced(function* (passed: Cut["passed"], options?: CommitMarkers.Options) {
  const direct = yield* accounts
  const { proxy, sql } = yield* through({ at: "COMMIT", passed })
  const engine = MysqlEngine.fromClient(sql)
  const markers = yield* CommitMarkers.make(sql, options)
  let tries = 0
  const work = Effect.suspend(() => {
    tries++
    return Effect.as(sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`, tries)
  })
  return { direct, engine, markers, proxy, work, tries: () => tries }
})

onEachServer((it) => {
  it.effect.each([true, false, "late"] as const)("without a marker it is unknown, and not repeated: %s", (passed) =>
    Effect.gen(function* () {
      const { engine, tries, work } = yield* cutAtCommit(passed)
      const [error] = failures(yield* Effect.exit(engine.transaction({ retry })(work)))
      expect([tries(), error?.reason._tag, error?.isRetryable]).toEqual([1, "UnknownError", false])
      expect(MysqlEngine.isOutcomeUnknown(error as SqlError)).toBe(true)
      expect(error?.reason.cause).toMatchObject({ reason: { _tag: "CommitOutcomeUnknown" } })
    })
  )

  it.effect("with one, what was committed succeeds with its value", () =>
    Effect.gen(function* () {
      const { direct, engine, markers, tries, work } = yield* cutAtCommit(true)
      expect(yield* engine.transaction({ markers, retry })(work)).toBe(1)
      expect([tries(), yield* balances(direct)]).toEqual([1, [101, 100, 100]])
    })
  )

  it.effect.each([false, "late"] as const)("with one, what was not committed is told as that: %s", (passed) =>
    Effect.gen(function* () {
      const { direct, engine, markers, proxy, tries, work } = yield* cutAtCommit(passed)
      const exit = yield* Effect.exit(engine.transaction({ markers })(work))
      expect(reasons(exit)).toEqual(["ConnectionError"])
      expect(failures(exit)[0]?.reason.cause).toMatchObject({ reason: { _tag: "UnknownError" } })
      // A COMMIT that was still on its way comes to a session that is no more.
      proxy.deliver()
      expect([tries(), yield* balances(direct)]).toEqual([1, [100, 100, 100]])
    })
  )

  it.effect.each([false, "late"] as const)("and run again where it may be: %s", (passed) =>
    Effect.gen(function* () {
      const { direct, engine, markers, proxy, work } = yield* cutAtCommit(passed)
      expect(yield* engine.transaction({ markers, retry })(work)).toBe(2)
      proxy.deliver()
      expect(yield* balances(direct)).toEqual([101, 100, 100])
    })
  )

  it.effect("where the server cannot be asked in time, the outcome stays unknown", () =>
    Effect.gen(function* () {
      const { engine, markers, proxy, work } = yield* cutAtCommit(false, { timeout: "200 millis" })
      const { logged, warnings } = recorder()
      const [error] = failures(
        yield* Effect.exit(
          engine.transaction({ markers, retry })(Effect.andThen(work, Effect.sync(proxy.refuse)))
        ).pipe(Effect.provide(logged))
      )
      expect(MysqlEngine.isOutcomeUnknown(error as SqlError)).toBe(true)
      expect(warnings).toHaveLength(1)
    })
  )

  it.effect("asked about a transaction that still runs, it ends that one", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const other = yield* bystander
      const markers = yield* CommitMarkers.make(sql)
      let marker: CommitMarkers.Marker | undefined
      const running = yield* Effect.forkChild(
        sql.withTransaction(
          Effect.gen(function* () {
            marker = yield* markers.mark(sql)
            yield* sql`UPDATE accounts SET balance = 0`
            yield* sql`SELECT SLEEP(60) AS ${sql("marked")}`
          })
        )
      )
      yield* runs(other, "SLEEP(60) AS `marked`")
      expect(yield* markers.resolve(marker!)).toBe("rolled back")
      expect(reasons(yield* Fiber.await(running))).toEqual(["ConnectionError"])
      expect(yield* balances(sql)).toEqual([100, 100, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("about one that was rolled back, it is told, and its session serves on", () =>
    Effect.gen(function* () {
      const sql = yield* bystander
      const markers = yield* CommitMarkers.make(yield* accounts)
      const own = yield* connectionId(sql)
      const marker = yield* Effect.flip(sql.withTransaction(Effect.flatMap(markers.mark(sql), Effect.fail)))
      expect(yield* markers.resolve(marker as CommitMarkers.Marker)).toBe("rolled back")
      expect(yield* connectionId(sql)).toBe(own)
    }).pipe(Effect.scoped)
  )

  it.effect("a session that has got the same number since is left alone", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const other = yield* bystander
      const markers = yield* CommitMarkers.make(sql)
      const id = yield* connectionId(other)
      // The mark is locked by one transaction and names the session of another: as after the restart of a server.
      const holds = yield* Deferred.make<CommitMarkers.Marker>()
      const holder = yield* Effect.forkChild(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* Deferred.succeed(holds, yield* markers.mark(sql))
            yield* runs(other, "FOR UPDATE")
          })
        )
      )
      const marker = yield* Deferred.await(holds)
      const session = { ...marker.session!, id }
      expect(yield* markers.resolve({ ...marker, session })).toBe("committed")
      yield* Fiber.join(holder)
      expect(yield* connected(sql, id)).toBe(true)
    }).pipe(Effect.scoped)
  )

  it.effect("looks outside of the transaction that asks", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const markers = yield* CommitMarkers.make(sql)
      const committed = yield* sql.withTransaction(markers.mark(sql))
      yield* sql.withTransaction(
        Effect.gen(function* () {
          const own = yield* connectionId(sql)
          expect(yield* markers.resolve(committed)).toBe("committed")
          expect(yield* connectionId(sql)).toBe(own)
        })
      )
    })
  )

  it.effect("marks are removed when they are old enough", () =>
    Effect.gen(function* () {
      const { config } = yield* MysqlClient.MysqlClient
      const sql = yield* accounts
      yield* sql`DROP TABLE IF EXISTS marks`
      const markers = yield* CommitMarkers.make(sql, { table: `${config.database}.marks` })
      const old = yield* sql.withTransaction(markers.mark(sql))
      yield* sql`UPDATE marks SET marked_at = marked_at - INTERVAL 1 HOUR`
      const young = yield* sql.withTransaction(markers.mark(sql))
      expect(yield* markers.prune("30 minutes")).toBe(1)
      expect(yield* sql`SELECT id FROM marks`).toEqual([{ id: young.id }])
      expect(old.id).not.toBe(young.id)
    })
  )
})

for (const server of SharedServers.all) {
  describe.skipIf(!server.canOwn)(`${server.name}, to itself`, () => {
    const product = server.name.startsWith("mysql") ? "mysql" : "mariadb"

    it.live(
      "what strangers run, in whatever bytes, keeps no COMMIT from being looked up",
      () =>
        Effect.gen(function* () {
          const sql = yield* accounts
          const stranger = yield* bystander
          const markers = yield* CommitMarkers.make(sql)
          yield* Effect.forkScoped(Effect.exit(stranger`SELECT SLEEP(600), ${Uint8Array.of(0xf0, 0x28)} AS bytes`))
          yield* eventually(
            Effect.map(sql<{ readonly Info: string | null }>`SHOW PROCESSLIST`, (rows) =>
              rows.some(({ Info }) => Info?.includes("SLEEP(600)") === true)
            )
          )
          const list = yield* Effect.exit(sql`SELECT id FROM information_schema.processlist`)
          expect(failures(list).map(({ reason }) => reason.message)).toEqual(
            product === "mysql" ? [expect.stringContaining("3854")] : []
          )
          const holds = yield* Deferred.make<CommitMarkers.Marker>()
          const open = yield* Effect.forkChild(
            sql.withTransaction(
              Effect.gen(function* () {
                yield* Deferred.succeed(holds, yield* markers.mark(sql))
                yield* sql`UPDATE accounts SET balance = 0`
                yield* sql`SELECT SLEEP(600)`
              })
            )
          )
          const marker = yield* Deferred.await(holds)
          expect(marker.session).toBeDefined()
          expect(yield* markers.resolve(marker)).toBe("rolled back")
          expect(reasons(yield* Fiber.await(open))).toEqual(["ConnectionError"])
          expect(yield* balances(sql)).toEqual([100, 100, 100])
        }).pipe(Effect.scoped, Effect.provide(clientLayer({ ...server, layer: server.own() }))),
      120_000
    )
  })
}
