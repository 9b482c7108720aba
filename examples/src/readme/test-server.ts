import { NodeRuntime } from "@effect/platform-node"
import { MysqlConnection } from "@effect-mysql/client"
import { MysqlServer } from "@effect-mysql/test-utils"
import { Console, Effect } from "effect"

const program = Effect.gen(function* () {
  const server = yield* MysqlServer.MysqlServer
  const database = yield* server.database
  const connection = yield* MysqlConnection.make({ url: server.url, database })
  const { rows } = yield* connection.query("SELECT DATABASE() LIKE 'effect_mysql%' AS ours")
  yield* Console.log(rows)
})

program.pipe(Effect.scoped, Effect.provide(MysqlServer.layer()), NodeRuntime.runMain)
