/**
 * A model of what several fibers do with several connections to a real server: each step is random, and its right answer
 * is known. Texts and values carry a number that no other step has, so an answer that belongs to another fiber is seen at
 * once.
 *
 * Each worker has a row of its own in a table. What an interrupted change has done to it is open until the row is read:
 * until then the model holds every value that it can have.
 */
import { expect } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { MysqlConnection } from "../../src/MysqlConnection.ts"
import { isMysqlError, type MysqlError, type Reason } from "../../src/MysqlError.ts"
import * as Random from "./random.ts"

export interface Options {
  readonly connections: ReadonlyArray<MysqlConnection>
  readonly workers: number
  readonly steps: number
  readonly seed: number
}

export const tables: ReadonlyArray<string> = [
  "CREATE TABLE counters (worker INT PRIMARY KEY, n BIGINT NOT NULL) ENGINE = InnoDB",
  "CREATE TABLE items (worker INT, x BIGINT PRIMARY KEY, s VARCHAR(50)) ENGINE = InnoDB"
]

/** How often each kind of step was taken. */
export type Taken = Map<string, number>

const reasonOf = (exit: Exit.Exit<unknown, unknown>): Reason | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  for (const reason of exit.cause.reasons) {
    if (reason._tag === "Fail" && isMysqlError(reason.error)) return reason.error.reason
  }
  return undefined
}

const array = { rows: "array" } as const

/** `i` from 1 to 300, each beside `x`. */
const series = (x: number | "?"): string =>
  `WITH RECURSIVE s AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM s WHERE i < 300) SELECT i, ${x} AS x FROM s`

class Worker {
  private readonly id: number
  private readonly random: Random.Random
  private readonly connections: ReadonlyArray<MysqlConnection>
  private readonly next: () => number
  /** What the row can hold. */
  private possible: ReadonlySet<number> = new Set([0])
  /** Items that are certainly there; those that may be were removed before the next count. */
  private items = 0

  constructor(id: number, random: Random.Random, connections: ReadonlyArray<MysqlConnection>, next: () => number) {
    this.id = id
    this.random = random
    this.connections = connections
    this.next = next
  }

  private get connection(): MysqlConnection {
    return this.random.pick(this.connections)
  }

