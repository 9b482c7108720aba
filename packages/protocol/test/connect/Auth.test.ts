import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { createHash } from "node:crypto"
import * as Auth from "../../src/connect/Auth.ts"
import * as AuthPacket from "../../src/connect/AuthPacket.ts"
import { AuthError, disclosureOver, nothing } from "../../src/connect/AuthPlugin.ts"
import * as CachingSha2Password from "../../src/connect/CachingSha2Password.ts"
import * as Greeting from "../../src/connect/Greeting.ts"
import * as NativePassword from "../../src/connect/NativePassword.ts"
import { ServerStatus } from "../../src/ServerStatus.ts"
import { bytes, login, mariaDbs, payloads, type RecordedLogin, servers } from "../support/fixture.ts"
import { hex } from "../support/wire.ts"

const digest = (algorithm: string, ...parts: ReadonlyArray<Uint8Array>): Buffer =>
  createHash(algorithm).update(Buffer.concat(parts)).digest()

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => Uint8Array.from(a, (byte, index) => byte ^ b[index]!)

/** The formulas as the manuals print them. */
const formulas = {
  mysql_native_password: (password: Buffer, scramble: Uint8Array): Uint8Array =>
    xor(digest("sha1", password), digest("sha1", scramble, digest("sha1", digest("sha1", password)))),
  caching_sha2_password: (password: Buffer, scramble: Uint8Array): Uint8Array =>
    xor(digest("sha256", password), digest("sha256", digest("sha256", digest("sha256", password)), scramble))
}

/** Packets of a recorded login, without headers. */
const conversation = (recorded: RecordedLogin) =>
  recorded.steps.flatMap(({ bytes: framed, from }) =>
    payloads(bytes(framed)).map((payload) => ({ from, payload: new Uint8Array(payload) }))
  )

const greetingOf = (recorded: RecordedLogin): Greeting.Greeting =>
  Result.getOrThrow(Greeting.decode(conversation(recorded)[0]!.payload))

/** The hash in a handshake response: behind 32 bytes, the user's name and its NUL, with its length in front. */
const authResponse = (recorded: RecordedLogin): Uint8Array => {
  const response = Buffer.from(conversation(recorded)[1]!.payload)
  const at = response.indexOf(0, 32) + 1
  return new Uint8Array(response.subarray(at + 1, at + 1 + response[at]!))
}

describe("mysql_native_password", () => {
  it.each(mariaDbs)("%s accepted this hash", (server) => {
    const recorded = login(server, "native")
    const { scramble } = greetingOf(recorded)
    expect(recorded.accepted).toBe(true)
    expect(authResponse(recorded)).toEqual(formulas.mysql_native_password(Buffer.from(recorded.password), scramble))
    expect(new Uint8Array(NativePassword.hash(recorded.password, scramble))).toEqual(authResponse(recorded))
  })

  it("an empty password is an empty response, and accepted", () => {
    for (const server of mariaDbs) {
      expect(login(server, "empty").accepted).toBe(true)
      expect(authResponse(login(server, "empty"))).toEqual(new Uint8Array(0))
    }
    expect(NativePassword.hash("", new Uint8Array(20))).toEqual(new Uint8Array(0))
  })

  it("has nothing to say to more data", () => {
    const context = {
      password: "x",
      scramble: new Uint8Array(20),
      disclosure: disclosureOver("verified"),
      tls: true
    }
    expect(NativePassword.plugin.respond(hex("04"), context)).toMatchObject({
      failure: { _tag: "AuthError", plugin: "mysql_native_password" }
    })
  })
})

describe("caching_sha2_password", () => {
  const recorded = login("mysql-9.7", "fast")

  it("the server accepted this hash", () => {
    const { scramble } = greetingOf(recorded)
    expect(recorded.accepted).toBe(true)
    expect(conversation(recorded).map(({ payload }) => payload)[2]).toEqual(Uint8Array.of(1, 3))
    expect(authResponse(recorded)).toEqual(formulas.caching_sha2_password(Buffer.from(recorded.password), scramble))
    expect(new Uint8Array(CachingSha2Password.hash(recorded.password, scramble))).toEqual(authResponse(recorded))
  })

  it.each([
    ["secret", "f490e76f66d9d86665ce54d98c78d0acfe2fb0b08b423da807144873d30b312c"],
    ["secret2", "abc3934a012cf342e876071c8ee202de51785b430258a7a0138bc79c4d800bc6"]
  ])("hashes %s as other clients do", (password, expected) => {
    const scramble = Uint8Array.of(10, 47, 74, 111, 75, 73, 34, 48, 88, 76, 114, 74, 37, 13, 3, 80, 82, 2, 23, 21)
    expect(Buffer.from(CachingSha2Password.hash(password, scramble)).toString("hex")).toBe(expected)
  })

  it("an empty password is an empty response, and accepted", () => {
    expect(login("mysql-9.7", "empty").accepted).toBe(true)
    expect(authResponse(login("mysql-9.7", "empty"))).toEqual(new Uint8Array(0))
    expect(CachingSha2Password.hash("", new Uint8Array(20))).toEqual(new Uint8Array(0))
  })

  const respond = (data: string, confidential: boolean) =>
    CachingSha2Password.plugin.respond(hex(data), {
      password: "pä",
      scramble: new Uint8Array(20),
      disclosure: disclosureOver(confidential ? "encrypted" : "no"),
      tls: confidential
    })

  it("the server knows the hash: nothing to send", () => {
    expect(respond("03", false)).toEqual(Result.succeed(undefined))
  })

  it("the server does not: the password goes out, as the server accepted it", () => {
    const steps = conversation(login("mysql-9.7", "full"))
    expect(steps[2]!.payload).toEqual(Uint8Array.of(1, 4))
    expect(Buffer.from(steps[3]!.payload).toString()).toBe(`${recorded.password}\0`)
    expect(login("mysql-9.7", "full").accepted).toBe(true)
    expect(Result.map(respond("04", true), (answer) => Buffer.from(answer!).toString("hex"))).toEqual(
      Result.succeed("70c3a400")
    )
  })

  it("over a line that others can read it does not: nothing secret is in the error", () => {
    const result = respond("04", false)
    expect(Result.isFailure(result) && result.failure).toBeInstanceOf(AuthError)
    expect(JSON.stringify(result)).not.toContain("pä")
  })

  it.each(["", "05", "0403", "2d2d2d2d2d424547494e"])("another message (%s) is an error", (data) => {
    expect(respond(data, true)).toMatchObject({ failure: { _tag: "AuthError" } })
  })
})

