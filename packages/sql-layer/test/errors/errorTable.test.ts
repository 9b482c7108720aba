/**
 * Every error that is classified by its number, provoked on each server that can be made to say it; and the page of the
 * docs that lists them.
 */
import { describe, expect, it, layer } from "@effect/vitest"
import { MysqlServer, SharedServers } from "@effect-mysql/test-utils"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as errors from "../../src/internal/errors.ts"
import * as MysqlClient from "../../src/MysqlClient.ts"
import { failures } from "../support.ts"
import { markdown } from "./markdown.ts"
import type { Product, Tools } from "./provoking.ts"
import { type Entry, entries } from "./table.ts"

const products = ["mysql", "mariadb"] as const

const isOn = (entry: Entry, product: Product): boolean => entry.on === "both" || entry.on === product

/** A class of its own in the code, whose reason depends on what was being done. */
const lineEnded = "line"

const reasonOf = (kind: errors.Kind): string =>
  ({
    connection: "ConnectionError",
    lineEnded,
    authentication: "AuthenticationError",
    authorization: "AuthorizationError",
    syntax: "SqlSyntaxError",
    unique: "UniqueViolation",
    constraint: "ConstraintError",
    deadlock: "DeadlockError",
    serialization: "SerializationError",
    lockTimeout: "LockTimeoutError",
    statementTimeout: "StatementTimeoutError",
    unknown: "UnknownError"
  })[kind]

const retryable = new Set([
  "ConnectionError",
  "DeadlockError",
  "SerializationError",
  "LockTimeoutError",
  "StatementTimeoutError"
])

/** The client has a reason of its own for the server's limits on statements. */
const limits = new Set([1969, 3024])

/** Judged by their message as well. */
const byMessage = new Set([1047, 1180, 1290])

describe("the table", () => {
  it.each(products)("has the numbers that the code has, with their reasons, for %s", (product) => {
    const inCode = [...errors.tables[product]].map(([errno, kind]) => `${errno} ${reasonOf(kind)}`)
    const inTable = entries
      .filter((entry) => isOn(entry, product) && !byMessage.has(entry.errno))
      .map(({ errno, reason }) => `${errno} ${reason}`)
    expect(inTable.sort()).toEqual(inCode.sort())
  })

  it("is what docs/sql-errors.md says", async () => {
    await expect(markdown(entries)).toMatchFileSnapshot("../../../../docs/sql-errors.md")
  })
})

const tables = [
  "CREATE TABLE parents (id INT PRIMARY KEY, name VARCHAR(40)) ENGINE = InnoDB",
  `CREATE TABLE children (
    id INT PRIMARY KEY, parent INT NOT NULL, age TINYINT, CHECK (age > 0), FOREIGN KEY (parent) REFERENCES parents (id)
  ) ENGINE = InnoDB`,
  "INSERT INTO parents VALUES (1, 'a'), (2, 'b')",
  "INSERT INTO children VALUES (1, 1, 1)",
  "CREATE VIEW small_parents AS SELECT * FROM parents WHERE id < 100 WITH CHECK OPTION",
  "CREATE PROCEDURE nothing() BEGIN END",
  "CREATE TABLE altered (x INT) ENGINE = InnoDB",
  "CREATE TABLE updated (id INT PRIMARY KEY) ENGINE = InnoDB",
  `CREATE TABLE cascaded (
    id INT, n INT, UNIQUE KEY (id, n), FOREIGN KEY (id) REFERENCES updated (id) ON UPDATE CASCADE
  ) ENGINE = InnoDB`,
  "INSERT INTO updated VALUES (1), (2)",
  "SET FOREIGN_KEY_CHECKS = 0",
  "INSERT INTO cascaded VALUES (1, 1), (3, 1)",
  "SET FOREIGN_KEY_CHECKS = 1"
]

let users = 0

const toolsFor = Effect.fnUntraced(function* (product: Product) {
  const server = yield* MysqlServer.MysqlServer
  const database = yield* server.database
  const connect: Tools["connect"] = (options) =>
    Effect.provide(MysqlClient.makeClient({ url: server.url, database, ...options }), Reactivity.layer)
  const sql = yield* connect()
  for (const text of tables) yield* sql.unsafe(text)
  return {
    sql,
    product,
    connect,
    user: (clauses = "") =>
      Effect.gen(function* () {
        const name = `u${users++}`
        yield* Effect.acquireRelease(sql.unsafe(`CREATE USER ${name} IDENTIFIED BY 'secret' ${clauses}`), () =>
          Effect.ignore(sql.unsafe(`DROP USER ${name}`))
        )
        yield* sql.unsafe(`GRANT SELECT ON ${database}.* TO ${name}`)
        return name
      }),
    global: (name, value) =>
      Effect.gen(function* () {
        const rows = yield* sql.unsafe(`SELECT @@GLOBAL.${name} AS old`)
        const old = (rows[0] as { readonly old: unknown }).old
        yield* Effect.acquireRelease(sql.unsafe(`SET GLOBAL ${name} = ${value}`), () =>
          Effect.ignore(sql.unsafe(`SET GLOBAL ${name} = ${typeof old === "string" ? `'${old}'` : old}`))
        )
      })
  } satisfies Tools
})

class Provoking extends Context.Service<Provoking, Tools>()("test/Provoking") {}

for (const server of SharedServers.all) {
  describe.skipIf(!server.available || !server.canOwn)(`provoked on ${server.name}`, () => {
    const product = server.name.startsWith("mysql") ? "mysql" : "mariadb"
    const tools = Layer.effect(Provoking, toolsFor(product)).pipe(Layer.provide(server.own()))
    layer(tools, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
      it.effect.each(entries.filter(({ provoke }) => provoke?.[product] !== undefined))(
        "$errno $symbol: $reason",
        ({ errno, provoke, reason }) =>
          Effect.gen(function* () {
            const exit = yield* Effect.exit(Effect.scoped(provoke![product]!(yield* Provoking)))
            expect(failures(exit)[0]).toMatchObject({
              isRetryable: retryable.has(reason),
              reason: {
                _tag: reason,
                cause: { reason: limits.has(errno) ? { _tag: "StatementTimeout", by: "server" } : { errno } }
              }
            })
          })
      )
    })
  })
}
