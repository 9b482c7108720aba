import { NodeRuntime } from "@effect/platform-node"
import { MysqlEngine } from "@effect-mysql/sql-layer"
import { Config, Console, Effect, Schema } from "effect"

const Database = MysqlEngine.layerConfig({ url: Config.Redacted("DATABASE_URL") })

const Step = Schema.Struct({ id: Schema.Int, what: Schema.String })

const program = Effect.gen(function* () {
  const engine = yield* MysqlEngine.MysqlEngine
  yield* engine.client`CREATE TABLE step (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(50) NOT NULL)`

  // What is not committed when the scope closes is rolled back.
  const transaction = yield* engine.begin()
  yield* transaction.executeMany("INSERT INTO step (what) VALUES (?)", [["knead"], ["wait"]])

  const attempt = yield* transaction.beginNested
  yield* attempt.execute("DELETE FROM step")
  yield* attempt.rollback

  const rows = yield* transaction.execute("SELECT id, what FROM step ORDER BY id")
  yield* Console.log(yield* rows.as(Step))
  yield* Console.log(yield* rows.value(1, "what"))
  yield* transaction.commit
})

program.pipe(Effect.scoped, Effect.provide(Database), NodeRuntime.runMain)