describe("find", () => {
  it.each([
    ["mysql_native_password", "native", "mariadb-11.8"],
    ["caching_sha2_password", "fast", "mysql-9.7"]
  ])("%s begins with what the server accepted", (name, loginName, server) => {
    const plugin = Result.getOrThrow(Auth.find(name))
    const recorded = login(server, loginName)
    const { scramble } = greetingOf(recorded)
    const context = { password: recorded.password, scramble, disclosure: nothing, tls: false }
    const first = Result.getOrThrow(plugin.start(context))
    expect(plugin.name).toBe(name)
    expect(new Uint8Array(first)).toEqual(authResponse(recorded))
  })

  it.each(["", "mysql_old_password", "authentication_kerberos_client", "__proto__", "constructor", "toString"])(
    '"%s" is an error that says what there is',
    (name) => {
      const result = Auth.find(name)
      expect(result).toMatchObject({ failure: { _tag: "AuthError", plugin: name } })
      expect(Result.isFailure(result) && result.failure.message).toContain("caching_sha2_password")
    }
  )
})

describe("what the server says during the authentication", () => {
  const capabilities = login("mysql-9.7", "fast").capabilities
  const tagOf = (packet: Uint8Array): string | undefined =>
    Result.getOrUndefined(Result.map(AuthPacket.decode(packet, capabilities), ({ _tag }) => _tag))

  it.each(servers)("%s ends it with OK", (server) => {
    const recorded = login(server, "empty")
    const packet = Result.getOrThrow(AuthPacket.decode(conversation(recorded).at(-1)!.payload, recorded.capabilities))
    expect(packet).toMatchObject({ _tag: "Ok", ok: { affectedRows: 0, insertId: 0 } })
    expect(packet._tag === "Ok" && packet.ok.status & ServerStatus.autocommit).toBe(ServerStatus.autocommit)
  })

  it.each(servers)("%s ends it with ERR for a wrong password", (server) => {
    const recorded = login(server, "refused")
    expect(recorded.accepted).toBe(false)
    expect(
      Result.getOrThrow(AuthPacket.decode(conversation(recorded).at(-1)!.payload, recorded.capabilities))
    ).toMatchObject({ _tag: "Err", err: { errno: 1045, sqlState: "28000" } })
  })

  it.each(servers)("%s switches to the account's plugin, with a scramble that is used from then on", (server) => {
    const recorded = login(server, "switched")
    const steps = conversation(recorded)
    const packet = Result.getOrThrow(AuthPacket.decode(steps[2]!.payload, recorded.capabilities))
    if (packet._tag !== "Switch") return expect(packet._tag).toBe("Switch")
    expect(packet.plugin).toBe(recorded.plugin)
    expect(packet.data).toHaveLength(21)
    const formula = formulas[packet.plugin as keyof typeof formulas]
    expect(steps[3]!.payload).toEqual(formula(Buffer.from(recorded.password), packet.data.subarray(0, 20)))
    expect(recorded.accepted).toBe(true)
  })

  it("more data", () => {
    expect(AuthPacket.decode(hex("01 04"), capabilities)).toEqual(
      Result.succeed({ _tag: "MoreData", data: Uint8Array.of(4) })
    )
  })

  it.each([
    ["a switch and its data, a NUL at the end of them too", "fe 6100 0102 00", "010200"],
    ["a switch without data", "fe 6100", ""]
  ])("%s", (_name, packet, data) => {
    expect(AuthPacket.decode(hex(packet), capabilities)).toEqual(
      Result.succeed({ _tag: "Switch", plugin: "a", data: new Uint8Array(hex(data)) })
    )
  })

  it("the next factor, where several were agreed on", () => {
    expect(AuthPacket.decode(hex("02 6100 0102"), capabilities)).toEqual(
      Result.succeed({ _tag: "NextFactor", plugin: "a", data: Uint8Array.of(1, 2) })
    )
  })

  it("of MariaDB what is nothing else is data for the plugin", () => {
    const mariaDb = login("mariadb-11.8", "native").capabilities
    expect(AuthPacket.decode(hex("50 01 aa"), mariaDb)).toEqual(
      Result.succeed({ _tag: "MoreData", data: Uint8Array.of(0x50, 1, 0xaa) })
    )
  })

  it.each([
    ["nothing", ""],
    ["the switch to the passwords of before 4.1", "fe"],
    ["a plugin's name without end", "fe 6162"],
    ["a next factor without a name", "02"],
    ["the start of a result", "03"],
    ["half an OK", "00 00 00 02"],
    ["half an ERR", "ff 15"]
  ])("%s is a ProtocolError", (_name, packet) => {
    expect(AuthPacket.decode(hex(packet), capabilities)).toMatchObject({ failure: { phase: "authentication" } })
    expect(tagOf(hex(packet))).toBeUndefined()
  })
})
