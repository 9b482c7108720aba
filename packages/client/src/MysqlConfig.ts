/**
 * How to reach a server and how to behave there: one interface for connection, pool and client, its defaults, and the
 * checks that find contradictions before anything is connected.
 *
 * @since 0.1.0
 */
import type { DecodingOptions } from "@effect-mysql/protocol/row/Decoding"
import * as Charset from "@effect-mysql/protocol/value/Charset"
import * as Zone from "@effect-mysql/protocol/value/Zone"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as checks from "./internal/configChecks.ts"
import * as configUrl from "./internal/configUrl.ts"
import type { Target } from "./internal/target.ts"
import * as MysqlError from "./MysqlError.ts"
import { Transport } from "./Transport.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface TlsOptions {
  /**
   * Default `preferred`: encrypted where the server offers it, and unverified: no protection against someone who can
   * change what is on the way. The others never fall back: `required` encrypts, `verify-ca` also checks that a trusted
   * authority signed the certificate, `verify-identity` also that it names the host. Where `ca` is not given, a MariaDB
   * server from 11.4 on verifies its certificate to `verify-identity` by the login as well: it proves that it knows the
   * account and that this line ends at it. That takes a password, and a plugin that does not send it.
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
  /**
   * `mysql://` or `mariadb://`, see `fromUrl`. Fields that are given beside it win.
   */
  readonly url?: Redacted.Redacted | undefined
  /** Default `localhost`. */
  readonly host?: string | undefined
  /** Default 3306. */
  readonly port?: number | undefined
  /** A unix socket, in place of host and port. */
  readonly socketPath?: string | undefined
  /** Default: the name of the operating system's user. */
  readonly username?: string | undefined
  /** The effect runs at every connect: rotating credentials. */
  readonly password?: Redacted.Redacted | Effect.Effect<Redacted.Redacted> | undefined
  readonly database?: string | undefined
  readonly tls?: TlsOptions | undefined
  /** Over name resolution, TCP, TLS and login together. Default 10 s. */
  readonly connectTimeout?: Duration.Input | undefined
  /**
   * How the line is compressed. Default `none`. It pays on slow lines and costs time on fast ones. What the server does
   * not offer is a `ConfigurationError`: MariaDB knows `zlib` only.
   */
  readonly compression?: "none" | "zlib" | "zstd" | undefined
  /** How long a line may be silent before TCP asks whether the other side is there. Default 1 min; `Infinity`: never. */
  readonly keepAlive?: Duration.Input | undefined
  /**
   * In which character set statements go to the server and their literals are. Default `utf8mb4`, which has every
   * character; a text that does not fit into another is a `ParameterError`. Results come as utf8mb4 in any case, but
   * for literals under `binary`, which are bytes.
   */
  readonly charset?: "utf8mb4" | "utf8mb3" | "latin1" | "ascii" | "binary" | undefined
  /** Collation of the session, by name. Default `utf8mb4_unicode_ci`, and the server's default for other sets. */
  readonly collation?: string | undefined
  /**
   * An offset (`Z`, `+02:00`), or a name (`Europe/Berlin`) where the server has the time zone tables. Also set as the
   * session's `time_zone`. Default `Z`. Where clocks are put back, a name makes one hour of the year ambiguous.
   */
  readonly timezone?: string | undefined
  /** Default `true`; `server` leaves what the server has. */
  readonly autocommit?: boolean | "server" | undefined
  /** Default: what the server has. */
  readonly sqlMode?: string | undefined
  /** Set at connect, and again after each reset. */
  readonly sessionVariables?: Readonly<Record<string, string | number>> | undefined
  /** Statements that run at connect, and again after each reset, in the same flight as the rest of the set-up. */
  readonly initSql?: string | ReadonlyArray<string> | undefined
  /** Told to the server beside `_client_name`, `_client_version` and `_pid`, for whoever looks at its connections. */
  readonly connectAttributes?: Readonly<Record<string, string>> | undefined
  /** `false`: statements go as text, their values as literals; for proxies that refuse prepares. Default `true`. */
  readonly prepare?: boolean | undefined
  /** Prepared statements that are kept for each connection. Default 64. */
  readonly statementCacheSize?: number | undefined
  /** Several statements in one text. Default `false`. */
  readonly multiStatements?: boolean | undefined
  /**
   * Statements may carry attributes, on MySQL from 8.0.25 on: see `QueryOptions`. Not with a proxy between that does not
   * know them. Default `false`.
   */
  readonly queryAttributes?: boolean | undefined
  /** `affectedRows` counts rows that matched, not rows that changed. Default `false`. */
  readonly foundRows?: boolean | undefined
  /** Largest packet that is accepted. Default 64 MiB. */
  readonly maxPacketBytes?: number | undefined
  /** Bound of every statement that has no `timeout` of its own. Default none. */
  readonly statementTimeout?: Duration.Input | undefined
  /**
   * The same bound kept by the server, in steps of a millisecond: of every statement on MariaDB (`max_statement_time`), of
   * SELECT on MySQL (`max_execution_time`). It holds also where this side cannot stop anything: behind a proxy, or when the
   * process is gone. Default: what the server has.
   */
  readonly serverStatementTimeout?: Duration.Input | undefined
  /** How long a paused stream may keep the server waiting (`net_write_timeout`). Default 10 min. */
  readonly streamPauseLimit?: Duration.Input | undefined
  /** What interruption does: `kill` (KILL QUERY, default), `close`, or `wait` for the reply. */
  readonly cancellation?: "kill" | "close" | "wait" | undefined
  /**
   * The authentication plugin to begin with. Default: what the server proposes; it can switch to that of the account, so
   * that naming one only saves a round trip.
   */
  readonly authPlugin?: string | undefined
  /** Passwords of the second and third factor, and answers to what a dialog (PAM) asks after the password. */
  readonly furtherPasswords?: ReadonlyArray<Redacted.Redacted> | undefined
  /** The server's RSA key, PEM, for passwords over lines that are not encrypted. */
  readonly serverPublicKey?: string | undefined
  /**
   * Fetch that key over a line that is not encrypted: whoever can change what is on it can send a key of his own and
   * read the password. Default `false`.
   */
  readonly allowPublicKeyRetrieval?: boolean | undefined
  /**
   * Send the password or token as it is, to any server that asks for it, also where TLS does not verify the server or
   * there is none. Default `false`: only over TLS with `verify-identity`, and over unix sockets.
   */
  readonly allowCleartextPassword?: boolean | undefined
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
  readonly compression: "none" | "zlib" | "zstd"
  readonly keepAlive: Duration.Duration
  readonly charset: NonNullable<MysqlConfig["charset"]>
  /** `undefined`: what the server takes for the character set. */
  readonly collation: string | undefined
  readonly timezone: string
  readonly offsetMinutes: Zone.Zone
  readonly autocommit: boolean | "server"
  readonly sqlMode: string | undefined
  readonly sessionVariables: Readonly<Record<string, string | number>>
  readonly initSql: ReadonlyArray<string>
  readonly connectAttributes: Readonly<Record<string, string>>
  readonly prepare: boolean
  readonly statementCacheSize: number
  readonly multiStatements: boolean
  readonly queryAttributes: boolean
  readonly foundRows: boolean
  readonly maxPacketBytes: number
  readonly statementTimeout: Duration.Duration | undefined
  readonly serverStatementTimeout: Duration.Duration | undefined
  readonly streamPauseLimit: Duration.Duration
  readonly cancellation: "kill" | "close" | "wait"
  readonly authPlugin: string | undefined
  readonly furtherPasswords: ReadonlyArray<Redacted.Redacted>
  readonly serverPublicKey: string | undefined
  readonly allowPublicKeyRetrieval: boolean
  readonly allowCleartextPassword: boolean
  readonly decoding: DecodingOptions
}

