/**
 * The line is cut exactly at one statement, before or after the server has it: what is told about it, that it is never a
 * defect, and that nobody is told to retry what may have happened.
 */

import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type * as MysqlClient from "../src/MysqlClient.ts"
import { through } from "./cutter.ts"
import { accounts, balances, failures, onEachServer } from "./support.ts"

const update = (sql: MysqlClient.MysqlClient) => sql`UPDATE accounts SET balance = balance + 1 WHERE id = 1`

const nested = (sql: MysqlClient.MysqlClient) =>
  sql.withTransaction(Effect.andThen(update(sql), sql.withTransaction(sql`DELETE FROM accounts WHERE id = 3`)))

const failingNested = (sql: MysqlClient.MysqlClient) =>
  sql.withTransaction(
    Effect.andThen(
      update(sql),
      Effect.ignore(sql.withTransaction(Effect.andThen(sql`DELETE FROM accounts WHERE id = 3`, Effect.fail("mine"))))
    )
  )

const failing = (sql: MysqlClient.MysqlClient) => sql.withTransaction(Effect.andThen(update(sql), Effect.fail("mine")))

type Expected = "ConnectionError" | "UnknownError" | "mine"

/** What is cut, in which work, what is told of it, and whether the row is changed when the server has the statement. */
const cases: ReadonlyArray<
  readonly [
    at: string,
    work: (sql: MysqlClient.MysqlClient) => Effect.Effect<unknown, SqlError | string>,
    expected: Expected,
    changed: boolean
  ]
> = [
  ["UPDATE accounts", update, "UnknownError", true],
  ["START TRANSACTION", (sql) => sql.withTransaction(update(sql)), "ConnectionError", false],
  ["UPDATE accounts", (sql) => sql.withTransaction(update(sql)), "ConnectionError", false],
  ["COMMIT", (sql) => sql.withTransaction(update(sql)), "UnknownError", true],
  ["SAVEPOINT effect_sql_1", nested, "ConnectionError", false],
  ["DELETE FROM", nested, "ConnectionError", false],
  ["RELEASE SAVEPOINT", nested, "ConnectionError", false],
  ["COMMIT", nested, "UnknownError", true],
  ["ROLLBACK TO SAVEPOINT", failingNested, "ConnectionError", false],
  ["RELEASE SAVEPOINT", failingNested, "ConnectionError", false],
  ["ROLLBACK WORK", failing, "mine", false],
  [
    "CREATE TABLE",
    (sql) => sql.withTransaction(Effect.andThen(update(sql), sql`CREATE TABLE IF NOT EXISTS cut (id INT)`)),
    "UnknownError",
    true
  ]
]

onEachServer((it) => {
  it.effect.each(
    cases.flatMap(([at, work, expected, changed]) => [
      { at, work, expected, passed: true, changed },
      { at, work, expected, passed: false, changed: false }
    ])
  )("cut at $at, which the server has: $passed - $expected", ({ at, changed, expected, passed, work }) =>
    Effect.gen(function* () {
      const direct = yield* accounts
      const sql = (yield* through({ at, passed })).sql
      const [error] = failures(yield* Effect.exit(work(sql)))
      if (expected === "mine") {
        expect(error).toBe("mine")
      } else {
        const { isRetryable, message, reason } = error as SqlError
        expect(reason._tag).toBe(expected)
        expect(isRetryable).toBe(expected === "ConnectionError")
        expect(message.includes("Outcome unknown")).toBe(expected === "UnknownError")
      }
      expect(yield* balances(direct)).toEqual([changed ? 101 : 100, 100, ...(changed && work === nested ? [] : [100])])
      // Only one line was cut: the pool has another for who comes next.
      expect(yield* sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
    })
  )
})
