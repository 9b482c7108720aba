/**
 * What every server of our own needs: a port that nobody uses, and a password that nobody knows.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { createServer } from "node:net"
import { MysqlServerError } from "../MysqlServerError.ts"

/** Chosen by the operating system. Somebody else may take it before it is used: then another has to be tried. */
export const freePort: Effect.Effect<number, MysqlServerError> = Effect.callback((resume) => {
  const server = createServer()
  server.once("error", (cause) =>
    resume(Effect.fail(new MysqlServerError({ operation: "find a free port", tried: [cause.message], cause })))
  )
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

export const newPassword: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(randomBytes(18).toString("base64url"))
)
