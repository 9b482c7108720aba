/**
 * `dialog`: the server asks questions, as PAM does; the first for a password is answered with that of the account, the
 * others with the answers that the caller has, in their order. All of it is clear text.
 *
 * Manual: "Authentication Plugin - PAM" (MariaDB), its plugin `dialog`.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { type AuthContext, type AuthError, type AuthPlugin, clear, refuse } from "./AuthPlugin.ts"

const name = "dialog"

const answer = (context: AuthContext, index: number): Result.Result<Uint8Array, AuthError> => {
  if (!context.disclosure.clearText) {
    return refuse(
      name,
      "The server wants the password itself: that takes TLS that verifies the server, a unix socket, or leave to send " +
        "it in the clear"
    )
  }
  const text = index === 0 ? context.password : context.answers?.[index - 1]
  return text === undefined
    ? refuse(name, `The server asks a question more than there are answers for; ${index} were given`)
    : Result.succeed(clear(text))
}

export const plugin: AuthPlugin = {
  name,
  scrambleBytes: undefined,
  // The first question comes with the name of the plugin.
  start: (context) => answer(context, 0),
  respond: (_question, context) => answer(context, (context.round ?? 0) + 1)
}
