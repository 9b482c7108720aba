/**
 * The environment variables that choose where test servers come from, as a reference that tests replace.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { homedir } from "node:os"
import { join } from "node:path"

export type Variables = { readonly [name: string]: string | undefined }

export const Environment: Context.Reference<Variables> = Context.Reference<Variables>(
  "@effect-mysql/test-utils/Environment",
  { defaultValue: () => process.env }
)

/** The value of a variable; an empty one counts as absent. */
export const variable = (name: string): Effect.Effect<string | undefined> =>
  Effect.map(Environment, (variables) => (variables[name] === "" ? undefined : variables[name]))

const isSet = (name: string): Effect.Effect<boolean> => Effect.map(variable(name), (value) => value === "1")

/** `EFFECT_MYSQL_NO_INSTALL=1`: nothing is installed and no image is pulled. */
export const noInstall: Effect.Effect<boolean> = isSet("EFFECT_MYSQL_NO_INSTALL")

/** `MYSQL_TEST_DESTRUCTIVE=1`: global state of a server named by URL may be changed. */
export const destructiveAllowed: Effect.Effect<boolean> = isSet("MYSQL_TEST_DESTRUCTIVE")

/** Where installed servers and initialised data directories are kept between runs. */
export const cacheDirectory: Effect.Effect<string> = Effect.map(variable("XDG_CACHE_HOME"), (cache) =>
  join(cache ?? join(homedir(), ".cache"), "effect-mysql")
)
