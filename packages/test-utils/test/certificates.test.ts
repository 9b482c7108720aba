/**
 * Certificates as a TLS stack sees them: what OpenSSL, through Node, accepts and refuses.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createPrivateKey, X509Certificate } from "node:crypto"
import type { AddressInfo } from "node:net"
import { connect, createServer, type PeerCertificate, type TLSSocket } from "node:tls"
import * as Certificates from "../src/Certificates.ts"

/** A handshake over loopback with these certificates on both sides; gives what each side saw of the other. */
const handshake = (server: Certificates.Certificates, ca: string, client: Certificates.Certificates) =>
  Effect.callback<{ readonly client: PeerCertificate; readonly clientVerified: boolean }, Error>((resume) => {
    const listener = createServer({
      cert: server.serverCert,
      key: Redacted.value(server.serverKey),
      ca: server.ca,
      requestCert: true,
      rejectUnauthorized: false
    })
    listener.on("secureConnection", (socket: TLSSocket) => {
      resume(Effect.succeed({ client: socket.getPeerCertificate(), clientVerified: socket.authorized }))
      socket.destroy()
    })
    listener.listen(0, "127.0.0.1", () => {
      const socket = connect({
        host: "127.0.0.1",
        port: (listener.address() as AddressInfo).port,
        servername: "localhost",
        ca,
        cert: client.clientCert,
        key: Redacted.value(client.clientKey)
      })
      socket.on("error", (error) => resume(Effect.fail(error)))
    })
    return Effect.sync(() => listener.close())
  })

describe("Certificates", () => {
  it.live("are accepted by whoever trusts the authority, on both sides", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make()
      const seen = yield* handshake(certificates, certificates.ca, certificates)
      expect(seen.clientVerified).toBe(true)
      expect(seen.client.subject.CN).toBe("effect-mysql test client")
    })
  )

  it.live("of another authority are refused", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* Certificates.make(), yield* Certificates.make()]
      const error = yield* Effect.flip(handshake(one, other.ca, one))
      expect(error).toMatchObject({ code: expect.stringMatching(/UNABLE_TO_VERIFY|SELF_SIGNED|SIGNATURE_FAILURE/) })
      const seen = yield* handshake(one, one.ca, other)
      expect(seen.clientVerified).toBe(false)
    })
  )

  it.live("that have expired are refused", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make({ validFor: "-1 hour" })
      const error = yield* Effect.flip(handshake(certificates, certificates.ca, certificates))
      expect(error).toMatchObject({ code: "CERT_HAS_EXPIRED" })
    })
  )

  it.live("name localhost and the loopback addresses, or what was asked for", () =>
    Effect.gen(function* () {
      const usual = new X509Certificate((yield* Certificates.make()).serverCert)
      expect(usual.checkHost("localhost")).toBe("localhost")
      expect(usual.checkIP("127.0.0.1")).toBe("127.0.0.1")
      expect(usual.checkIP("::1")).toBe("::1")
      expect(usual.checkHost("example.org")).toBeUndefined()
      const asked = new X509Certificate(
        (yield* Certificates.make({ names: ["db.example.org", "10.0.0.7"] })).serverCert
      )
      expect(asked.checkHost("db.example.org")).toBe("db.example.org")
      expect(asked.checkIP("10.0.0.7")).toBe("10.0.0.7")
      expect(asked.checkHost("localhost")).toBeUndefined()
    })
  )

  it.live("carry their own keys, and the authority signs nothing but them", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make()
      const [ca, server, client] = [certificates.ca, certificates.serverCert, certificates.clientCert].map(
        (pem) => new X509Certificate(pem)
      )
      expect([ca!.ca, server!.ca, client!.ca]).toEqual([true, false, false])
      expect(server!.checkIssued(ca!) && client!.checkIssued(ca!)).toBe(true)
      expect(server!.checkPrivateKey(createPrivateKey(Redacted.value(certificates.serverKey)))).toBe(true)
      expect(client!.checkPrivateKey(createPrivateKey(Redacted.value(certificates.clientKey)))).toBe(true)
      expect(server!.checkPrivateKey(createPrivateKey(Redacted.value(certificates.clientKey)))).toBe(false)
      expect(new Set([ca, server, client].map((certificate) => certificate!.serialNumber)).size).toBe(3)
    })
  )
})
