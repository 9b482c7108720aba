/** Transactions that the server, the line or an interruption ends: how that is told, and what is left of them. */
import { expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { SqlError } from "effect/sql/SqlError"
import type * as MysqlClient from "../src/MysqlClient.ts"
import {
  accounts,
  balances,
  bystander,
  connectionId,
  failures,
  kill,
  onEachServer,
  reasons,
  recorder,
  runs,
  runsNoMore
} from "./support.ts"

/**
 * Another transaction that holds row 2 and has written more than its opponent, so that it survives. It asks for row 1
 * when `now` is done.
 */
const opponent = (
  sql: MysqlClient.MysqlClient,
  holds: Deferred.Deferred<void>,
  now: Deferred.Deferred<void>
): Effect.Effect<void, SqlError> =>
  sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id IN (2, 3)`
      for (let id = 10; id < 60; id++) yield* sql`INSERT INTO accounts VALUES (${id}, 0)`
      yield* Deferred.succeed(holds, undefined)
      yield* Deferred.await(now)
      yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`
    })
  )

/** What `inside` does in a transaction that has changed row 1 and is then chosen as the victim of a deadlock. */
const asVictim = <A, E>(
  sql: MysqlClient.MysqlClient,
  inside: (deadlock: Effect.Effect<unknown, SqlError>) => Effect.Effect<A, E>
): Effect.Effect<Exit.Exit<A, E | SqlError>, SqlError> =>
  Effect.gen(function* () {
    const holds = yield* Deferred.make<void>()
    const now = yield* Deferred.make<void>()
    const other = yield* Effect.forkChild(opponent(sql, holds, now))
    yield* Deferred.await(holds)
    const exit = yield* Effect.exit(
      sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`UPDATE accounts SET balance = 0 WHERE id = 1`
          yield* Deferred.succeed(now, undefined)
          return yield* inside(sql`UPDATE accounts SET balance = 0 WHERE id = 2`)
        })
      )
    )
    yield* Fiber.join(other)
    return exit
  })

