/**
 * Logging in as accounts of every plugin that the servers have, over lines of every kind, and what leaves over which.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes, X509Certificate } from "node:crypto"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import { Transport, type TransportConnection } from "../src/Transport.ts"
import { needs } from "./support/runtimes.ts"
import { reasonOf } from "./support/script.ts"
import { connect, scalar } from "./support/servers.ts"

const tryToConnect = (config: MysqlConfig) => Effect.map(Effect.exit(Effect.scoped(connect(config))), reasonOf)

/** An account that is dropped with the scope; `identified` gets the password as a literal. */
const account = Effect.fnUntraced(function* (root: MysqlConnection, identified: (password: string) => string) {
  const username = `effect_mysql_${randomBytes(4).toString("hex")}`
  const password = `pä'ss ${randomBytes(4).toString("hex")}`
  yield* Effect.acquireRelease(
    root.query(`CREATE USER '${username}'@'%' ${identified(`'${password.replaceAll("'", "''")}'`)}`),
    () => Effect.orDie(root.query(`DROP USER '${username}'@'%'`))
  )
  return { username, password: Redacted.make(password) }
})

const mysqlPlugin = (plugin: string) => (password: string) => `IDENTIFIED WITH ${plugin} BY ${password}`
const mariaDbPlugin = (plugin: string) => (password: string) => `IDENTIFIED VIA ${plugin} USING PASSWORD(${password})`

/** All bytes that the client has written in the clear. */
const watched = Effect.map(Transport, (transport) => {
  const written: Array<Uint8Array> = []
  const watching: Transport = {
    connect: (target) =>
      Effect.map(transport.connect(target), (line): TransportConnection => {
        const write: TransportConnection["write"] = (bytes) => {
          if (line.tls === undefined) written.push(Uint8Array.from(bytes))
          return line.write(bytes)
        }
        return new Proxy(line, {
          get: (of, name) => (name === "write" ? write : name === "direct" ? undefined : Reflect.get(of, name, of))
        })
      })
  }
  return { watching, text: () => Buffer.concat(written).toString() }
})

for (const server of SharedServers.all) {
  const disabled = { tls: { mode: "disabled" } } as const
  const required = { tls: { mode: "required" } } as const

  if (server.name.startsWith("mysql"))
    describe.skipIf(!server.available || !server.canOwn)(`RSA keys of ${server.name}`, () => {
      it.live.each(["caching_sha2_password", "sha256_password"])(
        "%s: a password goes encrypted where the key is known or may be fetched, and not at all otherwise",
        (plugin) =>
          Effect.gen(function* () {
            const root = yield* connect()
            const { watching, text } = yield* watched
            const variable = plugin === "sha256_password" ? "Rsa_public_key" : "Caching_sha2_password_rsa_public_key"
            const [[, serverPublicKey]] = (yield* root.query<readonly [string, string]>(
              `SHOW STATUS LIKE '${variable}'`,
              [],
              { rows: "array", prepare: false }
            )).rows as [readonly [string, string]]
            for (const more of [{ serverPublicKey }, { allowPublicKeyRetrieval: true }]) {
              const ann = yield* account(root, mysqlPlugin(plugin))
              expect(yield* tryToConnect({ ...ann, ...disabled })).toMatchObject({
                _tag: "LoginError",
                errno: undefined,
                plugin
              })
              const connection = yield* Effect.provideService(
                connect({ ...ann, ...disabled, ...more }),
                Transport,
                watching
              )
              expect(connection.info.authPlugin).toBe(plugin)
              expect(yield* scalar(connection, "SELECT CURRENT_USER()")).toBe(`${ann.username}@%`)
              expect(text()).toContain(ann.username)
              expect(text()).not.toContain(Redacted.value(ann.password))
            }
          }).pipe(Effect.provide(server.layer))
      )

      it.live("sha256_password over TLS and over a unix socket", () =>
        Effect.gen(function* () {
          const { socketPath } = yield* MysqlServer.MysqlServer
          const root = yield* connect()
          const ann = yield* account(root, mysqlPlugin("sha256_password"))
          const overTls = yield* connect({ ...ann, ...required })
          expect(overTls.info).toMatchObject({ authPlugin: "sha256_password", tls: { verified: false } })
          const overSocket = yield* connect({ ...ann, url: undefined, socketPath })
          expect(overSocket.info).toMatchObject({ authPlugin: "sha256_password", tls: undefined })
          const begunWithIt = yield* connect({ ...ann, ...required, authPlugin: "sha256_password" })
          expect(begunWithIt.info.authPlugin).toBe("sha256_password")
        }).pipe(Effect.provide(server.layer))
      )

      it.live("a key of another server does not serve", () =>
        Effect.gen(function* () {
          const root = yield* connect()
          const ann = yield* account(root, mysqlPlugin("caching_sha2_password"))
          const { certificates } = yield* MysqlServer.MysqlServer
          const serverPublicKey = String(
            new X509Certificate(certificates!.ca).publicKey.export({ type: "spki", format: "pem" })
          )
          expect(yield* tryToConnect({ ...ann, ...disabled, serverPublicKey })).toMatchObject({ _tag: "LoginError" })
          expect(yield* tryToConnect({ ...ann, ...disabled, serverPublicKey: "no key" })).toMatchObject({
            _tag: "LoginError",
            errno: undefined
          })
        }).pipe(Effect.provide(server.layer))
      )
    })

  if (server.name.startsWith("mariadb"))
    describe.skipIf(!server.available || !server.canOwn)(`signatures for ${server.name}`, () => {
      const plugins =
        server.flavour === "mariadb-11.8"
          ? [["ed25519", "client_ed25519", "auth_ed25519"] as const, ["parsec", "parsec", "auth_parsec"] as const]
          : [["ed25519", "client_ed25519", "auth_ed25519"] as const]

      it.live.each(plugins)("accounts of %s log in over every line", ([plugin, name, library]) =>
        Effect.gen(function* () {
          const root = yield* connect()
          // One that is there already is fine.
          yield* Effect.ignore(root.query(`INSTALL SONAME '${library}'`))
          const ann = yield* account(root, mariaDbPlugin(plugin))
          const { watching, text } = yield* watched
          for (const line of [disabled, required]) {
            for (const authPlugin of [undefined, name]) {
              const connection = yield* Effect.provideService(
                connect({ ...ann, ...line, authPlugin }),
                Transport,
                watching
              )
              expect(connection.info.authPlugin).toBe(name)
              expect(yield* scalar(connection, "SELECT CURRENT_USER()")).toBe(`${ann.username}@%`)
            }
          }
          expect(text()).not.toContain(Redacted.value(ann.password))
          expect(yield* tryToConnect({ ...ann, password: Redacted.make("wrong") })).toMatchObject({
            _tag: "LoginError",
            errno: 1045,
            plugin: name
          })
        }).pipe(Effect.provide(server.layer))
      )
    })

  describe.skipIf(!server.available || !server.canOwn)(`certificates of ${server.name} without an authority`, () => {
    const identity = { tls: { mode: "verify-identity" } } as const
    const proves = server.flavour === "mariadb-11.8"

    const proving = [
      ["mysql_native_password", undefined],
      ["ed25519", "auth_ed25519"],
      ["parsec", "auth_parsec"]
    ] as const

    it.live.each(proves ? proving : [])("are proved by the login of an account of %s", ([plugin, library], context) =>
      Effect.gen(function* () {
        needs(context, "serverCertificates")
        const root = yield* connect()
        if (library !== undefined) yield* Effect.ignore(root.query(`INSTALL SONAME '${library}'`))
        const ann = yield* account(root, mariaDbPlugin(plugin))
        const connection = yield* connect({ ...ann, ...identity })
        expect(connection.info.tls).toMatchObject({ verified: true })
        // Where it does not have to, it does so as well.
        expect((yield* connect({ ...ann, ...required })).info.tls).toMatchObject({ verified: true })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are refused where nothing proves them", () =>
      Effect.gen(function* () {
        const root = yield* connect()
        const ann = { ...(yield* account(root, () => "")), password: Redacted.make("") }
        expect(yield* tryToConnect({ ...ann, ...identity })).toMatchObject({ _tag: "TlsError" })
        if (!proves) expect(yield* tryToConnect(identity)).toMatchObject({ _tag: "TlsError" })
      }).pipe(Effect.provide(server.layer))
    )

    if (proves)
      it.live("of somebody between are found out, in any mode", (context) =>
        Effect.gen(function* () {
          needs(context, "serverCertificates")
          const transport = yield* Transport
          const { certificates } = yield* MysqlServer.MysqlServer
          const other = Effect.succeed(new X509Certificate(certificates!.ca).raw)
          const between: Transport = {
            connect: (target) =>
              Effect.map(
                transport.connect(target),
                (line) =>
                  new Proxy(line, {
                    get: (of, name) =>
                      name === "peerCertificate"
                        ? Effect.map(other, (raw) => ({ _tag: "Some", value: raw }))
                        : Reflect.get(of, name, of)
                  })
              )
          }
          for (const config of [identity, required]) {
            expect(yield* tryToConnect(config).pipe(Effect.provideService(Transport, between))).toMatchObject({
              _tag: "TlsError",
              problem: expect.stringContaining("not the server's own")
            })
          }
        }).pipe(Effect.provide(server.layer))
      )
  })
}
