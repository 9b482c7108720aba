/** The aid for users' tests, used as its documentation says. */
import { describe, expect, it, layer } from "@effect/vitest"
import { SharedServers } from "@effect-mysql/test-utils"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlResolver from "effect/sql/SqlResolver"
import * as MysqlClient from "../src/MysqlClient.ts"
import * as TestTransaction from "../src/TestTransaction.ts"
import { clientLayer, reasons } from "./support.ts"

/** A service as users have them, built once for all tests. */
class Names extends Context.Service<
  Names,
  {
    readonly add: (name: string) => Effect.Effect<void, SqlError>
    readonly all: Effect.Effect<ReadonlyArray<string>, SqlError>
  }
>()("test/Names") {
  static readonly layer = Layer.effect(
    Names,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE names (name VARCHAR(20) PRIMARY KEY) ENGINE = InnoDB`
      return {
        add: (name) => sql.withTransaction(Effect.asVoid(sql`INSERT INTO names VALUES (${name})`)),
        all: Effect.map(sql<{ readonly name: string }>`SELECT name FROM names ORDER BY name`, (rows) =>
          rows.map(({ name }) => name)
        )
      }
    })
  )
}

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(server.name, () => {
    const database = Layer.provideMerge(Names.layer, clientLayer(server))
    layer(database, { timeout: "60 seconds" })((it) => {
      for (const attempt of [1, 2]) {
        it.effect(`a test finds nothing of the others (${attempt})`, () =>
          Effect.gen(function* () {
            const names = yield* Names
            expect(yield* names.all).toEqual([])
            yield* names.add("Ada")
            expect(yield* names.all).toEqual(["Ada"])
            expect(reasons(yield* Effect.exit(names.add("Ada")))).toEqual(["UniqueViolation"])
            expect(yield* names.all).toEqual(["Ada"])
          }).pipe(Effect.provide(TestTransaction.layer))
        )
      }

      it.effect("tests at the same time have transactions of their own", () =>
        Effect.gen(function* () {
          const names = yield* Names
          const met = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
          const one = (me: 0 | 1) =>
            Effect.gen(function* () {
              yield* names.add(`name ${me}`)
              yield* Deferred.succeed(met[me]!, undefined)
              yield* Deferred.await(met[1 - me]!)
              return yield* names.all
            }).pipe(Effect.provide(TestTransaction.layer))
          expect(yield* Effect.all([one(0), one(1)], { concurrency: 2 })).toEqual([["name 0"], ["name 1"]])
          expect(yield* names.all).toEqual([])
        })
      )

      it.effect("fibers of the test, resolvers, reservations and transactions that fail take part", () =>
        Effect.gen(function* () {
          const names = yield* Names
          const sql = yield* MysqlClient.MysqlClient
          yield* Effect.forEach(["a", "b", "c"], names.add, { concurrency: 3 })
          yield* Effect.exit(sql.withTransaction(Effect.andThen(names.add("d"), Effect.fail("undone"))))
          const find = SqlResolver.findById({
            Id: Schema.String,
            Result: Schema.Struct({ name: Schema.String }),
            ResultId: ({ name }) => name,
            execute: (wanted) => sql`SELECT name FROM names WHERE ${sql.in("name", wanted)}`
          })
          expect(yield* SqlResolver.request("b", find)).toEqual({ name: "b" })
          let called = false
          yield* sql.afterCommit(Effect.sync(() => (called = true)))
          expect(yield* names.all).toEqual(["a", "b", "c"])
          expect(called).toBe(false)
        }).pipe(Effect.provide(TestTransaction.layer))
      )

      it.effect("a test that fails or is interrupted is rolled back as well", () =>
        Effect.gen(function* () {
          const names = yield* Names
          for (const end of [Effect.fail("x"), Effect.die("x"), Effect.interrupt]) {
            const test = Effect.andThen(names.add("gone"), end).pipe(Effect.provide(TestTransaction.layer))
            expect(Exit.isFailure(yield* Effect.exit(test))).toBe(true)
          }
          expect(yield* names.all).toEqual([])
        })
      )

      it.effect("what commits by itself ends the test with a defect that names it", () =>
        Effect.gen(function* () {
          const sql = yield* MysqlClient.MysqlClient
          const test = sql`CREATE TABLE by_itself (id INT)`.pipe(Effect.provide(TestTransaction.layer))
          const exit = yield* Effect.exit(test)
          expect(exit).toMatchObject({ _tag: "Failure", cause: { reasons: [{ _tag: "Die" }] } })
          expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("CREATE TABLE by_itself")
          yield* sql`DROP TABLE by_itself`
        })
      )
    })
  })
}

describe("without a server", () => {
  it.live("it fails as the connection does", () =>
    Effect.gen(function* () {
      const unreachable = MysqlClient.layer({
        host: "127.0.0.1",
        port: 1,
        initialization: "lazy",
        acquireTimeout: "300 millis"
      })
      const test = Effect.provide(Effect.void, Layer.provide(TestTransaction.layer, unreachable))
      expect(reasons(yield* Effect.exit(test))).toEqual(["ConnectionError"])
    })
  )
})
