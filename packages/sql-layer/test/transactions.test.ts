/** Transactions on real servers: what is committed and what is not, also where DDL or a hand interferes. */
import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BeginTransaction } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as MysqlClient from "../src/MysqlClient.ts"
import {
  accounts,
  balances,
  bystander,
  connectionId,
  failures,
  onEachServer,
  reasons,
  recorder,
  runsNoMore
} from "./support.ts"

onEachServer((it) => {
  it.effect("commits on success, and all statements are on one connection", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const ids = yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`UPDATE accounts SET balance = balance - 1 WHERE id = 1`
          yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 2`
          return [yield* connectionId(sql), yield* connectionId(sql)]
        })
      )
      expect(ids[0]).toBe(ids[1])
      expect(yield* balances(sql)).toEqual([99, 101, 100])
    })
  )

  it.effect("rolls back on failure, and passes the failure on as it is", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const exit = yield* Effect.exit(
        sql.withTransaction(Effect.andThen(sql`UPDATE accounts SET balance = 0`, Effect.fail("mine")))
      )
      expect(failures(exit)).toEqual(["mine"])
      expect(yield* balances(sql)).toEqual([100, 100, 100])
    })
  )

  it.effect("a nested transaction is a savepoint, rolled back alone and released either way", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const exits = yield* sql.withTransaction(
        Effect.gen(function* () {
          const good = yield* Effect.exit(sql.withTransaction(sql`UPDATE accounts SET balance = 1 WHERE id = 1`))
          const released = yield* Effect.exit(sql`ROLLBACK TO SAVEPOINT effect_sql_1`)
          const bad = yield* Effect.exit(
            sql.withTransaction(Effect.andThen(sql`UPDATE accounts SET balance = 2 WHERE id = 2`, Effect.fail("mine")))
          )
          const releasedToo = yield* Effect.exit(sql`ROLLBACK TO SAVEPOINT effect_sql_1`)
          return [good, released, bad, releasedToo]
        })
      )
      expect(exits.map((exit) => failures(exit as Exit.Exit<unknown, unknown>).length)).toEqual([0, 1, 1, 1])
      expect(yield* balances(sql)).toEqual([1, 100, 100])
    })
  )

  it.effect("BeginTransaction may set the isolation level first", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const reads = sql.withTransaction(
        Effect.gen(function* () {
          const first = yield* balances(sql)
          const other = yield* bystander
          yield* other`UPDATE accounts SET balance = balance + 1`
          return [first, yield* balances(sql)]
        })
      )
      const level = (name: string) => `SET TRANSACTION ISOLATION LEVEL ${name}; START TRANSACTION`
      expect(yield* Effect.provideService(Effect.scoped(reads), BeginTransaction, level("READ COMMITTED"))).toEqual([
        [100, 100, 100],
        [101, 101, 101]
      ])
      expect(yield* Effect.provideService(Effect.scoped(reads), BeginTransaction, level("REPEATABLE READ"))).toEqual([
        [101, 101, 101],
        [101, 101, 101]
      ])
    })
  )

  it.effect("a BEGIN that the server refuses is a typed error", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const exit = yield* Effect.exit(
        Effect.provideService(sql.withTransaction(sql`SELECT 1`), BeginTransaction, "START NONSENSE")
      )
      expect(reasons(exit)).toEqual(["SqlSyntaxError"])
      expect(yield* sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
    })
  )

  it.effect("DDL commits what is before it: the commit is right, and a rollback that comes too late is logged", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const { logged, warnings } = recorder()
      const ddl = Effect.andThen(
        sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`,
        sql`CREATE TABLE IF NOT EXISTS of_no_use (id INT)`
      )
      expect(reasons(yield* Effect.exit(Effect.provide(sql.withTransaction(ddl), logged)))).toEqual([])
      expect(warnings).toEqual([])
      expect(yield* balances(sql)).toEqual([101, 100, 100])
      const failing = sql.withTransaction(Effect.andThen(ddl, Effect.fail("mine")))
      expect(failures(yield* Effect.exit(Effect.provide(failing, logged)))).toEqual(["mine"])
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toContain("Not all of the transaction is rolled back")
      expect(yield* balances(sql)).toEqual([102, 100, 100])
    })
  )

  it.effect("DDL that fails commits all the same: the transaction is over, and that is told", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const { logged, warnings } = recorder()
      const exit = yield* Effect.exit(
        sql
          .withTransaction(
            Effect.gen(function* () {
              yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`
              yield* Effect.ignore(sql`CREATE TABLE accounts (id INT)`)
              yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 2`
            })
          )
          .pipe(Effect.provide(logged))
      )
      expect(reasons(exit)).toEqual(["SqlSyntaxError"])
      expect(warnings).toHaveLength(1)
      expect(yield* balances(sql)).toEqual([101, 100, 100])
    })
  )

  it.effect("DDL in a nested transaction that succeeds does no harm", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const { logged, warnings } = recorder()
      yield* sql
        .withTransaction(
          Effect.gen(function* () {
            yield* sql.withTransaction(sql`CREATE TABLE IF NOT EXISTS of_no_use (id INT)`)
            yield* sql.withTransaction(sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`)
          })
        )
        .pipe(Effect.provide(logged))
      expect(warnings).toEqual([])
      expect(yield* balances(sql)).toEqual([101, 100, 100])
    })
  )

  it.effect(
    "a nested transaction whose work was committed by DDL cannot be undone, and the outer one cannot hide it",
    () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        const exit = yield* Effect.exit(
          sql
            .withTransaction(
              Effect.ignore(
                sql.withTransaction(
                  Effect.gen(function* () {
                    yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`
                    yield* sql`CREATE TABLE IF NOT EXISTS of_no_use (id INT)`
                    return yield* Effect.fail("mine")
                  })
                )
              )
            )
            .pipe(Effect.provide(Logger.layer([])))
        )
        expect(reasons(exit)).toEqual(["UnknownError"])
        expect(failures(exit)[0]!.message).toContain("CREATE TABLE IF NOT EXISTS of_no_use")
      })
  )

  it.effect("a ROLLBACK by hand inside a transaction is not reported as a commit", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      for (const rollback of [sql`ROLLBACK`, sql`ROLLBACK`.unprepared]) {
        const exit = yield* Effect.exit(
          sql.withTransaction(Effect.andThen(sql`UPDATE accounts SET balance = 0`, rollback))
        )
        expect(reasons(exit)).toEqual(["UnknownError"])
        expect(yield* balances(sql)).toEqual([100, 100, 100])
      }
    })
  )

  it.effect("a connection is not usable through a transaction that is over", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const service = yield* sql.withTransaction(Effect.serviceOption(sql.transactionService))
      const [kept] = Option.getOrThrow(service)
      const exit = yield* Effect.exit(kept.execute("UPDATE accounts SET balance = 0", [], undefined))
      expect(reasons(exit)).toEqual(["UnknownError"])
      expect(failures(exit)[0]!.message).toContain("is over")
      expect(yield* balances(sql)).toEqual([100, 100, 100])
    })
  )

  it.effect("a stream in a transaction: early ends, failures, and a statement by its reader", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const onlooker = yield* bystander
      const rows = sql`SELECT id FROM accounts ORDER BY id`.stream
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`UPDATE accounts SET balance = 1 WHERE id = 1`
          expect(yield* rows.pipe(Stream.take(1), Stream.runCollect)).toEqual([{ id: 1 }])
          const many = sql`WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
            SELECT a.i AS in_stream FROM n a, n b, n c`
          expect(yield* many.stream.pipe(Stream.take(1), Stream.runCollect)).toHaveLength(1)
          yield* runsNoMore(onlooker, "in_stream")
          const exit = yield* Effect.exit(Stream.runForEach(rows, () => sql`SELECT 1`))
          expect(reasons(exit)).toEqual(["UnknownError"])
          expect(failures(exit)[0]!.message).toContain("wait for its own end")
          const failing = yield* Effect.exit(Stream.runDrain(sql`SELECT * FROM there_is_no_such_table`.stream))
          expect(reasons(failing)).toEqual(["SqlSyntaxError"])
          yield* sql`UPDATE accounts SET balance = 3 WHERE id = 3`
        })
      )
      expect(yield* balances(sql)).toEqual([1, 100, 3])
    })
  )

  it.effect("a stream that was left open: COMMIT fails, ROLLBACK ends it, and neither waits for it", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const rows = sql`WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        SELECT a.i FROM n a, n b`.stream
      for (const [end, nested] of [
        [Effect.void, false],
        [Effect.fail("mine"), false],
        [Effect.fail("mine"), true]
      ] as const) {
        const pull = yield* Deferred.make<Effect.Effect<unknown, unknown>>()
        const exit = yield* Effect.exit(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`UPDATE accounts SET balance = 0`
              const work = Effect.gen(function* () {
                const opened = yield* Stream.toPull(rows)
                yield* opened
                yield* Deferred.succeed(pull, opened)
                yield* end
              })
              yield* nested ? sql.withTransaction(work) : work
            })
          )
        )
        if (end === Effect.void) expect(reasons(exit as Exit.Exit<void, SqlError>)).toEqual(["UnknownError"])
        else expect(failures(exit)).toEqual(["mine"])
        const late = yield* Effect.exit(Effect.flatten(Deferred.await(pull)))
        expect(String(late)).toContain("is over")
        expect(yield* balances(sql)).toEqual([100, 100, 100])
      }
    })
  )

  it.effect("one transaction for a fiber and its children; another client's is another", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const other = yield* bystander
      yield* sql.withTransaction(
        Effect.gen(function* () {
          const own = yield* connectionId(sql)
          const child = yield* Effect.forkChild(connectionId(sql))
          expect(yield* Fiber.join(child)).toBe(own)
          expect(yield* connectionId(other)).not.toBe(own)
        })
      )
    })
  )

  it.effect("`afterCommit` runs after COMMIT, and not after a rollback", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const seen: Array<unknown> = []
      const note = (name: string) =>
        sql.afterCommit(Effect.orDie(Effect.map(balances(sql), (found) => void seen.push([name, found[0]]))))
      yield* sql.withTransaction(Effect.andThen(note("good"), sql`UPDATE accounts SET balance = 5 WHERE id = 1`))
      yield* Effect.exit(sql.withTransaction(Effect.andThen(note("bad"), Effect.fail("mine"))))
      expect(seen).toEqual([["good", 5]])
    })
  )
})

