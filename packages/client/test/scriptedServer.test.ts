/**
 * This client against a server that is made of the protocol package alone.
 */
import { describe, expect, it } from "@effect/vitest"
import * as ScriptedServer from "@effect-mysql/test-utils/ScriptedServer"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as MysqlConnection from "../src/MysqlConnection.ts"

const connect = Effect.flatMap(ScriptedServer.ScriptedServer, ({ host, port }) =>
  MysqlConnection.make({ host, port, username: "ann", password: Redacted.make("secret"), tls: { mode: "disabled" } })
)

const answers = ScriptedServer.answering(({ parameters, sql }) => {
  if (sql.startsWith("SELECT name")) {
    return ScriptedServer.rows(
      ["name", "city"],
      [
        ["Ann", "Tōkyō"],
        ["Bob", null]
      ]
    )
  }
  if (sql.startsWith("SELECT ?")) {
    return ScriptedServer.rows(["heard"], [[JSON.stringify(parameters?.map((parameter) => parameter?._tag))]])
  }
  if (sql.startsWith("INSERT")) return ScriptedServer.ok({ affectedRows: 3, insertId: 7 })
  if (sql.startsWith("DROP")) return ScriptedServer.err(1142, "DROP command denied", "42000")
  if (sql.startsWith("SELECT @@")) return ScriptedServer.rows(["a"], [])
  return ScriptedServer.ok()
})

describe("a scripted server", () => {
  const over = <A, E>(effect: Effect.Effect<A, E, ScriptedServer.ScriptedServer>) =>
    Effect.provide(effect, ScriptedServer.layer(answers))

  it.live("lets in, answers text and prepared statements, refuses, and is left", () =>
    over(
      Effect.gen(function* () {
        const connection = yield* connect
        expect(connection.info).toMatchObject({ product: "mysql", version: "9.7.0-scripted", connectionId: 1 })
        const expected = [
          { name: "Ann", city: "Tōkyō" },
          { name: "Bob", city: null }
        ]
        const sql = "SELECT name, city FROM people"
        expect((yield* connection.query(sql)).rows).toEqual(expected)
        expect((yield* connection.query(sql, [], { prepare: false })).rows).toEqual(expected)
        expect(yield* connection.stream(sql).pipe(Stream.runCollect)).toEqual(expected)
        expect(yield* connection.query("INSERT INTO t VALUES (?)", [1])).toMatchObject({ affectedRows: 3, insertId: 7 })
        const heard = yield* connection.query("SELECT ?, ?, ?", [1, "two", null])
        expect(heard.rows).toEqual([{ heard: '["Integer","Text","Null"]' }])
        expect(yield* Effect.flip(connection.query("DROP TABLE t"))).toMatchObject({
          reason: { _tag: "ServerError", errno: 1142, sqlState: "42000" }
        })
        yield* connection.ping
      }).pipe(Effect.scoped)
    )
  )

  it.live("tells its connections apart, and goes on when one of them leaves", () =>
    over(
      Effect.gen(function* () {
        const first = yield* Effect.scoped(Effect.map(connect, ({ info }) => info.connectionId))
        const second = yield* Effect.scoped(Effect.map(connect, ({ info }) => info.connectionId))
        expect([first, second]).toEqual([1, 2])
      })
    )
  )

  it.live("that ends in the middle of a reply loses the line, and the statement is known to have been sent", () =>
    Effect.gen(function* () {
      const connection = yield* connect
      const error = yield* Effect.flip(connection.query("SELECT 1", [], { prepare: false }))
      expect(error).toMatchObject({ reason: { _tag: "ConnectionLost" } })
    }).pipe(
      Effect.scoped,
      Effect.provide(
        ScriptedServer.layer((conversation) => {
          let statements = 0
          // Each command gets its OK but SELECT 1, upon which the script, and with it the line, ends.
          return Effect.gen(function* () {
            yield* ScriptedServer.welcome(conversation)
            while (true) {
              const { payload } = yield* conversation.receive
              if (Buffer.from(payload).toString("utf8", 1) === "SELECT 1") return
              statements++
              yield* conversation.send(Uint8Array.of(0, 0, 0, 2, 0, 0, 0))
              expect(statements).toBeLessThan(100)
            }
          })
        })
      )
    )
  )
})
