/**
 * What borrowers leave behind in a session, on real servers: none of it reaches the next one, and what leaves nothing
 * behind costs no reset.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { MysqlConnection, ReservedConnection } from "../src/MysqlConnection.ts"
import type { MysqlError } from "../src/MysqlError.ts"
import * as MysqlPool from "../src/MysqlPool.ts"
import { reasonOf } from "./poolSupport/pools.ts"
import { eventually, idOf, makePool } from "./poolSupport/real.ts"
import * as recording from "./poolSupport/recording.ts"
import { scalar } from "./support/servers.ts"

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`what is left behind in a pool on ${server.name}`, () => {
    interface Residue {
      readonly what: string
      readonly leave: (connection: ReservedConnection, database: string) => Effect.Effect<unknown, MysqlError>
      /** What the next borrower asks, and the answer of a session as configured. */
      readonly ask: string
      readonly answer: unknown
    }

    const run =
      (...statements: ReadonlyArray<string>) =>
      (connection: MysqlConnection) =>
        Effect.forEach(statements, (statement) => connection.query(statement))

    const residues: ReadonlyArray<Residue> = [
      {
        what: "an open transaction",
        leave: run("BEGIN", "INSERT INTO kept VALUES (1)"),
        ask: "SELECT COUNT(*) FROM kept",
        answer: 0
      },
      { what: "a user variable", leave: run("SET @left = 5"), ask: "SELECT @left", answer: null },
      {
        what: "a user variable set by a SELECT",
        leave: run("SELECT @left := 5"),
        ask: "SELECT @left",
        answer: null
      },
      {
        what: "a time zone",
        leave: run("SET time_zone = '+05:00'"),
        ask: "SELECT @@session.time_zone",
        answer: "+00:00"
      },
      {
        what: "a configured session variable that was changed",
        leave: run("SET SESSION lock_wait_timeout = 7"),
        ask: "SELECT @@session.lock_wait_timeout",
        answer: 321
      },
      {
        what: "autocommit switched off",
        leave: run("SET autocommit = 0"),
        ask: "SELECT @@session.autocommit",
        answer: 1
      },
      {
        what: "an isolation level",
        leave: run("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"),
        ask: "SELECT VARIABLE_VALUE FROM STATUS_SCHEMA.session_variables WHERE VARIABLE_NAME IN ('transaction_isolation', 'tx_isolation') LIMIT 1",
        answer: "REPEATABLE-READ"
      },
      {
        what: "a temporary table",
        leave: run("CREATE TEMPORARY TABLE kept (other INT)"),
        ask: "SELECT COUNT(n) FROM kept",
        answer: 0
      },
      {
        what: "a named lock",
        leave: (connection, database) => connection.query("SELECT GET_LOCK(?, 0)", [database]),
        ask: "SELECT IS_FREE_LOCK(DATABASE())",
        answer: 1
      },
      {
        what: "locked tables",
        leave: run("LOCK TABLES kept WRITE"),
        ask: "SELECT COUNT(*) FROM other",
        answer: 0
      },
      {
        what: "an open handler",
        leave: run("HANDLER kept OPEN AS reading"),
        ask: "SELECT COUNT(*) FROM kept",
        answer: 0
      },
      {
        what: "another database",
        leave: run("USE information_schema"),
        ask: "SELECT DATABASE() = 'DATABASE'",
        answer: 1
      },
      {
        what: "another database, by its command",
        leave: (connection) => connection.useDatabase("mysql"),
        ask: "SELECT DATABASE() = 'DATABASE'",
        answer: 1
      },
      {
        what: "another database, which the server was told not to tell of",
        leave: run("SET session_track_schema = OFF", "USE information_schema"),
        ask: "SELECT DATABASE() = 'DATABASE'",
        answer: 1
      },
      {
        what: "another character set",
        leave: run("SET NAMES latin1"),
        ask: "SELECT CONCAT_WS(' ', @@character_set_client, @@character_set_results, @@collation_connection, 'ü€')",
        answer: "utf8mb4 utf8mb4 utf8mb4_unicode_ci ü€"
      },
      {
        what: "a statement prepared by name",
        leave: run("PREPARE left_behind FROM 'SELECT 1'"),
        ask: "EXECUTE left_behind",
        answer: 1243
      },
      {
        what: "a prepared statement that it used",
        leave: (connection) => Effect.andThen(connection.query("SELECT ?", [1]), connection.query("SET @left = 1")),
        ask: "SELECT ?",
        answer: 7
      }
    ]

    for (const resetOnRelease of ["tracked", "always"] as const) {
      it.live.each(residues)(`$what does not reach the next one (${resetOnRelease})`, ({ answer, ask, leave }) =>
        Effect.gen(function* () {
          const { database, pool } = yield* makePool({
            maxConnections: 1,
            resetOnRelease,
            sessionVariables: { lock_wait_timeout: 321 }
          })
          yield* pool.use(run("CREATE TABLE kept (n INT) ENGINE = InnoDB", "CREATE TABLE other (n INT)"))
          const id = yield* idOf(pool)
          yield* Effect.scoped(Effect.flatMap(pool.reserve, (connection) => leave(connection, database)))
          const status = server.name.startsWith("mysql") ? "performance_schema" : "information_schema"
          const question = ask.replace("DATABASE'", `${database}'`).replace("STATUS_SCHEMA", status)
          const found = yield* pool.use((connection) =>
            Effect.gen(function* () {
              expect(connection.info.connectionId).toBe(id)
              expect(connection.statusUnsafe()).toMatchObject({ inTransaction: false, autocommit: true, database })
              const exit = yield* Effect.exit(scalar(connection, question, ask.includes("?") ? [7] : []))
              const reason = reasonOf(exit)
              return Exit.isSuccess(exit) ? exit.value : reason?._tag === "ServerError" ? reason.errno : reason
            })
          )
          expect(found).toEqual(answer)
        }).pipe(Effect.provide(server.layer))
      )
    }

    it.live("another user, who logged in on the same line: the connection is replaced", () =>
      Effect.gen(function* () {
        const { database, pool } = yield* makePool({ maxConnections: 1 })
        const username = `${database}_u`.slice(-32)
        const id = yield* idOf(pool)
        yield* Effect.acquireRelease(
          pool.use(
            run(
              `CREATE USER '${username}'@'%' IDENTIFIED BY 'other'`,
              `GRANT ALL ON ${database}.* TO '${username}'@'%'`
            )
          ),
          () => Effect.orDie(pool.use(run(`DROP USER '${username}'@'%'`)))
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* pool.reserve
            yield* connection.changeUser({ username, password: Redacted.make("other") })
            expect(yield* scalar(connection, "SELECT CURRENT_USER()")).toBe(`${username}@%`)
          })
        )
        expect(yield* pool.use((connection) => scalar(connection, "SELECT CURRENT_USER()"))).not.toBe(`${username}@%`)
        expect(yield* idOf(pool)).not.toBe(id)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("a database chosen where none is configured: the connection is replaced", () =>
      Effect.gen(function* () {
        const { url } = yield* MysqlServer.MysqlServer
        const pool = yield* MysqlPool.make({ url, maxConnections: 1 })
        const id = yield* idOf(pool)
        yield* pool.use((connection) => connection.query("USE information_schema"))
        expect(yield* pool.use((connection) => scalar(connection, "SELECT DATABASE()"))).toBe(null)
        expect(yield* idOf(pool)).not.toBe(id)
      }).pipe(Effect.provide(server.layer))
    )

    it.live(
      "a database chosen where none is configured, and the server told not to tell: the connection is replaced",
      () =>
        Effect.gen(function* () {
          const { url } = yield* MysqlServer.MysqlServer
          const pool = yield* MysqlPool.make({ url, maxConnections: 1 })
          const id = yield* idOf(pool)
          yield* pool.use(run("SET session_track_schema = OFF", "USE information_schema"))
          expect(yield* pool.use((connection) => scalar(connection, "SELECT DATABASE()"))).toBe(null)
          expect(yield* idOf(pool)).not.toBe(id)
          const next = yield* idOf(pool)
          yield* pool.use(run("SET @left = 5"))
          expect(yield* idOf(pool)).toBe(next)
        }).pipe(Effect.provide(server.layer))
    )

    it.live("a configured database that was dropped: the connection is not lent without it", () =>
      Effect.gen(function* () {
        const { database, pool } = yield* makePool({ maxConnections: 1 })
        yield* pool.use(run(`DROP DATABASE ${database}`, `CREATE DATABASE ${database}`))
        expect(yield* pool.use((connection) => scalar(connection, "SELECT DATABASE()"))).toBe(database)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("plain statements cost no reset", () =>
      Effect.gen(function* () {
        const book = recording.make()
        const { pool } = yield* book.recorded(makePool({ maxConnections: 1 }))
        yield* pool.use((connection) => connection.query("CREATE TABLE kept (n INT PRIMARY KEY) ENGINE = InnoDB"))
        yield* idOf(pool)
        const [commands] = book.lines
        const before = commands!.length
        yield* pool.use((connection) => connection.query("SELECT 1"))
        yield* pool.use((connection) => connection.query("INSERT INTO kept VALUES (1), (2)"))
        yield* pool.use((connection) => connection.query("UPDATE kept SET n = n + 10"))
        yield* pool.use((connection) => connection.query("DELETE FROM kept WHERE n = 11"))
        yield* pool.use((connection) => connection.query("SELECT n FROM kept WHERE n = ?", [12]))
        yield* pool.use((connection) => Stream.runDrain(connection.stream("SELECT n FROM kept")))
        yield* pool.use(run("DO SLEEP(0)"))
        yield* pool.use((connection) => Effect.exit(connection.query("SELECT nothing FROM nowhere")))
        yield* pool.use((connection) => Effect.exit(connection.query("INSERT INTO kept VALUES (12)")))
        yield* pool.use(run("BEGIN", "INSERT INTO kept VALUES (3)", "COMMIT"))
        yield* pool.use(run("START TRANSACTION", "SAVEPOINT a", "ROLLBACK TO SAVEPOINT a", "ROLLBACK"))
        // How they are prepared is not the pool's business.
        const texts = commands!.slice(before).filter((command) => !/^(?:PREPARE|EXECUTE|CLOSE)$/.test(command))
        expect(texts).toEqual([
          "SELECT 1",
          "INSERT INTO kept VALUES (1), (2)",
          "UPDATE kept SET n = n + 10",
          "DELETE FROM kept WHERE n = 11",
          "SELECT n FROM kept",
          "DO SLEEP(0)",
          "SELECT nothing FROM nowhere",
          "INSERT INTO kept VALUES (12)",
          "BEGIN",
          "INSERT INTO kept VALUES (3)",
          "COMMIT",
          "START TRANSACTION",
          "SAVEPOINT a",
          "ROLLBACK TO SAVEPOINT a",
          "ROLLBACK"
        ])
      }).pipe(Effect.provide(server.layer))
    )

    describe("of which the server's tracking says nothing", () => {
      const silent: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
        ["takes a lock", ["SELECT GET_LOCK(DATABASE(), 0)"]],
        ["assigns a user variable", ["SELECT @left := 5"]],
        ["does either for its effect alone", ["DO GET_LOCK(DATABASE(), 0)", "DO @left := 5"]],
        ["opens a handler", ["HANDLER kept OPEN", "HANDLER kept CLOSE"]],
        ["locks tables for a backup", ["FLUSH TABLES kept WITH READ LOCK"]]
      ]
      it.live.each(silent)("what %s is reset by its text (tracked)", ([, statements]) =>
        Effect.gen(function* () {
          const book = recording.make()
          const { pool } = yield* book.recorded(makePool({ maxConnections: 1 }))
          yield* pool.use(run("CREATE TABLE kept (n INT)", "SET session_track_system_variables = ''"))
          yield* idOf(pool)
          const commands = book.lines[0]!
          const before = commands.length
          yield* pool.use(run(...statements))
          yield* idOf(pool)
          expect(commands.slice(before).filter((text) => text === "RESET")).toEqual(["RESET"])
        }).pipe(Effect.provide(server.layer))
      )

      it.live("a stored function that takes a lock is missed by `tracked`, and not by `always`", () =>
        Effect.gen(function* () {
          const held = Effect.fnUntraced(function* (resetOnRelease: "tracked" | "always") {
            const { database, pool } = yield* makePool({ maxConnections: 1, resetOnRelease })
            const lock = "CREATE FUNCTION locking() RETURNS INT DETERMINISTIC NO SQL RETURN GET_LOCK"
            yield* pool.use(run(`${lock}('${database}', 0)`))
            const id = yield* idOf(pool)
            expect(yield* pool.use((connection) => scalar(connection, "SELECT locking()"))).toBe(1)
            const holder = yield* pool.use((connection) => scalar(connection, "SELECT IS_USED_LOCK(DATABASE())"))
            return holder === null ? "nobody" : Number(holder) === id ? "the next borrower" : "another"
          })
          expect(yield* held("tracked")).toBe("the next borrower")
          expect(yield* held("always")).toBe("nobody")
        }).pipe(Effect.provide(server.layer))
      )

      const setting: ReadonlyArray<readonly [string, unknown]> = [
        ["SET @left = 5", null],
        ["SELECT 5 INTO @left", 5]
      ]
      it.live.each(setting)("a stored function with %s leaves %s to the next borrower (tracked)", ([body, left]) =>
        Effect.gen(function* () {
          const { pool } = yield* makePool({ maxConnections: 1 })
          const create = "CREATE FUNCTION setting() RETURNS INT DETERMINISTIC NO SQL BEGIN"
          yield* pool.use(run(`${create} ${body}; RETURN 1; END`))
          yield* idOf(pool)
          expect(yield* pool.use((connection) => scalar(connection, "SELECT setting()"))).toBe(1)
          expect(yield* pool.use((connection) => scalar(connection, "SELECT @left"))).toBe(left)
        }).pipe(Effect.provide(server.layer))
      )
    })

    it.live("`always` resets each time, also what did nothing", () =>
      Effect.gen(function* () {
        const book = recording.make()
        const { pool } = yield* book.recorded(makePool({ maxConnections: 1, resetOnRelease: "always" }))
        for (let turn = 0; turn < 4; turn++) yield* idOf(pool)
        yield* pool.use((connection) => connection.query("SELECT 1"))
        yield* idOf(pool)
        const [commands] = book.lines
        // The last of them is on its way when the borrower goes on.
        yield* eventually(Effect.map(pool.stats, ({ idle }) => idle === 1))
        expect(commands!.filter((command) => command === "RESET")).toHaveLength(6)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("`rollback` rolls back an open transaction and touches nothing else", () =>
      Effect.gen(function* () {
        const book = recording.make()
        const { pool } = yield* book.recorded(makePool({ maxConnections: 1, resetOnRelease: "rollback" }))
        yield* pool.use((connection) => connection.query("CREATE TABLE kept (n INT) ENGINE = InnoDB"))
        yield* pool.use(run("SET @left = 5", "BEGIN", "INSERT INTO kept VALUES (1)"))
        const found = yield* pool.use((connection) => scalar(connection, "SELECT COUNT(*) + @left FROM kept"))
        expect(Number(found)).toBe(5)
        const [commands] = book.lines
        expect(commands!.slice(-2)).toEqual(["ROLLBACK", "SELECT COUNT(*) + @left FROM kept"])
        expect(commands).not.toContain("RESET")
      }).pipe(Effect.provide(server.layer))
    )
  })
}
