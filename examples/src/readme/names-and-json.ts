import { NodeRuntime } from "@effect/platform-node"
import { MysqlClient } from "@effect-mysql/sql-layer"
import { Config, Console, Effect, String } from "effect"

const Database = MysqlClient.layerConfig({
  url: Config.Redacted("DATABASE_URL"),
  maxConnections: Config.succeed(4),
  transformQueryNames: Config.succeed(String.camelToSnake),
  transformResultNames: Config.succeed(String.snakeToCamel)
})

const program = Effect.gen(function* () {
  const sql = yield* MysqlClient.MysqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS note (id INT PRIMARY KEY, written_by VARCHAR(50) NOT NULL, body JSON NOT NULL)`
  yield* sql`REPLACE INTO note ${sql.insert({ id: 1, writtenBy: "Ada", body: sql.json({ title: "Notes", words: 2 }) })}`
  yield* Console.log(yield* sql`SELECT * FROM note`)
})

program.pipe(Effect.provide(Database), NodeRuntime.runMain)
