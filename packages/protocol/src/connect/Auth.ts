/**
 * The authentication plugins that this package knows, by name.
 *
 * Manual: "Authentication Methods".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { AuthError, type AuthPlugin } from "./AuthPlugin.ts"
import * as CachingSha2Password from "./CachingSha2Password.ts"
import * as NativePassword from "./NativePassword.ts"

const plugins: ReadonlyMap<string, AuthPlugin> = new Map(
  [NativePassword.plugin, CachingSha2Password.plugin].map((plugin) => [plugin.name, plugin])
)

/**
 * @since 0.1.0
 * @category accessors
 */
export const find = (name: string): Result.Result<AuthPlugin, AuthError> => {
  const plugin = plugins.get(name)
  return plugin === undefined
    ? Result.fail(
        new AuthError({
          plugin: name,
          message:
            `The server asks for the authentication plugin "${name}", which is not supported; supported are ` +
            [...plugins.keys()].join(", ")
        })
      )
    : Result.succeed(plugin)
}
