/**
 * How to reach a server and how to behave there: one interface for connection, pool and client, its defaults, and the
 * checks that find contradictions before anything is connected.
 *
 * @since 0.1.0
 */
import type { DecodingOptions } from "@effect-mysql/protocol/row/Decoding"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Target } from "./internal/target.ts"
import * as MysqlError from "./MysqlError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface TlsOptions {
  /**
   * Default `preferred`: encrypted where the server offers it, and unverified: no protection against someone who can
   * change what is on the way. The others never fall back: `required` encrypts, `verify-ca` also checks that a trusted
   * authority signed the certificate, `verify-identity` also that it names the host.
   */
  readonly mode: "disabled" | "preferred" | "required" | "verify-ca" | "verify-identity"
  /** Authorities to trust, PEM. Default: the runtime's. */
  readonly ca?: string | Uint8Array | ReadonlyArray<string | Uint8Array> | undefined
  /** Certificate of the client, PEM. */
  readonly cert?: string | Uint8Array | undefined
  /** Its private key, PEM. */
  readonly key?: Redacted.Redacted<string | Uint8Array> | undefined
  readonly passphrase?: Redacted.Redacted | undefined
  /** The name that the certificate has to carry. Default: the host. */
  readonly servername?: string | undefined
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface MysqlConfig {
  /** `mysql://` or `mariadb://`. Fields that are given beside it win. */
  readonly url?: Redacted.Redacted | undefined
  /** Default `localhost`. */
  readonly host?: string | undefined
  /** Default 3306. */
  readonly port?: number | undefined
  /** A unix socket, in place of host and port. */
  readonly socketPath?: string | undefined
  readonly username?: string | undefined
  /** The effect runs at every connect: rotating credentials. */
  readonly password?: Redacted.Redacted | Effect.Effect<Redacted.Redacted> | undefined
  readonly database?: string | undefined
  readonly tls?: TlsOptions | undefined
  /** Over name resolution, TCP, TLS and login together. Default 10 s. */
  readonly connectTimeout?: Duration.Input | undefined
  /** Collation of the session, by name. Default `utf8mb4_unicode_ci`. */
  readonly collation?: string | undefined
  /** An offset: `Z` or `+02:00`. Also set as the session's `time_zone`. Default `Z`. */
  readonly timezone?: string | undefined
  /** Default `true`; `server` leaves what the server has. */
  readonly autocommit?: boolean | "server" | undefined
  /** Default: what the server has. */
  readonly sqlMode?: string | undefined
  /** Set at connect, and again after each reset. */
  readonly sessionVariables?: Readonly<Record<string, string | number>> | undefined
  readonly connectAttributes?: Readonly<Record<string, string>> | undefined
  /** `false`: statements go as text, their values as literals; for proxies that refuse prepares. Default `true`. */
  readonly prepare?: boolean | undefined
  /** Prepared statements that are kept for each connection. Default 64. */
  readonly statementCacheSize?: number | undefined
  /** Several statements in one text. Default `false`. */
  readonly multiStatements?: boolean | undefined
  /** `affectedRows` counts rows that matched, not rows that changed. Default `false`. */
  readonly foundRows?: boolean | undefined
  /** Largest packet that is accepted. Default 64 MiB. */
  readonly maxPacketBytes?: number | undefined
  /** Bound of every statement that has no `timeout` of its own. Default none. */
  readonly statementTimeout?: Duration.Input | undefined
  /** How long a paused stream may keep the server waiting (`net_write_timeout`). Default 10 min. */
  readonly streamPauseLimit?: Duration.Input | undefined
  /** What interruption does: `kill` (KILL QUERY, default), `close`, or `wait` for the reply. */
  readonly cancellation?: "kill" | "close" | "wait" | undefined
  readonly decoding?: DecodingOptions | undefined
}

/**
 * A configuration with every default filled in.
 *
 * @since 0.1.0
 * @category models
 */
export interface Resolved {
  readonly target: Target
  readonly username: string
  readonly password: Effect.Effect<Redacted.Redacted>
  readonly database: string | undefined
  readonly tls: TlsOptions
  readonly connectTimeout: Duration.Duration
  readonly collation: string
  readonly timezone: string
  readonly offsetMinutes: number
  readonly autocommit: boolean | "server"
  readonly sqlMode: string | undefined
  readonly sessionVariables: Readonly<Record<string, string | number>>
  readonly connectAttributes: Readonly<Record<string, string>>
  readonly prepare: boolean
  readonly statementCacheSize: number
  readonly multiStatements: boolean
  readonly foundRows: boolean
  readonly maxPacketBytes: number
  readonly statementTimeout: Duration.Duration | undefined
  readonly streamPauseLimit: Duration.Duration
  readonly cancellation: "kill" | "close" | "wait"
  readonly decoding: DecodingOptions
}

const maxPort = 65_535
const defaultMaxPacketBytes = 64 * 1024 * 1024
const defaultStatementCacheSize = 64

