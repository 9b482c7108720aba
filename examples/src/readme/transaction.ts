import { NodeRuntime } from "@effect/platform-node"
import { Console, Data, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "./Database.ts"

class Overdrawn extends Data.TaggedError("Overdrawn")<{ readonly owner: string; readonly balance: number }> {}

const transfer = Effect.fn("transfer")(function* (from: string, to: string, amount: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`UPDATE account SET balance = balance - ${amount} WHERE owner = ${from}`
  yield* sql`UPDATE account SET balance = balance + ${amount} WHERE owner = ${to}`
  const [account] = yield* sql<{ balance: number }>`SELECT balance FROM account WHERE owner = ${from}`
  if (account !== undefined && account.balance < 0) {
    return yield* new Overdrawn({ owner: from, balance: account.balance })
  }
})

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql.withTransaction(transfer("Ada", "Grace", 30))
  yield* sql
    .withTransaction(transfer("Ada", "Grace", 1000))
    .pipe(Effect.catchTag("Overdrawn", ({ balance, owner }) => Console.log(`${owner} would be left with ${balance}`)))
  yield* Console.log(yield* sql`SELECT owner, balance FROM account ORDER BY owner`)
})

program.pipe(Effect.provide(Database), NodeRuntime.runMain)
