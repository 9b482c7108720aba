/**
 * Options of a connection, seen from the servers: what each of them changes in the session, and that it stays changed.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { userInfo } from "node:os"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import { reasonOf } from "./support/script.ts"
import { connect, connectToDatabase, scalar } from "./support/servers.ts"

const characterSets = (connection: MysqlConnection) =>
  Effect.map(
    connection.query<ReadonlyArray<string>>(
      "SELECT @@character_set_client, @@character_set_connection, @@collation_connection, @@character_set_results",
      [],
      { rows: "array" }
    ),
    ({ rows }) => rows[0]
  )

/** With two zones' rules for 2026, as `mysql_tzinfo_to_sql` would fill the tables. */
const timeZoneTables = [
  "INSERT INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (1, 'N')",
  "INSERT INTO mysql.time_zone_name (Name, Time_zone_id) VALUES ('Europe/Berlin', 1)",
  "INSERT INTO mysql.time_zone_transition_type (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation) VALUES (1, 0, 3600, 0, 'CET'), (1, 1, 7200, 1, 'CEST')",
  `INSERT INTO mysql.time_zone_transition (Time_zone_id, Transition_time, Transition_type_id) VALUES
    (1, ${Date.UTC(2000, 9, 29, 1) / 1000}, 0), (1, ${Date.UTC(2026, 2, 29, 1) / 1000}, 1),
    (1, ${Date.UTC(2026, 9, 25, 1) / 1000}, 0)`
]

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`options on ${server.name}`, () => {
    const sets: ReadonlyArray<readonly [config: MysqlConfig, charset: string, collation: RegExp]> = [
      [{}, "utf8mb4", /^utf8mb4_unicode_ci$/],
      [{ charset: "utf8mb4", collation: "utf8mb4_general_ci" }, "utf8mb4", /^utf8mb4_general_ci$/],
      [{ charset: "latin1" }, "latin1", /^latin1_swedish_ci$/],
      [{ collation: "latin1_german1_ci" }, "latin1", /^latin1_german1_ci$/],
      [{ charset: "utf8mb3" }, "utf8mb3", /^(utf8mb3_general_ci|utf8mb3_uca1400_ai_ci)$/],
      [{ charset: "ascii" }, "ascii", /^ascii_general_ci$/],
      [{ charset: "binary" }, "binary", /^binary$/]
    ]

    it.live.each(sets)("%j: statements are in %s", ([config, charset, collation]) =>
      Effect.gen(function* () {
        const connection = yield* connect(config)
        const own = yield* connection.reserve
        for (let round = 0; round < 2; round++) {
          const [client, between, collated, results] = (yield* characterSets(own))!
          expect([client, between, results]).toEqual([charset, charset, "utf8mb4"])
          expect(collated).toMatch(collation)
          expect(own.info).toMatchObject({ charset, collation: collated })
          yield* own.reset
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("sends text in the character set, and reads whatever is there", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase({ charset: "latin1" })
        expect((yield* connection.query("SELECT 'Español' AS x, HEX('ñ') AS hex")).rows).toEqual([
          { x: "Español", hex: "F1" }
        ])
        yield* connection.query("CREATE TABLE t (id INT, x VARCHAR(20) CHARACTER SET utf8mb4, `größe` INT)")
        for (const prepare of [true, false]) {
          yield* connection.query("INSERT INTO t VALUES (?, ?, 1)", [1, "ñ€"], { prepare })
          const { rows } = yield* connection.query("SELECT x, HEX(x) AS hex, `größe` FROM t WHERE x = ?", ["ñ€"], {
            prepare
          })
          expect(rows).toEqual([{ x: "ñ€", hex: "C3B1E282AC", größe: 1 }])
          yield* connection.query("DELETE FROM t")
        }
        yield* connection.query("INSERT INTO t VALUES (1, _utf8mb4 x'F09F9884', 1)")
        expect((yield* connection.query("SELECT x FROM t")).rows).toEqual([{ x: "😄" }])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("refuses characters that the set has not, and goes on", () =>
      Effect.gen(function* () {
        const connection = yield* connect({ charset: "latin1" })
        const attempts = [
          connection.query("SELECT '😄'"),
          connection.query("SELECT ? AS x", ["😄"]),
          connection.query("SELECT ? AS x", ["😄"], { prepare: false }),
          Effect.scoped(connection.prepare("SELECT '😄'")),
          Stream.runDrain(connection.stream("SELECT ? AS x", ["😄"]))
        ]
        for (const attempt of attempts) {
          expect(reasonOf(yield* Effect.exit(attempt))).toMatchObject({
            _tag: "ParameterError",
            message: expect.stringContaining("latin1")
          })
        }
        expect((yield* connection.query("SELECT ? AS x", ["ñ"])).rows).toEqual([{ x: "ñ" }])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("follows a character set that a statement chooses", () =>
      Effect.gen(function* () {
        const own = yield* (yield* connect()).reserve
        yield* own.query("SET character_set_client = latin1, character_set_connection = latin1")
        expect(yield* scalar(own, "SELECT HEX('ñ')")).toBe("F1")
        yield* own.reset
        expect(yield* scalar(own, "SELECT HEX('ñ')")).toBe("C3B1")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("runs its own SQL at connect and after each reset", () =>
      Effect.gen(function* () {
        const connection = yield* connect({
          initSql: ["SET @mine = 'ä'", "SELECT 1 UNION SELECT 2"]
        })
        const own = yield* connection.reserve
        expect(yield* scalar(own, "SELECT @mine")).toBe("ä")
        yield* own.query("SET @mine = 2")
        yield* own.reset
        expect(yield* scalar(own, "SELECT @mine")).toBe("ä")
        const failed = yield* Effect.exit(Effect.scoped(connect({ initSql: "SELEKT 1" })))
        expect(reasonOf(failed)).toMatchObject({ _tag: "ServerError", errno: 1064, sql: "SELEKT 1" })
        const several = yield* connect({ initSql: "SET @a = 1; SET @b = 2", multiStatements: true })
        expect(yield* scalar(several, "SELECT @a + @b")).toBe(3)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("knows the database that its own SQL has chosen", () =>
      Effect.gen(function* () {
        const { database } = yield* MysqlServer.MysqlServer
        const name = yield* database
        const connection = yield* connect({ initSql: `USE ${name}` })
        expect(connection.statusUnsafe().database).toBe(name)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("tells the server who it is", () =>
      Effect.gen(function* () {
        const long = "p".repeat(300)
        const connection = yield* connect({ connectAttributes: { program_name: long, ünïcode: "ä" } })
        if (connection.info.product === "mariadb") return
        const { rows } = yield* connection.query<ReadonlyArray<string>>(
          `SELECT attr_name, attr_value FROM performance_schema.session_connect_attrs
            WHERE processlist_id = CONNECTION_ID()`,
          [],
          { rows: "array" }
        )
        expect(Object.fromEntries(rows)).toMatchObject({
          _client_name: "effect-mysql",
          _client_version: expect.stringMatching(/^\d/),
          _pid: String(process.pid),
          program_name: long,
          ünïcode: "ä"
        })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("uses the name of the system's user where none is given", () =>
      Effect.gen(function* () {
        const { host, port } = yield* MysqlServer.MysqlServer
        const exit = yield* Effect.exit(
          Effect.scoped(connect({ url: undefined, host, port, password: Redacted.make("wrong") }))
        )
        expect(reasonOf(exit)?.message).toContain(`'${userInfo().username}'@`)
      }).pipe(Effect.provide(server.layer))
    )
  })

  describe.skipIf(!server.available || !server.canOwn)(`limits of ${server.name}`, () => {
    const mebibyte = 1024 * 1024

    it.live.each([1, 17])("a packet as long as max_allowed_packet (%s MiB) is not sent", (mebibytes) =>
      Effect.gen(function* () {
        const root = yield* connect()
        const limit = mebibytes * mebibyte
        yield* root.query(`SET GLOBAL max_allowed_packet = ${limit}`)
        const connection = yield* connect()
        const refused = {
          _tag: "ParameterError",
          message: expect.stringContaining(`less than ${limit} (max_allowed_packet)`)
        }
        const text = (bytes: number) => {
          const around = "SELECT LENGTH('')"
          return connection.query(`SELECT LENGTH('${"x".repeat(bytes - 1 - around.length)}')`)
        }
        // The longest that the server takes, and one byte more.
        expect((yield* text(limit - 1)).rows).toHaveLength(1)
        expect(reasonOf(yield* Effect.exit(text(limit)))).toMatchObject(refused)
        const sql = "SELECT LENGTH(?) AS n"
        yield* connection.query(sql, ["x"])
        // Behind 13 bytes of command, and the length of the value itself.
        const largest = limit - 13 - (mebibytes > 16 ? 9 : 4)
        expect((yield* connection.query(sql, ["x".repeat(largest)])).rows).toEqual([{ n: largest }])
        expect(reasonOf(yield* Effect.exit(connection.query(sql, ["x".repeat(largest + 1)])))).toMatchObject(refused)
        expect(
          reasonOf(yield* Effect.exit(Stream.runDrain(connection.stream(sql, ["x".repeat(limit)]))))
        ).toMatchObject(refused)
        expect(
          reasonOf(yield* Effect.exit(connection.query(`${"-".repeat(2)} ${"x".repeat(limit)}\n${sql}`, [1])))
        ).toMatchObject(refused)
        expect(yield* scalar(connection, "SELECT CONNECTION_ID()")).toBe(connection.info.connectionId)
      }).pipe(Effect.provide(server.own()))
    )
  })

  describe.skipIf(!server.available || !server.canOwn)(`a named time zone on ${server.name}`, () => {
    it.live("is one where the server has its rules: NOW(), TIMESTAMP, DATETIME and dates here agree", () =>
      Effect.gen(function* () {
        const { database } = yield* MysqlServer.MysqlServer
        const name = yield* database
        const root = yield* connect()
        const without = yield* Effect.exit(Effect.scoped(connect({ timezone: "Europe/Berlin" })))
        expect(reasonOf(without)).toMatchObject({ _tag: "ServerError", errno: 1298 })
        for (const sql of timeZoneTables) yield* root.query(sql)
        const connection = yield* connect({ timezone: "Europe/Berlin", database: name })
        const utc = yield* connect({ database: name })
        yield* connection.query("CREATE TABLE t (id INT PRIMARY KEY, d DATETIME(3), s TIMESTAMP(3) NULL)")
        const instants = ["2026-01-15T12:00:00.123Z", "2026-07-15T12:00:00.456Z", "2026-03-29T01:00:00.000Z"]
        for (const [id, text] of instants.entries()) {
          const at = new Date(text)
          yield* connection.query("INSERT INTO t VALUES (?, ?, ?)", [id, at, at], { prepare: id !== 1 })
          for (const prepare of [true, false]) {
            const { rows } = yield* connection.query("SELECT d, s FROM t WHERE id = ?", [id], { prepare })
            expect(rows).toEqual([{ d: at, s: at }])
          }
          // The server has understood the same instant.
          expect((yield* utc.query("SELECT s FROM t WHERE id = ?", [id])).rows).toEqual([{ s: at }])
        }
        const { rows } = yield* connection.query("SELECT d, CAST(d AS CHAR) AS local FROM t WHERE id = 1")
        expect(rows).toEqual([{ d: new Date(instants[1]!), local: "2026-07-15 14:00:00.456" }])
        const { rows: now } = yield* connection.query<{ readonly now: Date; readonly unix: number }>(
          "SELECT NOW() AS now, UNIX_TIMESTAMP() AS unix"
        )
        expect(now[0]!.now.getTime()).toBe(now[0]!.unix * 1000)
      }).pipe(Effect.provide(server.own()))
    )
  })
}
