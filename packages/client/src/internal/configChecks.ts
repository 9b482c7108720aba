/**
 * What an option may be. Each check adds its findings to a list of faults, so that all are told at once; no fault holds
 * a value that could be a secret.
 */
import * as Auth from "@effect-mysql/protocol/connect/Auth"
import type { DecodingOptions } from "@effect-mysql/protocol/row/Decoding"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { MysqlConfig, TlsOptions } from "../MysqlConfig.ts"
import type { CursorOptions, TransactionOptions } from "../MysqlConnection.ts"

export type Faults = Array<string>

export const tlsModes: ReadonlyArray<TlsOptions["mode"]> = [
  "disabled",
  "preferred",
  "required",
  "verify-ca",
  "verify-identity"
]

type Choices<A> = { readonly [K in keyof A]?: ReadonlyArray<A[K]> }

/** Options that have a few values: a typing error in one of them must not turn something off. */
const choices = {
  autocommit: [true, false, "server"],
  cancellation: ["kill", "close", "wait"],
  compression: ["none", "zlib", "zstd"],
  charset: ["utf8mb4", "utf8mb3", "latin1", "ascii", "binary"],
  prepare: [true, false],
  multiStatements: [true, false],
  queryAttributes: [true, false],
  foundRows: [true, false],
  authPlugin: Auth.names,
  allowPublicKeyRetrieval: [true, false],
  allowCleartextPassword: [true, false]
} satisfies Choices<MysqlConfig>

const tlsChoices = { mode: tlsModes, minVersion: ["TLSv1.2", "TLSv1.3"] } satisfies Choices<TlsOptions>

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

/** What is neither a choice nor text, and checked on its own or not at all. */
const others: ReadonlyArray<keyof MysqlConfig> = [
  "url",
  "port",
  "password",
  "tls",
  "connectTimeout",
  "keepAlive",
  "sessionVariables",
  "initSql",
  "connectAttributes",
  "statementCacheSize",
  "maxPacketBytes",
  "statementTimeout",
  "serverStatementTimeout",
  "streamPauseLimit",
  "furtherPasswords",
  "decoding"
]

const texts = [
  "host",
  "socketPath",
  "username",
  "database",
  "collation",
  "timezone",
  "sqlMode",
  "serverPublicKey"
] as const

const mustBeText: ReadonlySet<string> = new Set<keyof MysqlConfig>([...texts, "charset"])

/** Options of the pool and of the client, which take this interface and add to it, are theirs to check. */
const ofOthers: ReadonlyArray<string> = [
  "minConnections",
  "maxConnections",
  "initialization",
  "acquireTimeout",
  "idleTimeout",
  "maxLifetime",
  "keepaliveTime",
  "leakDetection",
  "multiplex",
  "connectConcurrency",
  "resetOnRelease",
  "shutdownTimeout",
  "poolName",
  "spanAttributes",
  "transformResultNames",
  "transformQueryNames",
  "transformJson"
]

const known: ReadonlySet<string> = new Set<string>([...Object.keys(choices), ...texts, ...others, ...ofOthers])
const knownTls: ReadonlySet<string> = new Set<keyof TlsOptions>([
  "mode",
  "ca",
  "cert",
  "key",
  "passphrase",
  "servername",
  "minVersion"
])

/** Values of options that hold no secret. */
const shown = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value) : typeof value === "object" ? "of this type" : String(value)

const checkChoices = (prefix: string, given: object, allowed: object, faults: Faults): void => {
  for (const [name, values] of Object.entries<ReadonlyArray<unknown>>(allowed as Record<string, Array<unknown>>)) {
    const value: unknown = given[name as keyof typeof given]
    if (value !== undefined && !values.includes(value)) {
      faults.push(`${prefix}${name} ${shown(value)} is none of ${values.join(", ")}`)
    }
  }
}

