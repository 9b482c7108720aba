/** Each kind of error provoked for real: what the server says, and what a user of `effect/sql` can branch on. */
import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { SqlError } from "effect/sql/SqlError"
import * as MysqlClient from "../src/MysqlClient.ts"
import { accounts, bystander, connectionId, failures, kill, onEachServer, reasons, runs } from "./support.ts"

/** Languages whose words and quotes differ most from English. */
const languages = ["de_DE", "fr_FR", "ja_JP", "ru_RU", "el_GR", "hu_HU", "ko_KR", "uk_UA"]

onEachServer((it, product) => {
  it.effect("UniqueViolation names the key, as the server does, in every language that it has", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      yield* sql`CREATE TABLE IF NOT EXISTS users (id INT PRIMARY KEY, email VARCHAR(40), UNIQUE KEY by_email (email))`
      yield* sql`REPLACE INTO users VALUES (1, ${'it\'s "x" `y` key'})`
      const reserved = yield* sql.reserve
      for (const language of ["en_US", ...languages]) {
        const known = yield* Effect.exit(reserved.execute(`SET lc_messages = '${language}'`, [], undefined))
        if (known._tag === "Failure") continue
        for (const [id, key] of [
          [2, "by_email"],
          [1, "PRIMARY"]
        ] as const) {
          const exit = yield* Effect.exit(
            reserved.execute("INSERT INTO users SELECT ?, email FROM users WHERE ? > 0", [id, 1], undefined)
          )
          expect(failures(exit)[0]?.reason).toMatchObject({
            _tag: "UniqueViolation",
            constraint: product === "mysql" ? `users.${key}` : key,
            operation: "execute",
            cause: { _tag: "MysqlError", reason: { errno: 1062, sqlState: "23000" } }
          })
        }
      }
    })
  )

  it.effect("every kind that a statement alone can provoke", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      yield* sql`CREATE TABLE IF NOT EXISTS parents (id INT PRIMARY KEY) ENGINE = InnoDB`
      yield* sql`CREATE TABLE IF NOT EXISTS children (
        id INT PRIMARY KEY, parent INT NOT NULL, age TINYINT, CHECK (age > 0), FOREIGN KEY (parent) REFERENCES parents (id)
      ) ENGINE = InnoDB`
      yield* sql`INSERT IGNORE INTO parents VALUES (1)`
      yield* sql`INSERT IGNORE INTO children VALUES (1, 1, 1)`
      const cases: ReadonlyArray<readonly [text: string, reason: string, errnos: ReadonlyArray<number>]> = [
        ["SELEC 1", "SqlSyntaxError", [1064]],
        ["SELECT nope FROM parents", "SqlSyntaxError", [1054]],
        ["SELECT * FROM nope", "SqlSyntaxError", [1146]],
        ["USE there_is_no_such_database", "SqlSyntaxError", [1049]],
        ["INSERT INTO parents VALUES (1, 2)", "SqlSyntaxError", [1136]],
        ["CREATE TABLE parents (id INT)", "SqlSyntaxError", [1050]],
        ["SELECT id FROM parents a, parents b", "SqlSyntaxError", [1052]],
        ["SELECT there_is_no_such_function()", "SqlSyntaxError", [1305]],
        ["CALL there_is_no_such_procedure()", "SqlSyntaxError", [1305]],
        ["INSERT INTO parents VALUES (1)", "UniqueViolation", [1062]],
        ["INSERT INTO children VALUES (2, NULL, 1)", "ConstraintError", [1048]],
        ["INSERT INTO children (id) VALUES (2)", "ConstraintError", [1364]],
        ["INSERT INTO children VALUES (2, 9, 1)", "ConstraintError", [1452]],
        ["DELETE FROM parents WHERE id = 1", "ConstraintError", [1451]],
        ["INSERT INTO children VALUES (2, 1, 0)", "ConstraintError", [3819, 4025]],
        ["INSERT INTO children VALUES (2, 1, 1000)", "UnknownError", [1264]],
        ["INSERT INTO parents VALUES ('x')", "UnknownError", [1366]],
        ["SELECT * FROM parents INTO OUTFILE '/'", "UnknownError", [1, 13, 1086, 1290]],
        ["KILL 999999999", "UnknownError", [1094]]
      ]
      for (const [text, reason, errnos] of cases) {
        const error = failures(yield* Effect.exit(sql.unsafe(text)))[0]!
        const { errno } = (error.reason.cause as { readonly reason: { readonly errno: number } }).reason
        expect([text, error.reason._tag]).toEqual([text, reason])
        expect([text, errnos.includes(errno) || errno]).toEqual([text, true])
        expect([text, error.isRetryable]).toEqual([text, false])
      }
    })
  )

  it.effect("a user without a right, and a login without a password or a database", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      const user = `effect_mysql_u${yield* connectionId(sql)}`
      yield* Effect.acquireRelease(sql.unsafe(`CREATE USER ${user} IDENTIFIED BY 'secret'`), () =>
        Effect.ignore(sql.unsafe(`DROP USER ${user}`))
      )
      yield* sql.unsafe(`GRANT SELECT ON ${sql.config.database}.* TO ${user}`)
      yield* sql`CREATE TABLE IF NOT EXISTS readable (id INT)`
      const as = (config: MysqlClient.MysqlConnectionClientConfig) =>
        Effect.provide(
          MysqlClient.makeClient({
            url: sql.config.url,
            username: user,
            password: Redacted.make("secret"),
            database: sql.config.database,
            tls: { mode: "preferred" },
            ...config
          }),
          Reactivity.layer
        )
      const limited = yield* as({})
      expect(reasons(yield* Effect.exit(limited`DELETE FROM readable`))).toEqual(["AuthorizationError"])
      expect(reasons(yield* Effect.exit(limited`SET GLOBAL max_connections = 7`))).toEqual(["AuthorizationError"])
      expect(reasons(yield* Effect.exit(limited`SELECT 1`))).toEqual([])
      expect(reasons(yield* Effect.exit(as({ password: Redacted.make("wrong") })))).toEqual(["AuthenticationError"])
      expect(reasons(yield* Effect.exit(as({ database: "mysql" })))).toEqual(["AuthorizationError"])
      expect(reasons(yield* Effect.exit(as({ username: "root", password: Redacted.make("wrong") })))).toEqual([
        "AuthenticationError"
      ])
    })
  )

  it.effect("a transaction that may only read", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const reserved = yield* sql.reserve
      yield* reserved.execute("START TRANSACTION READ ONLY", [], undefined)
      const exit = yield* Effect.exit(reserved.execute("UPDATE accounts SET balance = 0", [], undefined))
      expect(reasons(exit)).toEqual(["AuthorizationError"])
      expect(failures(exit)[0]!.reason.cause).toMatchObject({ reason: { errno: 1792 } })
    })
  )

  it.effect("a statement that takes too long, by the server's clock and by ours", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      const reserved = yield* sql.reserve
      const limit = product === "mysql" ? "max_execution_time = 100" : "max_statement_time = 0.1"
      yield* reserved.execute(`SET SESSION ${limit}`, [], undefined)
      const long =
        "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c"
      const byServer = yield* Effect.exit(reserved.execute(long, [], undefined))
      expect(reasons(byServer)).toEqual(["StatementTimeoutError"])
      const hasty = yield* Effect.provide(
        MysqlClient.makeClient({ url: sql.config.url, statementTimeout: "100 millis" }),
        Reactivity.layer
      )
      expect(reasons(yield* Effect.exit(hasty`SELECT SLEEP(20)`))).toEqual(["StatementTimeoutError"])
      expect(yield* hasty`SELECT 1 AS one`).toEqual([{ one: 1 }])
    })
  )

  it.effect("a statement that somebody else kills is not known to be retryable; its connection stays", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      const other = yield* bystander
      const reserved = yield* sql.reserve
      const id = (yield* reserved.executeValues("SELECT CONNECTION_ID()", []))[0]![0]
      const text =
        "SELECT COUNT(*) AS killed_by_hand FROM information_schema.columns a, information_schema.columns b, information_schema.columns c"
      const fiber = yield* Effect.forkChild(Effect.exit(reserved.execute(text, [], undefined)))
      yield* runs(other, "killed_by_hand")
      yield* other.unsafe(`KILL QUERY ${id}`)
      const exit = yield* Fiber.join(fiber)
      expect(reasons(exit)).toEqual(["UnknownError"])
      expect(failures(exit)[0]!.reason.cause).toMatchObject({ reason: { errno: 1317 } })
      expect(yield* reserved.executeValues("SELECT CONNECTION_ID()", [])).toEqual([[id]])
    })
  )

  it.effect("a line that is lost while a statement runs: what became of it is unknown, and it is not retryable", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      const other = yield* bystander
      const dying = yield* Effect.forkChild(Effect.exit(sql`SELECT SLEEP(20) AS lost_line, CONNECTION_ID() AS id`))
      yield* runs(other, "lost_line")
      const rows = yield* other`SELECT id FROM information_schema.processlist WHERE info LIKE ${"%lost_line, CONN%"}
        AND id <> CONNECTION_ID()`
      yield* kill(other, rows[0]!.id as number)
      const exit = yield* Fiber.join(dying)
      expect(reasons(exit)).toEqual(["UnknownError"])
      expect(failures(exit)[0]!.message).toContain("Outcome unknown")
      expect(yield* sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
    })
  )

  it.effect("the same in a transaction is retryable: nothing of it is left", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const other = yield* bystander
      const id = yield* Deferred.make<number>()
      const dying = yield* Effect.forkChild(
        Effect.exit(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* Deferred.succeed(id, yield* connectionId(sql))
              yield* sql`UPDATE accounts SET balance = SLEEP(20) /* lost_in_transaction */ WHERE id = 1`
            })
          )
        )
      )
      yield* runs(other, "lost_in_transaction")
      yield* kill(other, yield* Deferred.await(id))
      expect(reasons(yield* Fiber.join(dying))).toEqual(["ConnectionError"])
    })
  )

  it.effect("a row lock that is not waited for", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const other = yield* bystander
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`UPDATE accounts SET balance = 0 WHERE id = 1`
          const exit = yield* Effect.exit(other`SELECT * FROM accounts WHERE id = 1 FOR UPDATE NOWAIT`)
          expect(reasons(exit)).toEqual(["LockTimeoutError"])
        })
      )
    })
  )

  it.effect("no server at all: ConnectionError, retryable", () =>
    Effect.gen(function* () {
      const unreachable = { host: "127.0.0.1", port: 1, connectTimeout: "2 seconds" } as const
      const make = Effect.provide(MysqlClient.make(unreachable), Reactivity.layer)
      const error = yield* Effect.flip(make as Effect.Effect<unknown, SqlError>)
      expect(error).toMatchObject({ isRetryable: true, reason: { _tag: "ConnectionError", operation: "connect" } })
      const lazy = yield* Effect.provide(
        MysqlClient.make({ ...unreachable, initialization: "lazy", acquireTimeout: "300 millis" }),
        Reactivity.layer
      )
      expect(reasons(yield* Effect.exit(lazy`SELECT 1`))).toEqual(["ConnectionError"])
      expect(reasons(yield* Effect.exit(lazy.withTransaction(lazy`SELECT 1`)))).toEqual(["ConnectionError"])
    })
  )
})
