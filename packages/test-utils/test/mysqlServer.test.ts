/**
 * Real servers: each flavour that this run has, by the provider that gave it.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Flavour from "../src/Flavour.ts"
import { query } from "../src/internal/control.ts"
import { Environment } from "../src/internal/environment.ts"
import * as MysqlServer from "../src/MysqlServer.ts"
import * as SharedServers from "../src/SharedServers.ts"
import { ownServerTests } from "./ownServer.ts"
import { addressOf, rows } from "./support.ts"

const databases = (server: MysqlServer.Server) =>
  Effect.map(rows(server, "SHOW DATABASES"), (names) => names.map(([name]) => String(name)))

for (const shared of SharedServers.all) {
  describe.skipIf(!shared.available)(`the shared ${shared.name}`, () => {
    it.live("answers over TCP and over its socket as what it is", () =>
      Effect.gen(function* () {
        const server = yield* MysqlServer.MysqlServer
        for (const over of ["tcp", "socket"] as const) {
          const answer = yield* query(addressOf(server, over), "SELECT VERSION()")
          expect(Flavour.fromVersion(String(answer.rows[0]?.[0])) ?? "url").toBe(shared.flavour)
          expect(Flavour.fromVersion(answer.version) ?? "url").toBe(shared.flavour)
        }
      }).pipe(Effect.provide(shared.layer))
    )

    it.live("gives fresh databases, which go with their scopes", () =>
      Effect.gen(function* () {
        const server = yield* MysqlServer.MysqlServer
        const names = yield* Effect.scoped(
          Effect.gen(function* () {
            const names = [yield* server.database, yield* server.database]
            expect(yield* databases(server)).toEqual(expect.arrayContaining(names))
            yield* rows(server, `CREATE TABLE ${names[0]}.t (a INT)`)
            return names
          })
        )
        expect(names[0]).toMatch(/^effect_mysql_\w+$/)
        expect(names[0]).not.toBe(names[1])
        expect(yield* databases(server)).not.toEqual(expect.arrayContaining([names[0]]))
      }).pipe(Effect.provide(shared.layer))
    )

    it.live("can be named by URL: then databases are all that may be made there", () =>
      Effect.gen(function* () {
        const { url } = yield* MysqlServer.MysqlServer
        const variables = { MYSQL_TEST_URL: `mysql://nobody:x@127.0.0.1:1, ${Redacted.value(url)}` }
        yield* Effect.gen(function* () {
          const server = yield* MysqlServer.make()
          expect(server).toMatchObject({ provider: "url", flavour: shared.flavour, certificates: undefined })
          const database = yield* server.database
          expect(yield* databases(server)).toContain(database)
          expect((yield* Effect.flip(server.stop)).message).toContain("it is named by MYSQL_TEST_URL and not ours")
          const account = { name: "effect_mysql_account", password: Redacted.make("x") }
          const refused = yield* Effect.flip(MysqlServer.make({ accounts: [account] }))
          expect(refused.message).toContain("MYSQL_TEST_DESTRUCTIVE=1")
        }).pipe(Effect.scoped, Effect.provideService(Environment, variables))
        const [known, unknown] = yield* SharedServers.start(["mysql-9.7", "mariadb-11.8", "mariadb-10.11"]).pipe(
          Effect.scoped,
          Effect.provideService(Environment, { MYSQL_TEST_URL: Redacted.value(url) })
        )
        expect(known).toMatchObject({ available: true, provider: "url", flavour: shared.flavour })
        expect(unknown).toMatchObject({ available: false, reason: "MYSQL_TEST_URL names no such server" })
      }).pipe(Effect.provide(shared.layer))
    )
  })

  const { flavour, provider } = shared
  describe.skipIf(!shared.available || !shared.canOwn)(`a ${shared.name} of one's own`, () => {
    if (flavour !== "url" && provider !== undefined) ownServerTests(flavour, provider)
  })
}
