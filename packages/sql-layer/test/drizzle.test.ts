/** Drizzle's queries on the client: what they give, in whose transaction they run, and how they fail and stop. */
import { expect } from "@effect/vitest"
import { eq, sql as raw, relations } from "drizzle-orm"
import * as t from "drizzle-orm/mysql-core"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Stream from "effect/Stream"
import * as Drizzle from "../src/Drizzle.ts"
import { MysqlClient, make as makeClient } from "../src/MysqlClient.ts"
import { onEachServer, runs, runsNoMore } from "./support.ts"

const people = t.mysqlTable("drizzle_people", {
  id: t.int().autoincrement().primaryKey(),
  name: t.varchar({ length: 50 }).notNull().unique(),
  born: t.datetime({ fsp: 3 }),
  seen: t.timestamp({ fsp: 6, mode: "string" }),
  day: t.date(),
  score: t.decimal({ precision: 30, scale: 10 }),
  large: t.bigint({ mode: "bigint", unsigned: true }),
  active: t.boolean(),
  tags: t.json().$type<ReadonlyArray<string>>(),
  code: t.varbinary({ length: 8 })
})

const pets = t.mysqlTable("drizzle_pets", {
  id: t.int().autoincrement().primaryKey(),
  name: t.varchar({ length: 50 }).notNull(),
  ownerId: t.int("owner_id").notNull()
})

const schema = {
  people,
  pets,
  ownerOf: relations(pets, ({ one }) => ({ owner: one(people, { fields: [pets.ownerId], references: [people.id] }) })),
  petsOf: relations(people, ({ many }) => ({ pets: many(pets) }))
}

const ada = {
  name: "Ada",
  born: new Date("1815-12-10T01:02:03.004Z"),
  seen: "2026-01-02 03:04:05.678901",
  day: new Date("1815-12-10T00:00:00.000Z"),
  score: "12345678901234567890.0123456789",
  large: 18446744073709551615n,
  active: true,
  tags: ["first"],
  code: "abc"
}

const nothing = { born: null, seen: null, day: null, score: null, large: null, active: null, tags: null, code: null }

const withTables = Effect.gen(function* () {
  const sql = yield* MysqlClient
  const drizzle = yield* Drizzle.make({ schema })
  yield* sql`DROP TABLE IF EXISTS drizzle_people, drizzle_pets`
  yield* sql`CREATE TABLE drizzle_people (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL UNIQUE,
    born DATETIME(3), seen TIMESTAMP(6) NULL, day DATE, score DECIMAL(30,10), large BIGINT UNSIGNED, active BOOLEAN,
    tags JSON, code VARBINARY(8))`
  yield* sql`CREATE TABLE drizzle_pets (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL, owner_id INT)`
  const ids = yield* drizzle.run(
    drizzle.db
      .insert(people)
      .values([ada, { name: "Grace" }])
      .$returningId()
  )
  yield* drizzle.run(drizzle.db.insert(pets).values({ name: "Rex", ownerId: ids[0]!.id }))
  return { sql, ids, ...drizzle }
})