onEachServer(
  (it) => {
    it.effect("without autocommit, DDL inside a transaction does not make a defect of its end", () =>
      Effect.gen(function* () {
        const sql = yield* MysqlClient.MysqlClient
        yield* sql.withTransaction(sql`CREATE TABLE t (id INT PRIMARY KEY)`)
        const nested = (end: Effect.Effect<void, string>) =>
          sql.withTransaction(
            sql.withTransaction(
              Effect.gen(function* () {
                yield* sql`INSERT INTO t VALUES (1)`
                yield* sql`CREATE TABLE IF NOT EXISTS u (id INT)`
                yield* sql`INSERT INTO t VALUES (2)`
                yield* end
              })
            )
          )
        const found = sql.withTransaction(Effect.map(sql`SELECT id FROM t ORDER BY id`.values, (rows) => rows.flat()))
        const { logged, warnings } = recorder()
        const failed = yield* Effect.exit(Effect.provide(nested(Effect.fail("mine")), logged))
        expect(failures(failed)).toEqual(["mine"])
        expect(warnings).toHaveLength(1)
        expect(yield* found).toEqual([1])
        yield* sql.withTransaction(sql`DELETE FROM t`)
        yield* nested(Effect.void)
        expect(yield* found).toEqual([1, 2])
      })
    )
  },
  { autocommit: false, maxConnections: 1 }
)
