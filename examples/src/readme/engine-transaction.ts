import { NodeRuntime } from "@effect/platform-node"
import { MysqlEngine } from "@effect-mysql/sql-layer"
import { Config, Console, Effect } from "effect"
import { SqlClient } from "effect/sql"

const Database = MysqlEngine.layerConfig({ url: Config.Redacted("DATABASE_URL") })

const transfer = Effect.fn("transfer")(function* (from: number, to: number, amount: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`UPDATE purse SET coins = coins - ${amount} WHERE id = ${from}`
  yield* sql`UPDATE purse SET coins = coins + ${amount} WHERE id = ${to}`
})

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const engine = yield* MysqlEngine.MysqlEngine
  yield* sql`CREATE TABLE purse (id INT PRIMARY KEY, coins INT NOT NULL)`
  yield* sql`INSERT INTO purse VALUES (1, 10), (2, 10)`

  // Forwards and backwards at the same time: one of two that lock each other out is rolled back, and runs again.
  const repeated = engine.transaction({ isolation: "repeatable read", retry: MysqlEngine.retrySchedule })
  const transfers = Array.from({ length: 20 }, (_, n) => repeated(n % 2 === 0 ? transfer(1, 2, 1) : transfer(2, 1, 1)))
  yield* Effect.all(transfers, { concurrency: "unbounded" })
  yield* Console.log(yield* sql`SELECT id, coins FROM purse ORDER BY id`)
})

program.pipe(Effect.provide(Database), NodeRuntime.runMain)
