import * as Result from "effect/Result"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { constants, createPrivateKey, generateKeyPairSync, privateDecrypt, sign } from "node:crypto"
import * as Auth from "../../src/connect/Auth.ts"
import { type AuthContext, type Disclosure, disclosureOver, nothing } from "../../src/connect/AuthPlugin.ts"
import * as Ed25519 from "../../src/connect/Ed25519.ts"
import { bytes, login, mariaDbs, payloads, type RecordedLogin } from "../support/fixture.ts"
import { holds } from "../support/property.ts"

const plugin = (name: string) => Result.getOrThrow(Auth.find(name))
const scramble = Uint8Array.from({ length: 20 }, (_, index) => index + 1)
const password = "pässwörd"

const context = (more: Partial<AuthContext> = {}): AuthContext => ({
  password,
  scramble,
  disclosure: nothing,
  tls: false,
  ...more
})

const conversation = (recorded: RecordedLogin) =>
  recorded.steps.flatMap(({ bytes: framed }) => payloads(bytes(framed)).map((payload) => new Uint8Array(payload)))

const start = (name: string, more: Partial<AuthContext> = {}) => plugin(name).start(context(more))
const respond = (name: string, data: Uint8Array, more: Partial<AuthContext> = {}) =>
  plugin(name).respond(data, context(more))
const refused = (result: Result.Result<unknown, { readonly message: string }>): string => {
  if (Result.isSuccess(result)) throw new Error("it went on")
  expect(result.failure.message).not.toContain(password)
  return result.failure.message
}
const text = (result: Result.Result<Uint8Array | undefined, unknown>): string =>
  Buffer.from(Result.getOrThrow(result as Result.Result<Uint8Array, unknown>)).toString()

