/**
 * A product as the shop knows it, and as its table does. The price is a decimal text from the database to the client and
 * back: no digit is lost on the way, and nobody adds it up as a float.
 */
import * as Schema from "effect/Schema"
import * as Model from "effect/schema/Model"

export const ProductId = Schema.Int.pipe(Schema.brand("ProductId"))
export type ProductId = typeof ProductId.Type

const Price = Schema.String.check(Schema.isPattern(/^\d{1,8}\.\d{2}$/))

export class Product extends Model.Class<Product>("Product")({
  id: Model.Field({ select: ProductId, update: ProductId, json: ProductId }),
  sku: Schema.NonEmptyString,
  name: Schema.NonEmptyString,
  price: Price,
  stock: Schema.Natural,
  createdAt: Model.DateTimeInsertFromDate
}) {}
