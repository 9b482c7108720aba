import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { Flag, has } from "../../src/connect/Capabilities.ts"
import * as Greeting from "../../src/connect/Greeting.ts"
import { ProtocolError } from "../../src/ProtocolError.ts"
import { ServerStatus } from "../../src/ServerStatus.ts"
import { bytes, logins, payloads, servers, session } from "../support/fixture.ts"
import { hex } from "../support/wire.ts"

const recorded = (server: string): Buffer => payloads(bytes(logins(server)[0]!.steps[0]!.bytes))[0]!

const decoded = (packet: Uint8Array): Greeting.Greeting => Result.getOrThrow(Greeting.decode(packet))

/** The example of the manual, "Protocol::HandshakeV10", of a 5.7 server. */
const manual = hex(
  "0a 352e372e392d6c6f6700 08000000 2a21223f 1a1b2c3d 00 fff7 08 0200 0f80 15 00000000000000000000" +
    "545d3b3a1e2f4a5b6c7d0102 00 6d7973716c5f6e61746976655f70617373776f726400"
)

describe("of the manual's form", () => {
  it("every field is read", () => {
    expect(decoded(manual)).toEqual({
      product: "mysql",
      version: "5.7.9-log",
      connectionId: 8,
      capabilities: { flags: 0x800ff7ff, extended: 0 },
      collation: 8,
      status: ServerStatus.autocommit,
      authPlugin: "mysql_native_password",
      scramble: new Uint8Array(hex("2a21223f1a1b2c3d 545d3b3a1e2f4a5b6c7d0102"))
    })
  })

  it("is written as it was read", () => {
    expect(Greeting.encode(decoded(manual)).payload().toString("hex")).toBe(manual.toString("hex"))
  })
})

describe.each(servers)("recorded of %s", (server) => {
  const packet = recorded(server)
  const greeting = decoded(packet)
  const isMariaDb = server.startsWith("mariadb")

  it("tells product and version", () => {
    expect(greeting.product).toBe(isMariaDb ? "mariadb" : "mysql")
    expect(greeting.version).toBe(session(server, "types").version)
    expect(greeting.version).toMatch(server.startsWith("mysql") ? /^9\.7\.\d+/ : /^1[01]\.(8|11)\.\d+-MariaDB/)
  })

  it("tells capabilities, and MariaDB's own only where there are such", () => {
    for (const flag of [Flag.PROTOCOL_41, Flag.SSL, Flag.DEPRECATE_EOF, Flag.SESSION_TRACK, Flag.PLUGIN_AUTH]) {
      expect(has(greeting.capabilities, flag)).toBe(true)
    }
    expect(has(greeting.capabilities, Flag.LONG_PASSWORD)).toBe(!isMariaDb)
    expect(greeting.capabilities.extended !== 0).toBe(isMariaDb)
  })

  it("holds a scramble of 20 bytes, none of them NUL", () => {
    expect(greeting.scramble).toHaveLength(20)
    expect(greeting.scramble).not.toContain(0)
  })

  it("names the default plugin", () => {
    expect(greeting.authPlugin).toBe(isMariaDb ? "mysql_native_password" : "caching_sha2_password")
  })

  it("reads the same after it was written", () => {
    expect(decoded(Greeting.encode(greeting).payload())).toEqual(greeting)
  })

  it("cut anywhere is a failure, never a throw", () => {
    for (let end = 0; end < packet.length; end++) {
      const result = Greeting.decode(packet.subarray(0, end))
      expect(Result.isFailure(result) && result.failure).toBeInstanceOf(ProtocolError)
    }
  })

  it("may be longer: that is how the protocol grows", () => {
    expect(decoded(Buffer.concat([packet, hex("010203")]))).toEqual(greeting)
  })
})

it("the version of old MariaDB servers comes without the prefix that they put in front", () => {
  const sent = recorded("mariadb-10.11")
  expect(sent.subarray(1, 7).toString()).toBe("5.5.5-")
  expect(decoded(sent).version).toMatch(/^10\.11\./)
})

describe("malformed", () => {
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(manual)
    copy[at] = value
    return copy
  }
  const afterVersion = manual.indexOf(0) + 1

  it.each<[name: string, packet: Buffer, problem: object]>([
    ["empty", hex(""), { got: "0 bytes left in the packet" }],
    ["of protocol 9", changed(0, 9), { expected: "protocol version 10", got: "9" }],
    ["of protocol 11", changed(0, 11), { expected: "protocol version 10", got: "11" }],
    [
      "without an end of the version",
      Buffer.concat([hex("0a"), Buffer.alloc(80, 0x61)]),
      { got: "no NUL in the packet" }
    ],
    ["of a server of before 4.1", changed(afterVersion + 14, 0), { expected: "a server of version 4.1 or later" }],
    [
      "with a scramble that is too short",
      manual.subarray(0, afterVersion + 4 + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10 + 11),
      { expected: "a scramble of 20 bytes", got: "19" }
    ],
    ["a text of another protocol", Buffer.from("HTTP/1.1 400 Bad Request"), { expected: "protocol version 10" }]
  ])("%s", (_name, packet, problem) => {
    expect(Greeting.decode(packet)).toMatchObject({ failure: { phase: "greeting", ...problem } })
  })
})

describe("a server without plugins", () => {
  it("means mysql_native_password", () => {
    const withoutPlugins = Buffer.from(manual.subarray(0, -"mysql_native_password".length - 1))
    const upperFlags = manual.indexOf(0) + 1 + 4 + 8 + 1 + 2 + 1 + 2
    withoutPlugins.writeUInt16LE(0x8007, upperFlags)
    expect(decoded(withoutPlugins).authPlugin).toBe("mysql_native_password")
  })
})