/**
 * Fills in the defaults. Fails with all faults at once; secrets are in none of them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (config: MysqlConfig): Effect.Effect<Resolved, MysqlError.MysqlError> =>
  Effect.suspend(() => {
    const faults: Array<string> = []
    const merged = {
      ...(config.url === undefined ? {} : fromUrl(Redacted.value(config.url), faults)),
      ...defined(config)
    }
    const duration = (name: keyof MysqlConfig, input: Duration.Input | undefined): Duration.Duration | undefined => {
      if (input === undefined) return undefined
      const value = Duration.fromInput(input)
      if (value._tag === "None" || Duration.isNegative(value.value)) {
        faults.push(`${name} is not a duration`)
        return undefined
      }
      return value.value
    }
    const port = merged.port ?? 3306
    if (!Number.isInteger(port) || port < 1 || port > maxPort)
      faults.push(`port ${port} is not between 1 and ${maxPort}`)
    if (config.socketPath !== undefined && (config.host !== undefined || config.port !== undefined)) {
      faults.push("socketPath and host or port exclude one another")
    }
    const cacheSize = merged.statementCacheSize ?? defaultStatementCacheSize
    if (!Number.isInteger(cacheSize) || cacheSize < 1) faults.push("statementCacheSize is not a positive integer")
    const maxPacketBytes = merged.maxPacketBytes ?? defaultMaxPacketBytes
    if (!Number.isInteger(maxPacketBytes) || maxPacketBytes < 1024) faults.push("maxPacketBytes is not at least 1024")
    const tls: TlsOptions = merged.tls ?? { mode: "preferred" }
    checkChoices("", merged, choices, faults)
    if (!isTlsMode(tls.mode)) faults.push(`tls.mode ${JSON.stringify(tls.mode)} is none of ${tlsModes.join(", ")}`)
    checkChoices("tls.", tls, tlsChoices, faults)
    for (const name of Object.keys(tls)) if (!tlsOptions.has(name)) faults.push(`unknown option tls.${name}`)
    checkChoices("decoding.", merged.decoding ?? {}, decodingChoices, faults)
    for (const name of Object.keys(merged.decoding ?? {})) {
      if (!Object.hasOwn(decodingChoices, name)) faults.push(`unknown option decoding.${name}`)
    }
    if ((tls.cert === undefined) !== (tls.key === undefined)) faults.push("tls.cert and tls.key go together")
    const collation = merged.collation ?? "utf8mb4_unicode_ci"
    if (!/^(utf8mb4_\w+|uca1400_\w+)$/.test(collation)) faults.push(`collation ${collation} is not one of utf8mb4`)
    for (const name of Object.keys(merged.sessionVariables ?? {})) {
      if (!/^\w+$/.test(name)) faults.push(`"${name}" is not the name of a session variable`)
    }
    const timezone = merged.timezone ?? "Z"
    const offsetMinutes = offsetOf(timezone)
    if (offsetMinutes === undefined) faults.push(`timezone ${timezone} is not an offset such as Z or +02:00`)
    const connectTimeout = duration("connectTimeout", merged.connectTimeout)
    const statementTimeout = duration("statementTimeout", merged.statementTimeout)
    const streamPauseLimit = duration("streamPauseLimit", merged.streamPauseLimit)
    for (const name of Object.keys(config)) if (!known.has(name)) faults.push(`unknown option ${name}`)
    if (faults.length > 0) return Effect.fail(MysqlError.make(new MysqlError.ConfigurationError({ faults })))
    const password = merged.password
    return Effect.succeed<Resolved>({
      target:
        merged.socketPath !== undefined
          ? { socketPath: merged.socketPath }
          : { host: merged.host ?? "localhost", port },
      username: merged.username ?? "root",
      password:
        password === undefined
          ? Effect.succeed(Redacted.make(""))
          : Effect.isEffect(password)
            ? password
            : Effect.succeed(password),
      database: merged.database,
      tls,
      connectTimeout: connectTimeout ?? Duration.seconds(10),
      collation,
      timezone: timezone === "Z" ? "+00:00" : timezone,
      offsetMinutes: offsetMinutes ?? 0,
      autocommit: merged.autocommit ?? true,
      sqlMode: merged.sqlMode,
      sessionVariables: merged.sessionVariables ?? {},
      connectAttributes: merged.connectAttributes ?? {},
      prepare: merged.prepare ?? true,
      statementCacheSize: cacheSize,
      multiStatements: merged.multiStatements ?? false,
      foundRows: merged.foundRows ?? false,
      maxPacketBytes,
      statementTimeout,
      streamPauseLimit: streamPauseLimit ?? Duration.minutes(10),
      cancellation: merged.cancellation ?? "kill",
      decoding: merged.decoding ?? {}
    })
  })

const options: ReadonlyArray<keyof MysqlConfig> = [
  "url",
  "host",
  "port",
  "socketPath",
  "username",
  "password",
  "database",
  "tls",
  "connectTimeout",
  "collation",
  "timezone",
  "autocommit",
  "sqlMode",
  "sessionVariables",
  "connectAttributes",
  "prepare",
  "statementCacheSize",
  "multiStatements",
  "foundRows",
  "maxPacketBytes",
  "statementTimeout",
  "streamPauseLimit",
  "cancellation",
  "decoding"
]

/** Options of the pool and of the client, which take this interface and add to it, are theirs to check. */
const ofOthers: ReadonlyArray<string> = [
  "minConnections",
  "maxConnections",
  "initialization",
  "acquireTimeout",
  "idleTimeout",
  "maxLifetime",
  "connectConcurrency",
  "resetOnRelease",
  "shutdownTimeout",
  "poolName",
  "spanAttributes",
  "transformResultNames",
  "transformQueryNames",
  "transformJson"
]