onEachServer((it) => {
  it.effect("a deadlock is typed and retryable; the transaction repeated as a whole succeeds", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const met = [yield* Deferred.make<void>(), yield* Deferred.make<void>()] as const
      const tries = [0, 0]
      const seen: Array<string> = []
      const transfer = (self: 0 | 1) =>
        sql
          .withTransaction(
            Effect.gen(function* () {
              tries[self]!++
              yield* sql`UPDATE accounts SET balance = balance - 10 WHERE id = ${self + 1}`
              yield* Deferred.succeed(met[self], undefined)
              yield* Deferred.await(met[1 - self]!)
              yield* sql`UPDATE accounts SET balance = balance + 10 WHERE id = ${2 - self}`
            })
          )
          .pipe(
            Effect.tapError((error) => Effect.sync(() => seen.push(error.reason._tag))),
            Effect.retry({ while: (error) => error.isRetryable, times: 3 })
          )
      yield* Effect.all([transfer(0), transfer(1)], { concurrency: 2 })
      expect(seen).toEqual(["DeadlockError"])
      expect(tries.toSorted()).toEqual([1, 2])
      expect(yield* balances(sql)).toEqual([100, 100, 100])
    })
  )

  it.effect("a deadlock in a nested transaction stays typed", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const exit = yield* asVictim(sql, (deadlock) => sql.withTransaction(sql.withTransaction(deadlock)))
      expect(reasons(exit)).toEqual(["DeadlockError"])
      expect((yield* balances(sql)).slice(0, 3)).toEqual([101, 101, 101])
    })
  )

  it.effect(
    "after a deadlock that is caught, further statements fail at once with it and do not run by themselves",
    () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        const exit = yield* asVictim(sql, (deadlock) =>
          Effect.gen(function* () {
            yield* Effect.ignore(sql.withTransaction(deadlock))
            const late = [
              yield* Effect.exit(sql`UPDATE accounts SET balance = -1`),
              yield* Effect.exit(sql`UPDATE accounts SET balance = -1`.unprepared),
              yield* Effect.exit(Stream.runDrain(sql`SELECT balance FROM accounts`.stream)),
              yield* Effect.exit(sql.withTransaction(sql`UPDATE accounts SET balance = -1`))
            ]
            return late.flatMap((exit) => failures(exit as Exit.Exit<unknown, SqlError>))
          }).pipe(Effect.flatMap((errors) => Effect.fail(errors)))
        )
        const errors = failures(exit).flat() as ReadonlyArray<SqlError>
        expect(errors.map((error) => error.reason._tag)).toEqual(Array.from({ length: 4 }, () => "DeadlockError"))
        for (const error of errors) {
          expect(error.message).toContain("The transaction is gone")
          expect(error.reason.cause).toMatchObject({ reason: { _tag: "DeadlockError" } })
        }
        expect((yield* balances(sql)).slice(0, 3)).toEqual([101, 101, 101])
      })
  )

  it.effect("COMMIT fails after the server has rolled back, though everything since was caught", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const exit = yield* asVictim(sql, (deadlock) => Effect.as(Effect.ignore(deadlock), "as if nothing had happened"))
      expect(reasons(exit)).toEqual(["DeadlockError"])
      expect(failures(exit)[0]).toMatchObject({ isRetryable: true, reason: { operation: "commit" } })
      expect((yield* balances(sql)).slice(0, 3)).toEqual([101, 101, 101])
    })
  )

  it.effect("statements of several fibers in one transaction: none runs by itself after the one that ended it", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const exit = yield* asVictim(sql, (deadlock) =>
        Effect.all([deadlock, sql`INSERT INTO accounts VALUES (99, 0)`].map(Effect.exit), { concurrency: "unbounded" })
      )
      expect(reasons(exit)).toEqual(["DeadlockError"])
      expect(yield* sql`SELECT * FROM accounts WHERE id = 99`).toEqual([])
    })
  )

  it.effect("a lock wait that times out undoes the statement only", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const other = yield* bystander
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`UPDATE accounts SET balance = 1 WHERE id = 1`
          const exit = yield* Effect.exit(
            other.withTransaction(
              Effect.gen(function* () {
                yield* other`SET SESSION innodb_lock_wait_timeout = 1`
                yield* other`UPDATE accounts SET balance = 2 WHERE id = 2`
                const waited = yield* Effect.exit(other`UPDATE accounts SET balance = 2 WHERE id = 1`)
                expect(reasons(waited)).toEqual(["LockTimeoutError"])
                yield* other`UPDATE accounts SET balance = 3 WHERE id = 3`
              })
            )
          )
          expect(exit._tag).toBe("Success")
        })
      )
      expect(yield* balances(sql)).toEqual([1, 2, 3])
    })
  )

  it.effect("a connection that is killed in a transaction: typed, retryable, and nothing is left of it", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const other = yield* bystander
      let runs = 0
      const body = Effect.gen(function* () {
        runs++
        yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`
        if (runs === 1) yield* kill(other, yield* connectionId(sql))
        yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 2`
      })
      const exit = yield* Effect.exit(sql.withTransaction(body))
      expect(reasons(exit)).toEqual(["ConnectionError"])
      expect(yield* balances(sql)).toEqual([100, 100, 100])
      runs = 0
      yield* Effect.retry(sql.withTransaction(sql.withTransaction(body)), {
        while: (error) => error.isRetryable,
        times: 1
      })
      expect(yield* balances(sql)).toEqual([101, 101, 100])
    })
  )

  it.effect("a connection that is killed unnoticed before a rollback: the failure is the body's own", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const other = yield* bystander
      for (const nested of [false, true]) {
        const body = Effect.gen(function* () {
          yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`
          yield* kill(other, yield* connectionId(sql))
          return yield* Effect.fail("mine")
        })
        const exit = yield* Effect.exit(sql.withTransaction(nested ? sql.withTransaction(body) : body))
        expect(failures(exit)).toEqual(["mine"])
      }
      expect(yield* balances(sql)).toEqual([100, 100, 100])
    })
  )

  it.effect("a connection that is killed unnoticed before COMMIT: typed, and never reported as committed", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const other = yield* bystander
      for (const nested of [false, true]) {
        const body = Effect.gen(function* () {
          yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`
          yield* kill(other, yield* connectionId(sql))
        })
        const exit = yield* Effect.exit(sql.withTransaction(nested ? sql.withTransaction(body) : body))
        const [error] = failures(exit)
        expect(["ConnectionError", "UnknownError"]).toContain((error as SqlError).reason._tag)
        if ((error as SqlError).reason._tag === "UnknownError") {
          expect((error as SqlError).message).toContain("Outcome unknown")
        }
      }
      expect(yield* balances(sql)).toEqual([100, 100, 100])
    })
  )

  it.effect("an interrupted statement leaves the transaction alive, and nothing of it in the process list", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const onlooker = yield* bystander
      const ids = yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`UPDATE accounts SET balance = 1 WHERE id = 1`
          const before = yield* connectionId(sql)
          const sleeping = yield* Effect.forkChild(sql`SELECT SLEEP(20) AS slow_in_transaction`)
          yield* runs(onlooker, "slow_in_transaction")
          yield* Fiber.interrupt(sleeping)
          yield* runsNoMore(onlooker, "slow_in_transaction")
          return [before, yield* connectionId(sql)]
        })
      )
      expect(ids[0]).toBe(ids[1])
      expect(yield* balances(sql)).toEqual([1, 100, 100])
    })
  )

  it.effect("an interrupted DDL had committed the transaction: nothing more runs in it, and that is told", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const other = yield* bystander
      const { logged, warnings } = recorder()
      yield* sql`CREATE TABLE IF NOT EXISTS in_use (id INT PRIMARY KEY) ENGINE = InnoDB`
      const work = sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`UPDATE accounts SET balance = 1 WHERE id = 1`
          const waiting = yield* Effect.forkChild(sql`ALTER TABLE in_use ADD COLUMN interrupted_ddl INT`)
          yield* runs(other, "interrupted_ddl")
          yield* Fiber.interrupt(waiting)
          yield* sql`UPDATE accounts SET balance = 2 WHERE id = 2`
        })
      )
      const exit = yield* other.withTransaction(
        Effect.andThen(other`SELECT * FROM in_use`, Effect.exit(Effect.provide(work, logged)))
      )
      expect(reasons(exit)).toEqual(["UnknownError"])
      expect(failures(exit)[0]!.message).toContain("interrupted")
      expect(warnings).toHaveLength(1)
      expect(yield* balances(sql)).toEqual([1, 100, 100])
    })
  )

  it.effect("an interrupted query and an interrupted transaction return promptly, and are over on the server", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const onlooker = yield* bystander
      const slow = sql`SELECT SLEEP(20) AS slow_and_interrupted`
      const inTransaction = sql.withTransaction(Effect.andThen(sql`UPDATE accounts SET balance = 0`, slow))
      for (const work of [slow, slow.unprepared, Stream.runDrain(slow.stream), inTransaction]) {
        const fiber = yield* Effect.forkChild(work as Effect.Effect<unknown, SqlError>)
        yield* runs(onlooker, "slow_and_interrupted")
        const started = performance.now()
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        expect(performance.now() - started).toBeLessThan(2000)
        expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
        yield* runsNoMore(onlooker, "slow_and_interrupted")
      }
      expect(yield* balances(sql)).toEqual([100, 100, 100])
    })
  )

  it.effect("who waits for a connection can be interrupted", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Effect.all([sql.reserve, sql.reserve, sql.reserve, sql.reserve], { concurrency: "unbounded" })
          const waiting = yield* Effect.forkChild(sql.withTransaction(sql`SELECT 1`), { startImmediately: true })
          yield* Fiber.interrupt(waiting)
        })
      )
      expect(yield* sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
    })
  )

  it.effect("a transaction by hand on a reserved connection is doomed and revived by hand", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const other = yield* bystander
      const holds = yield* Deferred.make<void>()
      const now = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(opponent(other, holds, now))
      yield* Deferred.await(holds)
      const reserved = yield* sql.reserve
      const run = (text: string) => reserved.execute(text, [], undefined)
      yield* run("START TRANSACTION")
      yield* run("UPDATE accounts SET balance = 0 WHERE id = 1")
      yield* Deferred.succeed(now, undefined)
      expect(reasons(yield* Effect.exit(run("UPDATE accounts SET balance = 0 WHERE id = 2")))).toEqual([
        "DeadlockError"
      ])
      yield* Fiber.join(fiber)
      expect(reasons(yield* Effect.exit(run("UPDATE accounts SET balance = 0")))).toEqual(["DeadlockError"])
      yield* run("ROLLBACK")
      yield* run("START TRANSACTION")
      yield* run("UPDATE accounts SET balance = 7 WHERE id = 1")
      yield* run("COMMIT")
      expect((yield* balances(sql)).slice(0, 2)).toEqual([7, 101])
    })
  )
})
