/**
 * How a server is made to say an error: statements, sessions, logins, two transactions at once.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type * as MysqlClient from "../../src/MysqlClient.ts"

export type Product = "mysql" | "mariadb"

/** On a server of its own, whose settings may be changed. */
export interface Tools {
  readonly sql: MysqlClient.MysqlClient
  readonly product: Product
  /** Another connection; that of root where no name is given. */
  readonly connect: (
    options?: Partial<MysqlClient.MysqlConnectionClientConfig>
  ) => Effect.Effect<MysqlClient.MysqlClient, SqlError, Scope.Scope>
  /** A new user with the password `secret`, and the right to read in the database. */
  readonly user: (clauses?: string) => Effect.Effect<string, SqlError, Scope.Scope>
  /** Sets a global variable for as long as the scope lives. */
  readonly global: (name: string, value: string) => Effect.Effect<void, SqlError, Scope.Scope>
}

export type Provoke = (tools: Tools) => Effect.Effect<unknown, SqlError, Scope.Scope>

export const both = (provoke: Provoke) => ({ mysql: provoke, mariadb: provoke })

export const statement = (...texts: ReadonlyArray<string>) =>
  both(({ sql }) => Effect.forEach(texts, (text) => sql.unsafe(text), { discard: true }))

/** All on one connection. */
export const session = (...texts: ReadonlyArray<string>) =>
  both(({ connect }) =>
    Effect.flatMap(connect(), (sql) => Effect.forEach(texts, (text) => sql.unsafe(text).unprepared, { discard: true }))
  )

export const password = Redacted.make("secret")

/** As a user who may only read. */
export const asUser = (...texts: ReadonlyArray<string>) =>
  both(({ connect, user }) =>
    Effect.gen(function* () {
      const sql = yield* connect({ username: yield* user(), password })
      yield* Effect.forEach(texts, (text) => sql.unsafe(text), { discard: true })
    })
  )

export const login =
  (clauses: string, options: Partial<MysqlClient.MysqlConnectionClientConfig> = {}): Provoke =>
  ({ connect, user }) =>
    Effect.flatMap(user(clauses), (username) => connect({ username, password, ...options }))

export const isLocked = "ACCOUNT LOCK"

/** Two transactions on two connections. */
export const two =
  (
    steps: (
      first: MysqlClient.MysqlClient,
      second: MysqlClient.MysqlClient
    ) => Effect.Effect<unknown, SqlError, Scope.Scope>
  ): Provoke =>
  ({ connect }) =>
    Effect.gen(function* () {
      const first = yield* connect()
      const second = yield* connect()
      for (const sql of [first, second]) yield* sql`SET SESSION innodb_lock_wait_timeout = 1`
      return yield* steps(first, second)
    })

export const deadlock: Provoke = ({ connect }) =>
  Effect.gen(function* () {
    const clients = [yield* connect(), yield* connect()] as const
    const met = yield* Effect.forEach(clients, () => Deferred.make<void>())
    const transfer = (me: 0 | 1) =>
      clients[me].withTransaction(
        Effect.gen(function* () {
          const sql = clients[me]
          yield* sql`UPDATE parents SET name = 'x' WHERE id = ${me + 1}`
          yield* Deferred.succeed(met[me]!, undefined)
          yield* Deferred.await(met[1 - me]!)
          yield* sql`UPDATE parents SET name = 'x' WHERE id = ${2 - me}`
        })
      )
    const fiber = yield* Effect.forkChild(Effect.exit(transfer(0)))
    yield* Effect.onExit(transfer(1), () => Fiber.join(fiber))
    const exit = yield* Fiber.join(fiber)
    return yield* exit
  })

export const freeing = <A>(
  sql: MysqlClient.MysqlClient,
  effect: Effect.Effect<A, SqlError>
): Effect.Effect<A, SqlError> => Effect.onExit(effect, () => Effect.ignore(sql`DO RELEASE_ALL_LOCKS()`))

/** Too many connections, or as many as a user may have. */
export const crowd = (connect: Tools["connect"], username: string) =>
  Effect.forEach(Array.from({ length: 16 }), () => connect({ username, password }), { discard: true })
