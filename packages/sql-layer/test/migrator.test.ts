/** Migrations on real servers: once each, one runner at a time, and none counted as applied that has failed. */
import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as CoreMigrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as MysqlClient from "../src/MysqlClient.ts"
import * as MysqlMigrator from "../src/MysqlMigrator.ts"
import { bystander, failures, onEachServer, runs, runsNoMore } from "./support.ts"

type Body = (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown, any>

const loaderOf = (migrations: Record<string, Body>): MysqlMigrator.Loader =>
  MysqlMigrator.fromRecord(
    Object.fromEntries(
      Object.entries(migrations).map(([key, body]) => [
        key,
        Effect.asVoid(Effect.flatMap(SqlClient.SqlClient, body)) as Effect.Effect<void, unknown, SqlClient.SqlClient>
      ])
    )
  )

const run = (migrations: Record<string, Body>, options?: Partial<MysqlMigrator.MysqlMigratorOptions>) =>
  MysqlMigrator.run({ loader: loaderOf(migrations), ...options })

const status = (migrations: Record<string, Body>) =>
  Effect.map(MysqlMigrator.status({ loader: loaderOf(migrations) }), (all) =>
    all.map(({ _tag, id, name }) => `${id}_${name} ${_tag}`)
  )

const create: Body = (sql) => sql`CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(20)) ENGINE = InnoDB`
const insert =
  (id: number): Body =>
  (sql) =>
    sql`INSERT INTO items VALUES (${id}, 'x')`
const then =
  (...bodies: ReadonlyArray<Body>): Body =>
  (sql) =>
    Effect.forEach(bodies, (body) => body(sql))
const broken: Body = (sql) => sql`INSERT INTO items VALUES (1, 'again')`

/** Nothing is left of the tests before. */
const clean = Effect.gen(function* () {
  const sql = yield* MysqlClient.MysqlClient
  for (const table of ["items", "later", "effect_sql_migrations", "effect_sql_migrations_unfinished"]) {
    yield* sql.unsafe(`DROP TABLE IF EXISTS ${table}`)
  }
  return sql
})

const single = (config: MysqlClient.MysqlClientConfig) =>
  MysqlClient.layerFrom(MysqlClient.makeClient({ url: config.url, database: config.database }))

onEachServer((it, product) => {
  it.effect("runs what is pending in the order of ids, once, and tells the status", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const order: Array<number> = []
      const noting =
        (id: number, body: Body): Body =>
        (sql) =>
          Effect.andThen(
            Effect.sync(() => order.push(id)),
            body(sql)
          )
      const first = {
        "10_last": noting(10, insert(10)),
        "2_second": noting(2, insert(2)),
        "1_first": noting(1, create)
      }
      expect(yield* status(first)).toEqual(["1_first Pending", "2_second Pending", "10_last Pending"])
      expect(yield* run(first)).toEqual([
        [1, "first"],
        [2, "second"],
        [10, "last"]
      ])
      const more = { ...first, "11_more": noting(11, insert(11)) }
      expect(yield* status(more)).toEqual(["1_first Applied", "2_second Applied", "10_last Applied", "11_more Pending"])
      expect(yield* run(more)).toEqual([[11, "more"]])
      expect(yield* run(more)).toEqual([])
      expect(order).toEqual([1, 2, 10, 11])
      expect(yield* sql`SELECT id FROM items ORDER BY id`.values).toEqual([[2], [10], [11]])
      const [applied] = yield* MysqlMigrator.status({ loader: loaderOf({}) })
      expect(applied).toMatchObject({ _tag: "Applied", id: 1, name: "first" })
      const age = Date.now() - (applied as { readonly at: Date }).at.getTime()
      expect(Math.abs(age)).toBeLessThan(600_000)
    })
  )

  it.effect("a migration that fails before anything is committed leaves nothing, and runs again", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const rows = { "1_create": create, "2_rows": then(insert(1), insert(2), broken) }
      const [error] = failures(yield* Effect.exit(run(rows)))
      expect(error).toMatchObject({ _tag: "MigrationError", kind: "Failed" })
      expect(error!.message).toContain("\"2_rows\" failed at INSERT INTO items VALUES (1, 'again')")
      expect(error!.message).toContain("Nothing of it is left")
      expect((error as { readonly cause: SqlError }).cause.reason._tag).toBe("UniqueViolation")
      expect(yield* sql`SELECT * FROM items`).toEqual([])
      expect(yield* status(rows)).toEqual(["1_create Applied", "2_rows Pending"])
      expect(yield* run({ ...rows, "2_rows": insert(1) })).toEqual([[2, "rows"]])
    })
  )

  it.effect("a statement that the server refuses to read commits nothing, be it DDL", () =>
    Effect.gen(function* () {
      yield* clean
      const migrations = { "1_create": (sql: SqlClient.SqlClient) => sql`CREATE TABEL items (id INT)` }
      expect(failures(yield* Effect.exit(run(migrations)))[0]!.message).toContain("Nothing of it is left")
      expect(yield* run({ "1_create": create })).toEqual([[1, "create"]])
    })
  )

  it.effect("one that failed half-way is marked: it is not applied, and nothing runs until that is resolved", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const half = {
        "1_create": create,
        "2_half": then(insert(1), (sql) => sql`CREATE TABLE later (id INT)`, broken),
        "3_next": insert(3)
      }
      const [error] = failures(yield* Effect.exit(run(half)))
      expect(error).toMatchObject({ kind: "Failed", cause: { reason: { _tag: "UniqueViolation" } } })
      expect(error!.message).toContain("failed at INSERT INTO items VALUES (1, 'again')")
      expect(error!.message).toContain("is committed")
      expect(yield* status(half)).toEqual(["1_create Applied", "2_half Unfinished", "3_next Pending"])
      expect((yield* MysqlMigrator.status({ loader: loaderOf(half) }))[1]).toMatchObject({
        statement: "INSERT INTO items VALUES (1, 'again')",
        error: expect.stringContaining("Duplicate entry")
      })

      const [again] = failures(yield* Effect.exit(run(half)))
      expect(again).toMatchObject({ kind: "BadState" })
      expect(again!.message).toContain('"2_half"')
      expect(again!.message).toContain("Duplicate entry")
      expect(yield* sql`SELECT id FROM items`).toEqual([{ id: 1 }])

      expect(failures(yield* Effect.exit(MysqlMigrator.resolve({ id: 1, as: "pending" })))[0]).toMatchObject({
        kind: "BadState"
      })
      yield* sql`DROP TABLE later`
      yield* sql`DELETE FROM items`
      yield* MysqlMigrator.resolve({ id: 2, as: "pending" })
      expect(yield* status(half)).toEqual(["1_create Applied", "2_half Pending", "3_next Pending"])
      expect(failures(yield* Effect.exit(run(half)))[0]).toMatchObject({ kind: "Failed" })
      yield* MysqlMigrator.resolve({ id: 2, as: "applied" })
      expect(yield* run(half)).toEqual([[3, "next"]])
      expect(yield* status(half)).toEqual(["1_create Applied", "2_half Applied", "3_next Applied"])
    })
  )

  it.effect("a failure of the user's own and a defect are told as well, and mark what is left", () =>
    Effect.gen(function* () {
      yield* clean
      const own = { "1_own": then(create, () => Effect.fail("no such plan")) }
      const [error] = failures(yield* Effect.exit(run(own)))
      expect(error).toMatchObject({ kind: "Failed", cause: "no such plan" })
      expect(error!.message).toContain("CREATE TABLE items")
      yield* MysqlMigrator.resolve({ id: 1, as: "applied" })
      const defect = {
        ...own,
        "2_defect": then(
          (sql) => sql`ALTER TABLE items ADD x INT`,
          () => Effect.die("a bug")
        )
      }
      const exit = yield* Effect.exit(run(defect))
      expect(exit).toMatchObject({ _tag: "Failure", cause: { reasons: [{ _tag: "Die", defect: "a bug" }] } })
      expect((yield* MysqlMigrator.status({ loader: loaderOf(defect) }))[1]).toMatchObject({
        _tag: "Unfinished",
        statement: "ALTER TABLE items ADD x INT",
        error: "a bug"
      })
    })
  )

  it.effect("two runners at once: each migration runs once, and both find it done", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const other = single(sql.config)
      const migrations = {
        "1_create": create,
        "2_slow": then((sql) => sql`SELECT SLEEP(0.2) /* two_runners */`, insert(2)),
        "3_three": insert(3)
      }
      const started = yield* Effect.forkChild(run(migrations))
      yield* runs(yield* bystander, "two_runners")
      const [first, second] = yield* Effect.all([Fiber.join(started), Effect.provide(run(migrations), other)], {
        concurrency: 2
      })
      expect(first).toHaveLength(3)
      expect(second).toEqual([])
      expect(yield* sql`SELECT id FROM items ORDER BY id`.values).toEqual([[2], [3]])
    })
  )

  it.effect("many runners that start together", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const migrations = { "1_create": create, "2_two": insert(2), "3_three": insert(3) }
      const runners = Array.from({ length: 5 }, () => Effect.provide(run(migrations), single(sql.config)))
      const done = yield* Effect.all(runners, { concurrency: "unbounded" })
      expect(done.map((completed) => completed.length).sort()).toEqual([0, 0, 0, 0, 3])
    })
  )

  it.effect("whoever waits too long for the other runner is told so, and an interrupted wait ends at once", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const begun = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      const holding = { "1_hold": () => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(end)) }
      const holder = yield* Effect.forkChild(run(holding))
      yield* Deferred.await(begun)
      const [error] = failures(yield* Effect.exit(run({}, { lockTimeout: "100 millis" })))
      expect(error).toMatchObject({ _tag: "MigrationError", kind: "Locked" })
      const waiting = yield* Effect.forkChild(run({}))
      yield* runs(yield* bystander, "GET_LOCK")
      yield* Fiber.interrupt(waiting)
      yield* runsNoMore(sql, "GET_LOCK")
      yield* Deferred.succeed(end, undefined)
      expect(yield* Fiber.join(holder)).toEqual([[1, "hold"]])
    })
  )

  it.effect("a runner that loses its line has lost the lock, runs nothing more, and what is left is marked", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const id = yield* Deferred.make<number>()
      const going = (sql: SqlClient.SqlClient) =>
        Effect.gen(function* () {
          const rows = yield* sql<{ readonly id: number }>`SELECT CONNECTION_ID() AS id`
          yield* sql`CREATE TABLE later (id INT)`
          yield* Deferred.succeed(id, rows[0]!.id)
          yield* sql`SELECT SLEEP(30) /* lost_runner */`
        })
      const migrations = { "1_create": create, "2_lost": going, "3_next": insert(3) }
      const runner = yield* Effect.forkChild(Effect.exit(run(migrations)))
      const other = yield* bystander
      yield* runs(other, "lost_runner")
      yield* other.unsafe(`KILL ${yield* Deferred.await(id)}`)
      const [error] = failures(yield* Fiber.join(runner))
      expect(error).toMatchObject({ _tag: "MigrationError", kind: "Failed" })
      expect(error!.message).toContain("SELECT SLEEP(30)")
      expect(yield* status(migrations)).toEqual(["1_create Applied", "2_lost Unfinished", "3_next Pending"])
      yield* MysqlMigrator.resolve({ id: 2, as: "applied" })
      expect(yield* run(migrations)).toEqual([[3, "next"]])
      expect(yield* sql`SELECT id FROM items`).toEqual([{ id: 3 }])
    })
  )

  it.effect("where nobody could write down how it ended, the mark is there all the same", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const migrations = {
        "1_create": then(create, (sql) => Effect.ignore(sql.unsafe("KILL CONNECTION_ID()")), insert(1))
      }
      const [error] = failures(yield* Effect.exit(Effect.provide(run(migrations), single(sql.config))))
      expect(error).toMatchObject({ _tag: "MigrationError", kind: "Failed" })
      expect(error!.message).toContain("Whether anything of it is left")
      expect(yield* MysqlMigrator.status({ loader: loaderOf(migrations) })).toMatchObject([
        { _tag: "Unfinished", id: 1, statement: undefined, error: undefined }
      ])
      expect(failures(yield* Effect.exit(run(migrations)))[0]).toMatchObject({ kind: "BadState" })
    })
  )

  it.effect("an interrupted runner stops its statement, gives the lock back, and leaves what is true", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const migrations = {
        "1_create": create,
        "2_long": then(insert(2), (sql) => sql`SELECT SLEEP(30) /* interrupted_runner */`)
      }
      const runner = yield* Effect.forkChild(run(migrations))
      yield* runs(yield* bystander, "interrupted_runner")
      yield* Fiber.interrupt(runner)
      yield* runsNoMore(sql, "interrupted_runner")
      expect(yield* status(migrations)).toEqual(["1_create Applied", "2_long Pending"])
      expect(yield* sql`SELECT * FROM items`).toEqual([])
      expect(yield* run({ ...migrations, "2_long": insert(2) }, { lockTimeout: "5 seconds" })).toEqual([[2, "long"]])
    })
  )

  it.effect("on one connection only, with transactions and reservations inside", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const nested: Body = (sql) =>
        Effect.gen(function* () {
          yield* Effect.exit(sql.withTransaction(Effect.andThen(insert(1)(sql), Effect.fail("undone"))))
          yield* sql.withTransaction(insert(2)(sql))
          yield* Effect.scoped(
            Effect.flatMap(sql.reserve, (one) => one.execute("INSERT INTO items VALUES (3, 'r')", [], undefined))
          )
        })
      const migrations = { "1_create": create, "2_nested": nested }
      expect(yield* Effect.provide(run(migrations), single(sql.config))).toHaveLength(2)
      expect(yield* sql`SELECT id FROM items ORDER BY id`.values).toEqual([[2], [3]])
      yield* clean
      const pool = MysqlClient.layer({ ...sql.config, maxConnections: 1, acquireTimeout: "5 seconds" })
      yield* Effect.provide(
        Effect.gen(function* () {
          expect(yield* run(migrations)).toHaveLength(2)
          const sql = yield* MysqlClient.MysqlClient
          expect(yield* sql.withTransaction(sql`SELECT id FROM items ORDER BY id`.values)).toEqual([[2], [3]])
        }),
        pool
      )
    })
  )

  it.effect("goes on where core's migrator was, and the other way round", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const core = CoreMigrator.make({})
      const one = { "1_create": create }
      expect(yield* core({ loader: loaderOf(one) })).toEqual([[1, "create"]])
      const two = { ...one, "2_two": insert(2) }
      expect(yield* run(two)).toEqual([[2, "two"]])
      expect(yield* core({ loader: loaderOf({ ...two, "3_three": insert(3) }) })).toEqual([[3, "three"]])
      expect(yield* sql`SELECT id FROM items ORDER BY id`.values).toEqual([[2], [3]])
    })
  )

  it.effect("an id that comes late is an error, unless it is to be run or ignored", () =>
    Effect.gen(function* () {
      yield* clean
      const early = { "2_create": create }
      yield* run(early)
      const late = { ...early, "1_late": insert(1), "3_three": insert(3) }
      const [error] = failures(yield* Effect.exit(run(late)))
      expect(error).toMatchObject({ kind: "BadState" })
      expect(error!.message).toContain('"1_late"')
      expect(yield* run(late, { outOfOrder: "ignore" })).toEqual([[3, "three"]])
      expect(yield* run(late, { outOfOrder: "run" })).toEqual([[1, "late"]])
    })
  )

  it.effect("what a loader gives: duplicates, ids out of range, and modules that cannot be used", () =>
    Effect.gen(function* () {
      yield* clean
      const nothing = Effect.succeed(Effect.void)
      const kinds = (loaded: ReadonlyArray<MysqlMigrator.ResolvedMigration>) =>
        Effect.map(Effect.exit(MysqlMigrator.run({ loader: Effect.succeed(loaded) })), (exit) =>
          failures(exit).map((error) => (error as MysqlMigrator.MigrationError).kind)
        )
      expect(
        yield* kinds([
          [1, "a", nothing],
          [1, "b", nothing]
        ])
      ).toEqual(["Duplicates"])
      expect(yield* kinds([[0, "zero", nothing]])).toEqual(["BadState"])
      expect(yield* kinds([[2 ** 32, "much", nothing]])).toEqual(["BadState"])
      expect(yield* kinds([[1, "a", Effect.die(new Error("no such file"))]])).toEqual(["ImportError"])
      expect(yield* kinds([[1, "a", Effect.succeed({})]])).toEqual(["ImportError"])
      expect(yield* kinds([[1, "a", Effect.succeed({ default: 7 })]])).toEqual(["ImportError"])
      expect(yield* kinds([[1, "a", Effect.succeed({ default: Effect.void })]])).toEqual([])
      expect(yield* status({})).toEqual(["1_a Applied"])
    })
  )

  it.effect("the layer migrates before what depends on it is built; tables of other names; names in transforms", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const database = MysqlClient.layer({
        ...sql.config,
        transformQueryNames: (name) => name.toUpperCase(),
        transformResultNames: (name) => name.toLowerCase(),
        decoding: { dateTime: "string", bigint: "bigint" }
      })
      const options = { loader: loaderOf({ "1_create": create }), table: "my`migrations" }
      const migrated = Layer.provideMerge(MysqlMigrator.layer(options), database)
      yield* Effect.provide(
        Effect.gen(function* () {
          const [one] = yield* MysqlMigrator.status(options)
          expect(one).toMatchObject({ _tag: "Applied", id: 1, at: expect.any(Date) })
          expect(yield* MysqlMigrator.run(options)).toEqual([])
        }),
        migrated
      )
      expect(yield* sql.unsafe("SELECT migration_id FROM `my``migrations`")).toEqual([{ migration_id: 1 }])
      yield* sql.unsafe("DROP TABLE `my``migrations`, `my``migrations_unfinished`")
    })
  )

  it.effect("the schema as statements that make the same schema anew", () =>
    Effect.gen(function* () {
      const sql = yield* clean
      const from = yield* ownDatabase(sql.config)
      const to = yield* ownDatabase(sql.config)
      yield* Effect.provide(
        run({
          "1_tables": then(
            (sql) => sql`CREATE TABLE parents (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) DEFAULT 'it''s')`,
            (sql) => sql`CREATE TABLE children (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parents (id))`,
            (sql) => sql`CREATE VIEW b_view AS SELECT id FROM parents`,
            (sql) => sql`CREATE VIEW a_view AS SELECT id FROM b_view`,
            (sql) => sql`INSERT INTO parents (name) VALUES ('x')`,
            (sql) => sql`CREATE PROCEDURE twice(IN n INT) BEGIN SELECT n * 2; END`,
            (sql) => sql`CREATE FUNCTION one() RETURNS INT DETERMINISTIC BEGIN RETURN 1; END`,
            (sql) => sql`CREATE TRIGGER on_insert BEFORE INSERT ON parents FOR EACH ROW BEGIN SET NEW.name = 'y'; END`,
            (sql) => sql`CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DISABLE DO BEGIN DELETE FROM children; END`,
            ...(product === "mariadb" ? [(sql: SqlClient.SqlClient) => sql`CREATE SEQUENCE numbers`] : [])
          )
        }),
        from.layer
      )
      const dump = yield* Effect.provide(MysqlMigrator.dumpSchema(), from.layer)
      expect(dump).not.toContain("DEFINER=")
      expect(dump).not.toContain("AUTO_INCREMENT=")
      yield* Effect.provide(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const connection = yield* sql.reserve
          for (const text of splitAsTheCommandLine(dump)) yield* connection.executeUnprepared(text, [], undefined)
        }),
        to.layer
      )
      // An event starts when it is made.
      const comparable = (text: string) => text.replace(/ STARTS '[^']*'/g, "")
      expect(comparable(yield* Effect.provide(MysqlMigrator.dumpSchema(), to.layer))).toBe(comparable(dump))
    })
  )

  it.effect("with a schema directory the dump is a file, written when something was migrated", () =>
    Effect.gen(function* () {
      yield* clean
      const files = yield* FileSystem.FileSystem
      const directory = `${yield* files.makeTempDirectoryScoped()}/new`
      const options = { loader: loaderOf({ "1_create": create }), schemaDirectory: directory }
      yield* MysqlMigrator.run(options)
      const text = yield* files.readFileString(`${directory}/_schema.sql`)
      expect(text).toContain("CREATE TABLE `items`")
      expect(text).toContain("INSERT INTO `effect_sql_migrations` (migration_id, name) VALUES (1, 'create');")
      yield* files.remove(directory, { recursive: true })
      yield* MysqlMigrator.run(options)
      expect(yield* files.exists(directory)).toBe(false)
    }).pipe(Effect.provide([NodeFileSystem.layer, NodePath.layer]))
  )
})

let databases = 0

const ownDatabase = (config: MysqlClient.MysqlClientConfig) =>
  Effect.gen(function* () {
    const sql = yield* bystander
    const database = `${config.database}_${databases++}`
    yield* Effect.acquireRelease(sql.unsafe(`CREATE DATABASE ${database}`), () =>
      Effect.ignore(sql.unsafe(`DROP DATABASE ${database}`))
    )
    return { layer: MysqlClient.layer({ url: config.url!, database, maxConnections: 2 }) }
  })

/** Statements end with the delimiter at the end of a line. */
const splitAsTheCommandLine = (text: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  let delimiter = ";"
  let current = ""
  for (const line of text.split("\n")) {
    if (line.startsWith("DELIMITER ")) {
      delimiter = line.slice("DELIMITER ".length)
    } else if (line.endsWith(delimiter)) {
      found.push(current + line.slice(0, -delimiter.length))
      current = ""
    } else {
      current += `${line}\n`
    }
  }
  return found.filter((sql) => sql.trim() !== "")
}
