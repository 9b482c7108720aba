/**
 * One MySQL or MariaDB server from Effect.
 *
 * @since 0.1.0
 */
export * as MysqlTypes from "@effect-mysql/protocol/value/MysqlTypes"
export * as BulkInsert from "./BulkInsert.ts"
export * as MysqlConfig from "./MysqlConfig.ts"
export * as MysqlConnection from "./MysqlConnection.ts"
export * as MysqlError from "./MysqlError.ts"
export * as MysqlPool from "./MysqlPool.ts"
export * as NodeTransport from "./NodeTransport.ts"
export * as OptionFile from "./OptionFile.ts"
export * as ScrollableRows from "./ScrollableRows.ts"
export * as Transport from "./Transport.ts"