const known: ReadonlySet<string> = new Set<string>([...options, ...ofOthers])

/** Fields that are `undefined` do not hide those of the URL. */
const defined = (config: MysqlConfig): MysqlConfig =>
  Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined))

const offsetOf = (timezone: string): number | undefined => {
  if (timezone === "Z") return 0
  const match = /^([+-])(\d{2}):(\d{2})$/.exec(timezone)
  if (match === null) return undefined
  const minutes = Number(match[2]) * 60 + Number(match[3])
  const offset = match[1] === "-" ? -minutes : minutes
  // MySQL takes offsets from -13:59 to +14:00.
  return Number(match[3]) > 59 || offset < -839 || offset > 840 ? undefined : offset
}

/** Query parameters of a URL: no others, since a URL often comes from where nobody checks it. */
const urlParameters: Readonly<Record<string, (value: string) => MysqlConfig | undefined>> = {
  tls: (value) => (isTlsMode(value) ? { tls: { mode: value } } : undefined),
  timezone: (value) => ({ timezone: value }),
  socketPath: (value) => ({ socketPath: value })
}

const tlsModes: ReadonlyArray<TlsOptions["mode"]> = [
  "disabled",
  "preferred",
  "required",
  "verify-ca",
  "verify-identity"
]

const isTlsMode = (value: unknown): value is TlsOptions["mode"] => tlsModes.some((mode) => mode === value)

type Choices<A> = { readonly [K in keyof A]?: ReadonlyArray<A[K]> }

/** Options that have a few values: a typing error in one of them must not turn something off. */
const choices: Choices<MysqlConfig> = {
  autocommit: [true, false, "server"],
  cancellation: ["kill", "close", "wait"],
  prepare: [true, false],
  multiStatements: [true, false],
  foundRows: [true, false]
}

const tlsOptions: ReadonlySet<string> = new Set<keyof TlsOptions>([
  "mode",
  "ca",
  "cert",
  "key",
  "passphrase",
  "servername",
  "minVersion"
])

const tlsChoices: Choices<TlsOptions> = { minVersion: ["TLSv1.2", "TLSv1.3"] }

const decodingChoices: Required<Choices<DecodingOptions>> = {
  bigint: ["auto", "bigint", "string"],
  decimal: ["string", "BigDecimal"],
  date: ["string", "Date"],
  dateTime: ["Date", "string", "DateTime"],
  invalidDate: ["error", "null"],
  time: ["string", "Duration"],
  json: ["parsed", "text"],
  geometry: ["wkb", "geojson"],
  bit1: ["bytes", "boolean"],
  tinyint1: ["number", "boolean"],
  set: ["string", "array"],
  duplicateColumns: ["qualify", "error"]
}

const checkChoices = <A extends object>(prefix: string, given: A, allowed: Choices<A>, faults: Array<string>): void => {
  for (const [name, values] of Object.entries<ReadonlyArray<unknown> | undefined>(allowed)) {
    const value: unknown = given[name as keyof A]
    if (value !== undefined && values?.includes(value) === false) {
      faults.push(`${prefix}${name} ${JSON.stringify(value)} is none of ${values.join(", ")}`)
    }
  }
}

const fromUrl = (text: string, faults: Array<string>): MysqlConfig => {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    faults.push("url is not a URL")
    return {}
  }
  if (url.protocol !== "mysql:" && url.protocol !== "mariadb:")
    faults.push("url starts with neither mysql:// nor mariadb://")
  const decoded = (part: string): string => {
    try {
      return decodeURIComponent(part)
    } catch {
      faults.push("url has a malformed percent-encoding")
      return ""
    }
  }
  const database = decoded(url.pathname.slice(1))
  let config: MysqlConfig = {
    ...(url.hostname === "" ? {} : { host: decoded(url.hostname).replace(/^\[(.*)\]$/, "$1") }),
    ...(url.port === "" ? {} : { port: Number(url.port) }),
    ...(url.username === "" ? {} : { username: decoded(url.username) }),
    ...(url.password === "" ? {} : { password: Redacted.make(decoded(url.password)) }),
    ...(database === "" ? {} : { database })
  }
  for (const [name, value] of url.searchParams) {
    const parameter = Object.hasOwn(urlParameters, name) ? urlParameters[name]!(value) : undefined
    if (parameter === undefined) faults.push(`url has an unknown parameter or value: ${name}`)
    else config = { ...config, ...parameter }
  }
  return config
}
