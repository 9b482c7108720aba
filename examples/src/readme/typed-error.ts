import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "./Database.ts"

const open = Effect.fn("open")(function* (owner: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`INSERT INTO account ${sql.insert({ owner, balance: 0 })}`
})

const program = open("Ada").pipe(
  Effect.catchReason("SqlError", "UniqueViolation", () => Console.log("Ada has an account already"))
)

program.pipe(Effect.provide(Database), NodeRuntime.runMain)