const maxPort = 65_535
const maxPacketLimit = 1024 * 1024 * 1024
const defaultMaxPacketBytes = 64 * 1024 * 1024
const defaultStatementCacheSize = 64
const maxStatementCacheSize = 1_000_000

/**
 * What a URL says: `mysql://user:password@host:port/database?parameter=value`, every part but the host optional and
 * percent-encoded, an IPv6 address in brackets. The parameters are `autocommit`, `cancellation`, `charset`, `collation`,
 * `compression`, `connectTimeout`, `foundRows`, `keepAlive`, `prepare`, `socketPath`, `statementCacheSize`, `statementTimeout`,
 * `streamPauseLimit`, `timezone` and `tls` (a mode); durations are milliseconds or as in `30 seconds`. Any other one is
 * an error.
 *
 * Fails with `ConfigurationError`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromUrl = (url: Redacted.Redacted | string): Effect.Effect<MysqlConfig, MysqlError.MysqlError> =>
  Effect.suspend(() => {
    const faults: checks.Faults = []
    const config = configUrl.parse(typeof url === "string" ? url : Redacted.value(url), faults)
    return faults.length === 0 ? Effect.succeed(config) : invalid(faults)
  })

/**
 * Two partial configurations as one: what `over` says wins, also where it says it in another way. A host takes the place
 * of a socket and the other way round, and a character set that of a collation of another one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const merge = (base: MysqlConfig, over: MysqlConfig): MysqlConfig => {
  const given = defined(over)
  const { charset, collation, host, port, socketPath, ...rest } = defined(base)
  const otherWay = given.host !== undefined || given.port !== undefined
  return {
    ...rest,
    ...(given.socketPath === undefined ? defined({ host, port }) : {}),
    ...(otherWay ? {} : defined({ socketPath })),
    ...(given.charset === undefined || given.charset === charset ? defined({ charset, collation }) : {}),
    ...given
  }
}

/** Fields that are `undefined` hide nothing. */
const defined = (config: MysqlConfig): MysqlConfig =>
  Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined))

