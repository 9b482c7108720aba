/**
 * What can go wrong in the shop, in its own words. What a caller can do something about has a name here; the rest stays
 * a `SqlError`.
 */
import * as Data from "effect/Data"
import type { ProductId } from "./Product.ts"

export class SkuTaken extends Data.TaggedError("SkuTaken")<{ readonly sku: string }> {}

export class NoSuchProduct extends Data.TaggedError("NoSuchProduct")<{ readonly id: ProductId }> {}

export class OutOfStock extends Data.TaggedError("OutOfStock")<{ readonly left: number }> {}
