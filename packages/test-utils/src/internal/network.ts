/**
 * What every server of our own needs: a port that nobody uses, a password that nobody knows, and to know what is here.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { createServer } from "node:net"
import { MysqlServerError } from "../MysqlServerError.ts"

/** Listens on a port that the operating system chooses, and lets go of it again. */
const listenOnce = (host: string): Effect.Effect<number, Error> =>
  Effect.callback((resume) => {
    const server = createServer()
    server.once("error", (cause) => resume(Effect.fail(cause)))
    server.listen(0, host, () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      server.close(() => resume(Effect.succeed(port)))
    })
  })

/** Chosen by the operating system. Somebody else may take it before it is used: then another has to be tried. */
export const freePort: Effect.Effect<number, MysqlServerError> = Effect.mapError(
  listenOnce("127.0.0.1"),
  (cause) => new MysqlServerError({ operation: "find a free port", tried: [cause.message], cause })
)

/** Whether this machine has that address: only then can it be listened on. */
export const isOwnAddress = (host: string): Effect.Effect<boolean> =>
  Effect.match(listenOnce(host), { onFailure: () => false, onSuccess: () => true })

export const newPassword: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(randomBytes(18).toString("base64url"))
)
