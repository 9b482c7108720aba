/**
 * Another user on a connection that is open, on real servers: with the same plugin and another one, with a password that
 * was changed, and where the server does not let him in.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import * as MysqlPool from "../src/MysqlPool.ts"
import { reasonOf } from "./support/script.ts"
import { connect, connectToDatabase, scalar } from "./support/servers.ts"

const secret = Redacted.make("pä'ss")

/** How the accounts of the tests identify themselves, and before that what has to be installed. */
const plugins: Readonly<
  Record<string, ReadonlyArray<readonly [plugin: string, identified: string, install?: string]>>
> = {
  "mysql-9.7": [
    ["caching_sha2_password", "IDENTIFIED WITH caching_sha2_password BY 'pä''ss'"],
    ["sha256_password", "IDENTIFIED WITH sha256_password BY 'pä''ss'"]
  ],
  "mariadb-11.8": [
    ["mysql_native_password", "IDENTIFIED BY 'pä''ss'"],
    ["client_ed25519", "IDENTIFIED VIA ed25519 USING PASSWORD('pä''ss')", "INSTALL SONAME 'auth_ed25519'"],
    ["parsec", "IDENTIFIED VIA parsec USING PASSWORD('pä''ss')", "INSTALL SONAME 'auth_parsec'"]
  ],
  "mariadb-10.11": [
    ["mysql_native_password", "IDENTIFIED BY 'pä''ss'"],
    ["client_ed25519", "IDENTIFIED VIA ed25519 USING PASSWORD('pä''ss')", "INSTALL SONAME 'auth_ed25519'"]
  ]
}

const currentUser = (connection: MysqlConnection) => scalar(connection, "SELECT CURRENT_USER()")

/** Users `u0`, `u1` … one for each plugin, with all rights. */
const createUsers = Effect.fnUntraced(function* (root: MysqlConnection, flavour: string) {
  for (const [index, [, identified, install]] of plugins[flavour]!.entries()) {
    if (install !== undefined) yield* root.query(install)
    yield* root.query(`CREATE USER u${index} ${identified}`)
    yield* root.query(`GRANT ALL ON *.* TO u${index}`)
  }
})

