import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "./Database.ts"

const Account = Schema.Struct({ owner: Schema.String, balance: Schema.Int })

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const total = yield* sql`SELECT owner, balance FROM account`.stream.pipe(
    Stream.mapEffect((row) => Schema.decodeUnknownEffect(Account)(row)),
    Stream.runFold(
      () => 0,
      (sum, account) => sum + account.balance
    )
  )
  yield* Console.log(`In all accounts together: ${total}`)
})

program.pipe(Effect.provide(Database), NodeRuntime.runMain)
