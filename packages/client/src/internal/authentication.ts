/**
 * The authentication over a line: packets of the server to the machine that knows the plugins, and its answers back.
 * For the login and for a change of the user.
 */
import * as Authentication from "@effect-mysql/protocol/connect/Authentication"
import { disclosureOver } from "@effect-mysql/protocol/connect/AuthPlugin"
import type { Capabilities } from "@effect-mysql/protocol/connect/Capabilities"
import type { Greeting } from "@effect-mysql/protocol/connect/Greeting"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import type { Ok } from "@effect-mysql/protocol/reply/Ok"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Resolved } from "../MysqlConfig.ts"
import type { MysqlError } from "../MysqlError.ts"
import type { TransportConnection } from "../Transport.ts"
import * as failures from "./failures.ts"

/** What follows the packet that is waited for stays with the parser. */
export const feed = (transport: TransportConnection, parser: Packet.Parser): Effect.Effect<void, MysqlError> =>
  Effect.map(transport.pull, (chunks) => {
    for (const chunk of chunks) parser.feed(Buffer.from(chunk))
    transport.release()
  })

/** One packet of the conversation outside the command phase. */
export const readPacket = Effect.fnUntraced(function* (transport: TransportConnection, parser: Packet.Parser) {
  while (!parser.next()) {
    if (parser.error !== undefined) return yield* failures.protocol(parser.error)
    yield* feed(transport, parser)
  }
  return Buffer.from(parser.bytes.subarray(parser.start, parser.end))
})

/** What the configuration says of the user. */
export type Credentials = Pick<
  Resolved,
  | "password"
  | "furtherPasswords"
  | "authPlugin"
  | "serverPublicKey"
  | "allowPublicKeyRetrieval"
  | "allowCleartextPassword"
>

/** The machine, with the answer that goes out first. Reads the password: the effect that gives it runs here. */
export const begin = Effect.fnUntraced(function* (
  config: Credentials,
  transport: TransportConnection,
  agreed: {
    readonly capabilities: Capabilities
    readonly greeting: Pick<Greeting, "authPlugin" | "scramble">
  }
) {
  const password = Redacted.value(yield* config.password)
  const authentication = Authentication.make({
    ...agreed,
    password,
    furtherPasswords: config.furtherPasswords.map((further) => Redacted.value(further)),
    disclosure: disclosureOver(transport.secure, config),
    tls: transport.tls !== undefined,
    serverPublicKey: config.serverPublicKey,
    authPlugin: config.authPlugin
  })
  return yield* Effect.fromResult(authentication).pipe(Effect.mapError(failures.auth))
})

/** Holds the conversation to its end. */
export const authenticate = (
  transport: TransportConnection,
  parser: Packet.Parser,
  authentication: Authentication.Authentication
): Effect.Effect<Ok, MysqlError> =>
  Effect.gen(function* () {
    while (true) {
      const packet = yield* readPacket(transport, parser)
      const step = yield* Effect.fromResult(authentication.next(packet)).pipe(
        Effect.mapError((error) => (error._tag === "AuthError" ? failures.auth(error) : failures.protocol(error)))
      )
      if (step._tag === "Accepted") return step.ok
      if (step._tag === "Refused") return yield* failures.login(step.err, authentication.pluginName)
      if (step._tag === "Send") {
        yield* transport.write(Packet.frame(step.bytes, parser.sequence + 1))
        parser.expect(parser.sequence + 2)
      }
    }
  })
