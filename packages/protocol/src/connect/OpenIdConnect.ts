/**
 * `authentication_openid_connect_client`: the identity token of an OpenID provider in place of a password. Who has the
 * token is the user: the rule for clear text decides whether it leaves.
 *
 * Manual: "OpenID Connect Pluggable Authentication".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { Writer } from "../Bytes.ts"
import { type AuthPlugin, refuse } from "./AuthPlugin.ts"

const name = "authentication_openid_connect_client"
const tokenFollows = 1

export const plugin: AuthPlugin = {
  name,
  scrambleBytes: undefined,
  start: ({ disclosure, password }) =>
    disclosure.clearText
      ? Result.succeed(new Writer(password.length + 16).u8(tokenFollows).lengthEncodedText(password).payload())
      : refuse(
          name,
          "The server wants the token itself: that takes TLS that verifies the server, a unix socket, or leave to send " +
            "it in the clear"
        ),
  respond: () => refuse(name, "The server sent data after the token")
}
