/** A line on which nothing happens, for whoever gives it what does. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { TransportConnection } from "../../src/Transport.ts"

export const silentLine: TransportConnection = {
  pull: Effect.never,
  release: () => {},
  write: () => Effect.void,
  startTls: () => Effect.void,
  idle: Effect.succeed("quiet"),
  secure: "no",
  tls: undefined,
  peerCertificate: Effect.succeed(Option.none()),
  target: { host: "scripted", port: 3306 }
}
