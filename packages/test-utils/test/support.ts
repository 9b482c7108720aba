/**
 * What the tests of real servers have in common: asking them something, and looking at their TLS.
 */
import { Flag, negotiate } from "@effect-mysql/protocol/connect/Capabilities"
import * as Greeting from "@effect-mysql/protocol/connect/Greeting"
import * as HandshakeResponse from "@effect-mysql/protocol/connect/HandshakeResponse"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { createConnection } from "node:net"
import { type ConnectionOptions, connect } from "node:tls"
import { type ControlError, query, type Row } from "../src/internal/control.ts"
import type { Address } from "../src/internal/provider.ts"
import { parse } from "../src/internal/url.ts"
import type * as MysqlServer from "../src/MysqlServer.ts"

export const addressOf = (server: MysqlServer.Server, over: "tcp" | "socket" = "tcp"): Address => ({
  ...Result.getOrThrow(parse(Redacted.value(server.url)))[0]!,
  socketPath: over === "socket" ? server.socketPath : undefined
})

export const rows = (
  server: MysqlServer.Server,
  ...statements: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Row>, ControlError> =>
  Effect.map(query(addressOf(server), ...statements), (answer) => answer.rows)

/** Begins a login as far as TLS, and gives the protocol that was agreed on. */
export const handshake = (
  server: MysqlServer.Server,
  options: ConnectionOptions
): Effect.Effect<string | null, Error> =>
  Effect.callback((resume) => {
    const parser = Packet.makeParser()
    const socket = createConnection({ host: server.host, port: server.port })
    socket.on("error", (error) => resume(Effect.fail(error)))
    const onData = (chunk: Buffer): void => {
      parser.feed(chunk)
      if (!parser.next()) return
      socket.off("data", onData)
      const greeting = Result.getOrThrow(Greeting.decode(parser.bytes.subarray(parser.start, parser.end)))
      const capabilities = negotiate(greeting.capabilities, Flag.SSL)
      socket.write(
        Packet.seal(HandshakeResponse.encodeTlsRequest({ capabilities, maxPacketBytes: 1024, collation: 45 }), 1)
      )
      const encrypted = connect({ ...options, socket })
      encrypted.on("error", (error) => resume(Effect.fail(error)))
      encrypted.on("secureConnect", () => resume(Effect.succeed(encrypted.getProtocol())))
    }
    socket.on("data", onData)
    return Effect.sync(() => socket.destroy())
  })
