/**
 * The products: a repository on a model, with the one error of the server that has a meaning here turned into one of the
 * shop.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlModel from "effect/sql/SqlModel"
import { Product, type ProductId } from "./Product.ts"
import { NoSuchProduct, SkuTaken } from "./ShopError.ts"

type Failure = SqlError | Schema.SchemaError

export class Products extends Context.Service<
  Products,
  {
    readonly add: (product: typeof Product.jsonCreate.Type) => Effect.Effect<Product, SkuTaken | Failure>
    readonly get: (id: ProductId) => Effect.Effect<Product, NoSuchProduct | Failure>
  }
>()("examples/shop/Products") {
  static readonly layer: Layer.Layer<Products, never, SqlClient.SqlClient> = Layer.effect(
    Products,
    Effect.gen(function* () {
      const repository = yield* SqlModel.makeRepository(Product, {
        tableName: "products",
        spanPrefix: "Products",
        idColumn: "id"
      })
      return Products.of({
        add: (product) =>
          repository
            .insert(Product.insert.make(product))
            .pipe(
              Effect.catchTag(
                "SqlError",
                (error): Effect.Effect<never, SkuTaken | SqlError> =>
                  Effect.fail(isSkuTaken(error) ? new SkuTaken({ sku: product.sku }) : error)
              )
            ),
        get: (id) =>
          repository
            .findById(id)
            .pipe(Effect.catchTag("NoSuchElementError", () => Effect.fail(new NoSuchProduct({ id }))))
      })
    })
  )
}

/** MySQL names the table as well. */
const isSkuTaken = ({ reason }: SqlError): boolean =>
  reason._tag === "UniqueViolation" && reason.constraint.endsWith("products_sku")
