/** The engine over the client of a block of tests, and the accounts of the other tests. */
import * as Effect from "effect/Effect"
import * as MysqlClient from "../src/MysqlClient.ts"
import * as MysqlEngine from "../src/MysqlEngine.ts"
import { accounts } from "./support.ts"

export const engine = Effect.map(MysqlClient.MysqlClient, MysqlEngine.fromClient)

export const engineWithAccounts = Effect.gen(function* () {
  const sql = yield* accounts
  return { engine: yield* engine, sql }
})
