/** One transaction over two databases: both or none, whatever fails, is lost or crashes in between. */
import { describe, expect, it as plainIt } from "@effect/vitest"
import { MysqlServer, SharedServers } from "@effect-mysql/test-utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { SqlError } from "effect/sql/SqlError"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as Coordinator from "../src/Coordinator.ts"
import * as DecisionLog from "../src/DecisionLog.ts"
import * as MysqlEngine from "../src/MysqlEngine.ts"
import type { Executor } from "../src/Session.ts"
import { type Cut, through } from "./cutter.ts"
import { amount, type Crash, steps } from "./fixtures/crashingCoordinator.ts"
import { accounts, balances, failures, onEachServer, reasons, recorder } from "./support.ts"

const fixture = fileURLToPath(new URL("fixtures/crashingCoordinator.ts", import.meta.url))

const money = [
  "CREATE TABLE accounts (id INT PRIMARY KEY, balance INT NOT NULL) ENGINE = InnoDB",
  "INSERT INTO accounts VALUES (1, 100)"
]

let count = 0
const newName = (): string => `test ${process.pid} ${count++}`

const engineOn = Effect.fnUntraced(function* (database: string) {
  const { url } = yield* MysqlServer.MysqlServer
  return yield* Effect.provide(MysqlEngine.make({ url, database, initialization: "lazy" }), Reactivity.layer)
})

/** Two databases with an account each, and the log in the first. */
const twoDatabases = Effect.gen(function* () {
  const server = yield* MysqlServer.MysqlServer
  const databases = [yield* server.database, yield* server.database] as const
  const left = yield* engineOn(databases[0])
  const right = yield* engineOn(databases[1])
  for (const { client } of [left, right]) for (const text of money) yield* client.unsafe(text)
  const log = yield* DecisionLog.table(left.client)
  return { databases, left, right, log, name: newName() }
})

type Databases = Effect.Success<typeof twoDatabases>

const balanceOf = ({ client }: MysqlEngine.MysqlEngine) =>
  Effect.map(client`SELECT balance FROM accounts WHERE id = 1 FOR UPDATE NOWAIT`.values, ([row]) => row![0])

/** What both have, nothing being locked there. */
const both = ({ left, right }: Pick<Databases, "left" | "right">) => Effect.all([balanceOf(left), balanceOf(right)])

const transfer = (branches: { readonly left: Executor; readonly right: Executor }) =>
  Effect.andThen(
    branches.left.execute("UPDATE accounts SET balance = balance - ? WHERE id = 1", [amount]),
    branches.right.execute("UPDATE accounts SET balance = balance + ? WHERE id = 1", [amount])
  )

const coordinatorOf = (
  { left, log, name, right }: Databases,
  options?: Partial<Coordinator.Options<"left" | "right">>
) => Coordinator.make({ name, participants: { left, right }, log, ...options })

/** Runs the fixture until it has killed itself. */
const crash = (plan: Crash): Effect.Effect<unknown> =>
  Effect.promise(async () => {
    const child = spawn(process.execPath, [fixture], {
      env: { ...process.env, CRASH: JSON.stringify(plan) },
      stdio: ["ignore", "ignore", "inherit"]
    })
    const [, signal] = await once(child, "exit")
    return signal
  })

