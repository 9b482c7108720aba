/** Core's repositories, resolvers and references on a client: models with generated ids, batches, what waits for COMMIT. */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schema from "effect/Schema"
import * as Str from "effect/String"
import * as Model from "effect/schema/Model"
import { BeginTransaction } from "effect/sql/SqlClient"
import * as SqlModel from "effect/sql/SqlModel"
import * as SqlResolver from "effect/sql/SqlResolver"
import * as SqlSchema from "effect/sql/SqlSchema"
import * as Statement from "effect/sql/Statement"
import * as MysqlClient from "../src/MysqlClient.ts"
import { onEachServer, reasons } from "./support.ts"

const Id = Schema.Union([Schema.Int, Schema.BigInt])

class Track extends Model.Class<Track>("Track")({
  id: Model.Field({ select: Id, update: Id, json: Id }),
  title: Schema.String,
  tags: Schema.Array(Schema.String).pipe(Schema.fromJsonString, Schema.NullOr),
  length: Schema.Finite,
  createdAt: Model.DateTimeInsertFromDate,
  updatedAt: Model.DateTimeUpdateFromDate,
  deletedAt: Model.GeneratedByDb(Schema.NullOr(Schema.Date))
}) {}

/** Ids beyond 2^53 are part of the range that the server generates. */
const firstId = BigInt("9007199254740990")

const tracks = Effect.gen(function* () {
  const sql = yield* MysqlClient.MysqlClient
  yield* sql`DROP TABLE IF EXISTS tracks`
  yield* sql.unsafe(`CREATE TABLE tracks (
    id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, title VARCHAR(40) NOT NULL UNIQUE, tags JSON, length DOUBLE NOT NULL,
    created_at DATETIME(3) NOT NULL, updated_at DATETIME(3) NOT NULL, deleted_at DATETIME
  ) AUTO_INCREMENT = ${firstId}`)
  return sql
})

const options = { tableName: "tracks", spanPrefix: "Tracks", idColumn: "id", softDeleteColumn: "deletedAt" } as const

const insertOf = (title: string) => Track.insert.make({ title, tags: ["it's", "\\"], length: 0.1 })

