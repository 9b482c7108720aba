import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "./Database.ts"

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS account (owner VARCHAR(50) PRIMARY KEY, balance INT NOT NULL)`
  yield* sql`
    REPLACE INTO account ${sql.insert([
      { owner: "Ada", balance: 100 },
      { owner: "Grace", balance: 20 }
    ])}
  `
  const minimum = 50
  const rows = yield* sql`SELECT owner, balance FROM account WHERE balance >= ${minimum}`
  yield* Console.log(rows)
})

program.pipe(Effect.provide(Database), NodeRuntime.runMain)
