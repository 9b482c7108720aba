/**
 * Many fibers that transfer money between few accounts while everything goes wrong that can: deadlocks, interruptions,
 * connections that are killed, lines that are cut at COMMIT, and a server that crashes and is started again.
 *
 * What each fiber was told about its transfer is kept, and compared with what the server has at the end.
 */
import { expect } from "@effect/vitest"
import { MysqlServer } from "@effect-mysql/test-utils"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import { isSqlError } from "effect/sql/SqlError"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import * as CommitMarkers from "../src/CommitMarkers.ts"
import type * as MysqlClient from "../src/MysqlClient.ts"
import * as MysqlEngine from "../src/MysqlEngine.ts"
import { failures } from "./support.ts"

const fibers = 64
const accounts = 10
const start = 1000

/** What a fiber was told. Whoever is interrupted is told nothing, unless it had been committed before. */
type Told = "committed" | "rolled back" | "unknown" | "nothing"

export interface Plan {
  /** Transfers that end, however, before no new one begins; or the time after which none does. */
  readonly until: { readonly transfers: number } | { readonly time: Duration.Input }
  /** Transfers that end between two crashes of the server; `crashes` of them in all. */
  readonly crashEvery: number
  readonly crashes: number
  readonly seed: number
}

/** How often of each kind something went wrong. */
export interface Figures {
  readonly transfers: Record<Told, number>
  readonly repeated: number
  readonly killed: number
  readonly cutAtCommit: number
  readonly crashes: number
}

/** Between two lines that are cut at COMMIT, and what the server gets of it then: all, nothing, or all of it later. */
const cutEvery = 25
const modes = ["passed", "dropped", "late"] as const
const lateMillis = 300

/** A way to the server on which every so many COMMITs cost the line. */
const cuttingProxy = (target: { readonly host: string; readonly port: number }, onCut: () => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      let commits = 0
      const proxy = createServer((client) => {
        const server = connect(target.port, target.host)
        let mode: (typeof modes)[number] | undefined
        for (const socket of [client, server]) {
          sockets.add(socket)
          socket.on("error", () => {})
          socket.on("close", () => sockets.delete(socket))
        }
        client.on("data", (bytes) => {
          if (mode === undefined && bytes.includes("COMMIT") && ++commits % cutEvery === 0) {
            mode = modes[(commits / cutEvery) % modes.length]!
            onCut()
          }
          if (mode === undefined || mode === "passed") server.write(bytes)
          if (mode === "late") setTimeout(() => server.end(bytes), lateMillis)
          if (mode === "dropped" || mode === "late") client.destroy()
        })
        server.on("data", (bytes) => {
          if (mode === undefined) client.write(bytes)
          else client.destroy()
        })
        client.on("close", () => {
          if (mode !== "late") server.destroy()
        })
        server.on("close", () => client.destroy())
      })
      proxy.listen(0, "127.0.0.1", () => {
        const close = () => {
          for (const socket of sockets) socket.destroy()
          proxy.close()
        }
        resume(Effect.succeed({ port: (proxy.address() as AddressInfo).port, close }))
      })
    }),
    (proxy) => Effect.sync(() => proxy.close())
  )

const make = (config: MysqlClient.MysqlClientConfig) => Effect.provide(MysqlEngine.make(config), Reactivity.layer)

