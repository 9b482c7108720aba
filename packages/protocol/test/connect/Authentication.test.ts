import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { createHash } from "node:crypto"
import * as Authentication from "../../src/connect/Authentication.ts"
import { disclosureOver } from "../../src/connect/AuthPlugin.ts"
import * as Greeting from "../../src/connect/Greeting.ts"
import { bytes, login, mariaDbs, payloads } from "../support/fixture.ts"
import { err, hex, ok } from "../support/wire.ts"

const greeting = { authPlugin: "caching_sha2_password", scramble: new Uint8Array(20).fill(7) }
const mysql = login("mysql-9.7", "fast").capabilities

const begin = (more: Partial<Authentication.Options> = {}) =>
  Authentication.make({
    capabilities: mysql,
    greeting,
    password: "first",
    disclosure: disclosureOver("verified"),
    tls: true,
    ...more
  })

const begun = (more: Partial<Authentication.Options> = {}) => Result.getOrThrow(begin(more))

const request = (first: string, name: string, data: Uint8Array | string = ""): Buffer =>
  Buffer.concat([hex(first), Buffer.from(`${name}\0`), Buffer.from(data)])
const switchTo = (name: string, data: Uint8Array | string = "") => request("fe", name, data)
const nextFactor = (name: string, data: Uint8Array | string = "") => request("02", name, data)

const sent = (step: ReturnType<Authentication.Authentication["next"]>): string => {
  const taken = Result.getOrThrow(step)
  if (taken._tag !== "Send") throw new Error(`nothing was sent: ${taken._tag}`)
  return Buffer.from(taken.bytes).toString()
}

describe("the first answer", () => {
  it("is that of the greeting's plugin", () => {
    const { authPlugin, authResponse } = begun()
    expect(authPlugin).toBe("caching_sha2_password")
    expect(authResponse).toHaveLength(32)
  })

  it("is that of the plugin that was asked for", () => {
    const { authPlugin, authResponse } = begun({ authPlugin: "mysql_clear_password" })
    expect(authPlugin).toBe("mysql_clear_password")
    expect(Buffer.from(authResponse).toString()).toBe("first\0")
  })

  it.each(["client_ed25519", "parsec", "something new"])("waits for the server's word where it is %s", (authPlugin) => {
    expect(begun({ greeting: { ...greeting, authPlugin } }).authPlugin).toBe("mysql_native_password")
  })

  it("is none for a plugin that was asked for and is not known, or may not send what it would", () => {
    expect(begin({ authPlugin: "nonsense" })).toMatchObject({ failure: { _tag: "AuthError", plugin: "nonsense" } })
    expect(begin({ authPlugin: "dialog", disclosure: disclosureOver("encrypted") })).toMatchObject({
      failure: { _tag: "AuthError", plugin: "dialog" }
    })
    const byGreeting = { ...greeting, authPlugin: "mysql_clear_password" }
    expect(begin({ greeting: byGreeting, disclosure: disclosureOver("no") })).toMatchObject({
      failure: { _tag: "AuthError", plugin: "mysql_clear_password" }
    })
  })
})

