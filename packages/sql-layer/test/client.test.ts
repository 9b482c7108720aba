/** How a client is made and what it tells about itself: layers, configuration, spans, and core's own modules on it. */
import { expect } from "@effect/vitest"
import { MysqlServer } from "@effect-mysql/test-utils"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Model from "effect/schema/Model"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlModel from "effect/sql/SqlModel"
import * as SqlSchema from "effect/sql/SqlSchema"
import * as Tracer from "effect/Tracer"
import { MysqlClient as FromIndex } from "../src/index.ts"
import * as MysqlClient from "../src/MysqlClient.ts"
import { failures, onEachServer, reasons } from "./support.ts"

/** A tracer that keeps its spans. */
const recorder = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

const Group = Schema.Literals(["a", "b"])

class Member extends Model.Class<Member>("Member")({
  id: Model.Field({ select: Schema.Int, update: Schema.Int, json: Schema.Int }),
  name: Schema.String,
  group: Group,
  joined: Model.DateTimeInsertFromDate,
  born: Schema.NullOr(Model.Date),
  photo: Model.Uint8Array,
  deletedAt: Model.GeneratedByDb(Schema.NullOr(Schema.Date))
}) {}

onEachServer((it, product) => {
  it.effect("a layer provides MysqlClient and SqlClient, which are one", () =>
    Effect.gen(function* () {
      const { url } = yield* MysqlServer.MysqlServer
      const both = Effect.all([FromIndex.MysqlClient, SqlClient.SqlClient])
      const [own, general] = yield* Effect.provide(both, MysqlClient.layer({ url }))
      expect(own).toBe(general)
      expect(own.config).toEqual({ url })
      expect(own[MysqlClient.TypeId]).toBe(MysqlClient.TypeId)
    })
  )

  it.effect("layerConfig reads each field from the configuration", () =>
    Effect.gen(function* () {
      const { url } = yield* MysqlServer.MysqlServer
      const layer = MysqlClient.layerConfig({
        url: Config.Redacted("DATABASE_URL"),
        maxConnections: Config.Int("DATABASE_CONNECTIONS"),
        statementCacheSize: Config.succeed(7)
      })
      const provide = (values: Record<string, unknown>) =>
        Effect.provide(
          Effect.flatMap(MysqlClient.MysqlClient, (sql) => Effect.as(sql`SELECT 1`, sql.config)),
          Layer.provide(layer, ConfigProvider.layer(ConfigProvider.fromUnknown(values)))
        )
      const config = yield* provide({ DATABASE_URL: Redacted.value(url), DATABASE_CONNECTIONS: "3" })
      expect(config).toMatchObject({ maxConnections: 3, statementCacheSize: 7 })
      expect(Redacted.value(config.url!)).toBe(Redacted.value(url))
      const missing = yield* Effect.flip(provide({ DATABASE_URL: Redacted.value(url) }))
      expect(missing._tag).toBe("ConfigError")
    })
  )

  it.effect("a configuration that contradicts itself is a typed error", () =>
    Effect.gen(function* () {
      const { url } = yield* MysqlServer.MysqlServer
      for (const config of [
        { url, minConnections: 9, maxConnections: 2 },
        { url, port: -1 },
        { url, nonsense: 1 }
      ]) {
        const exit = yield* Effect.exit(Effect.provide(MysqlClient.make(config), Reactivity.layer))
        expect(reasons(exit)).toEqual(["UnknownError"])
        expect(failures(exit)[0]!.reason.cause).toMatchObject({ reason: { _tag: "ConfigurationError" } })
      }
    })
  )

  it.effect("makeClient has one connection, which a transaction has to itself while others wait", () =>
    Effect.gen(function* () {
      const { config } = yield* MysqlClient.MysqlClient
      const sql = yield* Effect.provide(
        MysqlClient.makeClient({ url: config.url, database: config.database }),
        Reactivity.layer
      )
      yield* sql`CREATE TABLE IF NOT EXISTS shared (id INT PRIMARY KEY)`
      yield* sql`DELETE FROM shared`
      const id = sql`SELECT CONNECTION_ID() AS id`
      const ids = yield* Effect.all([id, sql.withTransaction(id), id, Stream.runCollect(id.stream)], {
        concurrency: "unbounded"
      })
      expect(new Set(ids.map((rows) => rows[0]!.id)).size).toBe(1)
      const [exit, counts] = yield* Effect.all(
        [
          Effect.exit(sql.withTransaction(Effect.andThen(sql`INSERT INTO shared VALUES (1)`, Effect.fail("mine")))),
          sql`SELECT COUNT(*) AS n FROM shared`
        ],
        { concurrency: 2 }
      )
      expect(failures(exit)).toEqual(["mine"])
      expect(counts).toEqual([{ n: 0 }])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const reserved = yield* sql.reserve
          yield* reserved.execute("START TRANSACTION", [], undefined)
          yield* reserved.execute("INSERT INTO shared VALUES (1)", [], undefined)
        })
      )
      expect(yield* sql`SELECT COUNT(*) AS n FROM shared`).toEqual([{ n: 0 }])
    })
  )

  it.effect("spans carry the stable names, from the URL as from the fields", () =>
    Effect.gen(function* () {
      const server = yield* MysqlServer.MysqlServer
      const { config } = yield* MysqlClient.MysqlClient
      const url = new URL(Redacted.value(server.url))
      url.pathname = `/${config.database}`
      const byUrl = { url: Redacted.make(url.href) }
      const byFields = {
        host: server.host,
        port: server.port,
        database: config.database,
        username: decodeURIComponent(url.username),
        password: Redacted.make(decodeURIComponent(url.password))
      }
      for (const made of [
        MysqlClient.make({ ...byUrl, spanAttributes: { mine: 1 } }),
        MysqlClient.make({ ...byUrl, initialization: "lazy", spanAttributes: { mine: 1 } }),
        MysqlClient.makeClient({ ...byFields, spanAttributes: { mine: 1 } })
      ]) {
        const sql = yield* Effect.provide(made, Reactivity.layer)
        yield* sql`SELECT 1`
        const { spans, tracer } = recorder()
        yield* Effect.gen(function* () {
          yield* sql`SELECT ${1} AS one`
          yield* Stream.runDrain(sql`SELECT ${2} AS two`.stream)
          yield* sql.withTransaction(sql`SELECT 3`.unprepared)
          yield* Effect.exit(sql`SELECT nope`)
        }).pipe(Effect.withTracer(tracer))
        expect(spans.map((span) => [span.name, span.kind])).toEqual([
          [config.database, "client"],
          [config.database, "client"],
          ["sql.transaction", "internal"],
          [config.database, "client"],
          [config.database, "client"]
        ])
        for (const span of spans) {
          expect(Object.fromEntries(span.attributes)).toMatchObject({
            mine: 1,
            "db.system.name": product,
            "db.namespace": config.database,
            "server.address": server.host,
            "server.port": server.port
          })
        }
        expect(spans.map((span) => span.attributes.get("db.query.text"))).toEqual([
          "SELECT ? AS one",
          "SELECT ? AS two",
          undefined,
          "SELECT 3",
          "SELECT nope"
        ])
        expect(JSON.stringify(spans.map((span) => [...span.attributes]))).not.toContain(byFields.password)
      }
    })
  )

  it.effect("without a database spans are named for the address; over a unix socket that is its path", () =>
    Effect.gen(function* () {
      const server = yield* MysqlServer.MysqlServer
      const { spans, tracer } = recorder()
      const sql = yield* Effect.provide(MysqlClient.make({ url: server.url }), Reactivity.layer)
      yield* Effect.withTracer(sql`SELECT 1`, tracer)
      expect(spans[0]!.name).toBe(`${server.host}:${server.port}`)
      expect(spans[0]!.attributes.has("db.namespace")).toBe(false)
      if (server.socketPath === undefined) return
      const { password, username } = new URL(Redacted.value(server.url))
      const local = yield* Effect.provide(
        MysqlClient.make({
          socketPath: server.socketPath,
          username: decodeURIComponent(username),
          password: Redacted.make(decodeURIComponent(password))
        }),
        Reactivity.layer
      )
      yield* Effect.withTracer(local`SELECT 1`, tracer)
      expect(spans[1]!.name).toBe(server.socketPath)
      expect(spans[1]!.attributes.has("server.port")).toBe(false)
    })
  )

  it.effect("a repository of SqlModel: insert with a generated id, update, find, soft delete", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      yield* sql`DROP TABLE IF EXISTS members`
      yield* sql`CREATE TABLE members (
        id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL, \`group\` ENUM('a', 'b') NOT NULL,
        joined DATETIME(3) NOT NULL, born DATE, photo BLOB NOT NULL, deletedAt DATETIME
      )`
      const members = yield* SqlModel.makeRepository(Member, {
        tableName: "members",
        spanPrefix: "Members",
        idColumn: "id",
        softDeleteColumn: "deletedAt"
      })
      const photo = new Uint8Array([0, 39, 92, 255])
      const insert = Member.insert.make({ name: "it's; \\ Ada", group: "a", born: null, photo })
      const inserted = yield* members.insert(insert)
      expect(inserted).toBeInstanceOf(Member)
      expect(inserted).toMatchObject({ id: 1, name: "it's; \\ Ada", group: "a", born: null, deletedAt: null })
      expect(inserted.joined.epochMilliseconds).toBeGreaterThan(Date.parse("2026-01-01"))
      expect([...inserted.photo]).toEqual([...photo])
      const updated = yield* members.update(Member.update.make({ ...inserted, name: "Ada" }))
      expect(updated.name).toBe("Ada")
      expect((yield* members.findById(1)).name).toBe("Ada")
      yield* members.delete(1)
      expect((yield* Effect.flip(members.findById(1)))._tag).toBe("NoSuchElementError")
    })
  )

  it.effect("rows decoded by SqlSchema, and reactive queries", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      const find = SqlSchema.findAll({
        Request: Schema.Int,
        Result: Schema.Struct({ n: Schema.Int, at: Schema.Date }),
        execute: (n) => sql`SELECT ${n} AS n, TIMESTAMP '2026-01-02 03:04:05' AS at`
      })
      expect(yield* find(7)).toEqual([{ n: 7, at: new Date("2026-01-02T03:04:05Z") }])
      const first = sql.reactive(["numbers"], sql`SELECT 1 AS one`).pipe(Stream.take(1), Stream.runCollect)
      expect(yield* first).toEqual([[{ one: 1 }]])
    })
  )
})
