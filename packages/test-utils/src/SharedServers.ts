/**
 * The servers that the tests of a run have in common: one for each flavour, started by the test runner and told to the
 * test files in the environment variable `EFFECT_MYSQL_TEST_SERVERS`.
 *
 * A test that needs its own settings, or stops, kills or pauses a server, or changes its global state, takes one of its
 * own: `own` gives one of the same flavour from the same provider.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Flavour from "./Flavour.ts"
import type { Address, ProviderName } from "./internal/provider.ts"
import * as providers from "./internal/providers.ts"
import { parse } from "./internal/url.ts"
import * as Url from "./internal/urlProvider.ts"
import * as MysqlServer from "./MysqlServer.ts"
import { MysqlServerError } from "./MysqlServerError.ts"

/**
 * The name of the environment variable: a JSON array of `Description`.
 *
 * @since 0.1.0
 * @category constants
 */
export const environmentVariable = "EFFECT_MYSQL_TEST_SERVERS"

const Available = Schema.Struct({
  name: Schema.String,
  flavour: Schema.Literals([...Flavour.all, "url"]),
  available: Schema.Literal(true),
  url: Schema.String,
  host: Schema.String,
  port: Schema.Int,
  socketPath: Schema.optional(Schema.String),
  certificates: Schema.optional(
    Schema.Struct({ ca: Schema.String, clientCert: Schema.String, clientKey: Schema.String })
  ),
  provider: Schema.Literals(["url", "binary", "container", "debian"])
})

const Unavailable = Schema.Struct({
  name: Schema.String,
  flavour: Schema.Literals(Flavour.all),
  available: Schema.Literal(false),
  reason: Schema.String
})

/**
 * A server as the runner describes it to the test files, or why there is none of its flavour. It holds secrets of the
 * server.
 *
 * @since 0.1.0
 * @category models
 */
export type Description =
  | {
      readonly name: string
      readonly flavour: Flavour.Flavour | "url"
      readonly available: true
      readonly url: string
      readonly host: string
      readonly port: number
      readonly socketPath?: string | undefined
      readonly certificates?:
        | { readonly ca: string; readonly clientCert: string; readonly clientKey: string }
        | undefined
      readonly provider: ProviderName
    }
  | { readonly name: string; readonly flavour: Flavour.Flavour; readonly available: false; readonly reason: string }

const Descriptions = Schema.fromJsonString(Schema.Array(Schema.Union([Available, Unavailable])))

/**
 * A server as test files see it.
 *
 * @since 0.1.0
 * @category models
 */
export interface SharedServer {
  /** For the title of a block of tests. */
  readonly name: string
  readonly flavour: Flavour.Flavour | "url"
  readonly available: boolean
  /** Why it is not available; `undefined` when it is. */
  readonly reason: string | undefined
  /** Where it comes from; `undefined` when it is not available. */
  readonly provider: ProviderName | undefined
  /** The running server. Its lifecycle is not the test's: `start`, `stop`, `kill`, `pause` and `resume` fail. */
  readonly layer: Layer.Layer<MysqlServer.MysqlServer, MysqlServerError>
  /** Whether tests can have servers of their own of this flavour: not of one that `MYSQL_TEST_URL` names. */
  readonly canOwn: boolean
  /** A server of the test's own, of the same flavour from the same provider. */
  readonly own: (
    options?: Omit<MysqlServer.Options, "flavour" | "provider">
  ) => Layer.Layer<MysqlServer.MysqlServer, MysqlServerError>
}

const notAvailable = (name: string, reason: string): MysqlServerError =>
  new MysqlServerError({
    operation: `use ${name}`,
    tried: [reason],
    advice: "Run `npm test`, which starts the servers and says which could not be had."
  })

const addressOf = (description: Extract<Description, { available: true }>): Result.Result<Address, MysqlServerError> =>
  Result.map(parse(description.url), (addresses) => ({
    ...addresses[0]!,
    host: description.host,
    port: description.port,
    socketPath: description.socketPath
  }))

const fromDescription = (description: Description): SharedServer => {
  const { flavour, name } = description
  if (!description.available) {
    const failure = Layer.effect(MysqlServer.MysqlServer, Effect.fail(notAvailable(name, description.reason)))
    return {
      name,
      flavour,
      available: false,
      reason: description.reason,
      provider: undefined,
      layer: failure,
      canOwn: false,
      own: () => failure
    }
  }
  const { certificates, provider } = description
  const server = Effect.map(Effect.fromResult(addressOf(description)), (address) =>
    MysqlServer.fromProvided(
      { ...Url.notOurs("it is shared by all tests of this run"), provider, flavour, address },
      certificates === undefined ? undefined : { ...certificates, clientKey: Redacted.make(certificates.clientKey) }
    )
  )
  const own = (options?: Omit<MysqlServer.Options, "flavour" | "provider">) =>
    flavour === "url" || provider === "url"
      ? Layer.effect(
          MysqlServer.MysqlServer,
          Effect.fail(notAvailable(`a server like ${name}`, "it is named by MYSQL_TEST_URL and there is only one"))
        )
      : MysqlServer.layer({ ...options, flavour, provider })
  return {
    name,
    flavour,
    available: true,
    reason: undefined,
    provider,
    layer: Layer.effect(MysqlServer.MysqlServer, server),
    canOwn: provider !== "url",
    own
  }
}