describe("the conversation (emulated)", () => {
  it("ends with OK or ERR", () => {
    expect(begun().next(ok())).toMatchObject({ success: { _tag: "Accepted", ok: { status: 2 } } })
    expect(begun().next(err(1045, "28000", "no"))).toMatchObject({ success: { _tag: "Refused", err: { errno: 1045 } } })
  })

  it("waits where there is nothing to send", () => {
    expect(begun().next(hex("0103"))).toEqual(Result.succeed({ _tag: "Wait" }))
  })

  it("one switch, to a plugin that is known", () => {
    const machine = begun()
    expect(sent(machine.next(switchTo("mysql_clear_password")))).toBe("first\0")
    expect(machine.pluginName).toBe("mysql_clear_password")
    expect(machine.next(switchTo("mysql_clear_password"))).toMatchObject({
      failure: { expected: "one auth switch", got: "a second one" }
    })
    expect(begun().next(switchTo("nonsense"))).toMatchObject({ failure: { _tag: "AuthError", plugin: "nonsense" } })
  })

  it.each([
    ["mysql_native_password", 19],
    ["mysql_native_password", 0],
    ["caching_sha2_password", 22],
    ["client_ed25519", 20],
    ["parsec", 31]
  ])("%s with a scramble of %i bytes is a ProtocolError", (name, length) => {
    expect(begun().next(switchTo(name, new Uint8Array(length).fill(1)))).toMatchObject({
      failure: { _tag: "ProtocolError", phase: "authentication" }
    })
  })

  it("a NUL behind the scramble is not part of it, one at its end is", () => {
    const scramble = new Uint8Array(32).fill(0)
    expect(sent(begun().next(switchTo("client_ed25519", scramble)))).toBe(
      sent(begun().next(switchTo("client_ed25519", Buffer.concat([scramble, hex("00")]))))
    )
  })

  it("three factors, each with its own password and its own switch, and no fourth", () => {
    const machine = begun({ furtherPasswords: ["second", "third"] })
    machine.next(hex("0103"))
    expect(sent(machine.next(nextFactor("mysql_clear_password")))).toBe("second\0")
    expect(sent(machine.next(switchTo("mysql_clear_password")))).toBe("second\0")
    expect(sent(machine.next(nextFactor("mysql_clear_password")))).toBe("third\0")
    expect(machine.next(nextFactor("mysql_clear_password"))).toMatchObject({
      failure: { expected: "at most 3 factors" }
    })
  })

  it("a factor without a password of its own, as with an empty one", () => {
    expect(sent(begun().next(nextFactor("mysql_clear_password")))).toBe("\0")
  })

  it("the questions of a dialog, until it asks too much", () => {
    const machine = begun({ furtherPasswords: ["123456"] })
    expect(sent(machine.next(switchTo("dialog", "\u0004Password: ")))).toBe("first\0")
    expect(sent(machine.next(Buffer.concat([hex("01"), Buffer.from("\u0003Code: ")])))).toBe("123456\0")
    expect(machine.next(hex("0104"))).toMatchObject({ failure: { _tag: "AuthError", plugin: "dialog" } })
    const patient = begun({ furtherPasswords: Array.from({ length: 30 }, (_, index) => `${index}`) })
    patient.next(switchTo("dialog"))
    for (let round = 0; round < 16; round++) expect(sent(patient.next(hex("0104")))).toBe(`${round}\0`)
    expect(patient.next(hex("0104"))).toMatchObject({ failure: { expected: "at most 16 messages for a plugin" } })
  })
})

describe.each(mariaDbs.filter((server) => server !== "mariadb-10.11"))("the proof of %s", (server) => {
  /** What the account keeps, in front of the two things that everybody on the line knows. */
  const machineAfter = (name: string) => {
    const recorded = login(server, name)
    const packets = recorded.steps.flatMap(({ bytes: framed, from }) =>
      payloads(bytes(framed)).map((payload) => ({ from, payload: new Uint8Array(payload) }))
    )
    const recordedGreeting = Result.getOrThrow(Greeting.decode(packets[0]!.payload))
    const machine = Result.getOrThrow(
      Authentication.make({
        capabilities: recorded.capabilities,
        greeting: recordedGreeting,
        password: recorded.password,
        disclosure: disclosureOver("no"),
        tls: false
      })
    )
    let last: Authentication.Step | undefined
    for (const { from, payload } of packets.slice(2)) {
      if (from === "server") last = Result.getOrThrow(machine.next(payload))
    }
    if (last?._tag !== "Accepted") throw new Error("the recorded login was refused")
    return { machine, ok: last.ok, scramble: recordedGreeting.scramble }
  }

  it.each(["native", "switched", "ed25519", "parsec"])(
    "%s: comes with the OK, and is wrong for another certificate",
    (name) => {
      const { machine, ok } = machineAfter(name)
      expect([ok.info.charCodeAt(0), ok.info.length]).toEqual([1, 65])
      expect(machine.proof(ok, new Uint8Array(32))).toBe("wrong")
      expect(machine.proof({ ...ok, info: ok.info.slice(0, -2) }, new Uint8Array(32))).toBe("wrong")
      expect(machine.proof({ ...ok, info: "" }, new Uint8Array(32))).toBe("absent")
    }
  )

  it("is made of what the account keeps, the greeting's scramble and the certificate", () => {
    const { machine, ok, scramble } = machineAfter("native")
    const certificate = new Uint8Array(500).fill(9)
    const fingerprint = createHash("sha256").update(certificate).digest()
    const sha1 = (data: Uint8Array | string) => createHash("sha1").update(data).digest()
    const kept = sha1(sha1(login(server, "native").password))
    const proof = createHash("sha256").update(kept).update(scramble).update(fingerprint).digest("hex").toUpperCase()
    expect(machine.proof({ ...ok, info: `\u0001${proof}` }, certificate)).toBe("right")
  })

  it("is absent for an account without a password: it would prove nothing", () => {
    const { machine, ok } = machineAfter("empty")
    expect(machine.proof({ ...ok, info: `\u0001${"00".repeat(32)}` }, new Uint8Array(32))).toBe("absent")
  })
})
