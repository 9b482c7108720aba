/** Core's stores on SQL: key values, persisted results and caches, and a queue with several workers. */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Persistable from "effect/persistence/Persistable"
import * as PersistedCache from "effect/persistence/PersistedCache"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Persistence from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"
import * as MysqlClient from "../src/MysqlClient.ts"
import { bystander, connectionId, eventually, kill, onEachServer } from "./support.ts"

class Price extends Persistable.Class<{ payload: { readonly id: number } }>()("Price", {
  primaryKey: ({ id }) => `price'${id}`,
  success: Schema.Struct({ amount: Schema.BigInt, at: Schema.Date }),
  error: Schema.Struct({ reason: Schema.String })
}) {}

const Job = Schema.Struct({ n: Schema.Int, text: Schema.String })

const queueLayer = (tableName: string) =>
  PersistedQueue.layer.pipe(
    Layer.provide(
      PersistedQueue.layerStoreSql({
        tableName,
        pollInterval: "20 millis",
        lockRefreshInterval: "500 millis",
        lockExpiration: "2 seconds"
      })
    )
  )

onEachServer((it) => {
  it.effect("KeyValueStore: text and bytes go in and come out, with prefixes that look like patterns", () =>
    Effect.gen(function* () {
      const store = yield* KeyValueStore.KeyValueStore
      const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
      yield* store.set("text", "it's \\ \" é 🙂")
      yield* store.set("bytes", bytes)
      expect(yield* store.get("text")).toBe("it's \\ \" é 🙂")
      expect(new Uint8Array((yield* store.getUint8Array("bytes"))!)).toEqual(bytes)
      yield* store.set("text", "new")
      expect(yield* store.modify("text", (value) => `${value}er`)).toBe("newer")
      yield* store.set("a_%b", "1")
      yield* store.set("a__b", "2")
      yield* store.set("axxb", "3")
      expect(yield* store.size).toBe(5)
      yield* store.clearPrefix("a_%")
      expect([...(yield* store.keys)].sort()).toEqual(["a__b", "axxb", "bytes", "text"])
      yield* store.remove("bytes")
      expect(yield* store.has("bytes")).toBe(false)
      yield* store.clear
      expect(yield* store.isEmpty).toBe(true)
    }).pipe(Effect.provide(KeyValueStore.layerSql()))
  )

  for (const [name, layer] of [
    ["one table", Persistence.layerSql],
    ["a table for each store", Persistence.layerSqlMultiTable]
  ] as const) {
    it.effect(`Persistence in ${name}: exits of many keys, their time to live, and a cache on it`, () =>
      Effect.gen(function* () {
        const store = yield* (yield* Persistence.Persistence).make({
          storeId: `prices'${name}`.replaceAll(/\W/g, "_"),
          timeToLive: (exit) => (Exit.isSuccess(exit) ? "1 hour" : 0)
        })
        const success = Exit.succeed({ amount: BigInt("9007199254740993"), at: new Date("2026-01-02T03:04:05.678Z") })
        const keys = [1, 2, 3].map((id) => new Price({ id }))
        yield* store.set(keys[0]!, success)
        yield* store.setMany([
          [keys[1]!, success],
          [keys[2]!, Exit.fail({ reason: "it's over" })]
        ])
        yield* store.set(keys[0]!, success)
        expect(yield* store.getMany(keys)).toEqual([success, success, undefined])
        yield* store.remove(keys[0]!)
        expect(yield* store.get(keys[0]!)).toBeUndefined()
        yield* store.clear
        expect(yield* store.getMany(keys)).toEqual([undefined, undefined, undefined])

        let lookups = 0
        const lookup = (key: Price) =>
          Effect.sync(() => {
            lookups++
            return { amount: BigInt(key.id), at: new Date(0) }
          })
        for (let round = 0; round < 2; round++) {
          const cache = yield* PersistedCache.make(lookup, {
            storeId: `cache_${layer === Persistence.layerSql}`,
            timeToLive: () => "1 hour"
          })
          expect((yield* cache.get(keys[0]!)).amount).toBe(BigInt(1))
        }
        expect(lookups).toBe(1)
      }).pipe(Effect.scoped, Effect.provide(layer))
    )
  }

  it.effect("PersistedQueue: several workers, each on a client of its own, handle every job once", () =>
    Effect.gen(function* () {
      const { config } = yield* MysqlClient.MysqlClient
      const jobs = 60
      const handled: Array<number> = []
      const worker = Effect.gen(function* () {
        const queue = yield* PersistedQueue.make({ name: "jobs", schema: Job })
        yield* Effect.forever(
          queue.take((job) =>
            Effect.sync(() => {
              expect(job.text).toBe(`it's \\ ${job.n}`)
              handled.push(job.n)
            })
          )
        )
      }).pipe(
        Effect.provide(queueLayer("many_workers")),
        Effect.provide(MysqlClient.layer({ ...config, maxConnections: 2 }))
      )
      const queue = yield* PersistedQueue.make({ name: "jobs", schema: Job })
      const workers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(worker))
      yield* Effect.forEach(
        Array.from({ length: jobs }, (_, n) => n),
        (n) => queue.offer({ n, text: `it's \\ ${n}` }, { id: `job ${n}` }),
        { concurrency: 8, discard: true }
      )
      yield* queue.offer({ n: 0, text: "twice" }, { id: "job 0" })
      yield* eventually(Effect.sync(() => handled.length >= jobs))
      yield* Fiber.interruptAll(workers)
      expect(handled.sort((a, b) => a - b)).toEqual(Array.from({ length: jobs }, (_, n) => n))
    }).pipe(Effect.provide(queueLayer("many_workers")))
  )

  it.effect("PersistedQueue: a job that fails is tried again, and one of a worker whose line is cut is not lost", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      const other = yield* bystander
      const queue = yield* PersistedQueue.make({ name: "retried", schema: Job, retrySchedule: undefined })
      yield* queue.offer({ n: 1, text: "a" })
      const attempts: Array<number> = []
      const take = queue.take((job, { attempts: attempt }) =>
        Effect.suspend(() => {
          attempts.push(attempt)
          return attempt < 2 ? Effect.fail("not yet") : Effect.succeed(job.n)
        })
      )
      expect(yield* Effect.flip(take)).toBe("not yet")
      const later = yield* Effect.forkChild(take)
      yield* Effect.forEach([1, 2, 3], () =>
        Effect.gen(function* () {
          const rows = yield* other<{ readonly id: number }>`SELECT id FROM information_schema.processlist
            WHERE db = ${sql.config.database!} AND id <> CONNECTION_ID()`
          yield* Effect.forEach(rows, ({ id }) => Effect.ignore(kill(other, id)))
        })
      )
      expect(yield* Fiber.join(later)).toBe(1)
      expect(attempts).toEqual([1, 2])
      expect(yield* connectionId(sql)).toBeGreaterThan(0)
    }).pipe(Effect.provide(queueLayer("retried")))
  )
})
