/**
 * The authentication over a line: packets of the server to the machine that knows the plugins, and its answers back.
 * For the login and for a change of the user.
 */
import * as Authentication from "@effect-mysql/protocol/connect/Authentication"
import { disclosureOver, nothing } from "@effect-mysql/protocol/connect/AuthPlugin"
import type { Capabilities } from "@effect-mysql/protocol/connect/Capabilities"
import type { Greeting } from "@effect-mysql/protocol/connect/Greeting"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import type { Ok } from "@effect-mysql/protocol/reply/Ok"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Resolved } from "../MysqlConfig.ts"
import * as MysqlError from "../MysqlError.ts"
import type { TransportConnection } from "../Transport.ts"
import * as failures from "./failures.ts"

/** What follows the packet that is waited for stays with the parser. */
export const feed = (
  transport: TransportConnection,
  parser: Packet.Parser
): Effect.Effect<void, MysqlError.MysqlError> =>
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
  | "tls"
>

/**
 * Whether the server can verify its certificate by the login: MariaDB from 11.4 on, where no authority was named. Before
 * that the login tells it nothing from which the password could be had.
 */
export const mayProve = (config: Credentials, greeting: Pick<Greeting, "product" | "version">): boolean =>
  config.tls.mode === "verify-identity" &&
  config.tls.ca === undefined &&
  greeting.product === "mariadb" &&
  provesSince(greeting.version)

const provesSince = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split(".", 2).map(Number)
  return major > 11 || (major === 11 && minor >= 4)
}

/** Has to be verified, and is not yet. */
const unproved = (config: Credentials, transport: TransportConnection): boolean =>
  config.tls.mode === "verify-identity" && transport.tls !== undefined && transport.secure !== "verified"

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
    disclosure: unproved(config, transport) ? nothing : disclosureOver(transport.secure, config),
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
): Effect.Effect<Ok, MysqlError.MysqlError> =>
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

/**
 * Whether the server is known to be the one that was meant. Fails with `TlsError` where it has to be and is not, and in
 * any mode where it proves something else: then somebody between has a certificate of his own.
 */
export const verifyServer = Effect.fnUntraced(function* (
  config: Credentials,
  transport: TransportConnection,
  authentication: Authentication.Authentication,
  ok: Ok
) {
  if (transport.secure === "verified") return true
  const certificate = transport.tls === undefined ? Option.none() : yield* transport.peerCertificate
  const proof = Option.isSome(certificate) ? authentication.proof(ok, certificate.value) : "absent"
  if (proof === "wrong") {
    return yield* tlsError("the server knows the account, and the certificate on this line is not the server's own")
  }
  if (proof === "absent" && unproved(config, transport)) {
    return yield* tlsError(
      "the certificate is signed by nobody that is trusted, or for another host, and the server did not prove by the " +
        "password that it is its own: name the authority in tls.ca"
    )
  }
  return proof === "right"
})

const tlsError = (problem: string): Effect.Effect<never, MysqlError.MysqlError> =>
  Effect.fail(MysqlError.make(new MysqlError.TlsError({ problem })))