describe("the rule for secrets", () => {
  it.each<
    [line: Parameters<typeof disclosureOver>[0], allowed: Parameters<typeof disclosureOver>[1], rule: Disclosure]
  >([
    ["no", {}, { password: false, clearText: false, withFetchedKey: false }],
    ["no", { allowPublicKeyRetrieval: true }, { password: false, clearText: false, withFetchedKey: true }],
    ["no", { allowCleartextPassword: true }, { password: false, clearText: true, withFetchedKey: false }],
    ["encrypted", {}, { password: true, clearText: false, withFetchedKey: true }],
    ["encrypted", { allowCleartextPassword: true }, { password: true, clearText: true, withFetchedKey: true }],
    ["verified", {}, { password: true, clearText: true, withFetchedKey: true }]
  ])("line %s, %j", (line, allowed, rule) => {
    expect(disclosureOver(line, allowed)).toEqual(rule)
  })

  it("no plugin sends anything from which a password could be had where nothing may leave", () => {
    const serverData = [
      Uint8Array.of(4),
      Uint8Array.of(2, 80, 87),
      Buffer.from("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    ]
    for (const name of Auth.names) {
      const { scrambleBytes } = plugin(name)
      const own = { scramble: new Uint8Array(scrambleBytes ?? 20).fill(7) }
      for (const round of [0, 1]) {
        const answers = [start(name, own), ...serverData.map((data) => respond(name, data, { ...own, round }))]
        for (const answer of answers) {
          const sent = Buffer.from(Result.getOrElse(answer, () => undefined) ?? [])
          expect(sent.includes(password)).toBe(false)
          // What is sent at all is a proof of a fixed length, or asks for something.
          expect([0, 1, 20, 32, 64, 96]).toContain(sent.length)
        }
      }
    }
  })
})

describe("the server's RSA key", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" }
  })
  const decrypted = (encrypted: Uint8Array): string => {
    const masked = privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING }, encrypted)
    return Buffer.from(masked.map((byte, index) => byte ^ scramble[index % scramble.length]!)).toString()
  }
  const secretOf = (result: Result.Result<Uint8Array | undefined, unknown>): string =>
    decrypted(Result.getOrThrow(result as Result.Result<Uint8Array, unknown>))
  const fetching = { disclosure: disclosureOver("no", { allowPublicKeyRetrieval: true }) }

  it("one that is known beforehand is used, over a line that others can read", () => {
    expect(secretOf(start("sha256_password", { serverPublicKey: publicKey }))).toBe(`${password}\0`)
    expect(secretOf(respond("caching_sha2_password", Uint8Array.of(4), { serverPublicKey: publicKey }))).toBe(
      `${password}\0`
    )
  })

  it("one that may be fetched is asked for, and used", () => {
    expect(start("sha256_password", fetching)).toEqual(Result.succeed(Uint8Array.of(1)))
    expect(secretOf(respond("sha256_password", Buffer.from(publicKey), fetching))).toBe(`${password}\0`)
    expect(respond("caching_sha2_password", Uint8Array.of(4), fetching)).toEqual(Result.succeed(Uint8Array.of(2)))
    const key = { ...fetching, round: 1 }
    expect(secretOf(respond("caching_sha2_password", Buffer.from(publicKey), key))).toBe(`${password}\0`)
  })

  it.each(["sha256_password", "caching_sha2_password"])("%s: one that nobody asked for is not used", (name) => {
    const key = Buffer.from(publicKey)
    refused(respond(name, key, { round: name === "sha256_password" ? 0 : 1 }))
    refused(respond(name, key, { ...fetching, round: name === "sha256_password" ? 1 : 0 }))
    refused(respond(name, key, { ...fetching, round: 1, serverPublicKey: publicKey }))
    refused(respond(name, key, { disclosure: disclosureOver("verified"), tls: true, round: 1 }))
  })

  it("without a key, and without leave to fetch one, nothing goes out", () => {
    expect(refused(start("sha256_password"))).toContain("not encrypted")
    expect(refused(respond("caching_sha2_password", Uint8Array.of(4)))).toContain("not encrypted")
  })

  it.each([
    ["no key at all", "key"],
    ["a key that is cut", publicKey.slice(0, 100)],
    [
      "a key of another kind",
      generateKeyPairSync("ed25519", {
        publicKeyEncoding: { type: "spki", format: "pem" },
        privateKeyEncoding: { type: "pkcs8", format: "pem" }
      }).publicKey
    ]
  ])("%s is an error", (_name, key) => {
    refused(start("sha256_password", { serverPublicKey: key }))
  })

  it("a password that does not fit the key is an error", () => {
    const long = "x".repeat(214)
    expect(refused(start("sha256_password", { serverPublicKey: publicKey, password: long }))).toContain("214 bytes")
    expect(secretOf(start("sha256_password", { serverPublicKey: publicKey, password: "x".repeat(213) }))).toHaveLength(
      214
    )
  })

  it("over TLS the password goes as it is; over a unix socket sha256_password still encrypts", () => {
    const tls = { disclosure: disclosureOver("encrypted"), tls: true }
    expect(text(start("sha256_password", tls))).toBe(`${password}\0`)
    expect(text(respond("caching_sha2_password", Uint8Array.of(4), tls))).toBe(`${password}\0`)
    expect(start("sha256_password", { disclosure: disclosureOver("verified") })).toEqual(
      Result.succeed(Uint8Array.of(1))
    )
    expect(start("sha256_password", { password: "" })).toEqual(Result.succeed(Uint8Array.of(0)))
  })

  it("without a scramble there is nothing to hide the password in", () => {
    const none = { serverPublicKey: publicKey, scramble: new Uint8Array(0) }
    expect(refused(start("sha256_password", none))).toContain("no scramble")
  })
})

describe("client_ed25519", () => {
  /** Node's own, which takes a seed of 32 bytes: where the password is one, both do the same. */
  const oracle = (seed: Buffer, message: Uint8Array): Buffer => {
    const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed])
    return sign(null, message, createPrivateKey({ key: der, format: "der", type: "pkcs8" }))
  }

  it("with a password that is a seed it is the algorithm of the standard", () => {
    holds(
      fc.property(
        fc.string({ unit: fc.constantFrom(..."abcXYZ019 _-"), minLength: 32, maxLength: 32 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (seed, message) => {
          expect(Buffer.from(Ed25519.sign(seed, message)).equals(oracle(Buffer.from(seed), message))).toBe(true)
        }
      ),
      { numRuns: 20 }
    )
  })

  it.each(mariaDbs)("%s accepted this signature", (server) => {
    const recorded = login(server, "ed25519")
    const [, , request, signature] = conversation(recorded)
    expect(recorded.accepted).toBe(true)
    expect(login(server, "ed25519, refused").accepted).toBe(false)
    const ours = start("client_ed25519", { password: recorded.password, scramble: request!.subarray(-32) })
    expect(new Uint8Array(Result.getOrThrow(ours))).toEqual(signature)
  })
})

