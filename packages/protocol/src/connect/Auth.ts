/**
 * The authentication plugins by name.
 *
 * Manual: "Authentication Methods".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { AuthError, type AuthPlugin } from "./AuthPlugin.ts"
import * as CachingSha2Password from "./CachingSha2Password.ts"
import * as ClearPassword from "./ClearPassword.ts"
import * as Dialog from "./Dialog.ts"
import * as Ed25519 from "./Ed25519.ts"
import * as NativePassword from "./NativePassword.ts"
import * as OpenIdConnect from "./OpenIdConnect.ts"
import * as Parsec from "./Parsec.ts"
import * as Sha256Password from "./Sha256Password.ts"

const plugins: ReadonlyMap<string, AuthPlugin> = new Map(
  [
    NativePassword.plugin,
    CachingSha2Password.plugin,
    Sha256Password.plugin,
    ClearPassword.plugin,
    Dialog.plugin,
    Ed25519.plugin,
    Parsec.plugin,
    OpenIdConnect.plugin
  ].map((plugin) => [plugin.name, plugin])
)

/**
 * The plugins that a login can be done with. Manual: "Authentication Methods".
 *
 * @since 0.1.0
 * @category constants
 */
export const names: ReadonlyArray<string> = [...plugins.keys()]

/**
 * The plugin of a name that a server sent. Fails for one that is not supported. Manual: "Authentication Methods".
 *
 * @since 0.1.0
 * @category accessors
 */
export const find = (name: string): Result.Result<AuthPlugin, AuthError> => {
  const plugin = plugins.get(name)
  return plugin === undefined
    ? Result.fail(
        new AuthError({
          plugin: name,
          message: `The server asks for the authentication plugin "${name}", which is not supported; supported are ${names.join(", ")}`
        })
      )
    : Result.succeed(plugin)
}