/**
 * The servers out of the text of the environment variable. Without a text: the three flavours, none available. Fails
 * when the text is not what a runner writes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEnvironment = (
  text: string | undefined
): Result.Result<ReadonlyArray<SharedServer>, Schema.SchemaError> =>
  text === undefined
    ? Result.succeed(
        Flavour.all.map((flavour) =>
          fromDescription({ name: flavour, flavour, available: false, reason: "the servers are started by `npm test`" })
        )
      )
    : Result.map(Schema.decodeUnknownResult(Descriptions)(text), (descriptions) => descriptions.map(fromDescription))

/**
 * The servers of this run. Throws when the environment variable holds something else, which no runner writes.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<SharedServer> = Result.getOrThrow(fromEnvironment(process.env[environmentVariable]))

/**
 * @since 0.1.0
 * @category models
 */
export interface StartOptions {
  /** Gets a line for each thing that takes time, before it is done. Default: `Effect.logInfo`. */
  readonly log?: ((line: string) => Effect.Effect<void>) | undefined
}

/** Above this many at once two cores do nothing faster. */
const startedAtOnce = 3

const describe = (name: string, server: MysqlServer.Server): Description => ({
  name,
  flavour: server.flavour,
  available: true,
  url: Redacted.value(server.url),
  host: server.host,
  port: server.port,
  socketPath: server.socketPath,
  certificates:
    server.certificates === undefined
      ? undefined
      : { ...server.certificates, clientKey: Redacted.value(server.certificates.clientKey) },
  provider: server.provider
})

const startOne = (
  flavour: Flavour.Flavour,
  options: StartOptions | undefined
): Effect.Effect<Description, never, Scope.Scope> =>
  Effect.match(MysqlServer.make({ flavour, tls: true, log: options?.log }), {
    onFailure: (error): Description => ({ name: flavour, flavour, available: false, reason: error.message }),
    onSuccess: (server) => describe(flavour, server)
  })

/** What the URLs name, and the flavours that they do not. */
const named = Effect.fnUntraced(function* (
  flavours: ReadonlyArray<Flavour.Flavour>,
  addresses: ReadonlyArray<Address>
) {
  const found: Array<Description> = []
  const reasons: Array<string> = []
  for (const address of addresses) {
    const server = yield* Effect.result(Url.identify(address))
    if (Result.isFailure(server)) {
      reasons.push(server.failure.message)
      continue
    }
    const { flavour, version } = server.success
    if (flavour !== "url" && !flavours.includes(flavour)) continue
    const name = flavour === "url" ? `${version} at ${address.host}:${address.port}` : flavour
    const taken = found.some((other) => other.name === name)
    found.push(
      describe(
        taken ? `${name} at ${address.host}:${address.port}` : name,
        MysqlServer.fromProvided(server.success, undefined)
      )
    )
  }
  const missing = flavours.filter((flavour) => !found.some((description) => description.flavour === flavour))
  const reason = ["MYSQL_TEST_URL names no such server", ...reasons].join("; ")
  return [...found, ...missing.map((flavour): Description => ({ name: flavour, flavour, available: false, reason }))]
})

/**
 * For the runner: a server of each flavour with certificates of its own, started at the same time and stopped with the
 * scope. One that cannot be had is described by the reason. With `MYSQL_TEST_URL` it is the servers named there, and no
 * others.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start: (
  flavours: ReadonlyArray<Flavour.Flavour>,
  options?: StartOptions
) => Effect.Effect<ReadonlyArray<Description>, never, Scope.Scope> = Effect.fnUntraced(function* (flavours, options) {
  const addresses = yield* Effect.result(Url.addresses)
  if (Result.isFailure(addresses)) {
    const reason = addresses.failure.message
    return flavours.map((flavour): Description => ({ name: flavour, flavour, available: false, reason }))
  }
  if (addresses.success !== undefined) return yield* named(flavours, addresses.success)
  return yield* Effect.forEach(flavours, (flavour) => startOne(flavour, options), { concurrency: startedAtOnce })
})

/**
 * The other flavours, as servers that are not there: test files have their blocks for every flavour, whichever of them a
 * run is about.
 *
 * @since 0.1.0
 * @category constructors
 */
export const notAskedFor = (flavours: ReadonlyArray<Flavour.Flavour>): ReadonlyArray<Description> =>
  Flavour.all
    .filter((flavour) => !flavours.includes(flavour))
    .map((flavour) => ({ name: flavour, flavour, available: false, reason: "not asked for" }))

/**
 * What `start` would have to fetch first, a line each; empty when everything is here or nothing can be had.
 *
 * @since 0.1.0
 * @category accessors
 */
export const plan: (flavours: ReadonlyArray<Flavour.Flavour>) => Effect.Effect<ReadonlyArray<string>> =
  Effect.fnUntraced(function* (flavours) {
    const addresses = yield* Effect.result(Url.addresses)
    if (Result.isFailure(addresses) || addresses.success !== undefined) return []
    const lines = yield* Effect.forEach(flavours, providers.plan)
    return lines.filter((line) => line !== undefined)
  })

/**
 * The environment that tells test files of these servers.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toEnv = (descriptions: ReadonlyArray<Description>): { readonly [name: string]: string } => ({
  [environmentVariable]: JSON.stringify(descriptions)
})
