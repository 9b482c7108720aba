/**
 * TLS on servers of the test's own: certificates that have expired, servers that offer none, keys with a passphrase, old
 * versions, and sessions that are resumed.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Certificates from "@effect-mysql/test-utils/Certificates"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createPrivateKey } from "node:crypto"
import type { MysqlConfig, TlsOptions } from "../src/MysqlConfig.ts"
import * as MysqlPool from "../src/MysqlPool.ts"
import { needs, expired as saidOfExpired } from "./support/runtimes.ts"
import { reasonOf } from "./support/script.ts"
import { connect, scalar } from "./support/servers.ts"

const tryToConnect = (config: MysqlConfig) => Effect.map(Effect.exit(Effect.scoped(connect(config))), reasonOf)

const stricter: ReadonlyArray<TlsOptions["mode"]> = ["required", "verify-ca", "verify-identity"]

/** With the server's authority. */
const trusting = Effect.map(MysqlServer.MysqlServer, ({ certificates }) => certificates!.ca)

for (const server of SharedServers.all) {
  describe.skipIf(!server.available || server.provider === "url")(`TLS to ${server.name}`, () => {
    it.live("is of the version that is asked for, or a later one", () =>
      Effect.gen(function* () {
        const connection = yield* connect({ tls: { mode: "verify-ca", ca: yield* trusting, minVersion: "TLSv1.3" } })
        expect(connection.info.tls?.protocol).toBe("TLSv1.3")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("takes a client's key with its passphrase, as text and as bytes", (context) =>
      Effect.gen(function* () {
        needs(context, "clientKeys")
        const { certificates } = yield* MysqlServer.MysqlServer
        const { ca, clientCert, clientKey } = certificates!
        const locked = createPrivateKey(Redacted.value(clientKey)).export({
          type: "pkcs8",
          format: "pem",
          cipher: "aes-256-cbc",
          passphrase: "open"
        }) as string
        const passphrase = Redacted.make("open")
        const tls = { mode: "verify-ca", ca, cert: clientCert, key: Redacted.make(locked), passphrase } as const
        expect(yield* tryToConnect({ tls })).toBeUndefined()
        const bytes = (text: string) => new TextEncoder().encode(text)
        expect(
          yield* tryToConnect({
            tls: { ...tls, ca: [bytes(ca)], cert: bytes(clientCert), key: Redacted.make(bytes(locked)) }
          })
        ).toBeUndefined()
        const wrong = yield* tryToConnect({ tls: { ...tls, passphrase: Redacted.make("shut") } })
        expect(wrong).toMatchObject({ _tag: "TlsError" })
        expect(wrong?.message).not.toContain("shut")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("is resumed by the next line under the same options, and verified all the same", (context) =>
      Effect.gen(function* () {
        needs(context, "tlsSessions")
        const { url } = yield* MysqlServer.MysqlServer
        const tls: TlsOptions = { mode: "verify-identity", ca: yield* trusting }
        const pool = yield* MysqlPool.make({ url, tls, maxConnections: 1 })
        const resumed: Array<boolean | undefined> = []
        for (let round = 0; round < 3; round++) {
          yield* pool.use((connection) =>
            Effect.gen(function* () {
              expect(connection.info.tls?.verified).toBe(true)
              expect(yield* scalar(connection, "SELECT 1")).toBe(1)
              resumed.push(connection.info.tls?.resumed)
              yield* pool.invalidate(connection)
            })
          )
        }
        expect(resumed).toEqual([false, true, true])
        // Another server's certificate is not helped by it, and neither are other options.
        expect(yield* tryToConnect({ tls: { ...tls, servername: "other.example" } })).toMatchObject({
          _tag: "TlsError"
        })
        expect(yield* tryToConnect({ tls: { mode: "verify-ca" } })).toMatchObject({ _tag: "TlsError" })
      }).pipe(Effect.provide(server.layer))
    )
  })

  describe.skipIf(!server.available || !server.canOwn)(`TLS to ${server.name} as an operator left it`, () => {
    it.live("is an error where the server offers none, but for the mode that falls back", () =>
      Effect.gen(function* () {
        for (const mode of stricter) {
          expect(yield* tryToConnect({ tls: { mode } })).toMatchObject({
            _tag: "TlsError",
            problem: expect.stringContaining("does not offer TLS")
          })
        }
        const connection = yield* connect({ tls: { mode: "preferred" }, allowPublicKeyRetrieval: true })
        expect(connection.info.tls).toBeUndefined()
      }).pipe(Effect.provide(server.own({ settings: server.flavour === "mysql-9.7" ? { "tls-version": "" } : {} })))
    )

    it.live("is refused where the certificate has expired, if certificates are looked at", () =>
      Effect.gen(function* () {
        const expired = yield* Certificates.make({ validFor: "-1 hour" })
        const attempts = Effect.gen(function* () {
          for (const mode of ["verify-ca", "verify-identity"] as const) {
            expect(yield* tryToConnect({ tls: { mode, ca: expired.ca } })).toMatchObject({
              _tag: "TlsError",
              problem: expect.stringMatching(saidOfExpired)
            })
          }
          expect(yield* tryToConnect({ tls: { mode: "required" } })).toBeUndefined()
        })
        yield* Effect.provide(attempts, server.own({ tls: expired }))
      })
    )
  })
}
