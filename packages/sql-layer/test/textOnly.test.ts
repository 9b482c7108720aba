/**
 * A proxy that refuses to prepare statements, as some hosted ones do: with `prepare: false` everything works through it,
 * and without it the refusal is a typed error and no connection is lost.
 */
import { expect } from "@effect/vitest"
import { MysqlServer } from "@effect-mysql/test-utils"
import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Model from "effect/schema/Model"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlModel from "effect/sql/SqlModel"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import * as MysqlClient from "../src/MysqlClient.ts"
import { accounts, balances, failures, onEachServer, reasons } from "./support.ts"

const comStmtPrepare = 0x16

/** ERR with 1047, `Unknown command`: sequence 1, as the reply to a command. */
const refusal = ((): Buffer => {
  const payload = Buffer.concat([Buffer.from([0xff, 0x17, 0x04]), Buffer.from("#08S01Unknown command")])
  return Buffer.concat([Buffer.from([payload.length, 0, 0, 1]), payload])
})()

/** Reads commands packet by packet; those that prepare are answered here and never reach the server. */
const refusing = (target: { readonly host: string; readonly port: number }) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly refused: () => number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      let refused = 0
      const proxy = createServer((client) => {
        const server = connect(target.port, target.host)
        for (const socket of [client, server]) {
          sockets.add(socket)
          socket.on("error", () => {})
        }
        let pending: Buffer = Buffer.alloc(0)
        client.on("data", (bytes: Buffer) => {
          pending = Buffer.concat([pending, bytes])
          while (pending.length >= 4 && pending.length >= 4 + pending.readUIntLE(0, 3)) {
            const end = 4 + pending.readUIntLE(0, 3)
            if (pending[3] === 0 && pending[4] === comStmtPrepare) {
              refused++
              client.write(refusal)
            } else {
              server.write(pending.subarray(0, end))
            }
            pending = pending.subarray(end)
          }
        })
        server.on("data", (bytes) => client.write(bytes))
        client.on("close", () => server.destroy())
        server.on("close", () => client.destroy())
      })
      proxy.listen(0, "127.0.0.1", () => {
        const close = () => {
          for (const socket of sockets) socket.destroy()
          proxy.close()
        }
        resume(Effect.succeed({ port: (proxy.address() as AddressInfo).port, refused: () => refused, close }))
      })
    }),
    (proxy) => Effect.sync(() => proxy.close())
  )

const through = Effect.fnUntraced(function* (options: MysqlClient.MysqlClientConfig) {
  const { host, port } = yield* MysqlServer.MysqlServer
  const { config } = yield* MysqlClient.MysqlClient
  const proxy = yield* refusing({ host, port })
  const sql = yield* Effect.provide(
    MysqlClient.make({
      ...config,
      host: "127.0.0.1",
      port: proxy.port,
      tls: { mode: "disabled" },
      maxConnections: 2,
      ...options
    }),
    Reactivity.layer
  )
  return { sql, refused: proxy.refused }
})

class Person extends Model.Class<Person>("Person")({
  id: Model.Field({ select: Schema.Int, update: Schema.Int, json: Schema.Int }),
  name: Schema.String
}) {}

onEachServer((it) => {
  it.effect("with `prepare: false` everything works, and nothing is prepared", () =>
    Effect.gen(function* () {
      yield* accounts
      const { refused, sql } = yield* through({ prepare: false })
      const value = "it's \\ \" é 🙂"
      const statement = sql`SELECT ${value} AS s, ${1} AS n, ${new Uint8Array([0, 39])} AS b`
      const row = { s: value, n: 1, b: new Uint8Array([0, 39]) }
      expect(yield* statement).toEqual([row])
      expect(yield* statement.values).toEqual([Object.values(row)])
      expect(yield* statement.raw).toMatchObject({ rows: [row] })
      expect(yield* Stream.runCollect(statement.stream)).toEqual([row])
      expect(yield* sql`SELECT id FROM accounts WHERE ${sql.in("id", [1, 2])} ORDER BY id`.values).toEqual([[1], [2]])
      yield* sql.withTransaction(
        Effect.andThen(
          sql`UPDATE accounts SET ${sql.update({ balance: 5 })} WHERE id = ${1}`,
          Effect.exit(sql.withTransaction(Effect.andThen(sql`DELETE FROM accounts WHERE id > ${1}`, Effect.fail("x"))))
        )
      )
      expect(yield* balances(sql)).toEqual([5, 100, 100])
      yield* sql`CREATE TABLE IF NOT EXISTS persons (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40))`
      const persons = yield* Effect.provideService(
        SqlModel.makeRepository(Person, { tableName: "persons", spanPrefix: "Persons", idColumn: "id" }),
        SqlClient.SqlClient,
        sql
      )
      const ada = yield* persons.insert(Person.insert.make({ name: value }))
      expect(yield* persons.findById(ada.id)).toEqual(ada)
      expect(reasons(yield* Effect.exit(sql`SELECT ${Number.NaN}`))).toEqual(["UnknownError"])
      expect(refused()).toBe(0)
    })
  )

  it.effect("without it the refusal is a typed error, and statements without values go on", () =>
    Effect.gen(function* () {
      const { refused, sql } = yield* through({ maxConnections: 1 })
      const [before] = yield* sql`SELECT CONNECTION_ID() AS id`
      const [error] = failures(yield* Effect.exit(sql`SELECT ${1}`))
      expect(error!.reason.cause).toMatchObject({ reason: { _tag: "ServerError", errno: 1047 } })
      expect(refused()).toBeGreaterThan(0)
      expect((yield* sql`SELECT CONNECTION_ID() AS id`)[0]).toEqual(before)
      expect(yield* sql`SELECT ${1} AS one`.unprepared).toEqual([{ one: 1 }])
    })
  )
})
