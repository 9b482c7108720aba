/**
 * Attributes of statements: read on MySQL, and refused where they cannot be sent.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { reasonOf } from "./support/script.ts"
import { collectSets, connect, connectToDatabase, scalar } from "./support/servers.ts"
import { counting } from "./support/watching.ts"

const read = "mysql_query_attribute_string"

for (const server of SharedServers.all) {
  if (server.flavour === "mysql-9.7") {
    describe.skipIf(!server.available)(`attributes of statements on ${server.name}`, () => {
      it.live("reach the server in every way to run a statement, and are those of that one alone", () =>
        Effect.gen(function* () {
          const connection = yield* connectToDatabase({ queryAttributes: true })
          yield* connection.query("INSTALL COMPONENT 'file://component_query_attributes'")
          const attributes = { trace: "ü'1", other: "" }
          const row = [{ t: "ü'1", o: "", p: 7 }]
          const sql = `SELECT ${read}('trace') AS t, ${read}('other') AS o, `
          for (const prepare of [true, false]) {
            const options = { attributes, prepare }
            for (const _ of [1, 2]) {
              expect((yield* connection.query(`${sql}? AS p`, [7], options)).rows).toEqual(row)
              expect((yield* connection.query(`${sql}? AS p`, [7], { prepare })).rows).toEqual([
                { t: null, o: null, p: 7 }
              ])
            }
            expect((yield* connection.query(`${sql}7 AS p`, [], options)).rows).toEqual(row)
            expect(yield* Stream.runCollect(connection.stream(`${sql}? AS p`, [7], options))).toEqual(row)
            const sets = yield* collectSets(connection.results(`SELECT 1 AS a; ${sql}? AS p`, [7], options))
            expect(sets[1]!.rows).toEqual(row)
          }
          const statement = yield* connection.prepare(`${sql}? AS p`)
          expect((yield* statement.query([7], { attributes })).rows).toEqual(row)
          const cursor = yield* connection.cursor(`${sql}? AS p`, [7], { attributes })
          expect(yield* cursor.fetch()).toEqual(row)
          // Everything else that goes as text is as it was.
          yield* connection.query("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT)")
          expect(yield* connection.batch("INSERT INTO t (n) VALUES (?)", [[1], [2]])).toMatchObject({ affectedRows: 2 })
          yield* Effect.scoped(Effect.flatMap(connection.reserve, (own) => own.reset))
          const late = yield* Effect.exit(
            connection.query("SELECT SLEEP(30)", [], { attributes, timeout: "50 millis" })
          )
          expect(reasonOf(late)).toMatchObject({ _tag: "StatementTimeout", by: "client" })
          expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(2)
          yield* connection.query("UNINSTALL COMPONENT 'file://component_query_attributes'")
        }).pipe(Effect.scoped, Effect.provide(server.own()))
      )
    })
  }

  describe.skipIf(!server.available)(`attributes that ${server.name} was not told to take`, () => {
    it.live("are refused, and nothing is sent", () =>
      Effect.gen(function* () {
        const { connect: watched, counts } = counting(connect)
        const connection = yield* watched(server.flavour === "mysql-9.7" ? {} : { queryAttributes: true })
        const before = counts().written
        const options = { attributes: { trace: "1" } }
        for (const params of [[], [1]]) {
          const sql = params.length === 0 ? "SELECT 1" : "SELECT ?"
          const query = yield* Effect.exit(connection.query(sql, params, options))
          expect(reasonOf(query)).toMatchObject({ _tag: "ConfigurationError" })
          const streamed = yield* Effect.exit(Stream.runDrain(connection.stream(sql, params, options)))
          expect(reasonOf(streamed)).toMatchObject({ _tag: "ConfigurationError" })
          const cursor = yield* Effect.exit(Effect.scoped(connection.cursor(sql, params, options)))
          expect(reasonOf(cursor)).toMatchObject({ _tag: "ConfigurationError" })
        }
        expect(counts().written).toBe(before)
        expect(yield* scalar(connection, "SELECT 1")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
