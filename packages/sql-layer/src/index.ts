/**
 * The `effect/sql` driver for MySQL and MariaDB.
 *
 * @since 0.1.0
 */
export * as MysqlClient from "./MysqlClient.ts"
/**
 * Runs the migrations of a schema.
 *
 * @since 0.1.0
 */
export * as MysqlMigrator from "./MysqlMigrator.ts"
