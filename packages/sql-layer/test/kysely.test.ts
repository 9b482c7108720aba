/** Kysely's queries on the client: what they give, in whose transaction they run, and how they fail and stop. */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Stream from "effect/Stream"
import { CamelCasePlugin, type Generated, sql as raw } from "kysely"
import * as Kysely from "../src/Kysely.ts"
import { MysqlClient, make as makeClient } from "../src/MysqlClient.ts"
import { onEachServer, runs, runsNoMore } from "./support.ts"

interface Database {
  readonly kysely_people: {
    readonly id: Generated<number>
    readonly first_name: string
    readonly born: Date | null
    readonly tags: unknown
  }
}

const withTable = Effect.gen(function* () {
  const sql = yield* MysqlClient
  yield* sql`DROP TABLE IF EXISTS kysely_people`
  yield* sql`CREATE TABLE kysely_people (id INT AUTO_INCREMENT PRIMARY KEY, first_name VARCHAR(50) NOT NULL UNIQUE,
    born DATETIME(3), tags JSON)`
  const kysely = yield* Kysely.make<Database>()
  yield* kysely.run(
    kysely.db.insertInto("kysely_people").values([
      { first_name: "Ada", born: new Date("1815-12-10T01:02:03.004Z"), tags: JSON.stringify(["first"]) },
      { first_name: "Grace", born: null, tags: null }
    ])
  )
  return { sql, ...kysely }
})

