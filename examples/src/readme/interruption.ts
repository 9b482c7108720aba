import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "./Database.ts"

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const answer = yield* sql`SELECT SLEEP(60)`.pipe(Effect.timeoutOption("200 millis"))
  const running = yield* sql`
    SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'SELECT SLEEP%'
  `
  yield* Console.log(`${answer._tag}, and ${running.length} statements run on the server`)
})

program.pipe(Effect.provide(Database), NodeRuntime.runMain)
