/**
 * A real MySQL or MariaDB server as a scoped layer: started for the test, stopped and forgotten with its scope.
 *
 * Where it comes from is the business of a provider: `url` (a server that `MYSQL_TEST_URL` names), `binary` (a server
 * program that is installed here), `container` (testcontainers) or `debian` (packages in a private folder). Without one
 * being asked for, what is here already is taken before anything is fetched.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Certificates from "./Certificates.ts"
import type * as Flavour from "./Flavour.ts"
import * as accounts from "./internal/accounts.ts"
import type { Log } from "./internal/cache.ts"
import { query, quoteName } from "./internal/control.ts"
import { destructiveAllowed } from "./internal/environment.ts"
import type { Address, Provided, ProviderName } from "./internal/provider.ts"
import * as providers from "./internal/providers.ts"
import { notAllowed, type Settings } from "./internal/settings.ts"
import { format } from "./internal/url.ts"
import { MysqlServerError } from "./MysqlServerError.ts"

/**
 * What a running server is to a test.
 *
 * @since 0.1.0
 * @category models
 */
export interface Server {
  /** `url` when it is a server by URL that is none of the flavours. */
  readonly flavour: Flavour.Flavour | "url"
  readonly provider: ProviderName
  /** `mysql://user:password@host:port`, of an account that may do everything. */
  readonly url: Redacted.Redacted
  readonly host: string
  /** The same after `stop` or `kill` and `start`. */
  readonly port: number
  /** `undefined` where the server's socket is not on this machine. */
  readonly socketPath: string | undefined
  /** With `tls`: the authority that signed the server's certificate, and a client certificate of the same authority. */
  readonly certificates:
    | { readonly ca: string; readonly clientCert: string; readonly clientKey: Redacted.Redacted }
    | undefined
  /** A fresh database named `effect_mysql_…`, dropped with the scope. */
  readonly database: Effect.Effect<string, MysqlServerError, Scope.Scope>
  /** In order; returns when it has ended. Of a server that is stopped: nothing. */
  readonly stop: Effect.Effect<void, MysqlServerError>
  /** Starts what was stopped or killed, on the same data and the same port, and waits until it answers. */
  readonly start: Effect.Effect<void, MysqlServerError>
  /** SIGKILL; returns when the process is gone. */
  readonly kill: Effect.Effect<void, MysqlServerError>
  /** SIGSTOP: connections stay open, nothing answers. */
  readonly pause: Effect.Effect<void, MysqlServerError>
  /** SIGCONT. */
  readonly resume: Effect.Effect<void, MysqlServerError>
}

/**
 * The service. `MysqlServer.layer(options)` starts a server.
 *
 * @since 0.1.0
 * @category services
 */
export class MysqlServer extends Context.Service<MysqlServer, Server>()("@effect-mysql/test-utils/MysqlServer") {}

export type {
  /**
   * An account that a test wants on its server.
   *
   * @since 0.1.0
   * @category models
   */
  Account
} from "./internal/accounts.ts"
export type {
  /**
   * @since 0.1.0
   * @category models
   */
  ProviderName
} from "./internal/provider.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: any that can be had, MySQL first. */
  readonly flavour?: Flavour.Flavour | undefined
  /**
   * What would stand in `my.cnf`, with dashes or underscores; it goes over the kit's own settings for throw-away
   * servers. `true` is the bare option, `false` is `OFF`. Address, port and folders are the kit's.
   */
  readonly settings?: { readonly [name: string]: string | number | boolean } | undefined
  /**
   * `true`: certificates made on the spot for `localhost`, `127.0.0.1` and `::1`; or others, such as those that have
   * expired. Default: what the product does by itself.
   */
  readonly tls?: boolean | Certificates.Certificates | undefined
  /** Where the server comes from. Default `EFFECT_MYSQL_PROVIDER`, or else `auto`. */
  readonly provider?: ProviderName | "auto" | undefined
  /** Further accounts, with the plugins by which they log in. */
  readonly accounts?: ReadonlyArray<accounts.Account> | undefined
  /** Gets a line for each thing that takes time, before it is done. Default: `Effect.logInfo`. */
  readonly log?: ((line: string) => Effect.Effect<void>) | undefined
}

