/** Core's event log on SQL: the storage of both kinds of server. */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as EventJournal from "effect/eventlog/EventJournal"
import * as EventLogMessage from "effect/eventlog/EventLogMessage"
import * as EventLogServerEncrypted from "effect/eventlog/EventLogServerEncrypted"
import * as EventLogServerUnencrypted from "effect/eventlog/EventLogServerUnencrypted"
import * as SqlEventJournal from "effect/eventlog/SqlEventJournal"
import * as SqlEventLogServerEncrypted from "effect/eventlog/SqlEventLogServerEncrypted"
import * as SqlEventLogServerUnencrypted from "effect/eventlog/SqlEventLogServerUnencrypted"
import * as Stream from "effect/Stream"
import { onEachServer } from "./support.ts"

const payload = new Uint8Array([0, 39, 92, 34, 255])

const entryOf = (primaryKey: string) =>
  new EventJournal.Entry({ id: EventJournal.makeEntryIdUnsafe(), event: "it's", primaryKey, payload })

const storeId = EventLogMessage.StoreId.make("store'1")

onEachServer((it) => {
  it.effect("SqlEventJournal speaks to PostgreSQL and SQLite only, as of 4.1: the error says so", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(SqlEventJournal.make())
      expect(error.reason._tag).toBe("SqlSyntaxError")
      expect(error.message).toContain("CONFLICT DO NOTHING")
    })
  )

  it.effect("SqlEventLogServerUnencrypted: entries get their numbers, also from writers at once", () =>
    Effect.gen(function* () {
      const storage = yield* EventLogServerUnencrypted.Storage
      expect(yield* storage.getId).toEqual(yield* storage.getId)
      const batches = [1, 2, 3, 4].map((batch) => [entryOf(`${batch}a`), entryOf(`${batch}b`)])
      const written = yield* Effect.forEach(batches, (batch) => storage.write(storeId, batch), { concurrency: 4 })
      const numbers = written.flat().map((entry) => entry.remoteSequence)
      expect(new Set(numbers).size).toBe(8)
      const all = yield* storage
        .changes({ storeId, startSequence: 0, compactors: new Map() })
        .pipe(Stream.take(8), Stream.runCollect)
      expect(all.map((entry) => entry.remoteSequence)).toEqual(numbers.sort((a, b) => a - b))
      expect(all[0]!.entry.payload).toEqual(payload)
    }).pipe(Effect.provide(SqlEventLogServerUnencrypted.layerStorage()))
  )

  it.effect("SqlEventLogServerEncrypted: a batch that is written twice is stored once", () =>
    Effect.gen(function* () {
      const storage = yield* EventLogServerEncrypted.Storage
      const batch = () => ({
        entryIds: [EventJournal.makeEntryIdUnsafe(), EventJournal.makeEntryIdUnsafe()] as const,
        iv: payload,
        encryptedBatch: new Uint8Array([9, 8, 7])
      })
      const one = batch()
      const first = yield* storage.write("public'key", storeId, [one, batch()])
      yield* storage.write("public'key", storeId, [one])
      expect(first).toHaveLength(2)
      const changes = yield* storage.changes("public'key", storeId, 0).pipe(Stream.take(2), Stream.runCollect)
      expect(changes.map((change) => change.sequence)).toEqual(first.map((change) => change.sequence))
      const acks = yield* storage.entrySequences("public'key", storeId, [...one.entryIds])
      expect(acks).toHaveLength(2)
      const key = new Uint8Array(32).fill(7)
      const binding = storage.getOrCreateSessionAuthBinding("public'key", key)
      expect(new Uint8Array(yield* binding)).toEqual(key)
      expect(new Uint8Array(yield* binding)).toEqual(key)
    }).pipe(Effect.provide(SqlEventLogServerEncrypted.layerStorageSubtle()))
  )
})