/** Runs the plan on the server in context, and compares. */
export const run = Effect.fnUntraced(function* (plan: Plan) {
  const server = yield* MysqlServer.MysqlServer
  const database = yield* server.database
  const root = { url: server.url, database, maxConnections: 1 }
  // Without a password, so that a server that was started again needs no secure line for the first login.
  const setUp = yield* make(root)
  yield* setUp.client`CREATE USER bank@'%'`
  yield* setUp.client.unsafe(`GRANT ALL ON \`${database}\`.* TO bank@'%'`)
  yield* setUp.client`CREATE TABLE accounts (id INT PRIMARY KEY, balance INT NOT NULL) ENGINE = InnoDB`
  yield* setUp.client`
    CREATE TABLE transfers (id INT PRIMARY KEY, payer INT NOT NULL, payee INT NOT NULL, amount INT NOT NULL) ENGINE = InnoDB
  `
  const balances = Array.from({ length: accounts }, () => start)
  const session = yield* setUp.connect
  yield* session.executeMany(
    "INSERT INTO accounts VALUES (?, ?)",
    balances.map((balance, id) => [id, balance])
  )

  const figures = { repeated: 0, killed: 0, cutAtCommit: 0, crashes: 0 }
  const proxy = yield* cuttingProxy(server, () => figures.cutAtCommit++)
  const engine = yield* make({
    url: Redacted.make(`mysql://bank@127.0.0.1:${proxy.port}/${database}`),
    tls: { mode: "disabled" },
    maxConnections: 16
  })
  // Of its own: the pool of the bank can be full of those who wait for the locks of a transaction that is looked up.
  const lookingUp = yield* make({ ...root, maxConnections: 2 })
  const markers = yield* CommitMarkers.make(lookingUp.client)

  const told = new Map<number, Told>()
  let begun = 0
  let ended = 0
  let over = false

  const transfer = (id: number, payer: number, payee: number, amount: number) => {
    const { client } = engine
    let tries = 0
    // One in four is not repeated, so that some are told of.
    const retry = id % 4 === 0 ? undefined : MysqlEngine.retrySchedule
    return engine.transaction({ markers, retry })(
      Effect.gen(function* () {
        if (tries++ > 0) figures.repeated++
        yield* client.afterCommit(Effect.sync(() => told.set(id, "committed")))
        yield* client`UPDATE accounts SET balance = balance - ${amount} WHERE id = ${payer}`
        yield* client`UPDATE accounts SET balance = balance + ${amount} WHERE id = ${payee}`
        yield* client`INSERT INTO transfers VALUES (${id}, ${payer}, ${payee}, ${amount})`
      })
    )
  }

  /** One transfer, which is interrupted at any moment one time in eight. */
  const one = Effect.gen(function* () {
    const id = begun++
    const payer = yield* Random.nextIntBetween(0, accounts - 1)
    const payee = (payer + 1 + (yield* Random.nextIntBetween(0, accounts - 2))) % accounts
    const fiber = yield* Effect.forkChild(transfer(id, payer, payee, yield* Random.nextIntBetween(1, 50)))
    if ((yield* Random.nextIntBetween(0, 7)) === 0) {
      yield* Effect.sleep(Duration.millis(yield* Random.nextIntBetween(0, 20)))
      yield* Fiber.interrupt(fiber)
    }
    const exit = yield* Fiber.await(fiber)
    if (Exit.isSuccess(exit)) {
      told.set(id, "committed")
    } else if (Exit.hasInterrupts(exit)) {
      if (!told.has(id)) told.set(id, "nothing")
    } else {
      // Anything but a typed error fails the test here.
      const [error] = failures(exit)
      expect(isSqlError(error)).toBe(true)
      told.set(id, MysqlEngine.isOutcomeUnknown(error!) ? "unknown" : "rolled back")
      if (told.get(id) === "rolled back") expect(error!.isRetryable, error!.message).toBe(true)
    }
    ended++
  })

  const worker = Effect.repeat(one, { while: () => !over })

  const isOver = (): boolean =>
    "transfers" in plan.until && ended >= plan.until.transfers && figures.crashes >= plan.crashes

  /** Kills one of the bank's connections, and now and then the server, by what has been done in the meantime. */
  const havoc = Effect.gen(function* () {
    let lookedAt = 0
    while (!over) {
      yield* Effect.repeat(Effect.sleep("5 millis"), { while: () => !over && ended < lookedAt + 20 })
      lookedAt = ended
      if (figures.crashes < plan.crashes && ended >= plan.crashEvery * (figures.crashes + 1)) {
        yield* server.kill
        yield* server.start
        figures.crashes++
      }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { client } = yield* make(root)
          const victims = yield* client<{ id: number }>`
            SELECT id AS id FROM information_schema.processlist WHERE user = 'bank' ORDER BY RAND() LIMIT 2
          `
          for (const { id } of victims) {
            yield* Effect.ignore(client.unsafe(`KILL ${id}`).unprepared)
            figures.killed++
          }
        })
      )
      if (isOver()) over = true
    }
  })

  if ("time" in plan.until) {
    yield* Effect.forkScoped(
      Effect.delay(
        Effect.sync(() => (over = true)),
        plan.until.time
      )
    )
  }
  yield* Effect.all([havoc, ...Array.from({ length: fibers }, () => worker)], { concurrency: "unbounded" }).pipe(
    Random.withSeed(plan.seed)
  )

  // ---- what the server has, against what was told ------------------------------------------------------------------

  const { client } = yield* make(root)
  // Sessions whose line is gone may not have noticed yet.
  yield* client`SELECT 1 FROM information_schema.processlist WHERE user = 'bank' AND command <> 'Sleep'`.pipe(
    Effect.repeat({ until: (rows) => rows.length === 0, schedule: Schedule.spaced("10 millis") })
  )
  const rows = yield* client<{ id: number; payer: number; payee: number; amount: number }>`SELECT * FROM transfers`
  const done = new Set(rows.map(({ id }) => id))
  const transfers: Record<Told, number> = { committed: 0, "rolled back": 0, unknown: 0, nothing: 0 }
  for (const [id, what] of told) {
    transfers[what]++
    if (what === "committed") expect(done, `transfer ${id} was reported committed`).toContain(id)
    if (what === "rolled back") expect(done, `transfer ${id} was reported rolled back`).not.toContain(id)
  }
  for (const { amount, payee, payer } of rows) {
    balances[payer]! -= amount
    balances[payee]! += amount
  }
  const found = yield* client<{ balance: number }>`SELECT balance FROM accounts ORDER BY id`
  expect(found.map(({ balance }) => balance)).toEqual(balances)
  expect(found.reduce((sum, { balance }) => sum + balance, 0)).toBe(accounts * start)
  return { transfers, ...figures } satisfies Figures
})
