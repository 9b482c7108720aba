/**
 * Orders: stock and order change together or not at all, whoever else orders at the same time; and a report over all of
 * them that is never in memory as a whole.
 */
import * as MysqlEngine from "@effect-mysql/sql-layer/MysqlEngine"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { SqlError } from "effect/sql/SqlError"
import { ProductId } from "./Product.ts"
import { NoSuchProduct, OutOfStock } from "./ShopError.ts"

export const OrderRequest = Schema.Struct({ productId: ProductId, quantity: Schema.Int.check(Schema.isGreaterThan(0)) })
export type OrderRequest = typeof OrderRequest.Type

/** A line of the report. */
export const Line = Schema.Struct({
  id: Schema.Int,
  sku: Schema.String,
  quantity: Schema.Int,
  total: Schema.String,
  placedAt: Schema.Date
})
export type Line = typeof Line.Type

export class Orders extends Context.Service<
  Orders,
  {
    /** Gives the order's id. Nothing has happened where it fails, unless the error says that the outcome is unknown. */
    readonly place: (request: OrderRequest) => Effect.Effect<number, NoSuchProduct | OutOfStock | SqlError>
    /** Every order, as the server sends them. */
    readonly report: Stream.Stream<Line, SqlError | Schema.SchemaError>
  }
>()("examples/shop/Orders") {
  static readonly layer: Layer.Layer<Orders, never, MysqlEngine.MysqlEngine> = Layer.effect(
    Orders,
    Effect.gen(function* () {
      const engine = yield* MysqlEngine.MysqlEngine
      const sql = engine.client

      const place = Effect.fn("Orders.place")(
        function* ({ productId, quantity }: OrderRequest) {
          const [product] = yield* sql<{ readonly stock: number }>`
          SELECT stock FROM products WHERE id = ${productId} FOR UPDATE
        `
          if (product === undefined) return yield* new NoSuchProduct({ id: productId })
          if (product.stock < quantity) return yield* new OutOfStock({ left: product.stock })
          yield* sql`UPDATE products SET stock = stock - ${quantity} WHERE id = ${productId}`
          // `raw` is what the server says, and takes names as the server has them.
          const order = sql`INSERT INTO orders ${sql.insert({ product_id: productId, quantity })}`
          const { insertId } = (yield* order.raw) as { readonly insertId: number }
          return insertId
        },
        engine.transaction({ retry: MysqlEngine.retrySchedule })
      )

      const decode = Schema.decodeUnknownEffect(Schema.NonEmptyArray(Line))
      const report = sql`
        SELECT orders.id, sku, quantity, price * quantity AS total, placed_at
        FROM orders JOIN products ON products.id = product_id ORDER BY orders.id
      `.stream.pipe(Stream.mapArrayEffect((lines) => decode(lines)))

      return Orders.of({ place, report })
    })
  )
}
