/**
 * Connecting to real servers: over every kind of line, as every kind of account, and what fails.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Certificates from "@effect-mysql/test-utils/Certificates"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { randomBytes, X509Certificate } from "node:crypto"
import type { MysqlConfig, TlsOptions } from "../src/MysqlConfig.ts"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import { Transport, type TransportConnection } from "../src/Transport.ts"
import { needs } from "./support/runtimes.ts"
import { reasonOf } from "./support/script.ts"
import { awaitGone, connect, scalar } from "./support/servers.ts"

const tryToConnect = (config: MysqlConfig) => Effect.map(Effect.exit(Effect.scoped(connect(config))), reasonOf)

/** The cipher that the server sees; empty without TLS. */
const cipher = (connection: MysqlConnection) =>
  Effect.map(
    connection.query<ReadonlyArray<string>>("SHOW SESSION STATUS LIKE 'Ssl_cipher'", [], { rows: "array" }),
    ({ rows }) => rows[0]?.[1]
  )

interface Account {
  readonly username: string
  readonly password: string
}

/** An account that is dropped with the scope. */
const account = Effect.fnUntraced(function* (root: MysqlConnection, identified: string, require: string = "") {
  const { username, password }: Account = {
    username: `effect_mysql_${randomBytes(4).toString("hex")}`,
    password: `pä'ss ${randomBytes(4).toString("hex")}`
  }
  const quoted = `'${username}'@'%'`
  yield* Effect.acquireRelease(
    root.query(
      `CREATE USER ${quoted} ${identified.replace(/PASSWORD$|(?<=\()PASSWORD/, `'${password.replaceAll("'", "''")}'`)} ${require}`
    ),
    () => Effect.orDie(root.query(`DROP USER ${quoted}`))
  )
  return { username, password: Redacted.make(password) }
})

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`connecting to ${server.name}`, () => {
    it.live("tells who answered, and under which number", () =>
      Effect.gen(function* () {
        const { port } = yield* MysqlServer.MysqlServer
        const connection = yield* connect()
        expect(connection.info).toMatchObject({
          connectionId: yield* scalar(connection, "SELECT CONNECTION_ID()"),
          collation: "utf8mb4_unicode_ci"
        })
        expect(connection.info.host).toMatch(new RegExp(`:${port}$`))
        const version = String(yield* scalar(connection, "SELECT VERSION()"))
        expect(connection.info.version).toBe(version)
        expect(connection.info.product).toBe(version.includes("MariaDB") ? "mariadb" : "mysql")
        expect(connection.info.authPlugin).toMatch(/^(caching_sha2_password|mysql_native_password)$/)
        expect(connection.statusUnsafe()).toEqual({
          inTransaction: false,
          autocommit: true,
          noBackslashEscapes: false,
          database: undefined,
          closed: false
        })
        expect(yield* connection.status).toEqual(connection.statusUnsafe())
      }).pipe(Effect.provide(server.layer))
    )

    it.live("gives the session what the configuration says", () =>
      Effect.gen(function* () {
        const { database } = yield* MysqlServer.MysqlServer
        const name = yield* database
        const connection = yield* connect({
          database: name,
          collation: "utf8mb4_bin",
          timezone: "+05:30",
          autocommit: false,
          sqlMode: "ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
          sessionVariables: { wait_timeout: 1234, completion_type: "CHAIN" },
          streamPauseLimit: "90 seconds"
        })
        const { rows } = yield* connection.query(
          `SELECT DATABASE() AS db, @@collation_connection AS collation, @@character_set_results AS charset,
            @@time_zone AS zone, @@autocommit AS autocommit, @@sql_mode AS mode, @@wait_timeout AS wait,
            @@completion_type AS completion, @@net_write_timeout AS pause`
        )
        expect(rows).toEqual([
          {
            db: name,
            collation: "utf8mb4_bin",
            charset: "utf8mb4",
            zone: "+05:30",
            autocommit: 0,
            mode: "ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
            wait: 1234,
            completion: "CHAIN",
            pause: 90
          }
        ])
        expect(connection.statusUnsafe()).toMatchObject({
          autocommit: false,
          noBackslashEscapes: true,
          database: name
        })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("leaves what the server has where the configuration says so", () =>
      Effect.gen(function* () {
        const connection = yield* connect({ autocommit: "server" })
        const { rows } = yield* connection.query(
          "SELECT @@autocommit = @@GLOBAL.autocommit AS autocommit, @@sql_mode = @@GLOBAL.sql_mode AS mode"
        )
        expect(rows).toEqual([{ autocommit: 1, mode: 1 }])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("sends a session variable exactly, whatever characters are in it", () =>
      Effect.gen(function* () {
        const root = yield* connect()
        const name = root.info.product === "mariadb" ? "default_master_connection" : "session_track_system_variables"
        const value = root.info.product === "mariadb" ? `a'b\\c"d` : "time_zone,autocommit"
        const connection = yield* connect({ sessionVariables: { [name]: value } })
        expect(yield* scalar(connection, `SELECT @@SESSION.${name}`)).toBe(value)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("refuses what the server does not know, by the server's words", () =>
      Effect.gen(function* () {
        expect(yield* tryToConnect({ sessionVariables: { no_such_variable: 1 } })).toMatchObject({
          _tag: "ServerError",
          errno: 1193
        })
        expect(yield* tryToConnect({ collation: "utf8mb4_no_such" })).toMatchObject({
          _tag: "ServerError",
          errno: 1273
        })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("counts rows that match where `foundRows` is set, rows that change elsewhere", () =>
      Effect.gen(function* () {
        const { database } = yield* MysqlServer.MysqlServer
        const name = yield* database
        const changed = yield* connect({ database: name })
        yield* changed.query("CREATE TABLE t (n INT)")
        yield* changed.query("INSERT INTO t VALUES (1), (2), (2)")
        const matched = yield* connect({ database: name, foundRows: true })
        expect((yield* changed.query("UPDATE t SET n = 2")).affectedRows).toBe(1)
        expect((yield* matched.query("UPDATE t SET n = 2")).affectedRows).toBe(3)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("ends the session with the scope", () =>
      Effect.gen(function* () {
        const observer = yield* connect()
        const connectionId = yield* Effect.scoped(Effect.map(connect(), ({ info }) => info.connectionId))
        yield* awaitGone(observer, connectionId)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("asks for the password each time", () =>
      Effect.gen(function* () {
        const { url } = yield* MysqlServer.MysqlServer
        const password = Redacted.make(decodeURIComponent(new URL(Redacted.value(url)).password))
        const given = [password, Redacted.make("no longer valid"), password]
        const config: MysqlConfig = { password: Effect.sync(() => given.shift()!) }
        expect([yield* tryToConnect(config), yield* tryToConnect(config), yield* tryToConnect(config)]).toMatchObject([
          undefined,
          { _tag: "LoginError", errno: 1045 },
          undefined
        ])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("fails with a LoginError for a wrong password, a wrong name and an unknown database", () =>
      Effect.gen(function* () {
        const wrong = Redacted.make("wr0ng")
        const reason = yield* tryToConnect({ password: wrong })
        expect(reason).toMatchObject({ _tag: "LoginError", errno: 1045 })
        expect(reason?.message).not.toContain("wr0ng")
        // For a name that it does not know a server may ask for any plugin, so as not to tell who exists.
        expect(yield* tryToConnect({ username: "effect_mysql_nobody" })).toMatchObject({ _tag: "LoginError" })
        expect(yield* tryToConnect({ database: "effect_mysql_none" })).toMatchObject({
          _tag: "LoginError",
          errno: 1049
        })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("fails with a ConnectError where nobody listens", () =>
      Effect.gen(function* () {
        expect(yield* tryToConnect({ host: "127.0.0.1", port: 1 })).toMatchObject({
          _tag: "ConnectError",
          address: "127.0.0.1:1",
          cause: { code: "ECONNREFUSED" }
        })
        expect(yield* tryToConnect({ host: "no-such-host.invalid" })).toMatchObject({ _tag: "ConnectError" })
        expect(yield* tryToConnect({ socketPath: "/no/such/socket" })).toMatchObject({
          _tag: "ConnectError",
          address: "/no/such/socket",
          cause: { code: "ENOENT" }
        })
      }).pipe(Effect.provide(server.layer))
    )
  })

  describe.skipIf(!server.available || server.provider === "url")(`lines to ${server.name}`, () => {
    /** With the authority that signed the server's certificate. */
    const trusting = Effect.map(MysqlServer.MysqlServer, ({ certificates }) => certificates!.ca)

    const encrypted: ReadonlyArray<readonly [Partial<TlsOptions> & Pick<TlsOptions, "mode">, verified: boolean]> = [
      [{ mode: "preferred" }, false],
      [{ mode: "required" }, false],
      [{ mode: "required", minVersion: "TLSv1.3" }, false],
      [{ mode: "verify-ca" }, false],
      [{ mode: "verify-ca", servername: "other.example" }, false],
      [{ mode: "verify-identity" }, true],
      [{ mode: "verify-identity", servername: "localhost" }, true]
    ]

    it.live.each(encrypted)("are encrypted with %j", ([tls, verified]) =>
      Effect.gen(function* () {
        const connection = yield* connect({ tls: { ...tls, ca: yield* trusting } })
        // MariaDB proves its certificate by the login, in any mode.
        const known = verified || server.flavour === "mariadb-11.8"
        expect(connection.info.tls).toMatchObject({ protocol: expect.stringMatching(/^TLSv1\.[23]$/), verified: known })
        expect(yield* cipher(connection)).not.toBe("")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are not encrypted where TLS is disabled", () =>
      Effect.gen(function* () {
        const connection = yield* connect({ tls: { mode: "disabled" } })
        expect(connection.info.tls).toBeUndefined()
        expect(yield* cipher(connection)).toBe("")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are refused where the certificate is of another authority", () =>
      Effect.gen(function* () {
        const other = (yield* Certificates.make()).ca
        for (const mode of ["verify-ca", "verify-identity"] as const) {
          // Without an authority MariaDB proves its certificate in another way: see auth.test.ts.
          const none = mode === "verify-ca" || server.flavour !== "mariadb-11.8" ? [undefined] : []
          for (const ca of [other, [other, other], ...none]) {
            expect(yield* tryToConnect({ tls: { mode, ca } })).toMatchObject({ _tag: "TlsError" })
          }
        }
        expect(yield* tryToConnect({ tls: { mode: "verify-ca", ca: [other, yield* trusting] } })).toBeUndefined()
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are refused where the certificate names another host, if that is to be checked", () =>
      Effect.gen(function* () {
        const tls = { ca: yield* trusting, servername: "other.example" }
        expect(yield* tryToConnect({ tls: { ...tls, mode: "verify-identity" } })).toMatchObject({
          _tag: "TlsError",
          problem: expect.stringContaining("other.example")
        })
        // An address is a name as well.
        expect(
          yield* tryToConnect({ tls: { ...tls, mode: "verify-identity", servername: "127.0.0.2" } })
        ).toMatchObject({ _tag: "TlsError" })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are refused where the certificate of the client cannot be read", (context) =>
      Effect.gen(function* () {
        needs(context, "clientKeys")
        const tls = { mode: "required", cert: "no certificate", key: Redacted.make("no key") } as const
        expect(yield* tryToConnect({ tls })).toMatchObject({ _tag: "TlsError" })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("show the server's certificate where they are encrypted", () =>
      Effect.gen(function* () {
        const ca = new X509Certificate(yield* trusting)
        const transport = yield* Transport
        const lines: Array<TransportConnection> = []
        const watching: Transport = {
          connect: (target) => Effect.tap(transport.connect(target), (line) => Effect.sync(() => lines.push(line)))
        }
        yield* Effect.provideService(connect({ tls: { mode: "disabled" } }), Transport, watching)
        yield* Effect.provideService(connect({ tls: { mode: "required" } }), Transport, watching)
        const [plain, encrypted] = lines
        expect(yield* plain!.peerCertificate).toEqual(Option.none())
        const shown = new X509Certificate(Option.getOrThrow(yield* encrypted!.peerCertificate))
        expect(shown.checkIssued(ca)).toBe(true)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("over the unix socket need no TLS, and have it where it is required", () =>
      Effect.gen(function* () {
        const { socketPath } = yield* MysqlServer.MysqlServer
        const { url } = yield* MysqlServer.MysqlServer
        const { password, username } = new URL(Redacted.value(url))
        const config = { url: undefined, socketPath, username, password: Redacted.make(decodeURIComponent(password)) }
        const plain = yield* connect(config)
        expect(plain.info).toMatchObject({ host: socketPath, tls: undefined })
        expect(yield* cipher(plain)).toBe("")
        const encrypted = yield* connect({ ...config, tls: { mode: "required" } })
        expect(yield* cipher(encrypted)).not.toBe("")
      }).pipe(Effect.provide(server.layer))
    )
  })

  describe.skipIf(!server.available || !server.canOwn)(`accounts of ${server.name}`, () => {
    const plugins: ReadonlyArray<readonly [plugin: string, identified: string]> =
      server.flavour === "mysql-9.7"
        ? [["caching_sha2_password", "IDENTIFIED WITH caching_sha2_password BY PASSWORD"]]
        : [["mysql_native_password", "IDENTIFIED VIA mysql_native_password USING PASSWORD(PASSWORD)"]]

    it.live.each(plugins)("log in with %s, encrypted and not, the first time and later", ([plugin, identified]) =>
      Effect.gen(function* () {
        const root = yield* connect()
        const ann = yield* account(root, identified)
        const first = yield* connect({ ...ann, tls: { mode: "required" } })
        expect(first.info.authPlugin).toBe(plugin)
        expect(yield* scalar(first, "SELECT CURRENT_USER()")).toBe(`${ann.username}@%`)
        // From now on the server knows the hash.
        const later = yield* connect({ ...ann, tls: { mode: "disabled" } })
        expect(later.info).toMatchObject({ authPlugin: plugin, tls: undefined })
      }).pipe(Effect.provide(server.layer))
    )

    if (server.flavour === "mysql-9.7") {
      it.live("whose password the server does not know yet send it only where nobody can read it", () =>
        Effect.gen(function* () {
          const root = yield* connect()
          const ann = yield* account(root, "IDENTIFIED WITH caching_sha2_password BY PASSWORD")
          expect(yield* tryToConnect({ ...ann, tls: { mode: "disabled" } })).toMatchObject({
            _tag: "LoginError",
            errno: undefined,
            plugin: "caching_sha2_password"
          })
          expect(yield* tryToConnect({ ...ann, tls: { mode: "preferred" } })).toBeUndefined()
          expect(yield* tryToConnect({ ...ann, tls: { mode: "disabled" } })).toBeUndefined()
        }).pipe(Effect.provide(server.layer))
      )
    }

    it.live("without a password log in without one", () =>
      Effect.gen(function* () {
        const root = yield* connect()
        const ann = yield* account(root, "")
        const connection = yield* connect({ username: ann.username, password: Redacted.make("") })
        expect(yield* scalar(connection, "SELECT CURRENT_USER()")).toBe(`${ann.username}@%`)
        expect(yield* tryToConnect({ ...ann })).toMatchObject({ _tag: "LoginError", errno: 1045 })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("without rights on a database are refused there", () =>
      Effect.gen(function* () {
        const { database } = yield* MysqlServer.MysqlServer
        const root = yield* connect()
        const ann = yield* account(root, "IDENTIFIED BY PASSWORD")
        expect(yield* tryToConnect({ ...ann, database: yield* database })).toMatchObject({
          _tag: "LoginError",
          errno: 1044
        })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that must use TLS are refused without", () =>
      Effect.gen(function* () {
        const root = yield* connect()
        const ann = yield* account(root, "IDENTIFIED BY PASSWORD", "REQUIRE SSL")
        expect(yield* tryToConnect({ ...ann, tls: { mode: "required" } })).toBeUndefined()
        expect(yield* tryToConnect({ ...ann, tls: { mode: "disabled" } })).toMatchObject({ _tag: "LoginError" })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that must show a certificate log in with one", () =>
      Effect.gen(function* () {
        const { certificates } = yield* MysqlServer.MysqlServer
        const { clientCert, clientKey } = certificates!
        const root = yield* connect()
        const ann = yield* account(root, "IDENTIFIED BY PASSWORD", "REQUIRE X509")
        expect(yield* tryToConnect({ ...ann, tls: { mode: "required" } })).toMatchObject({
          _tag: "LoginError",
          errno: 1045
        })
        const tls: TlsOptions = { mode: "required", cert: clientCert, key: clientKey }
        expect(yield* tryToConnect({ ...ann, tls })).toBeUndefined()
        // The line beside it, on which statements are stopped, shows it too.
        const connection = yield* connect({ ...ann, tls })
        yield* Effect.timeoutOption(connection.query("SELECT SLEEP(60)"), "100 millis")
        expect(yield* scalar(connection, "SELECT CONNECTION_ID()")).toBe(connection.info.connectionId)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
