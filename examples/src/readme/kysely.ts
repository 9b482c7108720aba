import { NodeRuntime } from "@effect/platform-node"
import { MysqlClient } from "@effect-mysql/sql-layer"
import * as Kysely from "@effect-mysql/sql-layer/Kysely"
import { Config, Console, Effect } from "effect"

interface Database {
  readonly planet: { readonly name: string; readonly moons: number }
}

const program = Effect.gen(function* () {
  const sql = yield* MysqlClient.MysqlClient
  const { db, run } = yield* Kysely.make<Database>()
  yield* sql`CREATE TABLE IF NOT EXISTS planet (name VARCHAR(50) PRIMARY KEY, moons INT NOT NULL)`
  const planets = [
    { name: "Mars", moons: 2 },
    { name: "Venus", moons: 0 }
  ]
  yield* run(db.replaceInto("planet").values(planets))
  yield* Console.log(yield* run(db.selectFrom("planet").select("name").where("moons", ">", 0)))
})

program.pipe(Effect.provide(MysqlClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })), NodeRuntime.runMain)
