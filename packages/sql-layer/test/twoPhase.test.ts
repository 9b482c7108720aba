/** Branches of distributed transactions: every state of XA, and that none is left behind that nobody asked for. */
import { expect } from "@effect/vitest"
import { MysqlServer } from "@effect-mysql/test-utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import * as MysqlClient from "../src/MysqlClient.ts"
import * as MysqlEngine from "../src/MysqlEngine.ts"
import { isUnknownXid, sameXid, type Xid, xid } from "../src/TwoPhaseTransaction.ts"
import { engineWithAccounts } from "./engineSupport.ts"
import { balances, bystander, connected, eventually, failures, kill, onEachServer, reasons, runs } from "./support.ts"

const own = xid(new Uint8Array([0, 39, 92, 255, 128, 10]), new Uint8Array([0, 255]), 7)

const add = "UPDATE accounts SET balance = balance + 1 WHERE id = ?"

/** Only those of this test: other files may run on the same server at the same time. */
const isPrepared = (engine: MysqlEngine.MysqlEngine, name: Xid): Effect.Effect<boolean, SqlError> =>
  Effect.map(engine.recoverPrepared, (prepared) => prepared.some((one) => sameXid(one, name)))

const told = (exit: Exit.Exit<unknown, SqlError>): string | undefined => failures(exit)[0]?.message

