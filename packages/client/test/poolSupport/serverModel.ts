/**
 * A pool on a real server beside a model of what it owes its borrowers. Random steps are played to both - borrow, return,
 * interrupt, break, kill, time, suspend, evict, close - and after each of them the pool has to come to what the model says:
 * who has a connection, who waits, and that nobody gets one that is dead, dirty, too old or evicted. Time is the test's.
 */
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { ReservedConnection } from "../../src/MysqlConnection.ts"
import type { MysqlError } from "../../src/MysqlError.ts"
import * as MysqlPool from "../../src/MysqlPool.ts"
import { connect, listed, scalar } from "../support/servers.ts"
import * as chaos from "./chaos.ts"
import { now, outcomeOf } from "./pools.ts"

const max = 4
const min = 1
const second = 1000
const maxLifetime = 100 * second
const acquireTimeout = 60 * second
const patienceMillis = 20_000

interface Borrower {
  readonly name: number
  readonly since: number
  readonly scope: Scope.Closeable
  readonly fiber: Fiber.Fiber<ReservedConnection, MysqlError>
}

interface Lease {
  readonly borrower: Borrower
  readonly connection: ReservedConnection
  readonly id: number
  /** Its line was cut, or it was called invalid: what comes of its statements does not matter. */
  broken: boolean
}

/** Lets sockets and fibers go on. */
const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** `pause` runs once, if it takes unusually long. */
const until = (check: () => boolean, what: () => string, pause: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const begun = performance.now()
    let paused = false
    const again: Effect.Effect<void> = Effect.suspend(() => {
      if (check()) return Effect.void
      const waited = performance.now() - begun
      if (waited > patienceMillis) return Effect.die(new Error(`it never was so: ${what()}`))
      if (paused || waited < patienceMillis / 10) return Effect.andThen(turn, again)
      paused = true
      return Effect.andThen(pause, again)
    })
    return again
  })

