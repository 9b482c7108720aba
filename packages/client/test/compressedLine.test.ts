/**
 * What no honest server does on a compressed line, and what leaves on one that is encrypted and not yet verified.
 */
import { describe, expect, it } from "@effect/vitest"
import { Flag } from "@effect-mysql/protocol/connect/Capabilities"
import * as CompressedPacket from "@effect-mysql/protocol/framing/CompressedPacket"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { begin } from "../src/internal/authentication.ts"
import * as compressedLine from "../src/internal/compressedLine.ts"
import type { TransportConnection } from "../src/Transport.ts"
import { silentLine } from "./support/silentLine.ts"

/** A line that gives these chunks one after the other, and then is silent. */
const lineOf = (chunks: ReadonlyArray<Uint8Array>, more: Partial<TransportConnection> = {}): TransportConnection => {
  const left = [...chunks]
  return {
    ...silentLine,
    pull: Effect.suspend(() => {
      const chunk = left.shift()
      return chunk === undefined ? Effect.never : Effect.succeed([chunk] as const)
    }),
    ...more
  }
}

const framed = (sequence: number, content: Uint8Array): Buffer =>
  Buffer.concat(CompressedPacket.frames(content, sequence, { algorithm: "zlib" }))

describe("a compressed line", () => {
  const make = (...chunks: ReadonlyArray<Uint8Array>) =>
    compressedLine.make(lineOf(chunks), Packet.makeParser(), { algorithm: "zlib" })
  const take = (line: TransportConnection) =>
    Effect.map(line.pull, ([content]) => {
      line.release()
      return Buffer.from(content).toString()
    })

  it.effect("gives one frame at a time, however they come, and again what was not released", () =>
    Effect.gen(function* () {
      const both = Buffer.concat([framed(1, Buffer.from("one")), framed(2, Buffer.from("two"))])
      const line = make(both.subarray(0, 9), both.subarray(9))
      yield* line.write(Packet.frame(Buffer.from("command"), 0))
      expect(Buffer.from((yield* line.pull)[0]).toString()).toBe("one")
      expect(yield* line.idle).toBe("bytes")
      expect(yield* take(line)).toBe("one")
      expect(yield* take(line)).toBe("two")
      expect(yield* line.idle).toBe("quiet")
    })
  )

  it.effect.each([
    ["a number is left out", [1, 3]],
    ["a number comes twice", [1, 2, 2]],
    ["the first is none of those that may be", [9]]
  ] as const)("fails where %s", ([, numbers]) =>
    Effect.gen(function* () {
      const line = make(...numbers.map((number) => framed(number, Buffer.from("x"))))
      yield* line.write(Packet.frame(Buffer.from("command"), 0))
      for (const _ of numbers.slice(1)) expect(yield* take(line)).toBe("x")
      expect(yield* Effect.flip(line.pull)).toMatchObject({
        reason: { _tag: "ProtocolError", phase: "compressed packet", got: `${numbers.at(-1)}` }
      })
    })
  )
})

describe("a server that has not proved its certificate", () => {
  const encrypted = lineOf([], { secure: "encrypted", tls: { protocol: "TLSv1.3", cipher: "any" } })
  const asking = (authPlugin: string, mode: "verify-identity" | "required") =>
    begin(
      {
        password: Effect.succeed(Redacted.make("secret")),
        furtherPasswords: [],
        authPlugin: undefined,
        serverPublicKey: undefined,
        allowPublicKeyRetrieval: true,
        allowCleartextPassword: true,
        tls: { mode }
      },
      encrypted,
      {
        capabilities: { flags: Flag.PROTOCOL_41 | Flag.PLUGIN_AUTH, extended: 0 },
        greeting: { authPlugin, scramble: new Uint8Array(20).fill(1) }
      }
    )

  it.effect.each(["mysql_clear_password", "dialog", "sha256_password"])(
    "gets no password for %s, whatever is allowed",
    (plugin) =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(asking(plugin, "verify-identity"))).toMatchObject({
          reason: { _tag: "LoginError", errno: undefined, plugin }
        })
        // Where it does not have to be verified, what is allowed is allowed.
        expect(Buffer.from((yield* asking(plugin, "required")).authResponse).toString()).toBe("secret\0")
      })
  )
})