onEachServer((it, product) => {
  it.effect("every value comes back as its column says, to the last digit", () =>
    Effect.gen(function* () {
      const { db, ids, run } = yield* withTables
      expect(ids).toEqual([{ id: 1 }, { id: 2 }])
      expect(yield* run(db.select().from(people).orderBy(people.id))).toEqual([
        { id: 1, ...ada },
        { id: 2, name: "Grace", ...nothing }
      ])
    })
  )

  it.effect("generated ids beyond 2^53 are those of their rows", () =>
    Effect.gen(function* () {
      const { db, run, sql } = yield* withTables
      const large = t.mysqlTable("drizzle_large", {
        id: t.bigint({ mode: "bigint" }).autoincrement().primaryKey(),
        n: t.int()
      })
      yield* sql`DROP TABLE IF EXISTS drizzle_large`
      yield* sql`CREATE TABLE drizzle_large (id BIGINT AUTO_INCREMENT PRIMARY KEY, n INT) AUTO_INCREMENT = 9007199254740993`
      const ids = yield* run(
        db
          .insert(large)
          .values([{ n: 1 }, { n: 2 }])
          .$returningId()
      )
      expect(ids).toEqual([{ id: 9007199254740993n }, { id: 9007199254740994n }])
      expect(yield* run(db.select({ id: large.id }).from(large).orderBy(large.id))).toEqual(ids)
    })
  )

  it.effect("names are the database's, whatever the client makes of names", () =>
    Effect.gen(function* () {
      yield* withTables
      const { config } = yield* MysqlClient
      const shouting = yield* Effect.provide(
        makeClient({ ...config, transformResultNames: (name) => name.toUpperCase() }),
        Reactivity.layer
      )
      const { rows } = yield* Effect.provideService(Drizzle.make({ schema }), MysqlClient, shouting)
      expect(yield* rows(raw`SELECT ${people.name} FROM ${people} ORDER BY ${people.id}`)).toEqual([
        { name: "Ada" },
        { name: "Grace" }
      ])
    })
  )

  it.effect("joins keep columns of one name apart, and what has no partner is null", () =>
    Effect.gen(function* () {
      const { db, run } = yield* withTables
      const owners = db
        .select({ person: { id: people.id, name: people.name }, pet: pets })
        .from(people)
        .leftJoin(pets, eq(pets.ownerId, people.id))
        .orderBy(people.id)
      expect(yield* run(owners)).toEqual([
        { person: { id: 1, name: "Ada" }, pet: { id: 1, name: "Rex", ownerId: 1 } },
        { person: { id: 2, name: "Grace" }, pet: null }
      ])
    })
  )

  it.effect("relations come with their rows on MySQL; MariaDB has not the lateral join that Drizzle writes", () =>
    Effect.gen(function* () {
      const { db, run } = yield* withTables
      const query = run(
        db.query.people.findFirst({ columns: { name: true }, with: { pets: { columns: { name: true } } } })
      )
      if (product === "mysql") expect(yield* query).toEqual({ name: "Ada", pets: [{ name: "Rex" }] })
      else expect((yield* Effect.flip(query)).reason._tag).toBe("SqlSyntaxError")
    })
  )

  it.effect("a statement without rows gives its outcome; placeholders get their values; templates give rows", () =>
    Effect.gen(function* () {
      const { db, rows, run } = yield* withTables
      expect(yield* run(db.update(people).set({ active: false }).where(eq(people.name, "Ada")))).toMatchObject({
        affectedRows: 1,
        insertId: 0
      })
      const byName = db
        .select({ active: people.active })
        .from(people)
        .where(eq(people.name, raw.placeholder("name")))
        .prepare()
      expect(yield* run(byName, { name: "Ada" })).toEqual([{ active: false }])
      expect(yield* run(byName, { name: "Grace" })).toEqual([{ active: null }])
      expect(yield* rows(raw`SELECT ${people.name} AS n FROM ${people} WHERE ${people.id} = ${1}`)).toEqual([
        { n: "Ada" }
      ])
    })
  )

  it.effect("a query runs in the transaction of its fiber, and goes with it", () =>
    Effect.gen(function* () {
      const { db, run, sql } = yield* withTables
      yield* Effect.gen(function* () {
        yield* run(db.insert(people).values({ name: "Ghost" }))
        expect(yield* run(db.select().from(people))).toHaveLength(3)
        yield* Effect.fail("changed my mind")
      }).pipe(sql.withTransaction, Effect.flip)
      expect(yield* run(db.select().from(people))).toHaveLength(2)
    })
  )

  it.effect("rows come as a stream, joined and in a transaction, and ending it early leaves the client usable", () =>
    Effect.gen(function* () {
      const { db, run, sql, stream } = yield* withTables
      const names = db
        .select({ name: people.name, pet: pets.name })
        .from(people)
        .leftJoin(pets, eq(pets.ownerId, people.id))
      const expected = [
        { name: "Ada", pet: "Rex" },
        { name: "Grace", pet: null }
      ]
      expect(yield* Stream.runCollect(stream(names.orderBy(people.id)))).toEqual(expected)
      expect(yield* sql.withTransaction(Stream.runCollect(stream(names)))).toHaveLength(2)
      expect(yield* Stream.runCollect(Stream.take(stream(names), 1))).toHaveLength(1)
      expect(yield* run(names)).toHaveLength(2)
    })
  )

  it.effect("an error of the server is a SqlError, by its reason; what a column throws is one too", () =>
    Effect.gen(function* () {
      const { db, run } = yield* withTables
      const error = yield* Effect.flip(run(db.insert(people).values({ name: "Ada" })))
      expect(error.reason._tag).toBe("UniqueViolation")
      const picky = t.customType<{ data: string; driverData: string }>({
        dataType: () => "varchar(50)",
        fromDriver: (value) => {
          throw new Error(`not ${value}`)
        }
      })
      const broken = t.mysqlTable("drizzle_people", { name: picky() })
      const failed = yield* Effect.flip(run(db.select().from(broken)))
      expect(failed.reason).toMatchObject({ _tag: "UnknownError", message: "Drizzle failed: Error: not Ada" })
    })
  )

  it.effect("interrupting it stops the statement on the server", () =>
    Effect.gen(function* () {
      const { rows, sql } = yield* withTables
      const fiber = yield* Effect.forkChild(rows(raw`SELECT SLEEP(1000) AS drizzle_sleeps`), { startImmediately: true })
      yield* runs(sql, "drizzle_sleeps")
      yield* Fiber.interrupt(fiber)
      yield* runsNoMore(sql, "drizzle_sleeps")
    })
  )

  it.effect("its own ways to run a query are refused", () =>
    Effect.gen(function* () {
      const { db } = yield* withTables
      const ways = [db.select().from(people), db.execute(raw`SELECT 1`), db.transaction(async () => 1)]
      for (const way of ways) {
        const refusal = yield* Effect.promise(async () => {
          try {
            return String(await way)
          } catch (error) {
            return String(error)
          }
        })
        expect(refusal).toContain("in the fiber's transaction")
      }
    })
  )
})
