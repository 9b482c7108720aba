import { NodeRuntime } from "@effect/platform-node"
import { Coordinator, DecisionLog, MysqlEngine } from "@effect-mysql/sql-layer"
import { Config, Console, Effect } from "effect"
import { Reactivity } from "effect/reactivity"

const program = Effect.gen(function* () {
  const shop = yield* MysqlEngine.make({ url: yield* Config.Redacted("DATABASE_URL") })
  const stock = yield* MysqlEngine.make({ url: yield* Config.Redacted("SECOND_DATABASE_URL") })
  yield* shop.client`CREATE TABLE purchase (id INT PRIMARY KEY, item VARCHAR(20) NOT NULL)`
  yield* stock.client`CREATE TABLE item (name VARCHAR(20) PRIMARY KEY, pieces INT NOT NULL)`
  yield* stock.client`INSERT INTO item VALUES ('lamp', 3)`

  // Making it resolves first what a crash has left prepared.
  const coordinator = yield* Coordinator.make({
    name: "web shop",
    participants: { shop, stock },
    log: yield* DecisionLog.table(shop.client)
  })
  yield* coordinator.transaction((on) =>
    Effect.all([
      on.shop.execute("INSERT INTO purchase VALUES (1, 'lamp')"),
      on.stock.execute("UPDATE item SET pieces = pieces - 1 WHERE name = 'lamp'")
    ])
  )
  yield* Console.log(yield* shop.client`SELECT * FROM purchase`, yield* stock.client`SELECT * FROM item`)
})

program.pipe(Effect.scoped, Effect.provide(Reactivity.layer), NodeRuntime.runMain)