onEachServer((it, product) => {
  it.effect("prepared and committed on its own session; the name has any bytes", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const branch = yield* engine.twoPhase(own)
      yield* branch.execute(add, [1])
      yield* branch.prepare
      const found = (yield* engine.recoverPrepared).find((one) => sameXid(one, own))
      expect(found).toEqual(own)
      expect(yield* balances(sql)).toEqual([100, 100, 100])
      for (const late of [branch.execute(add, [1]), branch.prepare]) {
        expect(told(yield* Effect.exit<unknown, SqlError, never>(late))).toContain(
          "it can only be committed or rolled back"
        )
      }
      yield* branch.commit
      expect(yield* balances(sql)).toEqual([101, 100, 100])
      expect(yield* isPrepared(engine, own)).toBe(false)
      yield* branch.rollback
      expect(told(yield* Effect.exit(branch.commit))).toContain("it was committed")
    }).pipe(Effect.scoped)
  )

  it.effect("prepared and rolled back", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const branch = yield* engine.twoPhase()
      yield* branch.execute(add, [1])
      yield* branch.prepare
      yield* branch.rollback
      yield* sql`SELECT * FROM accounts FOR UPDATE NOWAIT`
      expect(yield* balances(sql)).toEqual([100, 100, 100])
      expect(yield* isPrepared(engine, branch.xid)).toBe(false)
    }).pipe(Effect.scoped)
  )

  it.effect("in one phase without a prepare, and a name of its own for each that has none", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const names: Array<Xid> = []
      for (const _ of [1, 2]) {
        const branch = yield* engine.twoPhase()
        names.push(branch.xid)
        yield* branch.execute(add, [1])
        yield* branch.commit
      }
      expect(yield* balances(sql)).toEqual([102, 100, 100])
      expect(sameXid(names[0]!, names[1]!)).toBe(false)
    }).pipe(Effect.scoped)
  )

  it.effect("an empty branch, and one that only read, go the same way", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      for (const statement of [undefined, "SELECT * FROM accounts"]) {
        for (const end of ["commit", "rollback"] as const) {
          const branch = yield* engine.twoPhase()
          if (statement !== undefined) yield* branch.execute(statement)
          yield* branch.prepare
          yield* branch[end]
          expect(yield* isPrepared(engine, branch.xid)).toBe(false)
        }
      }
    }).pipe(Effect.scoped)
  )

  it.effect("a scope that closes rolls back what is not prepared, and its connection serves on", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const scope = yield* Scope.make()
      const branch = yield* Scope.provide(engine.twoPhase(own), scope)
      yield* branch.execute(add, [1])
      const id = Option.getOrThrow(yield* branch.scalar("SELECT CONNECTION_ID()")) as number
      yield* Scope.close(scope, Exit.void)
      yield* sql`SELECT * FROM accounts FOR UPDATE NOWAIT`
      expect(yield* balances(sql)).toEqual([100, 100, 100])
      expect(yield* isPrepared(engine, own)).toBe(false)
      expect(yield* connected(sql, id)).toBe(true)
      expect(told(yield* Effect.exit(branch.commit))).toContain("it was rolled back")
    })
  )

  it.effect("a scope that closes leaves what is prepared, for any session to commit", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      yield* Effect.scoped(
        Effect.flatMap(engine.twoPhase(own), (branch) => Effect.andThen(branch.execute(add, [1]), branch.prepare))
      )
      expect(yield* isPrepared(engine, own)).toBe(true)
      const another = MysqlEngine.fromClient(yield* bystander)
      yield* another.commitPrepared(own)
      expect(yield* balances(sql)).toEqual([101, 100, 100])
      expect(yield* isPrepared(engine, own)).toBe(false)
      const again = failures(yield* Effect.exit(another.commitPrepared(own)))
      expect(again.map(isUnknownXid)).toEqual([true])
    }).pipe(Effect.scoped)
  )

  it.effect("a user who may not list branches is told what is missing, where the server asks for anything", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      yield* Effect.acquireRelease(sql.unsafe("CREATE USER branchless IDENTIFIED BY 'secret'"), () =>
        Effect.orDie(sql.unsafe("DROP USER branchless"))
      )
      const { host, port } = yield* MysqlServer.MysqlServer
      const client = MysqlClient.makeClient({ host, port, username: "branchless", password: Redacted.make("secret") })
      const engine = MysqlEngine.fromClient(yield* Effect.provide(client, Reactivity.layer))
      const exit = yield* Effect.exit(engine.recoverPrepared)
      expect(reasons(exit)).toEqual(product === "mysql" ? ["AuthorizationError"] : [])
      if (product === "mysql") expect(told(exit)).toContain("XA_RECOVER_ADMIN")
    }).pipe(Effect.scoped)
  )

  it.effect("a branch outlives its session, and another one rolls it back", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const other = yield* bystander
      const scope = yield* Scope.make()
      const branch = yield* Scope.provide(engine.twoPhase(own), scope)
      const id = Option.getOrThrow(yield* branch.scalar("SELECT CONNECTION_ID()")) as number
      yield* branch.execute(add, [1])
      yield* branch.prepare
      yield* kill(other, id)
      yield* Scope.close(scope, Exit.void)
      expect(yield* isPrepared(engine, own)).toBe(true)
      yield* engine.rollbackPrepared(own)
      expect(yield* balances(sql)).toEqual([100, 100, 100])
      expect(failures(yield* Effect.exit(engine.rollbackPrepared(own))).map(isUnknownXid)).toEqual([true])
    }).pipe(Effect.scoped)
  )

  it.effect(
    "while the session that prepared it is there: MySQL lets others resolve it, MariaDB's refusal is told",
    () =>
      Effect.gen(function* () {
        const { engine, sql } = yield* engineWithAccounts
        const branch = yield* engine.twoPhase(own)
        yield* branch.execute(add, [1])
        yield* branch.prepare
        const exit = yield* Effect.exit(engine.commitPrepared(own))
        if (product === "mysql") {
          expect(failures(exit)).toEqual([])
          expect(failures(yield* Effect.exit(branch.commit)).map(isUnknownXid)).toEqual([true])
        } else {
          expect(told(exit)).toContain("the session that prepared it is still there")
          yield* branch.commit
        }
        expect(yield* balances(sql)).toEqual([101, 100, 100])
      }).pipe(Effect.scoped)
  )

  it.effect("a session: nothing else runs between prepare and the end, and afterwards it serves on", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const session = yield* engine.connect
      const branch = yield* session.twoPhase(own)
      yield* session.execute(add, [1])
      for (const other of [Effect.asVoid(session.begin()), Effect.asVoid(session.twoPhase())]) {
        expect(told(yield* Effect.exit(Effect.scoped(other)))).toContain(
          "A transaction is open on this session already"
        )
      }
      yield* branch.prepare
      expect(told(yield* Effect.exit(session.execute("SELECT 1")))).toContain("it has to be resolved first")
      yield* branch.commit
      expect(yield* session.scalar("SELECT balance FROM accounts WHERE id = 1")).toEqual(Option.some(101))
      const tx = yield* session.begin()
      yield* tx.execute(add, [2])
      yield* tx.commit
      expect(yield* balances(sql)).toEqual([101, 101, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("a session that leaves a prepared branch goes on where the server allows it, and ends where not", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const session = yield* engine.connect
      yield* Effect.scoped(
        Effect.flatMap(session.twoPhase(own), (branch) => Effect.andThen(branch.execute(add, [1]), branch.prepare))
      )
      yield* engine.rollbackPrepared(own)
      const exit = yield* Effect.exit(session.execute("SELECT 1"))
      expect(reasons(exit)).toEqual(product === "mysql" ? [] : ["ConnectionError"])
    }).pipe(Effect.scoped)
  )

  it.effect("names that the server would not take are told with all that is wrong, and nothing is sent", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const wrong = { formatId: -1, gtrid: new Uint8Array(0), bqual: new Uint8Array(65) }
      for (const effect of [Effect.scoped(engine.twoPhase(wrong)), engine.commitPrepared(wrong)]) {
        const message = told(yield* Effect.exit<unknown, SqlError, never>(effect))
        for (const part of ["gtrid has 0 bytes", "bqual has 65 bytes", "formatId -1"]) expect(message).toContain(part)
      }
      const longest = xid(new Uint8Array(64).fill(255), new Uint8Array(64).fill(39), 2 ** 31 - 1)
      const branch = yield* engine.twoPhase(longest)
      yield* branch.prepare
      expect(yield* isPrepared(engine, longest)).toBe(true)
      yield* branch.rollback
    }).pipe(Effect.scoped)
  )

  it.effect("a name that is in use already is a typed error, and the connection serves on", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const branch = yield* engine.twoPhase(own)
      expect(told(yield* Effect.exit(Effect.scoped(engine.twoPhase(own))))).toContain("XAER_DUPID")
      yield* branch.rollback
      const again = yield* engine.twoPhase(own)
      yield* again.commit
    }).pipe(Effect.scoped)
  )

  it.effect("what would end it by itself is refused by the server and does it no harm", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const branch = yield* engine.twoPhase()
      yield* branch.execute(add, [1])
      for (const text of ["COMMIT", "ROLLBACK", "START TRANSACTION", "CREATE TABLE never (id INT)"]) {
        expect(told(yield* Effect.exit(branch.execute(text)))).toContain("XAER_RMFAIL")
      }
      yield* branch.commit
      expect(yield* balances(sql)).toEqual([101, 100, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("the victim of a deadlock is told so at every further step, and leaves nothing", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      for (const step of ["execute", "prepare", "commit"] as const) {
        const holds = yield* Deferred.make<void>()
        const now = yield* Deferred.make<void>()
        const other = yield* Effect.forkChild(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id IN (2, 3)`
              for (let id = 10; id < 60; id++) yield* sql`INSERT INTO accounts VALUES (${id}, 0)`
              yield* Deferred.succeed(holds, undefined)
              yield* Deferred.await(now)
              yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`
            }).pipe(Effect.andThen(Effect.fail("undone")))
          )
        )
        yield* Deferred.await(holds)
        const branch = yield* engine.twoPhase(own)
        yield* branch.execute(add, [1])
        yield* Deferred.succeed(now, undefined)
        expect(reasons(yield* Effect.exit(branch.execute(add, [2])))).toEqual(["DeadlockError"])
        const next = step === "execute" ? branch.execute(add, [2]) : branch[step]
        expect(reasons(yield* Effect.exit<unknown, SqlError, never>(next))).toEqual(["DeadlockError"])
        yield* branch.rollback
        expect(failures(yield* Fiber.await(other))).toEqual(["undone"])
        yield* sql`SELECT * FROM accounts FOR UPDATE NOWAIT`
      }
      expect(yield* isPrepared(engine, own)).toBe(false)
      expect(yield* balances(sql)).toEqual([100, 100, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("an interrupted branch is gone, and so is its statement", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const fiber = yield* Effect.forkChild(
        Effect.scoped(
          Effect.gen(function* () {
            const branch = yield* engine.twoPhase(own)
            yield* branch.execute(add, [1])
            yield* branch.execute("SELECT SLEEP(60) /* branch */")
          })
        )
      )
      yield* runs(sql, "SLEEP(60) /* branch")
      yield* Fiber.interrupt(fiber)
      yield* sql`SELECT * FROM accounts FOR UPDATE NOWAIT`
      const again = yield* engine.twoPhase(own)
      yield* again.rollback
    }).pipe(Effect.scoped)
  )

  it.effect("a branch that a text began is nobody's: its connection is closed when it comes back", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      for (const states of [
        ["XA START 'raw'"],
        ["XA START 'raw'", "XA END 'raw'"],
        ["XA START 'raw'", "XA END 'raw'", "XA PREPARE 'raw'"]
      ]) {
        const id = yield* Effect.scoped(
          Effect.gen(function* () {
            const session = yield* engine.connect
            yield* session.execute(states[0]!)
            yield* session.execute(add, [1])
            for (const state of states.slice(1)) yield* session.execute(state)
            return Option.getOrThrow(yield* session.scalar("SELECT CONNECTION_ID()")) as number
          })
        )
        // MySQL has taken a prepared one off its session, which is as good as any then.
        if (states.length < 3 || product === "mariadb") {
          yield* eventually(Effect.map(connected(sql, id), (is) => !is))
        }
        if (states.length === 3) yield* engine.rollbackPrepared(xid("raw", "", 1))
        yield* sql`SELECT * FROM accounts FOR UPDATE NOWAIT`
        expect(yield* balances(sql)).toEqual([100, 100, 100])
      }
    })
  )
})