onEachServer((it, product) => {
  it.effect("commits on both, forgets its decision, and leaves nothing prepared", () =>
    Effect.gen(function* () {
      const databases = yield* twoDatabases
      const coordinator = yield* coordinatorOf(databases)
      expect(yield* coordinator.transaction((branches) => Effect.as(transfer(branches), "done"))).toBe("done")
      expect(yield* both(databases)).toEqual([90, 110])
      expect(yield* databases.left.client`SELECT * FROM effect_mysql_decisions`).toEqual([])
      expect(yield* coordinator.recover).toEqual({ committed: [], rolledBack: [], pending: [] })
    }).pipe(Effect.scoped)
  )

  it.effect("rolls back on both when the work fails, is interrupted, or cannot be prepared", () =>
    Effect.gen(function* () {
      const databases = yield* twoDatabases
      const coordinator = yield* coordinatorOf(databases)
      const failed = yield* Effect.exit(
        coordinator.transaction((branches) => Effect.andThen(transfer(branches), Effect.fail("mine")))
      )
      expect(failures(failed)).toEqual(["mine"])
      const worked = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        coordinator.transaction((branches) =>
          Effect.andThen(transfer(branches), Effect.andThen(Deferred.succeed(worked, undefined), Effect.never))
        )
      )
      yield* Deferred.await(worked)
      yield* Fiber.interrupt(fiber)
      expect(Exit.hasInterrupts(yield* Fiber.await(fiber))).toBe(true)
      const unprepared = yield* Effect.exit(
        coordinator.transaction((branches) =>
          Effect.andThen(
            transfer(branches),
            branches.right
              .execute("XA END X'00'")
              .pipe(
                Effect.ignore,
                Effect.andThen(
                  Effect.flatMap(branches.right.scalar("SELECT CONNECTION_ID()"), (id) =>
                    databases.left.client.unsafe(`KILL ${(id as { readonly value: number }).value}`)
                  )
                )
              )
          )
        )
      )
      expect(reasons(unprepared)).toEqual(["ConnectionError"])
      expect(yield* both(databases)).toEqual([100, 100])
      expect(yield* coordinator.recover).toEqual({ committed: [], rolledBack: [], pending: [] })
    }).pipe(Effect.scoped)
  )

  it.effect.each(steps)("a process that dies: %s", (at) =>
    Effect.gen(function* () {
      const databases = yield* twoDatabases
      const { url } = yield* MysqlServer.MysqlServer
      const { name } = databases
      const signal = yield* crash({ url: Redacted.value(url), databases: databases.databases, name, at })
      expect(signal).toBe("SIGKILL")
      const { recover } = yield* coordinatorOf(databases)
      const decided = steps.indexOf(at) >= steps.indexOf("after the decision")
      expect(yield* both(databases)).toEqual(decided ? [100 - amount, 100 + amount] : [100, 100])
      expect(yield* recover).toEqual({ committed: [], rolledBack: [], pending: [] })
    }).pipe(Effect.scoped)
  )

  it.effect.each(
    [true, false].flatMap((passed) => [
      { at: "XA END", passed, told: "ConnectionError", committed: false },
      { at: "XA PREPARE", passed, told: "ConnectionError", committed: false },
      { at: "XA COMMIT", passed, told: undefined, committed: true }
    ])
  )("the line of one is cut at $at, which the server has: $passed", ({ at, committed, passed, told }) =>
    Effect.gen(function* () {
      yield* accounts
      const databases = yield* twoDatabases
      const { right, sql } = yield* cutOnTheLeft({ at, passed }, databases)
      const coordinator = yield* coordinatorOf(databases, {
        participants: { left: MysqlEngine.fromClient(sql), right }
      })
      const exit = yield* Effect.exit(
        coordinator.transaction((branches) =>
          Effect.andThen(
            branches.left.execute("UPDATE accounts SET balance = balance - 10 WHERE id = 1"),
            branches.right.execute("UPDATE accounts SET balance = balance + 10 WHERE id = 1")
          )
        )
      )
      expect(reasons(exit)).toEqual(told === undefined ? [] : [told])
      expect((yield* balances(sql))[0]).toBe(committed ? 90 : 100)
      expect(yield* balanceOf(right)).toBe(committed ? 110 : 100)
      expect(yield* coordinator.recover).toEqual({ committed: [], rolledBack: [], pending: [] })
    }).pipe(Effect.scoped)
  )

  it.effect("a branch that cannot be committed in time is named, and the next recovery commits it", () =>
    Effect.gen(function* () {
      yield* accounts
      const databases = yield* twoDatabases
      const { proxy, right, sql } = yield* cutOnTheLeft({ at: "XA COMMIT", passed: "late" }, databases)
      const participants = { left: MysqlEngine.fromClient(sql), right }
      const coordinator = yield* coordinatorOf(databases, { participants, timeout: "300 millis" })
      const { logged, warnings } = recorder()
      yield* coordinator
        .transaction((branches) =>
          Effect.andThen(
            branches.left.execute("UPDATE accounts SET balance = balance - 10 WHERE id = 1"),
            branches.right.execute("UPDATE accounts SET balance = balance + 10 WHERE id = 1")
          )
        )
        .pipe(Effect.provide(logged))
      expect(yield* balanceOf(right)).toBe(110)
      // On MariaDB the session that prepared it does not know yet that its line is lost, and has the branch.
      expect(warnings).toEqual(
        product === "mysql" ? [] : [expect.stringContaining("A branch on left is left for the recovery to commit")]
      )
      proxy.close()
      const left = yield* engineOn(databaseOf(sql))
      const again = yield* coordinatorOf(databases, { participants: { left, right } })
      expect((yield* balances(left.client))[0]).toBe(90)
      expect(yield* again.recover).toEqual({ committed: [], rolledBack: [], pending: [] })
    }).pipe(Effect.scoped)
  )

  it.effect("a decision that cannot be made in time is left open, and a recovery settles it", () =>
    Effect.gen(function* () {
      const databases = yield* twoDatabases
      const unreachable: DecisionLog.DecisionLog = {
        ...databases.log,
        decide: (gtrid, wanted) =>
          wanted === "commit"
            ? Effect.andThen(databases.left.client.unsafe("SELECT nothing FROM nowhere"), Effect.die("unreachable"))
            : databases.log.decide(gtrid, wanted)
      }
      const coordinator = yield* coordinatorOf(databases, { log: unreachable, timeout: "100 millis" })
      const [error] = failures(yield* Effect.exit(coordinator.transaction(transfer)))
      expect((error as SqlError).message).toContain("Outcome unknown")
      expect((error as SqlError).isRetryable).toBe(false)
      expect((yield* coordinator.recover).rolledBack).toHaveLength(2)
      expect(yield* both(databases)).toEqual([100, 100])
    }).pipe(Effect.scoped)
  )

  it.effect("a recovery that comes between prepare and decision wins, and both sides know", () =>
    Effect.gen(function* () {
      const databases = yield* twoDatabases
      const late: DecisionLog.DecisionLog = {
        ...databases.log,
        decide: (gtrid, wanted) =>
          wanted === "abort"
            ? databases.log.decide(gtrid, wanted)
            : Effect.andThen(databases.log.decide(gtrid, "abort"), databases.log.decide(gtrid, "commit"))
      }
      const coordinator = yield* coordinatorOf(databases, { log: late })
      expect(reasons(yield* Effect.exit(coordinator.transaction(transfer)))).toEqual(["ConnectionError"])
      expect(yield* both(databases)).toEqual([100, 100])
      // The abort stays, for whoever else might want to commit.
      expect(yield* databases.left.client`SELECT decision FROM effect_mysql_decisions`).toEqual([{ decision: "abort" }])
      expect(yield* databases.log.prune("1 hour")).toBe(0)
      yield* databases.left.client`UPDATE effect_mysql_decisions SET decided_at = decided_at - INTERVAL 2 HOUR`
      expect(yield* databases.log.prune("1 hour")).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.effect("leaves alone what others have prepared", () =>
    Effect.gen(function* () {
      const databases = yield* twoDatabases
      const foreign = yield* databases.left.twoPhase()
      yield* foreign.prepare
      const longer = yield* coordinatorOf({ ...databases, name: `${databases.name}x` })
      expect(yield* (yield* coordinatorOf(databases)).recover).toEqual({ committed: [], rolledBack: [], pending: [] })
      expect(yield* longer.recover).toEqual({ committed: [], rolledBack: [], pending: [] })
      yield* foreign.commit
    }).pipe(Effect.scoped)
  )

  it.effect("names that cannot be are told with all that is wrong", () =>
    Effect.gen(function* () {
      const databases = yield* twoDatabases
      const exit = yield* Effect.exit(
        Coordinator.make({ name: "x".repeat(49), participants: { "": databases.left }, log: databases.log })
      )
      const [error] = failures(exit)
      expect(error?.message).toContain("has 49 bytes, and 1 to 48 are possible")
      expect(error?.message).toContain('participant "" has 0 bytes')
    }).pipe(Effect.scoped)
  )
})

const databaseOf = (sql: MysqlEngine.MysqlEngine["client"]): string => sql.config.database!

/** A client on the database of the block whose line is cut, and an engine on another one. */
const cutOnTheLeft = Effect.fnUntraced(function* (cut: Cut, { right }: Databases) {
  const { proxy, sql } = yield* through(cut)
  return { proxy, sql, right }
})

for (const server of SharedServers.all) {
  describe.skipIf(!server.canOwn)(`a server that crashes: ${server.name}`, () => {
    plainIt.live(
      "keeps what is prepared, and it is committed as was decided",
      () =>
        Effect.gen(function* () {
          const { kill, start } = yield* MysqlServer.MysqlServer
          const databases = yield* twoDatabases
          const log: DecisionLog.DecisionLog = {
            ...databases.log,
            decide: (gtrid, wanted) =>
              Effect.tap(databases.log.decide(gtrid, wanted), () => Effect.orDie(Effect.andThen(kill, start)))
          }
          const coordinator = yield* coordinatorOf(databases, { log })
          yield* coordinator.transaction(transfer)
          expect(yield* both(databases)).toEqual([90, 110])
          expect(yield* coordinator.recover).toEqual({ committed: [], rolledBack: [], pending: [] })
        }).pipe(Effect.scoped, Effect.provide(server.own())),
      120_000
    )
  })
}
