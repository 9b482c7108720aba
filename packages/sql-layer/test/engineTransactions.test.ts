/** `MysqlEngine.transaction`: one transaction per client and fiber, how it begins, and when it is run again. */
import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import * as MysqlClient from "../src/MysqlClient.ts"
import * as MysqlEngine from "../src/MysqlEngine.ts"
import { engineWithAccounts } from "./engineSupport.ts"
import {
  balances,
  bystander,
  connectionId,
  eventually,
  failures,
  kill,
  onEachServer,
  reasons,
  recorder
} from "./support.ts"

const soon = Schedule.recurs(3)

onEachServer((it, product) => {
  it.effect("statements of sql run in it; it commits on success and rolls back on failure", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const ids = yield* engine.transaction()(
        Effect.andThen(
          sql`UPDATE accounts SET balance = 1 WHERE id = 1`,
          Effect.all([connectionId(sql), connectionId(sql)])
        )
      )
      expect(ids[0]).toBe(ids[1])
      const exit = yield* Effect.exit(
        engine.transaction()(Effect.andThen(sql`UPDATE accounts SET balance = 2 WHERE id = 2`, Effect.fail("mine")))
      )
      expect(failures(exit)).toEqual(["mine"])
      expect(yield* balances(sql)).toEqual([1, 100, 100])
    })
  )

  it.effect("inside it `sql.withTransaction` is a savepoint of it, and the other way round", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      type Around = typeof sql.withTransaction
      const own: Around = engine.transaction()
      const pairs: ReadonlyArray<readonly [outer: Around, inner: Around]> = [
        [own, sql.withTransaction],
        [sql.withTransaction, own],
        [own, own]
      ]
      for (const [outer, inner] of pairs) {
        yield* sql`UPDATE accounts SET balance = 100`
        const ids = yield* outer(
          Effect.gen(function* () {
            yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`
            const inside = yield* inner(
              Effect.andThen(sql`UPDATE accounts SET balance = 2 WHERE id = 2`, connectionId(sql))
            )
            yield* Effect.ignore(inner(Effect.andThen(sql`UPDATE accounts SET balance = 3`, Effect.fail("mine"))))
            return [inside, yield* connectionId(sql)]
          })
        )
        expect(ids[0]).toBe(ids[1])
        expect(yield* balances(sql)).toEqual([101, 2, 100])
      }
    })
  )

  it.effect("nested transactions of several fibers run one after another", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const nested = (id: number, ok: boolean) =>
        engine.transaction()(
          Effect.andThen(
            sql`UPDATE accounts SET balance = balance + 1 WHERE id = ${id}`,
            ok ? Effect.yieldNow : Effect.fail("mine")
          )
        )
      const both = [1, 2, 3].map((id) => Effect.exit(nested(id, id !== 2)))
      yield* engine.transaction()(Effect.all(both, { concurrency: "unbounded" }))
      expect(yield* balances(sql)).toEqual([101, 100, 101])
    })
  )

  it.effect("begins as its options say, and a transaction of another client inside does not", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const other = yield* bystander
      const variable = product === "mysql" ? "transaction_isolation" : "tx_isolation"
      yield* engine.transaction({ isolation: "repeatable read", consistentSnapshot: true, accessMode: "read only" })(
        Effect.gen(function* () {
          yield* other.withTransaction(other`UPDATE accounts SET balance = 0`)
          expect(yield* balances(sql)).toEqual([100, 100, 100])
          expect(reasons(yield* Effect.exit(sql`UPDATE accounts SET balance = 1`))).toEqual(["AuthorizationError"])
        })
      )
      const seen = yield* engine.transaction({ isolation: "read uncommitted" })(
        Effect.gen(function* () {
          const open = yield* Deferred.make<void>()
          const seen = yield* Deferred.make<void>()
          const fiber = yield* Effect.forkChild(
            other.withTransaction(
              Effect.gen(function* () {
                yield* other`UPDATE accounts SET balance = 5`
                yield* Deferred.succeed(open, undefined)
                yield* Deferred.await(seen)
              })
            )
          )
          yield* Deferred.await(open)
          const dirty = yield* balances(sql)
          yield* Deferred.succeed(seen, undefined)
          yield* Fiber.join(fiber)
          return dirty
        })
      )
      expect(seen).toEqual([5, 5, 5])
      expect(yield* sql`SELECT ${sql.literal(`@@${variable}`)} AS level`).toEqual([{ level: "REPEATABLE-READ" }])
    }).pipe(Effect.scoped)
  )

  it.effect("a nested one cannot begin in a way of its own", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const exit = yield* Effect.exit(
        engine.transaction()(engine.transaction({ isolation: "serializable" })(Effect.void))
      )
      expect(failures(exit)[0]).toMatchObject({ message: expect.stringContaining("leave its options out") })
      expect(
        failures(yield* Effect.exit(engine.transaction({ isolaton: "serializable" } as never)(Effect.void)))[0]
      ).toMatchObject({
        message: expect.stringContaining("isolaton is not an option")
      })
    })
  )

  it.effect("after a deadlock the whole of it runs again, on a new snapshot", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const met = [yield* Deferred.make<void>(), yield* Deferred.make<void>()] as const
      const over = [yield* Deferred.make<void>(), yield* Deferred.make<void>()] as const
      const tries = [0, 0]
      const read: Array<unknown> = []
      const transfer = (self: 0 | 1) =>
        engine
          .transaction({ retry: soon })(
            Effect.gen(function* () {
              if (tries[self]!++ > 0) yield* Deferred.await(over[1 - self]!)
              read.push((yield* balances(sql))[2])
              yield* sql`UPDATE accounts SET balance = balance - 10 WHERE id = ${self + 1}`
              yield* sql`UPDATE accounts SET balance = balance + 10 WHERE id = ${self + 1}`
              yield* Deferred.succeed(met[self], undefined)
              yield* Deferred.await(met[1 - self]!)
              yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = ${2 - self}`
              yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 3`
            })
          )
          .pipe(Effect.andThen(Deferred.succeed(over[self], undefined)))
      yield* Effect.all([transfer(0), transfer(1)], { concurrency: 2 })
      // The one that ran again has read what the other had committed.
      expect(read).toEqual([100, 100, 101])
      expect(tries.toSorted()).toEqual([1, 2])
      expect(yield* balances(sql)).toEqual([101, 101, 102])
    })
  )

  it.effect("after a lost line, or a lock that was not free in time, it runs again", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const other = yield* bystander
      let tries = 0
      yield* engine.transaction({ retry: soon })(
        Effect.gen(function* () {
          tries++
          yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`
          if (tries === 1) yield* kill(other, yield* connectionId(sql))
          if (tries === 2) {
            const holds = yield* Deferred.make<void>()
            const holder = yield* Effect.forkChild(
              other.withTransaction(
                Effect.andThen(
                  other`UPDATE accounts SET balance = balance WHERE id = 2`,
                  Effect.andThen(Deferred.succeed(holds, undefined), Effect.never)
                )
              )
            )
            yield* Deferred.await(holds)
            yield* Effect.ensuring(sql`SELECT * FROM accounts WHERE id = 2 FOR UPDATE NOWAIT`, Fiber.interrupt(holder))
          }
          yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 2`
        })
      )
      expect(tries).toBe(3)
      expect(yield* balances(sql)).toEqual([101, 101, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("runs once after an error that proves nothing, or that is none of ours", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      for (const [name, failing] of [
        ["UniqueViolation", sql`INSERT INTO accounts VALUES (1, 1)`],
        ["mine", Effect.fail("mine")]
      ] as const) {
        let tries = 0
        const exit = yield* Effect.exit(
          engine.transaction({ retry: soon })(
            Effect.suspend(() => {
              tries++
              return failing as Effect.Effect<unknown, SqlError | string>
            })
          )
        )
        const [error] = failures(exit)
        expect([tries, typeof error === "string" ? error : error?.reason._tag]).toEqual([1, name])
      }
    })
  )

  it.effect("runs once where a statement inside had committed what came before", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const other = yield* bystander
      yield* sql`DROP TABLE IF EXISTS made`
      let tries = 0
      const { logged, warnings } = recorder()
      const exit = yield* Effect.exit(
        engine.transaction({ retry: soon })(
          Effect.gen(function* () {
            tries++
            yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`
            yield* sql`CREATE TABLE made (id INT)`
            yield* kill(other, yield* connectionId(sql))
            yield* sql`SELECT 1`
          })
        )
      ).pipe(Effect.provide(logged))
      expect(reasons(exit).length).toBe(1)
      expect([tries, yield* balances(sql)]).toEqual([1, [101, 100, 100]])
      expect(warnings.length).toBe(1)
      yield* sql`DROP TABLE made`
      yield* Effect.provide(engine.transaction()(sql`CREATE TABLE IF NOT EXISTS made (id INT)`), logged)
      expect(warnings.at(-1)).toBe("The transaction was committed before its end, by a statement inside it")
    }).pipe(Effect.scoped)
  )

  it.effect("gives up with the last error when the schedule ends", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const other = yield* bystander
      let tries = 0
      const exit = yield* Effect.exit(
        engine.transaction({ retry: Schedule.recurs(2) })(
          Effect.gen(function* () {
            tries++
            yield* kill(other, yield* connectionId(sql))
            yield* sql`SELECT 1`
          })
        )
      )
      expect([tries, reasons(exit)]).toEqual([3, ["ConnectionError"]])
    }).pipe(Effect.scoped)
  )

  it.effect("what was to be done after the commit is done once", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const other = yield* bystander
      const done = yield* Ref.make(0)
      let tries = 0
      yield* engine.transaction({ retry: soon })(
        Effect.gen(function* () {
          yield* sql.afterCommit(Ref.update(done, (n) => n + 1))
          if (tries++ === 0) yield* kill(other, yield* connectionId(sql))
          yield* sql`SELECT 1`
        })
      )
      expect([tries, yield* Ref.get(done)]).toEqual([2, 1])
    }).pipe(Effect.scoped)
  )

  it.effect(
    "the schedule for repetitions is bounded in count and in time, and its pauses are random from zero on",
    () =>
      Effect.gen(function* () {
        const pauses = (random: number) =>
          Effect.gen(function* () {
            const step = yield* Schedule.toStep(MysqlEngine.retrySchedule)
            const found: Array<number> = []
            for (let now = 0; ; now += 10) {
              const next = yield* Effect.exit(step(now, undefined as never))
              if (Exit.isFailure(next)) return found
              found.push(Duration.toMillis(next.value[1]))
            }
          }).pipe(Effect.provideService(Random.Random, { nextDoubleUnsafe: () => random, nextIntUnsafe: () => 0 }))
        expect(yield* pauses(0)).toEqual(Array.from({ length: 10 }, () => 0))
        expect(yield* pauses(1)).toEqual([10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000])
        const late = Effect.gen(function* () {
          const step = yield* Schedule.toStep(MysqlEngine.retrySchedule)
          yield* step(0, undefined as never)
          return yield* Effect.exit(step(10_001, undefined as never))
        })
        expect(Exit.isFailure(yield* late)).toBe(true)
      })
  )

  it.effect("counts the connections of its client, with a pool and without", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const { config } = yield* MysqlClient.MysqlClient
      yield* eventually(Effect.map(engine.stats, ({ used }) => used === 0))
      expect(yield* Effect.scoped(Effect.andThen(engine.connect, engine.stats))).toMatchObject({ used: 1, max: 4 })
      const single = MysqlEngine.fromClient(yield* bystander)
      expect(yield* single.stats).toMatchObject({ idle: 1, used: 0, max: 1 })
      expect(yield* single.transaction()(single.stats)).toMatchObject({ idle: 0, used: 1, max: 1 })
      expect(config.maxConnections).toBe(4)
    }).pipe(Effect.scoped)
  )
})