const invalid = (faults: checks.Faults): Effect.Effect<never, MysqlError.MysqlError> =>
  Effect.fail(MysqlError.make(new MysqlError.ConfigurationError({ faults })))

/**
 * Fills in the defaults. Fails with all faults at once; secrets are in none of them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (config: MysqlConfig): Effect.Effect<Resolved, MysqlError.MysqlError> =>
  Effect.flatMap(Transport, ({ osUser }) => {
    const faults: checks.Faults = []
    const given = merge(urlOf(config, faults), config)
    checks.checkShape(given, faults)
    const merged = checks.readable(given)
    const port = checks.integer("port", merged.port, { min: 1, max: maxPort, otherwise: 3306 }, faults)
    if (merged.socketPath !== undefined && (merged.host !== undefined || merged.port !== undefined)) {
      faults.push("socketPath and host or port exclude one another")
    }
    const statementCacheSize = checks.integer(
      "statementCacheSize",
      merged.statementCacheSize,
      { min: 1, max: maxStatementCacheSize, otherwise: defaultStatementCacheSize },
      faults
    )
    const maxPacketBytes = checks.integer(
      "maxPacketBytes",
      merged.maxPacketBytes,
      { min: 1024, max: maxPacketLimit, otherwise: defaultMaxPacketBytes },
      faults
    )
    const tls: TlsOptions = merged.tls ?? { mode: "preferred" }
    checks.checkTls(tls, faults)
    checks.checkVariables(merged, faults)
    const { charset, collation } = characters(merged, faults)
    const initSql = checks.listOf(merged.initSql)
    const sent = Charset.named(charset)
    if (initSql.some((sql) => typeof sql === "string" && sent?.encode(sql) === undefined && sent !== undefined)) {
      faults.push(`initSql has a character that the charset ${charset} cannot represent`)
    }
    const { offset, timezone } = zoneOf(merged.timezone, faults)
    const connectTimeout = checks.duration("connectTimeout", merged.connectTimeout, faults)
    const keepAlive = checks.duration("keepAlive", merged.keepAlive, faults)
    const statementTimeout = checks.duration("statementTimeout", merged.statementTimeout, faults)
    const serverStatementTimeout = checks.duration("serverStatementTimeout", merged.serverStatementTimeout, faults)
    const streamPauseLimit = checks.duration("streamPauseLimit", merged.streamPauseLimit, faults)
    if (faults.length > 0) return invalid(faults)
    const password = merged.password ?? Redacted.make("")
    const resolved: Omit<Resolved, "username"> = {
      target:
        merged.socketPath !== undefined
          ? { socketPath: merged.socketPath }
          : { host: merged.host ?? "localhost", port },
      password: Effect.isEffect(password) ? password : Effect.succeed(password),
      database: merged.database,
      tls,
      connectTimeout: connectTimeout ?? Duration.seconds(10),
      compression: merged.compression ?? "none",
      keepAlive: keepAlive ?? Duration.minutes(1),
      charset,
      collation,
      timezone,
      offsetMinutes: offset,
      autocommit: merged.autocommit ?? true,
      sqlMode: merged.sqlMode,
      sessionVariables: merged.sessionVariables ?? {},
      initSql,
      connectAttributes: merged.connectAttributes ?? {},
      prepare: merged.prepare ?? true,
      statementCacheSize,
      multiStatements: merged.multiStatements ?? false,
      queryAttributes: merged.queryAttributes ?? false,
      foundRows: merged.foundRows ?? false,
      maxPacketBytes,
      statementTimeout,
      serverStatementTimeout,
      streamPauseLimit: streamPauseLimit ?? Duration.minutes(10),
      cancellation: merged.cancellation ?? "kill",
      authPlugin: merged.authPlugin,
      furtherPasswords: merged.furtherPasswords ?? [],
      serverPublicKey: merged.serverPublicKey,
      allowPublicKeyRetrieval: merged.allowPublicKeyRetrieval ?? false,
      allowCleartextPassword: merged.allowCleartextPassword ?? false,
      decoding: merged.decoding ?? {}
    }
    return merged.username === undefined
      ? Effect.map(osUser ?? Effect.succeed(unknownUser), (username) => ({ ...resolved, username }))
      : Effect.succeed({ ...resolved, username: merged.username })
  })

const unknownUser = "unknown"

const urlOf = ({ url }: MysqlConfig, faults: checks.Faults): MysqlConfig => {
  if (url === undefined) return {}
  if (Redacted.isRedacted(url)) return configUrl.parse(String(Redacted.value(url)), faults)
  faults.push("url is not Redacted")
  return {}
}

const defaultCollation = "utf8mb4_unicode_ci"

/** Collations are named for their character sets, but for MariaDB's newest, which go with every Unicode set. */
const characters = (config: MysqlConfig, faults: checks.Faults): Pick<Resolved, "charset" | "collation"> => {
  const { collation } = config
  if (collation === undefined) {
    const charset = config.charset ?? "utf8mb4"
    return { charset, collation: charset === "utf8mb4" ? defaultCollation : undefined }
  }
  const match = /^(?:(utf8mb4|utf8mb3|latin1|ascii)_\w+|(binary)|uca1400_\w+)$/.exec(collation)
  const implied = (match?.[1] ?? match?.[2]) as Resolved["charset"] | undefined
  if (match === null) faults.push(`collation ${collation} is not one of utf8mb4, utf8mb3, latin1, ascii or binary`)
  else if (config.charset !== undefined && implied !== undefined && implied !== config.charset) {
    faults.push(`collation ${collation} is not one of the charset ${config.charset}`)
  }
  return { charset: config.charset ?? implied ?? "utf8mb4", collation }
}

const zoneOf = (
  given: string | undefined,
  faults: checks.Faults
): { readonly timezone: string; readonly offset: Zone.Zone } => {
  const utc = { timezone: "+00:00", offset: 0 }
  if (given === undefined || given === "Z" || given === "UTC") return utc
  const offset = offsetOf(given) ?? Zone.named(given)
  if (offset !== undefined) return { timezone: given, offset }
  faults.push(`timezone ${given} is neither an offset such as Z or +02:00 nor the name of a time zone`)
  return utc
}

const offsetOf = (timezone: string): number | undefined => {
  const match = /^([+-])(\d{2}):(\d{2})$/.exec(timezone)
  if (match === null) return undefined
  const minutes = Number(match[2]) * 60 + Number(match[3])
  const offset = match[1] === "-" ? -minutes : minutes
  // MySQL takes offsets from -13:59 to +14:00.
  return Number(match[3]) > 59 || offset < -839 || offset > 840 ? undefined : offset
}
