/**
 * Certificates made on the spot for one test server: an authority, a server certificate for `localhost`, `127.0.0.1`
 * and `::1`, and a client certificate. Keys are P-256; nothing outlives the tests for long.
 *
 * Node makes keys and signatures; the encoding is RFC 5280 through `@peculiar/asn1-x509`.
 *
 * @since 0.1.0
 */
import { AsnConvert, OctetString } from "@peculiar/asn1-schema"
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version
} from "@peculiar/asn1-x509"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"

/**
 * PEM texts. The private keys are PKCS #8.
 *
 * @since 0.1.0
 * @category models
 */
export interface Certificates {
  readonly ca: string
  readonly serverCert: string
  readonly serverKey: Redacted.Redacted
  readonly clientCert: string
  readonly clientKey: Redacted.Redacted
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** DNS names and IP addresses of the server. Default `localhost`, `127.0.0.1`, `::1`. */
  readonly names?: ReadonlyArray<string> | undefined
  /** How long they are valid, from now on. Default 7 days; negative: they have expired. */
  readonly validFor?: Duration.Input | undefined
}

const commonName = "2.5.4.3"
const ecdsaWithSha256 = new AlgorithmIdentifier({ algorithm: "1.2.840.10045.4.3.2" })
/** Clocks of containers may be behind. */
const backdatedMillis = 3_600_000

interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

interface Request {
  readonly subject: string
  readonly subjectKey: KeyObject
  readonly issuer: string
  readonly issuerKey: KeyPair
  readonly notAfter: Date
  readonly notBefore: Date
  readonly extensions: ReadonlyArray<Extension>
}

const newKeys = (): KeyPair => generateKeyPairSync("ec", { namedCurve: "P-256" })

const arrayBuffer = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer

const spki = (key: KeyObject): Uint8Array => key.export({ type: "spki", format: "der" })

const keyIdentifier = (key: KeyObject): ArrayBuffer => arrayBuffer(createHash("sha1").update(spki(key)).digest())

const name = (text: string): Name =>
  new Name([
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({ type: commonName, value: new AttributeValue({ utf8String: text }) })
    ])
  ])

const extension = (extnID: string, critical: boolean, value: unknown): Extension =>
  new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) })

const serialNumber = (): ArrayBuffer => {
  const bytes = randomBytes(16)
  // A positive integer of always the same length.
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return arrayBuffer(bytes)
}

const pem = (label: string, der: ArrayBuffer): string =>
  [
    `-----BEGIN ${label}-----`,
    ...Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g)!,
    `-----END ${label}-----`,
    ""
  ].join("\n")

const issue = (request: Request): string => {
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: serialNumber(),
    signature: ecdsaWithSha256,
    issuer: name(request.issuer),
    subject: name(request.subject),
    validity: new Validity({ notBefore: request.notBefore, notAfter: request.notAfter }),
    subjectPublicKeyInfo: AsnConvert.parse(spki(request.subjectKey), SubjectPublicKeyInfo),
    extensions: new Extensions([
      extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyIdentifier(request.subjectKey))),
      extension(
        id_ce_authorityKeyIdentifier,
        false,
        new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdentifier(request.issuerKey.publicKey)) })
      ),
      ...request.extensions
    ])
  })
  const signature = sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), request.issuerKey.privateKey)
  return pem(
    "CERTIFICATE",
    AsnConvert.serialize(
      new Certificate({
        tbsCertificate,
        signatureAlgorithm: ecdsaWithSha256,
        signatureValue: arrayBuffer(signature)
      })
    )
  )
}

const privateKey = (keys: KeyPair): Redacted.Redacted =>
  Redacted.make(keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString())

const isAddress = (name: string): boolean => name.includes(":") || /^[\d.]+$/.test(name)

/**
 * A fresh authority with one server and one client certificate.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Certificates> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const validForMillis = Duration.toMillis(options?.validFor ?? Duration.days(7))
    const [authority, server, client] = [newKeys(), newKeys(), newKeys()]
    const notAfter = new Date(now + validForMillis)
    const common = {
      issuer: "effect-mysql test authority",
      issuerKey: authority,
      notAfter,
      notBefore: new Date(Math.min(now, notAfter.getTime()) - backdatedMillis)
    }
    const leaf = [
      extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: false })),
      extension(id_ce_keyUsage, true, new KeyUsage(KeyUsageFlags.digitalSignature))
    ]
    return {
      ca: issue({
        ...common,
        subject: common.issuer,
        subjectKey: authority.publicKey,
        extensions: [
          extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: true })),
          extension(id_ce_keyUsage, true, new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign))
        ]
      }),
      serverCert: issue({
        ...common,
        subject: "effect-mysql test server",
        subjectKey: server.publicKey,
        extensions: [
          ...leaf,
          extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([id_kp_serverAuth])),
          extension(
            id_ce_subjectAltName,
            false,
            new SubjectAlternativeName(
              (options?.names ?? ["localhost", "127.0.0.1", "::1"]).map(
                (name) => new GeneralName(isAddress(name) ? { iPAddress: name } : { dNSName: name })
              )
            )
          )
        ]
      }),
      serverKey: privateKey(server),
      clientCert: issue({
        ...common,
        subject: "effect-mysql test client",
        subjectKey: client.publicKey,
        extensions: [...leaf, extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([id_kp_clientAuth]))]
      }),
      clientKey: privateKey(client)
    }
  })
