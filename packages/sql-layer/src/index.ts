/**
 * The `effect/sql` driver for MySQL and MariaDB, and the engine for transactions over it.
 *
 * @since 0.1.0
 */
export * as CommitMarkers from "./CommitMarkers.ts"
export * as Coordinator from "./Coordinator.ts"
export * as DecisionLog from "./DecisionLog.ts"
export * as MysqlClient from "./MysqlClient.ts"
export * as MysqlEngine from "./MysqlEngine.ts"
/**
 * Runs the migrations of a schema.
 *
 * @since 0.1.0
 */
export * as MysqlMigrator from "./MysqlMigrator.ts"
export * as Rows from "./Rows.ts"
export * as Session from "./Session.ts"
/**
 * A transaction for each test, which is rolled back.
 *
 * @since 0.1.0
 */
export * as TestTransaction from "./TestTransaction.ts"
export * as Transaction from "./Transaction.ts"
export * as TwoPhaseTransaction from "./TwoPhaseTransaction.ts"