describe("parsec", () => {
  const recorded = login("mariadb-11.8", "parsec")
  const [, , request, empty, moreData, signature] = conversation(recorded)
  const salt = moreData?.subarray(1)
  const known = { password: recorded.password, scramble: request!.subarray(-32) }

  it("the server accepted this signature", () => {
    expect(recorded.accepted).toBe(true)
    expect(empty).toEqual(new Uint8Array(0))
    expect(start("parsec", known)).toEqual(Result.succeed(new Uint8Array(0)))
    const nonce = signature!.subarray(0, 32)
    expect(new Uint8Array(Result.getOrThrow(respond("parsec", salt!, { ...known, nonce }))!)).toEqual(signature)
  })

  it("proves nothing before the server has sent its salt", () => {
    expect(plugin("parsec").verifier?.(context(known), undefined)).toBeUndefined()
  })

  it("two answers have nothing in common", () => {
    const once = () => Buffer.from(Result.getOrThrow(respond("parsec", salt!, known))!)
    expect(once().subarray(0, 32).equals(once().subarray(0, 32))).toBe(false)
  })

  it.each([
    ["nothing", []],
    ["no salt", [0x50, 0]],
    ["another function", [0x51, 0, 1, 2, 3]],
    ["more rounds than a client should do", [0x50, 4, 1, 2, 3]],
    ["a salt without end", [0x50, 0, ...new Array<number>(65).fill(1)]]
  ])("%s is an error", (_name, data) => {
    refused(respond("parsec", Uint8Array.from(data), known))
  })
})

describe("plugins that send the secret itself", () => {
  const verified = { disclosure: disclosureOver("verified"), tls: true }
  const encrypted = { disclosure: disclosureOver("encrypted"), tls: true }
  const allowed = { disclosure: disclosureOver("no", { allowCleartextPassword: true }) }

  it.each(["mysql_clear_password", "dialog", "authentication_openid_connect_client"])(
    "%s sends it to a server that is verified, or with leave",
    (name) => {
      expect(text(start(name, verified))).toContain(password)
      expect(text(start(name, allowed))).toContain(password)
      refused(start(name, encrypted))
      refused(start(name))
    }
  )

  it("mysql_clear_password ends it with a NUL", () => {
    expect(text(start("mysql_clear_password", verified))).toBe(`${password}\0`)
    refused(respond("mysql_clear_password", Uint8Array.of(1), verified))
  })

  it("a token goes with its length", () => {
    const token = "e".repeat(300)
    const sent = Result.getOrThrow(start("authentication_openid_connect_client", { ...verified, password: token }))
    expect(Buffer.from(sent.subarray(0, 4)).toString("hex")).toBe("01fc2c01")
    expect(Buffer.from(sent.subarray(4)).toString()).toBe(token)
  })

  it.each(mariaDbs)("%s accepted these answers to what PAM asks", (server) => {
    const recorded = login(server, "pam")
    const [, , first, answer, second, another] = conversation(recorded)
    expect(recorded.accepted).toBe(true)
    expect(Buffer.from(first!).toString()).toBe("\u00fedialog\0".replace("\u00fe", "\ufffd"))
    const known = { ...verified, password: recorded.password, answers: ["the second answer"] }
    expect(Buffer.from(answer!).toString()).toBe(text(start("dialog", known)))
    // Only newer servers put the byte for more data in front.
    expect(Buffer.from(second!).toString()).toBe(`${server === "mariadb-10.11" ? "" : "\u0001"}\u0004Password: `)
    expect(Buffer.from(another!).toString()).toBe(text(respond("dialog", second!, known)))
  })

  it("a dialog is answered in order, as long as there are answers", () => {
    const dialog = { ...verified, answers: ["123456"] }
    expect(text(start("dialog", dialog))).toBe(`${password}\0`)
    const question = Buffer.from("\u0004Code: ")
    expect(text(respond("dialog", question, { ...dialog, round: 0 }))).toBe("123456\0")
    expect(refused(respond("dialog", question, { ...dialog, round: 1 }))).toContain("2 were given")
    refused(respond("dialog", question, { ...dialog, ...encrypted }))
  })
})
