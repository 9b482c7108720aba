/**
 * The servers' errors: numbers, names and SQLSTATEs, as MySQL 9.7 and MariaDB 11.8 themselves list them. Up to about
 * 1880 a number means the same on both; from there on each product has gone its own way, so a number alone is not enough.
 *
 * Manual: "Server Error Message Reference" (MySQL), "MariaDB Error Code Reference".
 *
 * @since 0.1.0
 */
import { mariadbErrors } from "./internal/mariadbErrors.ts"
import { mysqlErrors } from "./internal/mysqlErrors.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Product = "mysql" | "mariadb"

/**
 * @since 0.1.0
 * @category models
 */
export interface ErrorCode {
  readonly errno: number
  /** The name in the manual, e.g. `ER_DUP_ENTRY`. */
  readonly symbol: string
  readonly sqlState: string
}

interface Catalogue {
  readonly byNumber: ReadonlyMap<number, ErrorCode>
  readonly bySymbol: ReadonlyMap<string, ErrorCode>
}

const unpack = (packed: string): Catalogue => {
  const byNumber = new Map<number, ErrorCode>()
  const bySymbol = new Map<string, ErrorCode>()
  let errno = 0
  for (const word of packed.trim().split(/\s+/)) {
    if (/^\d/.test(word)) {
      errno = Number(word)
    } else {
      const [symbol, sqlState = "HY000"] = word.split("/")
      const code = { errno, symbol: symbol!, sqlState }
      byNumber.set(errno++, code)
      bySymbol.set(code.symbol, code)
    }
  }
  return { byNumber, bySymbol }
}

const packed: Readonly<Record<Product, string>> = { mysql: mysqlErrors, mariadb: mariadbErrors }
const unpacked: Partial<Record<Product, Catalogue>> = {}

/** Most programs never see an error, and none sees both catalogues. */
const catalogue = (product: Product): Catalogue => (unpacked[product] ??= unpack(packed[product]))

/**
 * What a number means on a product; `undefined` where its catalogue does not have it.
 *
 * @since 0.1.0
 * @category accessors
 */
export const find = (errno: number, product: Product): ErrorCode | undefined => catalogue(product).byNumber.get(errno)

/**
 * The error of a name, e.g. `ER_DUP_ENTRY`, on a product.
 *
 * @since 0.1.0
 * @category accessors
 */
export const named = (symbol: string, product: Product): ErrorCode | undefined =>
  catalogue(product).bySymbol.get(symbol)

/**
 * Every error of a product, by number.
 *
 * @since 0.1.0
 * @category accessors
 */
export const all = (product: Product): ReadonlyArray<ErrorCode> => [...catalogue(product).byNumber.values()]

/**
 * The error's name in the manual of the product, e.g. `ER_DUP_ENTRY`; `ERROR_<errno>` for a number that it does not have.
 * Before a server has said what it is, a name is given only where both products agree.
 *
 * @since 0.1.0
 * @category accessors
 */
export const symbolOf = (errno: number, product?: Product): string => {
  const symbol = find(errno, product ?? "mysql")?.symbol
  const agreed = product !== undefined || symbol === find(errno, "mariadb")?.symbol
  return symbol !== undefined && agreed ? symbol : `ERROR_${errno}`
}
