/**
 * Servers that run already and are named by `MYSQL_TEST_URL`. They belong to somebody: the kit creates databases named
 * `effect_mysql_*` there and touches no other, and it neither starts nor stops nor configures them.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Flavour from "../Flavour.ts"
import { MysqlServerError } from "../MysqlServerError.ts"
import { query } from "./control.ts"
import { variable } from "./environment.ts"
import type { Lifecycle } from "./lifecycle.ts"
import type { Address, Provided, Wanted } from "./provider.ts"
import { parse } from "./url.ts"

const refuse = (verb: string, whose: string): Effect.Effect<never, MysqlServerError> =>
  Effect.fail(
    new MysqlServerError({
      operation: `${verb} the server`,
      tried: [whose],
      advice: "Take a server of the test's own: MysqlServer.layer, or `own` of a shared server."
    })
  )

/** The lifecycle of a server that is not the test's to start and stop. */
export const notOurs = (whose: string): Lifecycle => ({
  start: refuse("start", whose),
  stop: refuse("stop", whose),
  kill: refuse("kill", whose),
  pause: refuse("pause", whose),
  resume: refuse("resume", whose)
})

/** The addresses that the environment names; `undefined` when it names none. */
export const addresses: Effect.Effect<ReadonlyArray<Address> | undefined, MysqlServerError> = Effect.flatMap(
  variable("MYSQL_TEST_URL"),
  (text): Effect.Effect<ReadonlyArray<Address> | undefined, MysqlServerError> =>
    text === undefined
      ? Effect.succeed(undefined)
      : Result.match(parse(text), {
          onFailure: Effect.fail,
          onSuccess: Effect.succeed
        })
)

export interface UrlServer extends Provided {
  readonly version: string
}

/** Asks the server at this address who it is. */
export const identify = (address: Address): Effect.Effect<UrlServer, MysqlServerError> =>
  Effect.mapBoth(query(address, "SELECT VERSION()"), {
    onFailure: (cause) =>
      new MysqlServerError({
        operation: `use the server at ${address.host}:${address.port}`,
        tried: [cause.message],
        advice: "Check MYSQL_TEST_URL.",
        cause
      }),
    onSuccess: ({ rows, version }) => ({
      ...notOurs("it is named by MYSQL_TEST_URL and not ours"),
      provider: "url",
      flavour: Flavour.fromVersion(String(rows[0]?.[0] ?? version)) ?? "url",
      version: String(rows[0]?.[0] ?? version),
      address
    })
  })

/** Why a server of somebody else cannot be what is wanted; `undefined` when it can. */
export const cannotGive = (wanted: Pick<Wanted, "settings" | "certificates">): string | undefined => {
  if (Object.keys(wanted.settings).length > 0) return "a server named by MYSQL_TEST_URL keeps its own settings"
  if (wanted.certificates !== undefined) return "a server named by MYSQL_TEST_URL keeps its own certificates"
  return undefined
}

/** The first of these servers that has the flavour; any of them when none is asked for. */
export const find: (flavour: Flavour.Flavour | undefined) => Effect.Effect<Provided, MysqlServerError> =
  Effect.fnUntraced(function* (flavour) {
    const named = yield* addresses
    const tried: Array<string> = []
    for (const address of named ?? []) {
      const server = yield* Effect.result(identify(address))
      if (Result.isFailure(server)) tried.push(server.failure.message)
      else if (flavour === undefined || server.success.flavour === flavour) return server.success
      else tried.push(`${address.host}:${address.port} is ${server.success.version}`)
    }
    return yield* new MysqlServerError({
      operation: `use a server named by MYSQL_TEST_URL`,
      tried: named === undefined ? ["the variable is not set"] : tried,
      advice: "Set MYSQL_TEST_URL to one or more URLs like mysql://user:password@host:port."
    })
  })
