/**
 * The state of a session: what the server says about it, and that a reset puts all of it back.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { ReservedConnection } from "../src/MysqlConnection.ts"
import { reasonOf } from "./support/script.ts"
import { awaitGone, awaitRunning, connect, connectToDatabase, scalar } from "./support/servers.ts"

const described = (connection: ReservedConnection) =>
  Effect.map(
    connection.query(
      `SELECT DATABASE() AS db, @@character_set_client AS client, @@character_set_results AS results,
        @@collation_connection AS collation, @@time_zone AS zone, @@sql_mode AS mode, @@autocommit AS autocommit,
        @@${connection.info.product === "mysql" ? "transaction" : "tx"}_isolation AS isolation, @@net_write_timeout AS pause, @@wait_timeout AS wait, @mine AS mine,
        @@session_track_schema AS track, @@session_track_state_change AS state`
    ),
    ({ rows }) => rows[0]
  )

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a session on ${server.name}`, () => {
    it.live("is after a reset what it was after the login", () =>
      Effect.gen(function* () {
        const { database } = yield* MysqlServer.MysqlServer
        const other = yield* database
        const connection = yield* connectToDatabase({
          collation: "utf8mb4_bin",
          timezone: "+05:30",
          sqlMode: "ANSI_QUOTES",
          autocommit: false,
          sessionVariables: { wait_timeout: 1234 }
        })
        const own = yield* connection.reserve
        yield* own.query("CREATE TABLE t (n INT) ENGINE = InnoDB")
        const before = yield* described(own)
        yield* own.query("INSERT INTO t VALUES (1)")
        for (const change of [
          "SET NAMES latin1",
          "SET time_zone = '-08:00'",
          "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
          "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
          "SET wait_timeout = 1",
          "SET @mine = 1",
          "CREATE TEMPORARY TABLE temporary (n INT)",
          "SELECT GET_LOCK('effect_mysql_session_test', 0)"
        ]) {
          yield* own.query(change)
        }
        yield* own.useDatabase(other)
        expect(yield* described(own)).not.toEqual(before)
        yield* own.reset
        expect(yield* described(own)).toEqual(before)
        expect(own.statusUnsafe()).toMatchObject({ database: before!.db, noBackslashEscapes: false, autocommit: false })
        expect(reasonOf(yield* Effect.exit(own.query("SELECT * FROM temporary")))).toMatchObject({ errno: 1146 })
        expect(yield* scalar(own, "SELECT IS_FREE_LOCK('effect_mysql_session_test')")).toBe(1)
        // What was open has been rolled back.
        expect(yield* scalar(own, "SELECT COUNT(*) FROM t")).toBe(0)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("keeps its transaction to itself: a reset rolls it back", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const own = yield* connection.reserve
        yield* own.query("CREATE TABLE t (n INT) ENGINE = InnoDB")
        yield* own.begin()
        yield* own.query("INSERT INTO t VALUES (1)")
        yield* own.reset
        expect(own.statusUnsafe().inTransaction).toBe(false)
        expect(yield* scalar(own, "SELECT COUNT(*) FROM t")).toBe(0)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("sends every character as it is, after a reset too", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const own = yield* connection.reserve
        const text = `äöü 🙂 日本 ' " \\ \0`
        for (let round = 0; round < 2; round++) {
          for (const prepare of [true, false]) {
            expect((yield* own.query("SELECT ? AS x", [text], { prepare })).rows).toEqual([{ x: text }])
          }
          expect(yield* scalar(own, "SELECT HEX(?)", ["🙂"])).toBe("F09F9982")
          yield* own.reset
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("knows its database, however it was chosen", () =>
      Effect.gen(function* () {
        const { database } = yield* MysqlServer.MysqlServer
        const names = [yield* database, yield* database, yield* database]
        const connection = yield* connect({ database: names[0] })
        const own = yield* connection.reserve
        const known = () => own.statusUnsafe().database
        expect(known()).toBe(names[0])
        yield* own.query(`USE \`${names[1]}\``)
        expect(known()).toBe(names[1])
        yield* own.useDatabase(names[2]!)
        expect(known()).toBe(names[2])
        expect(yield* scalar(own, "SELECT DATABASE()")).toBe(names[2])
        const exit = yield* Effect.exit(own.useDatabase("effect_mysql_none"))
        expect(reasonOf(exit)).toMatchObject({ _tag: "ServerError", errno: 1049 })
        expect(known()).toBe(names[2])
        yield* own.reset
        expect(known()).toBe(names[0])
        expect(yield* scalar(own, "SELECT DATABASE()")).toBe(names[0])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("without a configured database keeps the one it has through a reset, as servers do", () =>
      Effect.gen(function* () {
        const { database } = yield* MysqlServer.MysqlServer
        const name = yield* database
        const connection = yield* connect()
        const own = yield* connection.reserve
        expect(own.statusUnsafe().database).toBeUndefined()
        yield* own.useDatabase(name)
        yield* own.reset
        expect(own.statusUnsafe().database).toBe(name)
        expect(yield* scalar(own, "SELECT DATABASE()")).toBe(name)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("escapes by the mode that the server is in", () =>
      Effect.gen(function* () {
        const connection = yield* connect({ prepare: false })
        const own = yield* connection.reserve
        const hostile = `\\' OR 1 = 1 -- "`
        for (const mode of ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", ""]) {
          yield* own.query(`SET sql_mode = '${mode}'`)
          expect(own.statusUnsafe().noBackslashEscapes).toBe(mode.includes("NO_BACKSLASH"))
          expect([mode, yield* scalar(own, "SELECT ?", [hostile])]).toEqual([mode, hostile])
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that is closed by its owner is gone on the server, and fails from then on", () =>
      Effect.gen(function* () {
        const observer = yield* connect()
        const connection = yield* connect()
        const own = yield* connection.reserve
        yield* own.query("DO 1")
        yield* own.close
        expect(own.statusUnsafe()).toMatchObject({ closed: true, inTransaction: false })
        expect(yield* Effect.map(Effect.exit(own.query("DO 1")), reasonOf)).toMatchObject({ _tag: "ConnectionLost" })
        yield* awaitGone(observer, own.info.connectionId)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that is closed while something runs in it leaves nothing running on the server", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const observer = yield* connect()
        yield* connection.query("CREATE TABLE t (n INT)")
        const table = `${connection.statusUnsafe().database}.t`
        const own = yield* connection.reserve
        const collations = "information_schema.collations"
        const running = yield* Effect.forkChild(
          own.query(`INSERT INTO t SELECT SLEEP(0.01) FROM ${collations} a, ${collations} b LIMIT 2000`)
        )
        yield* awaitRunning(observer, own.info.connectionId, "SLEEP")
        yield* own.close
        expect(reasonOf(yield* Fiber.await(running))).toMatchObject({ _tag: "ConnectionLost" })
        yield* awaitGone(observer, own.info.connectionId)
        expect(yield* scalar(observer, `SELECT COUNT(*) FROM ${table}`)).toBe(0)
      }).pipe(Effect.provide(server.layer))
    )
  })
}

const mysql = SharedServers.all.find(({ flavour }) => flavour === "mysql-9.7")

describe.skipIf(mysql?.canOwn !== true)("a session on a MySQL whose global character set is latin1", () => {
  it.live("is in utf8mb4 after a reset: MySQL's own falls back to the global one", () =>
    Effect.gen(function* () {
      const root = yield* connect()
      yield* root.query("SET GLOBAL character_set_client = latin1, GLOBAL character_set_connection = latin1")
      yield* root.query("SET GLOBAL character_set_results = latin1, GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES'")
      const connection = yield* connect()
      const own = yield* connection.reserve
      for (let round = 0; round < 2; round++) {
        expect(yield* described(own)).toMatchObject({
          client: "utf8mb4",
          results: "utf8mb4",
          collation: "utf8mb4_unicode_ci",
          mode: "NO_BACKSLASH_ESCAPES"
        })
        expect(own.statusUnsafe().noBackslashEscapes).toBe(true)
        for (const prepare of [true, false]) {
          const { rows } = yield* own.query("SELECT ? AS x, HEX('ü') AS hex", ["ü\\'🙂"], { prepare })
          expect(rows).toEqual([{ x: "ü\\'🙂", hex: "C3BC" }])
        }
        yield* own.reset
      }
    }).pipe(Effect.provide(mysql!.own()))
  )
})
