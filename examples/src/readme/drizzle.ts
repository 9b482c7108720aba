import { NodeRuntime } from "@effect/platform-node"
import { MysqlClient } from "@effect-mysql/sql-layer"
import * as Drizzle from "@effect-mysql/sql-layer/Drizzle"
import { gt } from "drizzle-orm"
import { int, mysqlTable, varchar } from "drizzle-orm/mysql-core"
import { Config, Console, Effect, Stream } from "effect"

const comet = mysqlTable("comet", { name: varchar({ length: 50 }).primaryKey(), years: int().notNull() })

const program = Effect.gen(function* () {
  const sql = yield* MysqlClient.MysqlClient
  const { db, run, stream } = yield* Drizzle.make()
  yield* sql`CREATE TABLE IF NOT EXISTS comet (name VARCHAR(50) PRIMARY KEY, years INT NOT NULL)`
  yield* run(db.delete(comet))
  yield* sql.withTransaction(
    run(
      db.insert(comet).values([
        { name: "Encke", years: 3 },
        { name: "Halley", years: 76 }
      ])
    )
  )
  const slow = db.select().from(comet).where(gt(comet.years, 10))
  yield* stream(slow).pipe(Stream.runForEach(Console.log))
})

program.pipe(Effect.provide(MysqlClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })), NodeRuntime.runMain)