onEachServer((it, product) => {
  it.effect("rows come with their types, joined, filtered and empty", () =>
    Effect.gen(function* () {
      const { db, first, run } = yield* withTable
      const people = db.selectFrom("kysely_people").select(["first_name", "born", "tags"])
      expect(yield* run(people.orderBy("id"))).toEqual([
        { first_name: "Ada", born: new Date("1815-12-10T01:02:03.004Z"), tags: ["first"] },
        { first_name: "Grace", born: null, tags: null }
      ])
      expect(yield* first(people.where("first_name", "=", "Grace"))).toEqual(
        Option.some({ first_name: "Grace", born: null, tags: null })
      )
      expect(yield* first(people.where("first_name", "=", "Nobody"))).toEqual(Option.none())
    })
  )

  it.effect("statements without rows give what Kysely's own drivers give", () =>
    Effect.gen(function* () {
      const { db, run } = yield* withTable
      const [inserted] = yield* run(
        db.insertInto("kysely_people").values({ first_name: "Alan", born: null, tags: null })
      )
      expect(inserted).toMatchObject({ insertId: 3n, numInsertedOrUpdatedRows: 1n })
      // One row is matched and has that name already.
      const rename = db.updateTable("kysely_people").set({ first_name: "Alan" }).where("id", "=", 3)
      expect(yield* run(rename)).toMatchObject([{ numUpdatedRows: 1n, numChangedRows: 0n }])
      expect(yield* run(db.deleteFrom("kysely_people").where("id", ">", 1))).toMatchObject([{ numDeletedRows: 2n }])
      expect(yield* run(db.schema.createTable("kysely_other").ifNotExists().addColumn("id", "integer"))).toEqual([])
    })
  )

  it.effect("names are the database's, whatever the client makes of names", () =>
    Effect.gen(function* () {
      yield* withTable
      const { config } = yield* MysqlClient
      const shouting = yield* Effect.provide(
        makeClient({ ...config, transformResultNames: (name) => name.toUpperCase() }),
        Reactivity.layer
      )
      expect(yield* shouting`SELECT id FROM kysely_people LIMIT 1`).toEqual([{ ID: 1 }])
      const { db, run, stream } = yield* Effect.provideService(Kysely.make<Database>(), MysqlClient, shouting)
      const names = db.selectFrom("kysely_people").select("first_name").orderBy("id")
      expect(yield* run(names)).toEqual([{ first_name: "Ada" }, { first_name: "Grace" }])
      expect(yield* Stream.runCollect(stream(names))).toEqual([{ first_name: "Ada" }, { first_name: "Grace" }])
    })
  )

  it.effect("templates run as well", () =>
    Effect.gen(function* () {
      const { db, run } = yield* withTable
      const query = raw<{ readonly n: number }>`SELECT COUNT(*) AS n FROM ${raw.table("kysely_people")} WHERE id < ${9}`
      expect(yield* run(query.compile(db))).toEqual([{ n: 2 }])
    })
  )

  it.effect("a query runs in the transaction of its fiber, and goes with it", () =>
    Effect.gen(function* () {
      const { db, run, sql } = yield* withTable
      const names = db.selectFrom("kysely_people").select("first_name")
      yield* Effect.gen(function* () {
        yield* run(db.insertInto("kysely_people").values({ first_name: "Ghost", born: null, tags: null }))
        expect(yield* run(names)).toHaveLength(3)
        yield* Effect.fail("changed my mind")
      }).pipe(sql.withTransaction, Effect.flip)
      expect(yield* run(names)).toHaveLength(2)
    })
  )

  it.effect("rows come as a stream, and ending it early leaves the client usable", () =>
    Effect.gen(function* () {
      const { db, run, stream } = yield* withTable
      const names = db.selectFrom("kysely_people").select("first_name").orderBy("id")
      expect(yield* Stream.runCollect(stream(names))).toEqual([{ first_name: "Ada" }, { first_name: "Grace" }])
      expect(yield* Stream.runCollect(Stream.take(stream(names), 1))).toEqual([{ first_name: "Ada" }])
      expect(yield* run(names)).toHaveLength(2)
    })
  )

  it.effect("an error of the server is a SqlError, by its reason", () =>
    Effect.gen(function* () {
      const { db, run } = yield* withTable
      const twice = db.insertInto("kysely_people").values({ first_name: "Ada", born: null, tags: null })
      const error = yield* Effect.flip(run(twice))
      expect(error.reason).toMatchObject({
        _tag: "UniqueViolation",
        constraint: product === "mysql" ? "kysely_people.first_name" : "first_name"
      })
    })
  )

  it.effect("interrupting it stops the statement on the server", () =>
    Effect.gen(function* () {
      const { db, run, sql } = yield* withTable
      const slow = raw`SELECT SLEEP(${1000}) AS kysely_sleeps`.compile(db)
      const fiber = yield* Effect.forkChild(run(slow), { startImmediately: true })
      yield* runs(sql, "kysely_sleeps")
      yield* Fiber.interrupt(fiber)
      yield* runsNoMore(sql, "kysely_sleeps")
    })
  )

  it.effect("plugins apply to rows, in one piece and as a stream, and a failing one is a typed error", () =>
    Effect.gen(function* () {
      yield* withTable
      const camel = yield* Kysely.make<{ readonly kyselyPeople: { readonly firstName: string } }>({
        plugins: [new CamelCasePlugin()]
      })
      const names = camel.db.selectFrom("kyselyPeople").select("firstName").orderBy("firstName")
      const expected = [{ firstName: "Ada" }, { firstName: "Grace" }]
      expect(yield* camel.run(names)).toEqual(expected)
      expect(yield* Stream.runCollect(camel.stream(names))).toEqual(expected)
      const failing = yield* Kysely.make<Database>({
        plugins: [{ transformQuery: ({ node }) => node, transformResult: () => Promise.reject(new Error("no")) }]
      })
      const error = yield* Effect.flip(failing.run(failing.db.selectFrom("kysely_people").selectAll()))
      expect(error.reason._tag).toBe("UnknownError")
    })
  )

  it.effect("its own ways to run a query are refused", () =>
    Effect.gen(function* () {
      const { db } = yield* withTable
      const refusal = yield* Effect.promise(() =>
        db
          .selectFrom("kysely_people")
          .selectAll()
          .execute()
          .then(
            () => "ran",
            (error: Error) => error.message
          )
      )
      expect(refusal).toContain("`run`, `first` and `stream`")
    })
  )
})
