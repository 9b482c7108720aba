import { NodeRuntime } from "@effect/platform-node"
import { MysqlConnection } from "@effect-mysql/client"
import { Config, Console, Effect, Stream } from "effect"

const program = Effect.gen(function* () {
  const connection = yield* MysqlConnection.make({ url: yield* Config.Redacted("DATABASE_URL") })

  const { rows } = yield* connection.query("SELECT ? AS name, ? AS people", ["Tokyo", 8_336_599])
  yield* Console.log(rows)

  const letters = yield* connection
    .stream<{ letter: string }>("SELECT 'a' AS letter UNION ALL SELECT 'b' UNION ALL SELECT 'c'")
    .pipe(
      Stream.map(({ letter }) => letter),
      Stream.take(2),
      Stream.runCollect
    )
  yield* Console.log(letters)

  yield* connection
    .query("SELECT * FROM nowhere")
    .pipe(
      Effect.catchReason("MysqlError", "ServerError", ({ errno, symbol }) => Console.log(`${symbol} is error ${errno}`))
    )
})

program.pipe(Effect.scoped, NodeRuntime.runMain)
