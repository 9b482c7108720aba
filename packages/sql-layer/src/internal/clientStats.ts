/** The connections of a client in numbers, for the engine over it. A client and its copies share one transaction service. */
import type { MysqlPool } from "@effect-mysql/client/MysqlPool"
import type { SqlClient } from "effect/sql/SqlClient"

type Stats = MysqlPool["stats"]

const known = new WeakMap<SqlClient["transactionService"], Stats>()

export const register = (client: SqlClient, stats: Stats): void => {
  known.set(client.transactionService, stats)
}

export const of = (client: SqlClient): Stats | undefined => known.get(client.transactionService)