const checkKnown = (prefix: string, given: object, names: ReadonlySet<string>, faults: Faults): void => {
  for (const name of Object.keys(given)) if (!names.has(name)) faults.push(`unknown option ${prefix}${name}`)
}

/** Without what should be text and is not: the checks of what it says go on with the rest. */
export const readable = (config: MysqlConfig): MysqlConfig =>
  Object.fromEntries(
    Object.entries(config).filter(([name, value]) => typeof value === "string" || !mustBeText.has(name))
  )

/** That the options are those that there are, and of their types. */
export const checkShape = (config: MysqlConfig, faults: Faults): void => {
  checkChoices("", config, choices, faults)
  for (const name of texts) {
    const value: unknown = config[name]
    if (value !== undefined && typeof value !== "string") faults.push(`${name} is not a string`)
    else if (value?.includes("\0") === true) faults.push(`${name} has a NUL`)
  }
  const { password } = config
  if (password !== undefined && !Redacted.isRedacted(password) && !Effect.isEffect(password)) {
    faults.push("password is neither Redacted nor an effect")
  }
  const further: unknown = config.furtherPasswords
  if (further !== undefined && !(Array.isArray(further) && further.every(Redacted.isRedacted))) {
    faults.push("furtherPasswords is not a list of Redacted")
  }
  for (const [name, value] of Object.entries(config.connectAttributes ?? {})) {
    if (typeof value !== "string") faults.push(`connectAttributes.${name} is not a string`)
  }
  for (const sql of listOf(config.initSql)) {
    if (typeof sql !== "string" || sql.trim() === "") faults.push("initSql is not SQL")
  }
  checkDecoding(config.decoding, faults)
  checkKnown("", config, known, faults)
}

const knownDecoding: ReadonlySet<string> = new Set(Object.keys(decodingChoices))

const checkDecoding = (decoding: DecodingOptions | undefined, faults: Faults): void => {
  if (decoding === undefined) return
  if (!isObject(decoding)) return void faults.push("decoding is not an object")
  checkChoices("decoding.", decoding, decodingChoices, faults)
  checkKnown("decoding.", decoding, knownDecoding, faults)
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

const transactionChoices: Required<Choices<TransactionOptions>> = {
  isolation: ["read uncommitted", "read committed", "repeatable read", "serializable"],
  accessMode: ["read only", "read write"],
  consistentSnapshot: [true, false]
}

const knownOfTransaction: ReadonlySet<string> = new Set(Object.keys(transactionChoices))

/** How a transaction begins: its words become SQL. */
export const checkTransaction = (options: TransactionOptions, faults: Faults): void => {
  if (!isObject(options)) return void faults.push("the options are not an object")
  checkChoices("", options, transactionChoices, faults)
  checkKnown("", options, knownOfTransaction, faults)
}

const knownOfStatement: ReadonlySet<string> = new Set<keyof CursorOptions>([
  "rows",
  "decoding",
  "prepare",
  "attributes",
  "timeout",
  "fetchSize"
])

/** The options of one statement. */
export const checkStatement = (options: CursorOptions<any>, faults: Faults): void => {
  if (!isObject(options)) return void faults.push("the options are not an object")
  const { attributes, decoding, prepare, rows, timeout } = options
  const readsRows = rows === undefined || rows === "object" || rows === "array" || typeof rows === "function"
  if (!readsRows && !Schema.isSchema(rows))
    faults.push(`rows ${shown(rows)} is none of object, array, function, Schema`)
  if (prepare !== undefined && typeof prepare !== "boolean") faults.push("prepare is neither true nor false")
  if (timeout !== undefined && Option.isNone(Duration.fromInput(timeout))) faults.push("timeout is not a duration")
  if (attributes !== undefined && !isObject(attributes)) faults.push("attributes is not an object")
  else {
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (typeof value !== "string") faults.push(`attributes.${name} is not a string`)
    }
  }
  checkDecoding(decoding, faults)
  checkKnown("", options, knownOfStatement, faults)
}

export const listOf = (value: string | ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as string]

