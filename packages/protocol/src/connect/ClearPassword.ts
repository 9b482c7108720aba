/**
 * `mysql_clear_password`: the password as it is, for servers that have to hand it on (PAM, LDAP, cloud tokens). Any
 * server can ask for this plugin: the rule for clear text decides.
 *
 * Manual: "Clear Text Authentication".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { type AuthPlugin, clear, refuse } from "./AuthPlugin.ts"

const name = "mysql_clear_password"

export const plugin: AuthPlugin = {
  name,
  scrambleBytes: undefined,
  start: ({ disclosure, password }) =>
    disclosure.clearText
      ? Result.succeed(clear(password))
      : refuse(
          name,
          "The server wants the password itself: that takes TLS that verifies the server, a unix socket, or leave to " +
            "send it in the clear"
        ),
  respond: () => refuse(name, "The server sent data after the password")
}
