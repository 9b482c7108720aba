/** Core's cluster and workflows with their storage on SQL: entities, locks on shards, durable activities, lost lines. */
import { expect } from "@effect/vitest"
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import * as Entity from "effect/cluster/Entity"
import * as Runner from "effect/cluster/Runner"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as ShardId from "effect/cluster/ShardId"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SingleRunner from "effect/cluster/SingleRunner"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"
import * as MysqlClient from "../src/MysqlClient.ts"
import { bystander, eventually, kill, onEachServer } from "./support.ts"

const runner = SingleRunner.layer({
  shardingConfig: {
    entityMessagePollInterval: 100,
    entityReplyPollInterval: 50,
    sendRetryInterval: 50,
    shardsPerGroup: 10
  }
}).pipe(Layer.provide(Digest.layerWebCrypto))

const Account = Entity.make("Account", [
  Rpc.make("Deposit", {
    payload: { id: Schema.String, amount: Schema.Int },
    success: Schema.Int,
    primaryKey: ({ id }) => id
  })
    .annotate(ClusterSchema.Persisted, true)
    .annotate(ClusterSchema.WithTransaction, true)
])

const Order = Workflow.make("Order", {
  payload: { id: Schema.String, fail: Schema.Boolean },
  idempotencyKey: ({ id }) => id,
  success: Schema.Array(Schema.String),
  error: Schema.String
})

/** Cuts every connection to the database but the one that does it. */
const cutAll = Effect.gen(function* () {
  const { config } = yield* MysqlClient.MysqlClient
  const other = yield* bystander
  const rows = yield* other<{ readonly id: number }>`SELECT id FROM information_schema.processlist
    WHERE db = ${config.database!} AND id <> CONNECTION_ID()`
  yield* Effect.forEach(rows, ({ id }) => Effect.ignore(kill(other, id)))
  return rows.length
})

onEachServer((it) => {
  it.effect(
    "entities: a message takes effect once for its primary key, with its reply, also when all lines are cut",
    () =>
      Effect.gen(function* () {
        const sql = yield* MysqlClient.MysqlClient
        yield* sql`CREATE TABLE deposits (amount INT NOT NULL) ENGINE = InnoDB`
        const entity = Account.toLayer({
          Deposit: ({ payload }) =>
            sql`INSERT INTO deposits VALUES (${payload.amount})`.pipe(
              Effect.andThen(sql<{ readonly sum: number }>`SELECT CAST(SUM(amount) AS SIGNED) AS sum FROM deposits`),
              Effect.map((rows) => rows[0]!.sum),
              Effect.orDie
            )
        })
        yield* Effect.provide(
          Effect.gen(function* () {
            const account = (yield* Account.client)("account'1")
            expect(yield* account.Deposit({ id: "first", amount: 5 })).toBe(5)
            expect(yield* account.Deposit({ id: "first", amount: 5 })).toBe(5)
            expect(yield* cutAll).toBeGreaterThan(0)
            const deposit = account.Deposit({ id: "second", amount: 2 })
            expect(yield* Effect.retry(deposit, { schedule: Schedule.spaced("100 millis"), times: 50 })).toBe(7)
            expect(yield* sql`SELECT amount FROM deposits ORDER BY amount`.values).toEqual([[2], [5]])
          }),
          Layer.provideMerge(entity, runner)
        )
      })
  )

  it.effect("workflows: activities that are done are not done again, and errors are kept", () =>
    Effect.gen(function* () {
      const done: Array<string> = []
      const step = (name: string) =>
        Activity.make({
          name,
          success: Schema.String,
          execute: Effect.sync(() => {
            done.push(name)
            return `${name}'s`
          })
        })
      const workflow = Order.toLayer(
        Effect.fnUntraced(function* ({ fail }) {
          const first = yield* step("reserve")
          if (fail) return yield* Effect.fail("sold out")
          return [first, yield* step("ship")]
        })
      )
      const engine = ClusterWorkflowEngine.layer.pipe(Layer.provideMerge(runner))
      yield* Effect.provide(
        Effect.gen(function* () {
          const order = Order.execute({ id: "1", fail: false })
          expect(yield* order).toEqual(["reserve's", "ship's"])
          expect(yield* order).toEqual(["reserve's", "ship's"])
          expect(done).toEqual(["reserve", "ship"])
          expect(yield* Effect.flip(Order.execute({ id: "2", fail: true }))).toBe("sold out")
        }),
        Layer.provideMerge(workflow, engine)
      )
    })
  )

  for (const advisory of [true, false]) {
    it.effect(`runners and their locks on shards, ${advisory ? "as locks of a session" : "as rows"}`, () =>
      Effect.gen(function* () {
        const { config } = yield* MysqlClient.MysqlClient
        const prefix = advisory ? "advisory" : "leases"
        const settings = ShardingConfig.layer({
          shardLockDisableAdvisory: !advisory,
          shardLockExpiration: "3 seconds",
          shardLockRefreshInterval: "1 second",
          shardsPerGroup: 10
        })
        const storageOf = Effect.map(
          Layer.build(
            SqlRunnerStorage.layerWith({ prefix }).pipe(
              Layer.provide([settings, MysqlClient.layer({ ...config, maxConnections: 3 })])
            )
          ),
          (context) => RunnerStorage.RunnerStorage.pipe(Effect.provide(context))
        )
        const first = yield* yield* storageOf
        const second = yield* yield* storageOf
        const here = RunnerAddress.make("here", 1)
        const there = RunnerAddress.make("there", 2)
        const machine = yield* first.register(Runner.make({ address: here, groups: ["default"], weight: 1 }), true)
        expect(yield* first.register(Runner.make({ address: here, groups: ["default"], weight: 1 }), true)).toBe(
          machine
        )
        expect(yield* second.register(Runner.make({ address: there, groups: ["default"], weight: 1 }), true)).not.toBe(
          machine
        )
        expect(yield* first.getRunners).toHaveLength(2)

        const shards = [1, 2, 3].map((id) => ShardId.make("default", id))
        const names = (all: ReadonlyArray<ShardId.ShardId>) => all.map(String).sort()
        expect(names(yield* first.acquire(here, shards))).toEqual(names(shards))
        expect(yield* second.acquire(there, shards)).toEqual([])
        expect(names(yield* first.refresh(here, shards))).toEqual(names(shards))
        yield* first.release(here, shards[0]!)
        expect(names(yield* second.acquire(there, shards))).toEqual(names(shards.slice(0, 1)))

        // The locks of a session end with it; rows are there until they expire.
        yield* cutAll
        yield* eventually(
          Effect.map(
            Effect.orElseSucceed(second.acquire(there, shards), () => []),
            (all) => all.length === 3
          )
        )
        yield* eventually(
          Effect.map(
            Effect.exit(first.acquire(here, shards)),
            (exit) => exit._tag === "Success" && exit.value.length === 0
          )
        )
        yield* second.releaseAll(there)
        expect(names(yield* first.acquire(here, shards))).toEqual(names(shards))
        yield* first.unregister(here)
        yield* second.unregister(there)
        expect(yield* first.getRunners).toEqual([])
      })
    )
  }
})
