/**
 * The example's own database on a server: made when the layer is built, whatever an earlier run has left there, and
 * dropped when the layer's scope closes.
 */
import * as MysqlConnection from "@effect-mysql/client/MysqlConnection"
import type { MysqlError } from "@effect-mysql/client/MysqlError"
import * as MysqlClient from "@effect-mysql/sql-layer/MysqlClient"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

export const name = "effect_mysql_demo"

/** One connection without a database, for this statement only. */
const execute = (url: Redacted.Redacted, statement: string): Effect.Effect<void, MysqlError> =>
  Effect.scoped(Effect.flatMap(MysqlConnection.make({ url }), (connection) => connection.query(statement)))

const fresh = (url: Redacted.Redacted): Effect.Effect<void, MysqlError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.andThen(execute(url, `DROP DATABASE IF EXISTS ${name}`), execute(url, `CREATE DATABASE ${name}`)),
    // The server may be gone by then, or on its way: the next run drops what is left.
    () => Effect.ignore(execute(url, `DROP DATABASE IF EXISTS ${name}`))
  )

export const layer: Layer.Layer<
  MysqlClient.MysqlClient | SqlClient.SqlClient,
  MysqlError | SqlError,
  MysqlServer.MysqlServer
> = Layer.unwrap(
  Effect.gen(function* () {
    const { url } = yield* MysqlServer.MysqlServer
    yield* fresh(url)
    return MysqlClient.layer({ url, database: name, maxConnections: 4 })
  })
)