/** A server that was paused answers nothing: forgetting its database must not wait for it. */
const dropLimit = "10 seconds"

/** Databases of this name are ours. */
const newName = (): string => `effect_mysql_${process.pid}_${randomBytes(6).toString("hex")}`

const databaseError = (cause: Error): MysqlServerError =>
  new MysqlServerError({ operation: "create a database for a test", tried: [cause.message], cause })

const database = (address: Address): Server["database"] =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const name = newName()
      return Effect.mapBoth(query(address, `CREATE DATABASE ${quoteName(name)}`), {
        onSuccess: () => name,
        onFailure: databaseError
      })
    }),
    (name) => Effect.ignore(Effect.timeout(query(address, `DROP DATABASE IF EXISTS ${quoteName(name)}`), dropLimit))
  )

/**
 * The service over a server that was provided already.
 *
 * @internal
 */
export const fromProvided = (provided: Provided, certificates: Server["certificates"]): Server => ({
  flavour: provided.flavour,
  provider: provided.provider,
  url: format(provided.address),
  host: provided.address.host,
  port: provided.address.port,
  socketPath: provided.address.socketPath,
  certificates,
  database: database(provided.address),
  stop: provided.stop,
  start: provided.start,
  kill: provided.kill,
  pause: provided.pause,
  resume: provided.resume
})

const createAccount = Effect.fnUntraced(function* (provided: Provided, account: accounts.Account) {
  const owned = provided.provider !== "url"
  if (!owned && !(yield* destructiveAllowed)) {
    return yield* new MysqlServerError({
      operation: `create the account ${account.name}`,
      tried: ["accounts are global, and the server is named by MYSQL_TEST_URL"],
      advice: "Set MYSQL_TEST_DESTRUCTIVE=1 if its global state may be changed."
    })
  }
  const { rows } = yield* Effect.mapError(query(provided.address, "SELECT VERSION()"), databaseError)
  const product = /mariadb/i.test(String(rows[0]?.[0])) ? "mariadb" : "mysql"
  yield* Effect.acquireRelease(accounts.create(provided.address, product, account), () =>
    owned ? Effect.void : accounts.drop(provided.address, account)
  )
})

const check = (settings: Settings): Effect.Effect<void, MysqlServerError> => {
  const refused = notAllowed(settings)
  return refused.length === 0
    ? Effect.void
    : Effect.fail(
        new MysqlServerError({
          operation: "start a server with these settings",
          tried: refused.map((name) => `${name} is decided by the kit`),
          advice: "Leave them out; the service tells port, host and socket."
        })
      )
}

/**
 * Starts a server that is stopped, and its data removed, when the scope closes.
 *
 * Fails with a `MysqlServerError` that says what was tried and what to do when no provider can give the server. When it
 * is interrupted while it installs, what is half installed is removed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (options?: Options) => Effect.Effect<Server, MysqlServerError, Scope.Scope> = Effect.fnUntraced(
  function* (options) {
    const settings = options?.settings ?? {}
    yield* check(settings)
    const certificates = options?.tls === true ? yield* Certificates.make() : options?.tls || undefined
    const log: Log = options?.log ?? Effect.logInfo
    const provided = yield* providers.provide(options?.provider, options?.flavour, { settings, certificates, log })
    yield* Effect.forEach(options?.accounts ?? [], (account) => createAccount(provided, account), { discard: true })
    return fromProvided(provided, certificates)
  }
)

/**
 * A server for the tests of one file or one block.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<MysqlServer, MysqlServerError> =>
  Layer.effect(MysqlServer, make(options))