/** Plays so many steps, and ends with how often each kind of step was played. */
export const run = Effect.fnUntraced(function* (seed: number, steps: number) {
  const server = yield* MysqlServer.MysqlServer
  const next = chaos.random(seed)
  const upTo = (limit: number): number => Math.floor(next() * limit)
  const pick = <A>(items: ReadonlyArray<A>): A => items[upTo(items.length)]!
  const observer = yield* connect()
  const database = yield* server.database
  const config: MysqlPool.PoolConfig = {
    url: server.url,
    database,
    minConnections: min,
    maxConnections: max,
    idleTimeout: 20 * second,
    keepaliveTime: 10 * second,
    maxLifetime,
    acquireTimeout
  }

  let time = 0
  let names = 0
  let suspended = false
  let queue: Array<Borrower> = []
  let leases: Array<Lease> = []
  /** Connections that nobody may get any more. */
  const banned = new Set<number>()
  /** When a connection was seen first. */
  const seen = new Map<number, number>()
  const played: Record<string, number> = {}
  let scope = yield* Scope.make()
  let pool = yield* Scope.provide(MysqlPool.make(config), scope)
  const stats = () => Effect.runSync(pool.stats)
  const state = (): string =>
    JSON.stringify({ stats: stats(), lent: leases.length, waiting: queue.length, suspended, time })
  const wrong = (what: string) => Effect.die(new Error(`${what}: ${state()}`))

  /** What a borrower finds in the session. */
  const inspect = Effect.fnUntraced(function* (borrower: Borrower, connection: ReservedConnection) {
    const id = connection.info.connectionId
    const known = seen.get(id)
    if (known === undefined) seen.set(id, time)
    if (banned.has(id)) return yield* wrong(`${borrower.name} got ${id}, which nobody may get`)
    if (leases.some((lease) => lease.id === id)) return yield* wrong(`${borrower.name} got ${id}, which somebody has`)
    if (known !== undefined && time - known > maxLifetime) return yield* wrong(`${borrower.name} got ${id}, too old`)
    if (connection.statusUnsafe().inTransaction) return yield* wrong(`${borrower.name} got ${id} in a transaction`)
    const parts = "CONNECTION_ID(), DATABASE(), IF(@@session.autocommit, 1, 0), COALESCE(@left, 'clean')"
    const asked = `SELECT CONVERT(CONCAT_WS(' ', ${parts}) USING utf8mb4)`
    const found = yield* scalar(connection, asked)
    if (found !== `${id} ${database} 1 clean`) return yield* wrong(`${borrower.name} found ${found} on ${id}`)
    return id
  })

  /** A connection that was killed while it was being opened is tried again after a pause, of at most so long. */
  const breath = Effect.suspend(() => {
    time += second / 2
    return TestClock.adjust(second / 2)
  })

  /** The pool comes to what the model says: the first of the queue have got what is free, in their order. */
  const settle = Effect.gen(function* () {
    const free = suspended ? 0 : max - leases.length
    const served = queue.slice(0, free)
    const isServed = () => {
      const { pending, used } = stats()
      return pending === queue.length - served.length && used === leases.length + served.length
    }
    yield* until(isServed, state, breath)
    for (const borrower of served) {
      const exit = yield* Fiber.await(borrower.fiber)
      if (Exit.isFailure(exit)) return yield* wrong(`${borrower.name} failed: ${Cause.pretty(exit.cause)}`)
      const id = yield* inspect(borrower, exit.value)
      leases.push({ borrower, connection: exit.value, id, broken: false })
    }
    queue = queue.slice(served.length)
    const early = queue.find(({ fiber }) => fiber.pollUnsafe() !== undefined)
    if (early !== undefined) return yield* wrong(`${early.name} was not to be served yet`)
    const { connecting, idle, used } = stats()
    if (idle + used + connecting > max) return yield* wrong("there are too many connections")
  })

  const giveBack = Effect.fnUntraced(function* (lease: Lease) {
    leases = leases.filter((other) => other !== lease)
    yield* Scope.close(lease.borrower.scope, Exit.void)
  })

  const dirt: ReadonlyArray<ReadonlyArray<string>> = [
    [],
    ["SELECT 1"],
    ["BEGIN", "SELECT 1"],
    ["SET @left = 5"],
    ["SET autocommit = 0"],
    ["USE information_schema"],
    ["SELECT GET_LOCK('left', 0)"],
    ["SELECT * FROM nowhere"]
  ]

  const idsOnServer = Effect.map(listed(observer, "db = ?", [database]), (rows) => rows.map(({ id }) => id))

  const killAndWait = Effect.fnUntraced(function* (id: number) {
    yield* Effect.exit(observer.query(`KILL ${id}`))
    banned.add(id)
    while ((yield* idsOnServer).includes(id)) yield* turn
    // What the server said last arrives.
    yield* Effect.repeat(turn, { times: 5 })
  })

  const advance = Effect.fnUntraced(function* (millis: number) {
    // In pieces, so that what is due at some time has happened before the next.
    for (let left = millis; left > 0; left -= second) {
      const piece = Math.min(left, second)
      time += piece
      yield* TestClock.adjust(piece)
      const [late, waiting] = [
        queue.filter(({ since }) => time - since >= acquireTimeout),
        queue.filter(({ since }) => time - since < acquireTimeout)
      ]
      queue = waiting
      for (const { fiber, name } of late) {
        const outcome = outcomeOf(yield* Fiber.await(fiber))
        if (outcome !== "AcquireTimeout") return yield* wrong(`${name} came to ${outcome} after so long`)
      }
      yield* turn
    }
  })

  const kinds: ReadonlyArray<readonly [string, number, () => boolean, () => Effect.Effect<void, MysqlError>]> = [
    [
      "borrow",
      10,
      () => queue.length < 8,
      Effect.fnUntraced(function* () {
        const own = yield* Scope.make()
        const fiber = yield* Effect.forkDetach(Scope.provide(pool.reserve, own), now)
        queue.push({ name: names++, since: time, scope: own, fiber })
      })
    ],
    [
      "return",
      10,
      () => leases.length > 0,
      Effect.fnUntraced(function* () {
        const lease = pick(leases)
        for (const sql of pick(dirt)) {
          const exit = yield* Effect.exit(lease.connection.query(sql))
          if (Exit.isFailure(exit) && !lease.broken && !sql.includes("nowhere")) {
            return yield* wrong(`${sql} on ${lease.id} failed: ${Cause.pretty(exit.cause)}`)
          }
        }
        yield* giveBack(lease)
      })
    ],
    [
      "interrupt",
      2,
      () => queue.length > 0,
      Effect.fnUntraced(function* () {
        const borrower = pick(queue)
        queue = queue.filter((other) => other !== borrower)
        yield* Fiber.interrupt(borrower.fiber)
        yield* Scope.close(borrower.scope, Exit.void)
      })
    ],
    [
      "break",
      1,
      () => leases.length > 0,
      Effect.fnUntraced(function* () {
        const lease = pick(leases)
        banned.add(lease.id)
        yield* pool.invalidate(lease.connection)
      })
    ],
    [
      "kill",
      2,
      () => true,
      Effect.fnUntraced(function* () {
        const lease = leases.length > 0 && next() < 0.5 ? pick(leases) : undefined
        const ids = yield* idsOnServer
        const lent = new Set(leases.map(({ id }) => id))
        const idle = ids.filter((id) => !lent.has(id))
        if (lease !== undefined) {
          lease.broken = true
          yield* killAndWait(lease.id)
        } else if (idle.length > 0) yield* killAndWait(pick(idle))
      })
    ],
    ["time", 4, () => true, () => advance(upTo(next() < 0.2 ? 40 * second : 2 * second))],
    [
      "suspend",
      1,
      () => !suspended,
      () =>
        Effect.andThen(pool.suspend, () => {
          suspended = true
          return Effect.void
        })
    ],
    [
      "resume",
      4,
      () => suspended,
      () =>
        Effect.andThen(pool.resume, () => {
          suspended = false
          return Effect.void
        })
    ],
    [
      "evict",
      1,
      () => true,
      Effect.fnUntraced(function* () {
        yield* pool.evictAll
        for (const id of seen.keys()) banned.add(id)
      })
    ],
    [
      "close",
      0.3,
      () => true,
      Effect.fnUntraced(function* () {
        const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void), now)
        for (const { fiber, name } of queue) {
          const outcome = outcomeOf(yield* Fiber.await(fiber))
          if (outcome !== "PoolClosed") return yield* wrong(`${name} came to ${outcome} at the end of the pool`)
        }
        queue = []
        for (const lease of [...leases]) yield* giveBack(lease)
        yield* Fiber.join(closing)
        while ((yield* idsOnServer).length > 0) yield* turn
        suspended = false
        scope = yield* Scope.make()
        pool = yield* Scope.provide(MysqlPool.make(config), scope)
      })
    ]
  ]

  for (let step = 0; step < steps; step++) {
    const possible = kinds.filter(([, , check]) => check())
    let at = next() * possible.reduce((sum, [, weight]) => sum + weight, 0)
    const [name, , , play] = possible.find(([, weight]) => (at -= weight) < 0) ?? possible.at(-1)!
    played[name] = (played[name] ?? 0) + 1
    yield* Effect.andThen(play(), settle).pipe(
      Effect.onError(() => Effect.sync(() => console.log(`It was step ${step} of seed ${seed}: ${name}`)))
    )
  }
  suspended = false
  yield* pool.resume
  yield* settle
  while (leases.length > 0) {
    for (const lease of [...leases]) yield* giveBack(lease)
    yield* settle
  }
  yield* Scope.close(scope, Exit.void)
  while ((yield* idsOnServer).length > 0) yield* turn
  return played
})