onEachServer(
  (it) => {
    it.effect("a repository with generated ids up to the end of BIGINT, soft delete and updates", () =>
      Effect.gen(function* () {
        const sql = yield* tracks
        const repository = yield* SqlModel.makeRepository(Track, options)
        const inserted = yield* Effect.forEach([1, 2, 3, 4], (n) => repository.insert(insertOf(`track ${n}`)), {
          concurrency: 4
        })
        expect(inserted.map(({ id }) => BigInt(id)).sort()).toEqual([0, 1, 2, 3].map((n) => firstId + BigInt(n)))
        expect(inserted[0]).toBeInstanceOf(Track)
        expect(inserted[0]).toMatchObject({ title: "track 1", tags: ["it's", "\\"], length: 0.1, deletedAt: null })
        yield* repository.insertVoid(insertOf("void"))
        const last = inserted.find(({ id }) => id === firstId + BigInt(3))!
        const { updatedAt: _, ...kept } = last
        const update = Track.update.make({ ...kept, title: "it's new" })
        expect(yield* repository.update(update)).toMatchObject({ id: last.id, title: "it's new" })
        yield* repository.updateVoid(Track.update.make({ ...kept, title: "newer" }))
        expect((yield* repository.findById(last.id)).title).toBe("newer")
        yield* repository.delete(last.id)
        expect((yield* Effect.flip(repository.findById(last.id)))._tag).toBe("NoSuchElementError")
        expect(reasons(yield* Effect.exit(repository.insert(insertOf("void"))))).toEqual(["UniqueViolation"])
        const count = sql<{ readonly n: number }>`SELECT COUNT(*) AS n FROM tracks`
        expect(yield* count).toEqual([{ n: 5 }])
        const undone = repository.insert(insertOf("undone")).pipe(Effect.andThen(Effect.fail("mine")))
        expect(yield* Effect.flip(sql.withTransaction(undone))).toBe("mine")
        expect(yield* count).toEqual([{ n: 5 }])
      })
    )

    it.effect("resolvers of a model: requests of one moment are one statement each kind", () =>
      Effect.gen(function* () {
        const sql = yield* tracks
        const resolvers = yield* SqlModel.makeResolvers(Track, options)
        const insert = SqlResolver.request(resolvers.insert)
        const inserted = yield* Effect.forEach(["a", "b", "c"], (title) => insert(insertOf(title)), {
          concurrency: "unbounded"
        })
        expect(inserted.map(({ title }) => title)).toEqual(["a", "b", "c"])
        const statements: Array<string> = []
        const find = SqlResolver.request(resolvers.findById)
        const found = yield* Effect.forEach(
          inserted.map(({ id }) => id),
          (id) => find(id),
          { concurrency: "unbounded" }
        ).pipe(Effect.provideService(Statement.CurrentTransformer, noting(statements)))
        expect(found.map(({ title }) => title)).toEqual(["a", "b", "c"])
        expect(statements).toHaveLength(1)
        yield* Effect.forEach(inserted, ({ id }) => SqlResolver.request(id, resolvers.delete), {
          concurrency: "unbounded"
        })
        yield* Effect.forEach(["d", "e"], (title) => SqlResolver.request(insertOf(title), resolvers.insertVoid), {
          concurrency: "unbounded"
        })
        expect(yield* sql`SELECT title FROM tracks WHERE deleted_at IS NULL ORDER BY title`.values).toEqual([
          ["d"],
          ["e"]
        ])
      })
    )

    it.effect("SqlResolver: grouped, ordered and void; requests in a transaction do not mix with those outside", () =>
      Effect.gen(function* () {
        const sql = yield* tracks
        yield* sql`INSERT INTO tracks (title, length, created_at, updated_at) VALUES ('a', 1, NOW(), NOW()), ('b', 1, NOW(), NOW()), ('c', 2, NOW(), NOW())`
        const byLength = SqlResolver.grouped({
          Request: Schema.Finite,
          RequestGroupKey: (length) => length,
          Result: Schema.Struct({ title: Schema.String, length: Schema.Finite }),
          ResultGroupKey: ({ length }) => length,
          execute: (lengths) => sql`SELECT title, length FROM tracks WHERE ${sql.in("length", lengths)} ORDER BY title`
        })
        const titles = (length: number) =>
          Effect.map(SqlResolver.request(length, byLength), (rows) => rows.map(({ title }) => title))
        expect(yield* Effect.all([titles(1), titles(2)], { concurrency: "unbounded" })).toEqual([["a", "b"], ["c"]])
        const [inside, outside] = yield* Effect.all(
          [
            sql.withTransaction(Effect.andThen(sql`UPDATE tracks SET length = 3 WHERE title = 'a'`, titles(3))),
            Effect.exit(titles(4))
          ],
          { concurrency: "unbounded" }
        )
        expect(inside).toEqual(["a"])
        expect(outside._tag).toBe("Failure")
        const rename = SqlResolver.void({
          Request: Schema.Struct({ title: Schema.String, to: Schema.String }),
          execute: (all) =>
            Effect.forEach(all, ({ title, to }) => sql`UPDATE tracks SET title = ${to} WHERE title = ${title}`)
        })
        yield* SqlResolver.request({ title: "a", to: "z" }, rename)
        const lengthOf = SqlSchema.findOneOption({
          Request: Schema.String,
          Result: Schema.Struct({ length: Schema.Finite }),
          execute: (title) => sql`SELECT length FROM tracks WHERE title = ${title}`
        })
        expect(yield* lengthOf("z")).toMatchObject({ _tag: "Some", value: { length: 3 } })
        expect((yield* lengthOf("a"))._tag).toBe("None")
      })
    )

    it.effect("afterCommit and reactive invalidation wait for the COMMIT of the outermost transaction", () =>
      Effect.gen(function* () {
        const sql = yield* tracks
        const log: Array<string> = []
        const committed = (name: string) => sql.afterCommit(Effect.sync(() => log.push(name)))
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* sql.withTransaction(committed("inner"))
            yield* Effect.exit(sql.withTransaction(Effect.andThen(committed("undone"), Effect.fail("x"))))
            yield* committed("outer")
            log.push("body")
          })
        )
        expect(log).toEqual(["body", "inner", "outer"])
        yield* Effect.exit(sql.withTransaction(Effect.andThen(committed("failed"), Effect.fail("x"))))
        yield* committed("outside")
        expect(log).toEqual(["body", "inner", "outer", "outside"])

        yield* Effect.gen(function* () {
          const reactive = yield* MysqlClient.make(sql.config)
          const count = reactive<{ readonly n: number }>`SELECT COUNT(*) AS n FROM tracks`
          const counts = yield* reactive.reactiveMailbox(["tracks"], count)
          expect(yield* Queue.take(counts)).toEqual([{ n: 0 }])
          const insert = (title: string) =>
            reactive`INSERT INTO tracks (title, length, created_at, updated_at) VALUES (${title}, 1, NOW(), NOW())`
          yield* reactive.withTransaction(
            Effect.andThen(Reactivity.mutation(insert("a"), ["tracks"]), Effect.andThen(Effect.yieldNow, insert("b")))
          )
          expect(yield* Queue.take(counts)).toEqual([{ n: 2 }])
        }).pipe(Effect.provide(Reactivity.layer))
      })
    )

    it.effect("BeginTransaction chooses how a transaction begins, CurrentTransformer sees each statement", () =>
      Effect.gen(function* () {
        const sql = yield* tracks
        const readOnly = sql
          .withTransaction(sql`DELETE FROM tracks`)
          .pipe(Effect.provideService(BeginTransaction, "START TRANSACTION READ ONLY"))
        expect(reasons(yield* Effect.exit(readOnly))).toEqual(["AuthorizationError"])
        const snapshot = sql
          .withTransaction(
            Effect.gen(function* () {
              yield* sql`SELECT COUNT(*) AS n FROM tracks`
              yield* Effect.scoped(
                Effect.flatMap(sql.reserve, (outside) =>
                  outside.execute(
                    "INSERT INTO tracks (title, length, created_at, updated_at) VALUES ('new', 1, NOW(), NOW())",
                    [],
                    undefined
                  )
                )
              )
              return yield* sql<{ readonly n: number }>`SELECT COUNT(*) AS n FROM tracks`
            })
          )
          .pipe(Effect.provideService(BeginTransaction, "START TRANSACTION WITH CONSISTENT SNAPSHOT"))
        expect(yield* snapshot).toEqual([{ n: 0 }])
        const statements: Array<string> = []
        yield* sql`SELECT ${1}`.pipe(Effect.provideService(Statement.CurrentTransformer, noting(statements)))
        expect(statements).toEqual(["SELECT ?"])
      })
    )
  },
  {
    transformQueryNames: Str.camelToSnake,
    transformResultNames: Str.snakeToCamel,
    transformJson: false,
    decoding: { json: "text" }
  }
)

