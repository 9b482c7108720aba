import { NodeRuntime } from "@effect/platform-node"
import { CommitMarkers, MysqlEngine } from "@effect-mysql/sql-layer"
import { Config, Console, Effect } from "effect"

const Database = MysqlEngine.layerConfig({ url: Config.Redacted("DATABASE_URL") })

const program = Effect.gen(function* () {
  const engine = yield* MysqlEngine.MysqlEngine
  const sql = engine.client
  const markers = yield* CommitMarkers.make(sql)
  const looked = engine.transaction({ markers, retry: MysqlEngine.retrySchedule })

  yield* sql`CREATE TABLE sent (id INT PRIMARY KEY AUTO_INCREMENT, receiver VARCHAR(50) NOT NULL)`
  const { insertId } = (yield* looked(sql`INSERT INTO sent (receiver) VALUES ('Grace')`.raw)) as { insertId: number }
  yield* Console.log(`letter ${insertId} is sent, whatever became of the line`)
  yield* markers.prune("1 day")
})

program.pipe(Effect.provide(Database), NodeRuntime.runMain)
