/** Transactions that are begun, nested, committed and rolled back by hand. */
import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { engineWithAccounts } from "./engineSupport.ts"
import {
  balances,
  bystander,
  connected,
  eventually,
  failures,
  kill,
  onEachServer,
  reasons,
  recorder
} from "./support.ts"

const add = (amount: number, id: number) =>
  [`UPDATE accounts SET balance = balance + ? WHERE id = ?`, [amount, id]] as const

onEachServer((it) => {
  it.effect("commits what it ran, and is over then", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const tx = yield* engine.begin()
      yield* tx.execute(...add(1, 1))
      expect(yield* tx.isActive).toBe(true)
      expect(yield* balances(sql)).toEqual([100, 100, 100])
      yield* tx.commit
      expect(yield* balances(sql)).toEqual([101, 100, 100])
      expect(yield* tx.isActive).toBe(false)
      const late = [
        yield* Effect.exit(tx.execute("SELECT 1")),
        yield* Effect.exit(Stream.runDrain(tx.stream("SELECT 1"))),
        yield* Effect.exit(tx.commit),
        yield* Effect.exit(tx.beginNested)
      ]
      for (const exit of late)
        expect(failures(exit as Exit.Exit<unknown, unknown>)[0]).toMatchObject({
          message: expect.stringContaining("it was committed")
        })
    }).pipe(Effect.scoped)
  )

  it.effect("gives its connection back as soon as it is over", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const used = Effect.map(engine.stats, (stats) => stats.used)
      yield* eventually(Effect.map(used, (now) => now === 0))
      for (const end of ["commit", "rollback"] as const) {
        const tx = yield* engine.begin()
        expect(yield* used).toBe(1)
        yield* tx[end]
        yield* eventually(Effect.map(used, (now) => now === 0))
      }
    }).pipe(Effect.scoped)
  )

  it.effect("is rolled back by hand, and once more without effect", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const tx = yield* engine.begin()
      yield* tx.execute(...add(1, 1))
      yield* tx.rollback
      yield* tx.rollback
      expect(yield* balances(sql)).toEqual([100, 100, 100])
      expect(failures(yield* Effect.exit(tx.commit))[0]).toMatchObject({
        message: expect.stringContaining("it was rolled back")
      })
    }).pipe(Effect.scoped)
  )

  it.effect("is rolled back when its scope closes, before anybody goes on", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      yield* Effect.scoped(Effect.flatMap(engine.begin(), (tx) => tx.execute(...add(1, 1))))
      // The row would still be locked.
      yield* sql`SELECT * FROM accounts WHERE id = 1 FOR UPDATE NOWAIT`
      expect(yield* balances(sql)).toEqual([100, 100, 100])
    })
  )

  it.effect("runs statements of sql, of whichever client, and streams", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const other = yield* bystander
      const tx = yield* engine.begin()
      yield* tx.execute(sql`UPDATE accounts SET ${sql.update({ balance: 7 })} WHERE id = 1`)
      const read = yield* tx.execute(other`SELECT balance FROM accounts WHERE id = ${1}`)
      expect(read.all).toEqual([{ balance: 7 }])
      expect(yield* Stream.runCollect(tx.stream(other<{ id: number }>`SELECT id FROM accounts ORDER BY id`))).toEqual([
        { id: 1 },
        { id: 2 },
        { id: 3 }
      ])
      expect(failures(yield* Effect.exit(tx.execute(sql`SELECT 1`, [1])))[0]).toMatchObject({
        message: expect.stringContaining("Values go with a text")
      })
    }).pipe(Effect.scoped)
  )

  it.effect("nested: the inner one's rollback leaves what the outer one did, its commit keeps it", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const outer = yield* engine.begin()
      yield* outer.execute(...add(1, 1))
      const kept = yield* outer.beginNested
      yield* kept.execute(...add(2, 2))
      yield* kept.commit
      expect(yield* outer.isActive).toBe(true)
      const undone = yield* outer.beginNested
      yield* undone.execute(...add(3, 3))
      const inner = yield* undone.beginNested
      yield* inner.execute(...add(4, 3))
      yield* inner.rollback
      expect(yield* undone.scalar("SELECT balance FROM accounts WHERE id = 3")).toMatchObject({ value: 103 })
      yield* undone.rollback
      yield* outer.commit
      expect(yield* balances(sql)).toEqual([101, 102, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("a savepoint is released either way, and no two have the same name", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const outer = yield* engine.begin()
      for (const end of ["commit", "rollback"] as const) {
        const nested = yield* outer.beginNested
        yield* nested[end]
      }
      const third = yield* outer.beginNested
      for (const [name, exists] of [
        ["effect_mysql_1", false],
        ["effect_mysql_2", false],
        ["effect_mysql_3", true]
      ] as const) {
        const exit = yield* Effect.exit(third.execute(`ROLLBACK TO SAVEPOINT ${name}`))
        expect({ name, exists: Exit.isSuccess(exit) }).toEqual({ name, exists })
      }
    }).pipe(Effect.scoped)
  )

  it.effect("a scope that closes rolls back the inner one alone", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const outer = yield* engine.begin()
      yield* outer.execute(...add(1, 1))
      yield* Effect.scoped(Effect.flatMap(outer.beginNested, (nested) => nested.execute(...add(1, 2))))
      yield* outer.commit
      expect(yield* balances(sql)).toEqual([101, 100, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("the outer one's commit keeps what an open inner one did, which is over then", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const outer = yield* engine.begin()
      const a = yield* outer.beginNested
      const b = yield* a.beginNested
      yield* b.execute(...add(1, 1))
      yield* a.commit
      expect(failures(yield* Effect.exit(b.commit))[0]).toMatchObject({ message: expect.stringContaining("is over") })
      yield* b.rollback
      const c = yield* outer.beginNested
      yield* c.execute(...add(1, 2))
      yield* outer.commit
      expect(yield* c.isActive).toBe(false)
      expect(yield* balances(sql)).toEqual([101, 101, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("while an inner one is open, the outer one runs nothing", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const outer = yield* engine.begin()
      yield* outer.beginNested
      expect(failures(yield* Effect.exit(outer.execute(...add(1, 1))))[0]).toMatchObject({
        message: expect.stringContaining("A nested transaction is open")
      })
    }).pipe(Effect.scoped)
  )

  it.effect("siblings: another fiber waits for the one that is open, and the same fiber is refused", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const outer = yield* engine.begin()
      const first = yield* outer.beginNested
      expect(failures(yield* Effect.exit(outer.beginNested))[0]).toMatchObject({
        message: expect.stringContaining("begin the next one in it")
      })
      const order: Array<string> = []
      const second = yield* Effect.forkChild(
        Effect.scoped(
          Effect.gen(function* () {
            const nested = yield* outer.beginNested
            order.push("second begins")
            yield* nested.execute(...add(1, 2))
            yield* nested.commit
          })
        ),
        { startImmediately: true }
      )
      yield* first.execute(...add(1, 1))
      order.push("first ends")
      yield* first.rollback
      yield* Fiber.join(second)
      yield* outer.commit
      expect(order).toEqual(["first ends", "second begins"])
      expect(yield* balances(sql)).toEqual([100, 101, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("one that waits for its sibling is told when the outer one is over", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const outer = yield* engine.begin()
      yield* outer.beginNested
      const waits = yield* Effect.forkChild(Effect.exit(Effect.scoped(outer.beginNested)), { startImmediately: true })
      yield* outer.commit
      expect(failures(yield* Fiber.join(waits))[0]).toMatchObject({ message: expect.stringContaining("is over") })
    }).pipe(Effect.scoped)
  )

  it.effect("isolation level, access mode and snapshot are what was asked for", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const snapshot = yield* engine.begin({
        isolation: "repeatable read",
        consistentSnapshot: true,
        accessMode: "read only"
      })
      const loose = yield* engine.begin({ isolation: "read committed" })
      yield* sql`UPDATE accounts SET balance = 0`
      const read = "SELECT SUM(balance) FROM accounts"
      expect(yield* snapshot.scalar(read)).toMatchObject({ value: "300" })
      expect(yield* loose.scalar(read)).toMatchObject({ value: "0" })
      expect(reasons(yield* Effect.exit(snapshot.execute(...add(1, 1))))).toEqual(["AuthorizationError"])
      yield* loose.rollback
      // The level was that of one transaction.
      const plain = yield* engine.begin()
      expect(yield* plain.scalar(read)).toMatchObject({ value: "0" })
      yield* sql`UPDATE accounts SET balance = 1`
      expect(yield* plain.scalar(read)).toMatchObject({ value: "0" })
    }).pipe(Effect.scoped)
  )

  it.effect("options that are wrong are listed, and nothing is begun", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const options = { isolation: "snapshot", accessMode: "read only", lock: true } as never
      const message = failures(yield* Effect.exit(engine.begin(options)))[0]?.message
      expect(message).toContain('isolation "snapshot" is none of read uncommitted, read committed')
      expect(message).toContain("lock is not an option")
      expect(
        failures(yield* Effect.exit(engine.begin({ isolation: "read committed", consistentSnapshot: true })))[0]
          ?.message
      ).toContain("consistentSnapshot has no effect")
      yield* eventually(Effect.map(engine.stats, ({ used }) => used === 0))
    }).pipe(Effect.scoped)
  )

  it.effect("a statement that commits by itself is told: at commit by a warning, at rollback as an error", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const { logged, warnings } = recorder()
      yield* sql`DROP TABLE IF EXISTS made`
      const one = yield* engine.begin()
      yield* one.execute(...add(1, 1))
      yield* one.execute("CREATE TABLE made (id INT)")
      yield* Effect.provide(one.commit, logged)
      expect(warnings).toEqual(["The transaction was committed before its end, by a statement inside it"])
      const two = yield* engine.begin()
      yield* two.execute(...add(1, 2))
      yield* two.execute("DROP TABLE made")
      expect(failures(yield* Effect.exit(two.rollback))[0]).toMatchObject({
        reason: { _tag: "UnknownError" },
        message: expect.stringContaining("DROP TABLE made")
      })
      expect(yield* balances(sql)).toEqual([101, 101, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("a lost line is told by everything that follows; the end of the scope is no defect", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const other = yield* bystander
      const scope = yield* Scope.make()
      const tx = yield* Scope.provide(engine.begin(), scope)
      yield* tx.execute(...add(1, 1))
      const id = yield* tx.scalar("SELECT CONNECTION_ID()")
      yield* kill(other, (id as { readonly value: number }).value)
      expect(reasons(yield* Effect.exit(tx.execute("SELECT 1")))).toEqual(["ConnectionError"])
      expect(yield* tx.isActive).toBe(false)
      expect(failures(yield* Effect.exit(tx.execute("SELECT 1")))[0]).toMatchObject({
        message: expect.stringContaining("The transaction is gone since an earlier error")
      })
      expect(reasons(yield* Effect.exit(tx.commit))).toEqual(["ConnectionError"])
      expect(Exit.isSuccess(yield* Effect.exit(Scope.close(scope, Exit.void)))).toBe(true)
      expect(yield* balances(sql)).toEqual([100, 100, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("interrupted in the middle of a statement, it is rolled back and the interruption stays what it was", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const began = yield* Deferred.make<number>()
      const fiber = yield* Effect.forkChild(
        Effect.scoped(
          Effect.gen(function* () {
            const tx = yield* engine.begin()
            yield* tx.execute(...add(1, 1))
            const id = yield* tx.scalar("SELECT CONNECTION_ID()")
            yield* Deferred.succeed(began, (id as { readonly value: number }).value)
            yield* tx.execute("SELECT SLEEP(60)")
          })
        )
      )
      const id = yield* Deferred.await(began)
      yield* eventually(
        Effect.map(
          sql`SELECT 1 FROM information_schema.processlist WHERE id = ${id} AND info LIKE '%SLEEP(60)%'`,
          (rows) => rows.length > 0
        )
      )
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      expect(Exit.isFailure(exit) && exit.cause.reasons.map((reason) => reason._tag)).toEqual(["Interrupt"])
      expect(yield* connected(sql, id)).toBe(true)
      yield* sql`SELECT * FROM accounts WHERE id = 1 FOR UPDATE NOWAIT`
    })
  )

  it.effect("is not begun inside another one, by whomever that was begun", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      for (const around of [sql.withTransaction, engine.transaction()]) {
        for (const begin of [Effect.asVoid(engine.begin()), Effect.asVoid(engine.twoPhase())]) {
          expect(failures(yield* Effect.exit(around(Effect.scoped(begin))))[0]).toMatchObject({
            message: expect.stringContaining("This fiber is in a transaction already")
          })
        }
      }
    })
  )
})