  readonly steps: Readonly<Record<string, () => Effect.Effect<void, MysqlError>>> = {
    text: () => {
      const x = this.next()
      return this.answers(this.connection.query(`SELECT ${x}, 'a${x}'`, [], array), [[x, `a${x}`]])
    },
    prepared: () => {
      const x = this.next()
      const value = this.random.pick([x, `${x}`, BigInt(x), null, x + 0.5])
      return this.answers(
        this.connection.query(this.random.pick(["SELECT ?, ? + 0", "SELECT ? , 0 + ?"]), [value, x], array),
        [[value === BigInt(x) ? x : value, x]]
      )
    },
    stream: () => {
      const x = this.next()
      const [sql, params] = this.random.pick([[series(x), []] as const, [series("?"), [x]] as const])
      const rows = this.connection.stream(sql, params, array)
      return Effect.map(Stream.runCollect(rows), (found) =>
        expect(found).toEqual(Arr.makeBy(300, (index) => [index + 1, x]))
      )
    },
    streamEndedEarly: () => {
      const x = this.next()
      const count = this.random.below(20)
      const rows = Stream.take(this.connection.stream(series("?"), [x], array), count)
      return Effect.map(Stream.runCollect(rows), (found) =>
        expect(found).toEqual(Array.from({ length: count }, (_, index) => [index + 1, x]))
      )
    },
    error: () => {
      const x = this.next()
      const [sql, params, errno] = this.random.pick([
        [`SELECT ${x} FROM nowhere_${x}`, [], 1146] as const,
        [`SELECT ? FROM nowhere_${x}`, [x], 1146] as const,
        [`SELEC ${x}`, [], 1064] as const,
        [`INSERT INTO counters VALUES (${this.id}, ${x})`, [], 1062] as const
      ])
      return Effect.map(Effect.exit(this.connection.query(sql, params)), (exit) =>
        expect(reasonOf(exit)).toMatchObject({ _tag: "ServerError", errno, sql })
      )
    },
    badValue: () => {
      const x = this.next()
      return Effect.map(Effect.exit(this.connection.query(`SELECT ?, ${x}`, [undefined])), (exit) =>
        expect(reasonOf(exit)).toMatchObject({ _tag: "ParameterError", parameter: 0 })
      )
    },
    interrupted: () => {
      const x = this.next()
      const { connection } = this
      return this.interrupting(
        this.random.pick([
          connection.query(`SELECT SLEEP(0.2), ${x}`),
          connection.query("SELECT SLEEP(0.2), ?", [x]),
          connection.query(`SELECT ${x}`),
          Stream.runDrain(connection.stream(series("?"), [x])),
          Effect.scoped(Effect.flatMap(connection.reserve, (own) => own.query("SELECT SLEEP(?)", [0.2])))
        ])
      )
    },
    timeout: () => {
      const x = this.next()
      const sleeping = this.connection.query(`SELECT SLEEP(0.2), ${x}`, [], { timeout: this.random.below(20) })
      return Effect.map(Effect.exit(sleeping), (exit) =>
        expect(reasonOf(exit)).toMatchObject({ _tag: "StatementTimeout", by: "client" })
      )
    },
    change: () =>
      Effect.map(this.connection.query("UPDATE counters SET n = n + 1 WHERE worker = ?", [this.id]), (result) => {
        expect(result.affectedRows).toBe(1)
        this.possible = new Set(Array.from(this.possible, (n) => n + 1))
      }),
    changeInterrupted: () => {
      const { connection } = this
      const change = connection.query(`UPDATE counters SET n = n + 1 WHERE worker = ${this.id}`)
      // Where others are behind it it is not stopped: it can run until the server has answered what was sent later.
      return Effect.map(Effect.andThen(this.interrupting(change), connection.ping), () => {
        this.possible = new Set([...this.possible, ...Array.from(this.possible, (n) => n + 1)])
      })
    },
    read: () =>
      Effect.map(
        this.connection.query<readonly [number]>("SELECT n FROM counters WHERE worker = ?", [this.id], array),
        ({ rows }) => {
          expect(rows).toHaveLength(1)
          expect(Array.from(this.possible)).toContain(rows[0]![0])
          this.possible = new Set([rows[0]![0]])
        }
      ),
    transaction: () => {
      const x = this.next()
      const commits = this.random.below(2) === 0
      const fails = this.random.below(2) === 0
      return Effect.scoped(
        Effect.gen({ self: this }, function* () {
          const own = yield* this.connection.reserve
          yield* own.begin()
          yield* Effect.gen({ self: this }, function* () {
            yield* own.query("UPDATE counters SET n = n + 1 WHERE worker = ?", [this.id])
            yield* this.answers(own.query("SELECT ?", [x], array), [[x]])
            if (fails) yield* Effect.exit(own.query(`SELECT ${x} FROM nowhere`))
            expect(own.statusUnsafe().inTransaction).toBe(true)
          }).pipe(Effect.onError(() => Effect.ignore(own.rollback)))
          yield* commits ? own.commit : own.rollback
          if (commits) this.possible = new Set(Array.from(this.possible, (n) => n + 1))
        })
      )
    },
    preparedByHand: () => {
      const x = this.next()
      return Effect.scoped(
        Effect.gen({ self: this }, function* () {
          const statement = yield* this.connection.prepare(`SELECT ?, ${x}`)
          yield* this.answers(statement.query([x], array), [[x, x]])
          yield* this.answers(statement.query([`${x}`], array), [[`${x}`, x]])
        })
      )
    },
    batch: () => {
      const count = 1 + this.random.below(30)
      const rows = Arr.makeBy(count, () => [this.id, this.next(), "s"])
      const sql = this.random.pick([
        "INSERT INTO items VALUES (?, ?, ?)",
        "INSERT INTO items SET worker = ?, x = ?, s = ?"
      ])
      return Effect.map(this.connection.batch(sql, rows, { chunkSize: 10 }), (result) => {
        expect(result.affectedRows).toBe(count)
        this.items += count
      })
    },
    load: () => {
      const count = this.random.below(20)
      const lines = Array.from({ length: count }, () => `${this.id}\t${this.next()}\tl\n`).join("")
      const bytes = Stream.make(new TextEncoder().encode(lines))
      const load = this.connection.loadData("LOAD DATA LOCAL INFILE 'items' INTO TABLE items", () => bytes)
      return Effect.map(load, (outcome) => {
        expect(outcome.affectedRows).toBe(count)
        this.items += count
      })
    },
    loadBroken: () => {
      const line = `${this.id}\t${this.next()}\tb\n`
      const bytes = Stream.concat(Stream.make(new TextEncoder().encode(line)), Stream.fail(line))
      const load = this.connection.loadData("LOAD DATA LOCAL INFILE 'items' INTO TABLE items", () => bytes)
      return Effect.map(Effect.exit(load), (exit) => expect(exit).toEqual(Exit.fail(line)))
    },
    count: () =>
      this.answers(this.connection.query("SELECT COUNT(*) FROM items WHERE worker = ?", [this.id], array), [
        [this.items]
      ])
  }

  private answers(query: Effect.Effect<{ readonly rows: unknown }, MysqlError>, rows: unknown) {
    return Effect.map(query, (result) => expect(result.rows).toEqual(rows))
  }

  /** At any moment; what has ended before then is right as well. */
  private interrupting(effect: Effect.Effect<unknown, MysqlError>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const fiber = yield* Effect.forkChild(effect, { startImmediately: this.random.below(2) === 0 })
      const moment = this.random.below(3)
      if (moment === 1) yield* Effect.yieldNow
      if (moment === 2) yield* Effect.sleep(this.random.below(5))
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      expect(reasonOf(exit)).toBe(undefined)
    })
  }
}

export const run = Effect.fnUntraced(function* ({
  connections,
  seed,
  steps,
  workers
}: Options): Effect.fn.Return<Taken, MysqlError> {
  const setUp = connections[0]!
  for (const table of tables) yield* setUp.query(table)
  yield* setUp.batch(
    "INSERT INTO counters VALUES (?, 0)",
    Arr.makeBy(workers, (id) => [id])
  )
  const taken: Taken = new Map()
  let numbers = 1_000_000
  let left = steps
  yield* Effect.forEach(
    Arr.makeBy(workers, (id) => new Worker(id, Random.make(seed * 1000 + id), connections, () => numbers++)),
    (worker, id) =>
      Effect.gen(function* () {
        const random = Random.make(seed * 1000 + 500 + id)
        while (left-- > 0) {
          const kind = random.pick(Object.keys(worker.steps))
          taken.set(kind, (taken.get(kind) ?? 0) + 1)
          yield* worker.steps[kind]!()
        }
        yield* worker.steps.read!()
        yield* worker.steps.count!()
      }),
    { concurrency: "unbounded", discard: true }
  )
  return taken
})
