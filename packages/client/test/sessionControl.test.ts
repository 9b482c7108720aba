/**
 * What changes or tells a session beside its statements, on real servers.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { reasonOf } from "./support/script.ts"
import { awaitRunning, connect, connectToDatabase, scalar } from "./support/servers.ts"

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a session on ${server.name}`, () => {
    it.live("takes another character set, and the one it was configured with after a reset", () =>
      Effect.gen(function* () {
        const own = yield* (yield* connect()).reserve
        yield* own.setCharset("latin1", "latin1_german1_ci")
        expect(own.info).toMatchObject({ charset: "latin1", collation: "latin1_german1_ci" })
        expect((yield* own.query("SELECT 'Español' AS x, HEX('ñ') AS hex, @@character_set_client AS c")).rows).toEqual([
          { x: "Español", hex: "F1", c: "latin1" }
        ])
        expect(reasonOf(yield* Effect.exit(own.query("SELECT ?", ["😄"])))?._tag).toBe("ParameterError")
        expect(yield* scalar(own, "SELECT HEX(?)", ["ñ"])).toBe("F1")
        yield* own.setCharset("utf8mb4")
        expect(yield* scalar(own, "SELECT HEX(?)", ["😄"])).toBe("F09F9884")
        yield* own.setCharset("ascii")
        expect(own.info).toMatchObject({ charset: "ascii", collation: "ascii_general_ci" })
        yield* own.reset
        expect(own.info).toMatchObject({ charset: "utf8mb4", collation: "utf8mb4_unicode_ci" })
        expect(yield* scalar(own, "SELECT HEX(?)", ["😄"])).toBe("F09F9884")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("takes no character set in which a quote could be part of a character, and none that there is not", () =>
      Effect.gen(function* () {
        const own = yield* (yield* connect()).reserve
        for (const charset of ["gbk", "sjis", "utf16", "martian", "latin1; DROP", ""]) {
          expect(reasonOf(yield* Effect.exit(own.setCharset(charset)))?._tag).toBe("ConfigurationError")
        }
        expect(reasonOf(yield* Effect.exit(own.setCharset("latin1", "utf8mb4_bin")))?._tag).toBe("ConfigurationError")
        expect(reasonOf(yield* Effect.exit(own.setCharset("latin1", "latin1_martian_ci")))).toMatchObject({
          _tag: "ServerError",
          errno: 1273
        })
        expect(own.info).toMatchObject({ charset: "utf8mb4", collation: "utf8mb4_unicode_ci" })
        expect(yield* scalar(own, "SELECT ?", ["ü"])).toBe("ü")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("has autocommit as it was configured and set, however it was set", () =>
      Effect.gen(function* () {
        for (const autocommit of [true, false, "server"] as const) {
          const connection = yield* connect({ autocommit })
          const expected = autocommit !== false
          expect(connection.statusUnsafe().autocommit).toBe(expected)
          expect(yield* scalar(connection, "SELECT @@autocommit")).toBe(expected ? 1 : 0)
        }
        const own = yield* (yield* connectToDatabase()).reserve
        yield* own.query("CREATE TABLE t (n INT) ENGINE = InnoDB")
        yield* own.query("SET autocommit = 0")
        expect((yield* own.status).autocommit).toBe(false)
        yield* own.query("INSERT INTO t VALUES (1)")
        yield* own.rollback
        yield* own.setAutocommit(true)
        expect(own.statusUnsafe().autocommit).toBe(true)
        expect(yield* scalar(own, "SELECT COUNT(*) + @@autocommit FROM t")).toBe(1)
        yield* own.setAutocommit(false)
        expect(yield* scalar(own, "SELECT @@autocommit")).toBe(0)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("is asked to change autocommit only where that changes something", () =>
      Effect.gen(function* () {
        const own = yield* (yield* connect()).reserve
        const asked = Effect.map(
          own.query<ReadonlyArray<string>>("SHOW SESSION STATUS LIKE 'Questions'", [], { rows: "array" }),
          ({ rows }) => Number(rows[0]![1])
        )
        const before = yield* asked
        yield* own.setAutocommit(true)
        expect(yield* asked).toBe(before + 1)
        yield* own.setAutocommit(false)
        expect(yield* asked).toBe(before + 3)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("tells warnings to those who ask, and asks the server for none by itself", () =>
      Effect.gen(function* () {
        const own = yield* (yield* connectToDatabase({ sqlMode: "" })).reserve
        yield* own.query("CREATE TABLE t (n TINYINT)")
        const questions = Effect.map(
          own.query<ReadonlyArray<string>>("SHOW SESSION STATUS LIKE 'Questions'", [], { rows: "array" }),
          ({ rows }) => Number(rows[0]![1])
        )
        const before = yield* questions
        const { warningCount } = yield* own.query("INSERT INTO t VALUES (1000), (2000)")
        expect(warningCount).toBe(2)
        const noted = yield* own.warnings
        expect(noted).toEqual([
          { level: "Warning", errno: 1264, message: "Out of range value for column 'n' at row 1" },
          { level: "Warning", errno: 1264, message: "Out of range value for column 'n' at row 2" }
        ])
        // The insert, the warnings and this question.
        expect(yield* questions).toBe(before + 3)
        yield* own.query("SELECT 1")
        expect(yield* own.warnings).toEqual([])
        expect((yield* own.query("DROP TABLE IF EXISTS nowhere")).warningCount).toBe(1)
        expect(yield* own.warnings).toMatchObject([{ level: "Note", errno: 1051 }])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("writes values as literals that mean the same to it, whatever its mode", () =>
      Effect.gen(function* () {
        const own = yield* (yield* connect()).reserve
        const hostile = `it's "quoted" \\' OR 1=1 -- \n\0\x1a ü🙂`
        for (const mode of ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"]) {
          yield* own.query(`SET sql_mode = '${mode}'`)
          const values = [hostile, 1, -0.5, 12345678901234567890n, true, null, Uint8Array.of(0, 39, 92, 255)]
          const literals = yield* Effect.forEach(values, (value) => own.escape(value))
          const { rows } = yield* own.query(`SELECT ${literals.join(", ")}`, [], { rows: "array" })
          expect(rows).toEqual([[hostile, 1, -0.5, 12345678901234567890n, 1, null, Uint8Array.of(0, 39, 92, 255)]])
        }
        for (const value of [undefined, Number.NaN, [1], { a: 1 }, () => 1]) {
          expect(reasonOf(yield* Effect.exit(own.escape(value)))?._tag).toBe("ParameterError")
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("tells what both sides have agreed on", () =>
      Effect.gen(function* () {
        const { info } = yield* connect()
        expect(info.protocolVersion).toBe(10)
        expect(info.charset).toBe("utf8mb4")
        // CLIENT_PROTOCOL_41, CLIENT_PLUGIN_AUTH, CLIENT_DEPRECATE_EOF; not CLIENT_IGNORE_SPACE, which changes sql_mode.
        for (const flag of [1 << 9, 1 << 19, 1 << 24]) expect(info.capabilities.flags & flag).toBe(flag)
        expect(info.capabilities.flags & (1 << 8)).toBe(0)
        expect(info.capabilities.extended !== 0).toBe(info.product === "mariadb")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("ends another one, or what that runs", () =>
      Effect.gen(function* () {
        const killer = yield* connect()
        const victim = yield* connectToDatabase()
        const { connectionId } = victim.info
        const running = yield* Effect.forkChild(
          Effect.exit(
            victim.query(
              "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c"
            )
          )
        )
        yield* awaitRunning(killer, connectionId, "columns a")
        yield* killer.kill(connectionId, "QUERY")
        expect(reasonOf(yield* Fiber.join(running))).toMatchObject({ _tag: "ServerError", errno: 1317 })
        expect(yield* scalar(victim, "SELECT CONNECTION_ID()")).toBe(connectionId)
        yield* killer.kill(connectionId, "CONNECTION")
        expect(reasonOf(yield* Effect.exit(victim.query("SELECT 1")))).toMatchObject({ _tag: "ConnectionLost" })
        expect(victim.statusUnsafe().closed).toBe(true)
        expect(reasonOf(yield* Effect.exit(killer.kill(4_000_000_000, "CONNECTION")))).toMatchObject({
          _tag: "ServerError",
          errno: 1094
        })
        for (const bad of [-1, 1.5, Number.NaN, 2 ** 33]) {
          expect(reasonOf(yield* Effect.exit(killer.kill(bad, "QUERY")))).toMatchObject({
            _tag: "ParameterError",
            parameter: "connectionId"
          })
        }
        const what = "QUERY; DROP DATABASE x" as "QUERY"
        expect(reasonOf(yield* Effect.exit(killer.kill(1, what)))).toMatchObject({ parameter: "what" })
      }).pipe(Effect.provide(server.layer))
    )
  })
}
