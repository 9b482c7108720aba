/** The shop as its clients see it: over HTTP, on each server. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { readdirSync, readFileSync } from "node:fs"
import * as Api from "../src/shop/Api.ts"
import * as Database from "../src/shop/Database.ts"

/** The service on a fresh database, and a client of it. */
const shopWith = (settings: Record<string, string>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const server = yield* MysqlServer.MysqlServer
      const url = new URL(Redacted.value(server.url))
      url.pathname = `/${yield* server.database}`
      const config = ConfigProvider.layer(ConfigProvider.fromUnknown({ DATABASE_URL: url.href, ...settings }))
      return HttpRouter.serve(Api.layer, { disableLogger: true, disableListenLog: true }).pipe(
        Layer.provide(Api.services),
        Layer.provide(Database.layer),
        Layer.provide(config),
        Layer.provideMerge(NodeHttpServer.layerTest)
      )
    })
  )

const shop = shopWith({})

const post = (path: string, body: unknown) =>
  Effect.flatMap(HttpClientRequest.bodyJson(HttpClientRequest.post(path), body), HttpClient.execute)

const answer = Effect.fnUntraced(function* (path: string, body?: unknown) {
  const response = yield* body === undefined ? HttpClient.get(path) : post(path, body)
  return { status: response.status, body: yield* response.json }
})

const book = { sku: "B-1", name: "Über Bücher", price: "19.90", stock: 10 }

it("the page about it shows what is in its files", () => {
  const folder = new URL("../src/shop/", import.meta.url)
  const sources = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), "utf8"))
  const page = readFileSync(new URL("../../docs/service.md", import.meta.url), "utf8")
  const excerpts = Array.from(page.matchAll(/^```ts\n(.*?)^```$/gms), ([, text]) => text!)
  expect(excerpts.length).toBeGreaterThan(0)
  for (const excerpt of excerpts) expect(sources.filter((source) => source.includes(excerpt))).toHaveLength(1)
})

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`the shop on ${server.name}`, () => {
    it.live("adds products and shows them", () =>
      Effect.gen(function* () {
        const added = yield* answer("/products", book)
        expect(added).toMatchObject({ status: 201, body: { id: 1, ...book } })
        expect(yield* answer("/products/1")).toEqual({ status: 200, body: added.body })
      }).pipe(Effect.provide(shop), Effect.provide(server.layer))
    )

    it.live("says what a client got wrong", () =>
      Effect.gen(function* () {
        yield* answer("/products", book)
        expect(yield* answer("/products", book)).toEqual({
          status: 409,
          body: { error: "There is a product B-1 already" }
        })
        expect(yield* answer("/products/7")).toEqual({ status: 404, body: { error: "There is no product 7" } })
        expect(yield* answer("/products/seven")).toMatchObject({ status: 400 })
        expect(yield* answer("/products", { ...book, price: "19.9" })).toMatchObject({ status: 400 })
        expect(yield* answer("/orders", { productId: 7, quantity: 1 })).toMatchObject({ status: 404 })
        expect(yield* answer("/orders", { productId: 1, quantity: 0 })).toMatchObject({ status: 400 })
      }).pipe(Effect.provide(shop), Effect.provide(server.layer))
    )

    it.live("sells no more than there is, to however many at once", () =>
      Effect.gen(function* () {
        yield* answer("/products", book)
        const orders = yield* Effect.all(
          Array.from({ length: 25 }, () => answer("/orders", { productId: 1, quantity: 3 })),
          { concurrency: "unbounded" }
        )
        // Whoever read the stock together with others could sell it together with them.
        expect(orders.filter(({ status }) => status === 201)).toHaveLength(3)
        const refused = orders.filter(({ status }) => status !== 201)
        expect(refused).toEqual(Array.from({ length: 22 }, () => ({ status: 409, body: { error: "Only 1 left" } })))
        expect(yield* answer("/products/1")).toMatchObject({ body: { stock: 1 } })
      }).pipe(Effect.provide(shop), Effect.provide(server.layer))
    )

    it.live("streams the report, sums to the cent", () =>
      Effect.gen(function* () {
        yield* answer("/products", { ...book, sku: 'B "1"' })
        for (const quantity of [1, 3]) yield* answer("/orders", { productId: 1, quantity })
        const report = yield* HttpClient.get("/orders.csv")
        expect(report.headers["content-type"]).toBe("text/csv; charset=utf-8")
        const lines = (yield* report.text).split("\r\n")
        expect(lines).toHaveLength(4)
        expect(lines[0]).toBe("id,sku,quantity,total,placed at")
        expect(lines[1]).toMatch(/^\d+,"B ""1""",1,19\.90,20\d\d-.*Z$/)
        expect(lines[2]).toMatch(/^\d+,"B ""1""",3,59\.70,/)
      }).pipe(Effect.provide(shop), Effect.provide(server.layer))
    )

    it.live.skipIf(!server.canOwn)(
      "asks to come back when the database is away, and goes on when it is there again",
      () =>
        Effect.gen(function* () {
          const database = yield* MysqlServer.MysqlServer
          yield* answer("/products", book)
          yield* database.kill
          expect(yield* answer("/products/1")).toEqual({
            status: 503,
            body: { error: "The database is busy or away: nothing was changed" }
          })
          yield* database.start
          expect(yield* answer("/products/1")).toMatchObject({ status: 200 })
        }).pipe(Effect.provide(shopWith({ DATABASE_PATIENCE: "200 millis" })), Effect.provide(server.own()))
    )
  })
}
