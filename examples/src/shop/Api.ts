/**
 * The shop over HTTP. Each error that a client can do something about has its status; one of the database says whether
 * asking again is safe.
 */

import * as MysqlEngine from "@effect-mysql/sql-layer/MysqlEngine"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { SqlError } from "effect/sql/SqlError"
import { type Line, OrderRequest, Orders } from "./Orders.ts"
import { Product, ProductId } from "./Product.ts"
import { Products } from "./Products.ts"
import type { NoSuchProduct, OutOfStock, SkuTaken } from "./ShopError.ts"

const problem = (status: number, error: string, headers: Record<string, string> = {}) =>
  Effect.succeed(HttpServerResponse.jsonUnsafe({ error }, { status, headers }))

/** Nothing of it has happened and it may work the next time; or nobody knows; or it is our mistake. */
const ofDatabase = (error: SqlError) => {
  if (error.isRetryable)
    return problem(503, "The database is busy or away: nothing was changed", { "retry-after": "1" })
  return Effect.andThen(
    Effect.logError(error),
    MysqlEngine.isOutcomeUnknown(error)
      ? problem(500, "The line to the database was lost while it committed: look before you ask again")
      : problem(500, "The request failed")
  )
}

const handled = Effect.catchTags({
  SkuTaken: ({ sku }: SkuTaken) => problem(409, `There is a product ${sku} already`),
  NoSuchProduct: ({ id }: NoSuchProduct) => problem(404, `There is no product ${id}`),
  OutOfStock: ({ left }: OutOfStock) => problem(409, `Only ${left} left`),
  SchemaError: (error: Schema.SchemaError) => problem(400, error.message),
  HttpServerError: () => problem(400, "The body is not JSON"),
  SqlError: ofDatabase
})

const addProduct = Effect.gen(function* () {
  const product = yield* HttpServerRequest.schemaBodyJson(Product.jsonCreate)
  const products = yield* Products
  const added = yield* products.add(product)
  return yield* HttpServerResponse.schemaJson(Product.json)(added, { status: 201 })
})

const getProduct = Effect.gen(function* () {
  const { id } = yield* HttpRouter.schemaPathParams(
    Schema.Struct({ id: Schema.NumberFromString.pipe(Schema.decodeTo(ProductId)) })
  )
  const products = yield* Products
  return yield* HttpServerResponse.schemaJson(Product.json)(yield* products.get(id))
})

const placeOrder = Effect.gen(function* () {
  const order = yield* HttpServerRequest.schemaBodyJson(OrderRequest)
  const orders = yield* Orders
  return HttpServerResponse.jsonUnsafe({ id: yield* orders.place(order) }, { status: 201 })
})

const csvLine = ({ id, placedAt, quantity, sku, total }: Line): string =>
  `${id},"${sku.replaceAll('"', '""')}",${quantity},${total},${placedAt.toISOString()}\r\n`

/** The client's pace is the server's: a client that stops reading stops the rows, and one that goes away the statement. */
const report = Effect.map(Orders, (orders) =>
  HttpServerResponse.stream(
    Stream.make("id,sku,quantity,total,placed at\r\n").pipe(
      Stream.concat(Stream.mapArray(orders.report, (lines) => [lines.map(csvLine).join("")])),
      Stream.encodeText
    ),
    { contentType: "text/csv; charset=utf-8" }
  )
)

export const layer = HttpRouter.addAll([
  HttpRouter.route("POST", "/products", handled(addProduct)),
  HttpRouter.route("GET", "/products/:id", handled(getProduct)),
  HttpRouter.route("POST", "/orders", handled(placeOrder)),
  HttpRouter.route("GET", "/orders.csv", report)
])

export const services = Layer.merge(Products.layer, Orders.layer)
