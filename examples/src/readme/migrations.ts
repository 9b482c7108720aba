import { NodeRuntime } from "@effect/platform-node"
import { MysqlClient, MysqlMigrator } from "@effect-mysql/sql-layer"
import { Config, Console, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const migrations = MysqlMigrator.fromRecord({
  "1_diary": Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE diary (id INT PRIMARY KEY, day DATE)`),
  "2_first_day": Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO diary VALUES (1, '2026-01-02')`)
})

const Database = MysqlMigrator.layer({ loader: migrations, table: "diary_migrations" }).pipe(
  Layer.provideMerge(MysqlClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
)

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Console.log(yield* sql`SELECT * FROM diary`)
  const status = yield* MysqlMigrator.status({ loader: migrations, table: "diary_migrations" })
  yield* Console.log(status.map(({ _tag, id, name }) => `${id} ${name}: ${_tag}`))
})

program.pipe(Effect.provide(Database), NodeRuntime.runMain)
