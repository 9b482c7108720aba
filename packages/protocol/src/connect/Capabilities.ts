/**
 * Capability flags, and the one place where client and server agree on them.
 *
 * The low 32 bits are common to both products, except that MariaDB leaves `LONG_PASSWORD` (which it calls
 * `CLIENT_MYSQL`) clear and then sends 32 bits of its own. `extended` holds those.
 *
 * Manual: "Capabilities Flags" (MySQL), "Connection: Capabilities" (MariaDB).
 *
 * @since 0.1.0
 */

import type { Product } from "../ErrorCode.ts"

/**
 * Flags of the low 32 bits.
 *
 * @since 0.1.0
 * @category constants
 */
export const Flag = {
  LONG_PASSWORD: 1,
  FOUND_ROWS: 1 << 1,
  LONG_FLAG: 1 << 2,
  CONNECT_WITH_DB: 1 << 3,
  NO_SCHEMA: 1 << 4,
  COMPRESS: 1 << 5,
  ODBC: 1 << 6,
  LOCAL_FILES: 1 << 7,
  IGNORE_SPACE: 1 << 8,
  PROTOCOL_41: 1 << 9,
  INTERACTIVE: 1 << 10,
  SSL: 1 << 11,
  TRANSACTIONS: 1 << 13,
  SECURE_CONNECTION: 1 << 15,
  MULTI_STATEMENTS: 1 << 16,
  MULTI_RESULTS: 1 << 17,
  PS_MULTI_RESULTS: 1 << 18,
  PLUGIN_AUTH: 1 << 19,
  CONNECT_ATTRS: 1 << 20,
  PLUGIN_AUTH_LENENC: 1 << 21,
  EXPIRED_PASSWORDS: 1 << 22,
  SESSION_TRACK: 1 << 23,
  DEPRECATE_EOF: 1 << 24,
  OPTIONAL_RESULTSET_METADATA: 1 << 25,
  ZSTD_COMPRESSION: 1 << 26,
  QUERY_ATTRIBUTES: 1 << 27,
  MULTI_FACTOR_AUTHENTICATION: 1 << 28
} as const

/**
 * MariaDB's flags: bits 32 and up of the whole.
 *
 * @since 0.1.0
 * @category constants
 */
export const ExtendedFlag = {
  PROGRESS: 1,
  COM_MULTI: 1 << 1,
  STMT_BULK_OPERATIONS: 1 << 2,
  EXTENDED_METADATA: 1 << 3,
  CACHE_METADATA: 1 << 4,
  BULK_UNIT_RESULTS: 1 << 5
} as const

/**
 * @since 0.1.0
 * @category models
 */
export interface Capabilities {
  readonly flags: number
  readonly extended: number
}

/**
 * Whether a bit of `Flag` is set. Manual: "Capabilities Flags".
 *
 * @since 0.1.0
 * @category predicates
 */
export const has = (capabilities: Capabilities, flag: number): boolean => (capabilities.flags & flag) !== 0

/**
 * Whether a bit of `ExtendedFlag` is set. Manual: "Connection: Capabilities" (MariaDB).
 *
 * @since 0.1.0
 * @category predicates
 */
export const hasExtended = (capabilities: Capabilities, flag: number): boolean => (capabilities.extended & flag) !== 0

/**
 * Which product the server is, by what was agreed on with it: MySQL has `LONG_PASSWORD`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const productOf = (agreed: Capabilities): Product => (has(agreed, Flag.LONG_PASSWORD) ? "mysql" : "mariadb")

/**
 * What this client understands and wants from every server that offers it. `IGNORE_SPACE` is left out on purpose: it
 * changes the session's `sql_mode`.
 */
const wanted =
  Flag.LONG_FLAG |
  Flag.PROTOCOL_41 |
  Flag.TRANSACTIONS |
  Flag.SECURE_CONNECTION |
  Flag.MULTI_RESULTS |
  Flag.PS_MULTI_RESULTS |
  Flag.PLUGIN_AUTH |
  Flag.PLUGIN_AUTH_LENENC |
  Flag.CONNECT_ATTRS |
  Flag.SESSION_TRACK |
  Flag.DEPRECATE_EOF |
  Flag.MULTI_FACTOR_AUTHENTICATION

/** The same of MariaDB's flags. They permit what is used only where it is asked for, or shorten what the server says. */
const wantedExtended =
  ExtendedFlag.STMT_BULK_OPERATIONS |
  ExtendedFlag.EXTENDED_METADATA |
  ExtendedFlag.CACHE_METADATA |
  ExtendedFlag.BULK_UNIT_RESULTS

/**
 * What both sides will use. `wishes` are the flags that depend on the configuration (database, TLS, found rows, local
 * files, compression, query attributes …), `extendedWishes` those of MariaDB's own (progress reports).
 *
 * @since 0.1.0
 * @category constructors
 */
export const negotiate = (server: Capabilities, wishes: number, extendedWishes: number = 0): Capabilities => ({
  // LONG_PASSWORD is set for MySQL and left clear for MariaDB: setting it would hide MariaDB's extended flags.
  flags: (((wanted | wishes) & server.flags) | (server.flags & Flag.LONG_PASSWORD)) >>> 0,
  extended: server.extended & (wantedExtended | extendedWishes)
})