class Document extends Model.Class<Document>("Document")({
  id: Model.Field({ select: Schema.Int, update: Schema.Int, json: Schema.Int }),
  body: Model.JsonFromString(Schema.Struct({ text: Schema.String, at: Schema.Date })),
  note: Model.JsonFromString(Schema.Array(Schema.Int))
}) {}

const documents = Effect.gen(function* () {
  const sql = yield* MysqlClient.MysqlClient
  yield* sql`DROP TABLE IF EXISTS documents`
  yield* sql`CREATE TABLE documents (id INT AUTO_INCREMENT PRIMARY KEY, body JSON NOT NULL, note TEXT NOT NULL)`
  const repository = yield* SqlModel.makeRepository(Document, {
    tableName: "documents",
    spanPrefix: "Documents",
    idColumn: "id"
  })
  const document = { body: { text: "it's", at: new Date("2026-01-02T03:04:05.678Z") }, note: [1, 2] }
  return { repository, document, insert: Document.insert.make(document) }
})

onEachServer(
  (it) => {
    it.effect("Model.JsonFromString reads JSON columns as text", () =>
      Effect.gen(function* () {
        const { document, insert, repository } = yield* documents
        expect(yield* repository.insert(insert)).toMatchObject(document)
      })
    )
  },
  { decoding: { json: "text" } }
)

onEachServer((it) => {
  it.effect("Model.JsonFromString does not read JSON columns that come parsed, and says so; the row is there", () =>
    Effect.gen(function* () {
      const { insert, repository } = yield* documents
      const sql = yield* MysqlClient.MysqlClient
      expect((yield* Effect.flip(repository.insert(insert)))._tag).toBe("SchemaError")
      expect(yield* sql`SELECT body, note FROM documents`).toEqual([
        { body: { text: "it's", at: "2026-01-02T03:04:05.678Z" }, note: "[1,2]" }
      ])
    })
  )
})

const noting =
  (statements: Array<string>): Statement.Transformer =>
  (statement) =>
    Effect.sync(() => {
      statements.push(statement.compile()[0])
      return statement
    })