for (const server of SharedServers.all) {
  describe.skipIf(!server.available || !server.canOwn)(`another user on ${server.name}`, () => {
    it.live("is let in, whatever plugin he has and the one before had", () =>
      Effect.gen(function* () {
        const own = yield* (yield* connect()).reserve
        const { connectionId } = own.info
        yield* createUsers(own, server.flavour)
        const users = plugins[server.flavour]!.map(([plugin], index) => ({ username: `u${index}`, plugin }))
        for (const { plugin, username } of [...users, ...users.toReversed(), ...users]) {
          yield* own.changeUser({ username, password: secret })
          expect(yield* currentUser(own)).toBe(`${username}@%`)
          expect(own.info).toMatchObject({ authPlugin: plugin, connectionId })
          expect(yield* scalar(own, "SELECT CONNECTION_ID()")).toBe(connectionId)
        }
      }).pipe(Effect.provide(server.own()))
    )

    it.live("finds a session that is set up as after a login", () =>
      Effect.gen(function* () {
        const { database } = yield* MysqlServer.MysqlServer
        const names = [yield* database, yield* database] as const
        const connection = yield* connect({
          database: names[0],
          timezone: "+05:30",
          sessionVariables: { wait_timeout: 1234 }
        })
        const own = yield* connection.reserve
        yield* createUsers(own, server.flavour)
        yield* own.query("CREATE TABLE t (n INT) ENGINE = InnoDB")
        yield* own.query("CREATE TEMPORARY TABLE temporary (n INT)")
        yield* own.query("SET @mine = 1, wait_timeout = 5")
        expect((yield* own.query("SELECT ? AS x", ["before"])).rows).toEqual([{ x: "before" }])
        yield* own.begin()
        yield* own.query("INSERT INTO t VALUES (1)")
        yield* own.changeUser({ username: "u0", password: secret, charset: "latin1" })
        expect(own.statusUnsafe()).toMatchObject({ inTransaction: false, database: names[0], closed: false })
        expect(own.info).toMatchObject({ charset: "latin1", collation: "latin1_swedish_ci" })
        const { rows } = yield* own.query(
          `SELECT DATABASE() AS db, @mine AS mine, @@wait_timeout AS wait, @@time_zone AS zone,
            @@character_set_client AS c, @@character_set_results AS r, HEX('ñ') AS hex, (SELECT COUNT(*) FROM t) AS n`
        )
        expect(rows).toEqual([
          { db: names[0], mine: null, wait: 1234, zone: "+05:30", c: "latin1", r: "utf8mb4", hex: "F1", n: 0 }
        ])
        expect(reasonOf(yield* Effect.exit(own.query("SELECT * FROM temporary")))).toMatchObject({ errno: 1146 })
        // What was prepared is prepared anew.
        expect((yield* own.query("SELECT ? AS x", ["after"])).rows).toEqual([{ x: "after" }])
        yield* own.changeUser({ database: names[1], charset: "utf8mb4" })
        expect([yield* currentUser(own), yield* scalar(own, "SELECT DATABASE()")]).toEqual(["u0@%", names[1]])
        yield* own.reset
        expect([yield* currentUser(own), yield* scalar(own, "SELECT DATABASE()")]).toEqual(["u0@%", names[1]])
      }).pipe(Effect.provide(server.own()))
    )

    it.live("comes with the password that he has now", () =>
      Effect.gen(function* () {
        const root = yield* connect()
        yield* createUsers(root, server.flavour)
        const connection = yield* connect({ username: "u0", password: secret })
        const own = yield* connection.reserve
        yield* root.query("ALTER USER u0 IDENTIFIED BY 'new'")
        yield* own.changeUser({ password: Effect.sync(() => Redacted.make("new")) })
        expect(yield* currentUser(own)).toBe("u0@%")
        expect(reasonOf(yield* Effect.exit(own.changeUser({ password: secret })))).toMatchObject({
          _tag: "LoginError",
          errno: 1045
        })
        expect(own.statusUnsafe().closed).toBe(true)
        expect(reasonOf(yield* Effect.exit(connection.query("SELECT 1")))).toMatchObject({
          _tag: "ConnectionLost",
          phase: "notSent"
        })
      }).pipe(Effect.provide(server.own()))
    )

    it.live("can stop his statements", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        yield* Effect.timeoutOption(connection.query("SELECT SLEEP(60)"), "100 millis")
        const own = yield* connection.reserve
        yield* createUsers(own, server.flavour)
        yield* own.changeUser({ username: "u0", password: secret })
        yield* Effect.timeoutOption(own.query("SELECT SLEEP(60)"), "100 millis")
        expect(yield* currentUser(own)).toBe("u0@%")
      }).pipe(Effect.provide(server.own()))
    )

    it.live("who is given up half-way leaves no connection behind that could be his or not", () =>
      Effect.gen(function* () {
        const own = yield* (yield* connect()).reserve
        yield* Effect.timeoutOption(own.changeUser({ password: Effect.never }), "10 millis")
        expect(own.statusUnsafe().closed).toBe(true)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("waits for what is under way, and lets nothing in between", () =>
      Effect.gen(function* () {
        const own = yield* (yield* connectToDatabase()).reserve
        yield* createUsers(own, server.flavour)
        const fibers = [
          yield* Effect.forkChild(scalar(own, "SELECT CONCAT(SLEEP(0.2), CURRENT_USER())"), { startImmediately: true }),
          yield* Effect.forkChild(own.changeUser({ username: "u0", password: secret }), { startImmediately: true }),
          yield* Effect.forkChild(currentUser(own), { startImmediately: true })
        ]
        const [before, , after] = yield* Effect.forEach(fibers, (fiber) => Fiber.join<unknown, unknown>(fiber))
        expect(before).not.toContain("u0@")
        expect(after).toBe("u0@%")
      }).pipe(Effect.provide(server.own()))
    )

    it.live("has no connection of the pool's behind him", () =>
      Effect.gen(function* () {
        const { url } = yield* MysqlServer.MysqlServer
        const pool = yield* MysqlPool.make({ url, maxConnections: 1 })
        const before = yield* pool.use(currentUser)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const own = yield* pool.reserve
            yield* createUsers(own, server.flavour)
            yield* own.changeUser({ username: "u0", password: secret })
          })
        )
        expect(yield* pool.use(currentUser)).toBe(before)
      }).pipe(Effect.provide(server.own()))
    )
  })
}