/** Bytes or PEM; where only one of the forms is meant, that one. */
const isPem = (value: unknown): boolean => typeof value === "string" || value instanceof Uint8Array

export const checkTls = (tls: TlsOptions, faults: Faults): void => {
  checkKnown("tls.", tls, knownTls, faults)
  if (tls.mode === undefined) faults.push(`tls.mode undefined is none of ${tlsModes.join(", ")}`)
  checkChoices("tls.", tls, tlsChoices, faults)
  if (tls.mode === "disabled") {
    for (const [name, value] of Object.entries(tls)) {
      if (name !== "mode" && value !== undefined && knownTls.has(name)) {
        faults.push(`tls.mode disabled and tls.${name} exclude one another`)
      }
    }
  }
  const authorities: unknown = tls.ca
  if (authorities !== undefined && !(Array.isArray(authorities) ? authorities.every(isPem) : isPem(authorities))) {
    faults.push("tls.ca is neither text nor bytes")
  }
  if (tls.cert !== undefined && !isPem(tls.cert)) faults.push("tls.cert is neither text nor bytes")
  for (const name of ["key", "passphrase"] as const) {
    if (tls[name] !== undefined && !Redacted.isRedacted(tls[name])) faults.push(`tls.${name} is not Redacted`)
  }
  if ((tls.cert === undefined) !== (tls.key === undefined)) faults.push("tls.cert and tls.key go together")
  if (tls.passphrase !== undefined && tls.key === undefined) faults.push("tls.passphrase is of no use without tls.key")
}

/** Variables that other options stand for, and that the client has to know: their options. */
const ownVariables: Readonly<Record<string, keyof MysqlConfig>> = {
  time_zone: "timezone",
  character_set_client: "charset",
  character_set_connection: "charset",
  character_set_results: "charset",
  collation_connection: "collation"
}
/** Those that may be set here where their option is not given. */
const sharedVariables: Readonly<Record<string, keyof MysqlConfig>> = {
  autocommit: "autocommit",
  sql_mode: "sqlMode",
  net_write_timeout: "streamPauseLimit",
  max_execution_time: "serverStatementTimeout",
  max_statement_time: "serverStatementTimeout"
}

export const checkVariables = (config: MysqlConfig, faults: Faults): void => {
  for (const [name, value] of Object.entries(config.sessionVariables ?? {})) {
    if (!/^\w+$/.test(name)) faults.push(`"${name}" is not the name of a session variable`)
    if (typeof value !== "string" && !Number.isFinite(value)) {
      faults.push(`sessionVariables.${name} is neither a string nor a number`)
    }
    const lower = name.toLowerCase()
    const own = Object.hasOwn(ownVariables, lower) ? ownVariables[lower] : undefined
    if (own !== undefined) faults.push(`sessionVariables.${name} is set by the option ${own}`)
    const shared = Object.hasOwn(sharedVariables, lower) ? sharedVariables[lower] : undefined
    if (shared !== undefined && config[shared] !== undefined) {
      faults.push(`sessionVariables.${name} and ${shared} exclude one another`)
    }
  }
}

export const integer = (
  name: keyof MysqlConfig,
  value: number | undefined,
  bounds: { readonly min: number; readonly max: number; readonly otherwise: number },
  faults: Faults
): number => {
  if (value === undefined) return bounds.otherwise
  if (Number.isInteger(value) && value >= bounds.min && value <= bounds.max) return value
  faults.push(`${name} ${shown(value)} is not between ${bounds.min} and ${bounds.max}`)
  return bounds.otherwise
}

export const duration = (
  name: keyof MysqlConfig,
  input: Duration.Input | undefined,
  faults: Faults
): Duration.Duration | undefined => {
  if (input === undefined) return undefined
  const value = Duration.fromInput(input)
  if (value._tag === "Some" && !Duration.isNegative(value.value)) return value.value
  faults.push(`${name} is not a duration`)
  return undefined
}
