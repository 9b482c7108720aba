/**
 * A configuration out of a URL. What a URL may say is a fixed list, since it often comes from where nobody checks it:
 * nothing in it makes the connection less safe than it is without, but for the mode of TLS, which is meant to be there.
 */
import * as Redacted from "effect/Redacted"
import type { MysqlConfig, TlsOptions } from "../MysqlConfig.ts"
import { tlsModes } from "./configChecks.ts"

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** The value of a parameter as that of the option; `undefined` where it is none. */
type Read<A> = (value: string) => A | undefined

const asText: Read<string> = (value) => (value === "" ? undefined : value)
const asBoolean: Read<boolean> = (value) => (value === "true" ? true : value === "false" ? false : undefined)
const asCount: Read<number> = (value) => (/^\d{1,9}$/.test(value) ? Number(value) : undefined)
/** Milliseconds, or a number and a unit as everywhere in Effect; what it means is checked later. */
const asDuration = (value: string): MysqlConfig["connectTimeout"] =>
  asCount(value) ?? (value as MysqlConfig["connectTimeout"])
const oneOf =
  <A extends string>(...values: ReadonlyArray<A>): Read<A> =>
  (value) =>
    values.find((one) => one === value)

const parameters: { readonly [K in keyof MysqlConfig]?: Read<MysqlConfig[K]> } = {
  autocommit: (value) => (value === "server" ? value : asBoolean(value)),
  cancellation: oneOf("kill", "close", "wait"),
  charset: oneOf("utf8mb4", "utf8mb3", "latin1", "ascii", "binary"),
  collation: asText,
  compression: oneOf("none", "zlib", "zstd"),
  connectTimeout: asDuration,
  foundRows: asBoolean,
  keepAlive: asDuration,
  prepare: asBoolean,
  socketPath: asText,
  statementCacheSize: asCount,
  statementTimeout: asDuration,
  streamPauseLimit: asDuration,
  timezone: asText,
  tls: (value) => {
    const mode = oneOf<TlsOptions["mode"]>(...tlsModes)(value)
    return mode === undefined ? undefined : { mode }
  }
}

/** Adds what is wrong with it to `faults`; secrets are in none of them. */
export const parse = (text: string, faults: Array<string>): MysqlConfig => {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    faults.push("url is not a URL")
    return {}
  }
  if (url.protocol !== "mysql:" && url.protocol !== "mariadb:")
    faults.push("url starts with neither mysql:// nor mariadb://")
  // Unescaped in a password it would end the URL there.
  if (url.hash !== "") faults.push("url has a fragment: a # in a part of it is written %23")
  const decoded = (part: string): string => {
    try {
      return decodeURIComponent(part)
    } catch {
      faults.push("url has a malformed percent-encoding")
      return ""
    }
  }
  const config: Mutable<MysqlConfig> = {}
  if (url.hostname !== "") config.host = decoded(url.hostname).replace(/^\[(.*)\]$/, "$1")
  if (url.port !== "") config.port = Number(url.port)
  if (url.username !== "") config.username = decoded(url.username)
  if (url.password !== "") config.password = Redacted.make(decoded(url.password))
  const database = decoded(url.pathname.slice(1))
  if (database !== "") config.database = database
  const seen = new Set<string>()
  for (const [name, value] of url.searchParams) {
    const read = Object.hasOwn(parameters, name) ? (parameters[name as keyof MysqlConfig] as Read<unknown>) : undefined
    const option = read?.(value)
    if (option === undefined) faults.push(`url has an unknown parameter or value: ${name}`)
    else if (seen.has(name)) faults.push(`url has the parameter ${name} twice`)
    else Object.assign(config, { [name]: option })
    seen.add(name)
  }
  return config
}
