/**
 * What the options of an option file mean for a connection. Files that they name are told and not read.
 */
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import type { MysqlConfig, TlsOptions } from "../MysqlConfig.ts"
import type { OptionLine } from "./optionSyntax.ts"

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

export interface NamedFiles {
  readonly tls: { ca?: string; cert?: string; key?: string }
  serverPublicKey?: string
}

/** Everything that was said, before what depends on several options is decided. */
interface Said {
  readonly config: Mutable<MysqlConfig>
  readonly tls: Mutable<Partial<TlsOptions>>
  readonly files: NamedFiles
  mode?: TlsOptions["mode"]
  ssl?: boolean
  verified?: boolean
  protocol?: string
}

/** Takes a value; says what is wrong with it, without repeating one that could be a secret. */
type Take = (value: string, said: Said) => string | undefined

const text =
  (set: (said: Said, value: string) => void): Take =>
  (value, said) => {
    if (value !== "") set(said, value)
    return undefined
  }

const integer =
  (set: (said: Said, value: number) => void): Take =>
  (value, said) => {
    const match = /^(\d{1,12})([KMG]?)$/i.exec(value)
    if (match === null) return "it is not a whole number"
    const unit = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[match[2]!.toUpperCase()]!
    set(said, Number(match[1]) * unit)
    return undefined
  }

const truth: Readonly<Record<string, boolean>> = {
  "": true,
  "1": true,
  on: true,
  true: true,
  "0": false,
  off: false,
  false: false
}

/** The name alone switches it on. */
const boolean =
  (set: (said: Said, value: boolean) => void): Take =>
  (value, said) => {
    const word = value.toLowerCase()
    const on = Object.hasOwn(truth, word) ? truth[word] : undefined
    if (on === undefined) return "it is neither on nor off"
    set(said, on)
    return undefined
  }

const modes: Readonly<Record<string, TlsOptions["mode"]>> = {
  DISABLED: "disabled",
  PREFERRED: "preferred",
  REQUIRED: "required",
  VERIFY_CA: "verify-ca",
  VERIFY_IDENTITY: "verify-identity"
}

const charsets: Readonly<Record<string, MysqlConfig["charset"]>> = {
  utf8mb4: "utf8mb4",
  utf8mb3: "utf8mb3",
  utf8: "utf8mb3",
  latin1: "latin1",
  ascii: "ascii",
  binary: "binary",
  // The one of the system's locale: ours is the default.
  auto: undefined
}

/** The first of a list is the one that is preferred. */
const algorithms: Readonly<Record<string, MysqlConfig["compression"]>> = {
  zlib: "zlib",
  zstd: "zstd",
  uncompressed: "none"
}

const versions = ["TLSv1.2", "TLSv1.3"] as const

const switchTls = (said: Said, on: boolean): void => void (said.ssl = on)

const takes: Readonly<Record<string, Take>> = {
  host: text(({ config }, value) => (config.host = value)),
  port: integer(({ config }, value) => (config.port = value)),
  socket: text(({ config }, value) => (config.socketPath = value)),
  protocol: text((said, value) => (said.protocol = value.toLowerCase())),
  user: text(({ config }, value) => (config.username = value)),
  // An empty password is one too.
  password: (value, { config }) => void (config.password = Redacted.make(value)),
  database: text(({ config }, value) => (config.database = value)),
  "connect-timeout": integer(({ config }, value) => (config.connectTimeout = Duration.seconds(value))),
  "init-command": text(({ config }, value) => (config.initSql = value)),
  "max-allowed-packet": integer(({ config }, value) => (config.maxPacketBytes = value)),
  compress: boolean(({ config }, on) => (config.compression = on ? "zlib" : "none")),
  "compression-algorithms": (value, { config }) => {
    const first = value.split(",")[0]!.trim().toLowerCase()
    if (!Object.hasOwn(algorithms, first))
      return `${JSON.stringify(first)} is none of ${Object.keys(algorithms).join(", ")}`
    config.compression = algorithms[first]
    return undefined
  },
  "default-auth": text(({ config }, value) => (config.authPlugin = value)),
  "enable-cleartext-plugin": boolean(({ config }, on) => (config.allowCleartextPassword = on)),
  "get-server-public-key": boolean(({ config }, on) => (config.allowPublicKeyRetrieval = on)),
  "server-public-key-path": text(({ files }, value) => (files.serverPublicKey = value)),
  "default-character-set": (value, { config }) => {
    if (!Object.hasOwn(charsets, value))
      return `${JSON.stringify(value)} is none of ${Object.keys(charsets).join(", ")}`
    config.charset = charsets[value]
    return undefined
  },
  ssl: boolean(switchTls),
  "skip-ssl": boolean((said, on) => switchTls(said, !on)),
  "disable-ssl": boolean((said, on) => switchTls(said, !on)),
  "ssl-mode": (value, said) => {
    const mode = Object.hasOwn(modes, value.toUpperCase()) ? modes[value.toUpperCase()] : undefined
    if (mode === undefined) return `${JSON.stringify(value)} is none of ${Object.keys(modes).join(", ")}`
    said.mode = mode
    return undefined
  },
  "ssl-ca": text(({ files }, value) => (files.tls.ca = value)),
  "ssl-cert": text(({ files }, value) => (files.tls.cert = value)),
  "ssl-key": text(({ files }, value) => (files.tls.key = value)),
  "ssl-passphrase": text(({ tls }, value) => (tls.passphrase = Redacted.make(value))),
  "ssl-verify-server-cert": boolean((said, on) => (said.verified = on)),
  "tls-sni-servername": text(({ tls }, value) => (tls.servername = value)),
  "tls-version": (value, { tls }) => {
    const listed = value.split(",").map((version) => version.trim())
    tls.minVersion = versions.find((version) => listed.includes(version))
    return tls.minVersion === undefined ? `it lists none of ${versions.join(", ")}` : undefined
  }
}

/** Those that mean something as a name alone. */
const alone: ReadonlySet<string> = new Set([
  "compress",
  "ssl",
  "skip-ssl",
  "disable-ssl",
  "ssl-verify-server-cert",
  "enable-cleartext-plugin",
  "get-server-public-key"
])

/** The options of the groups that count, the last of a name winning. */
export const toConfig = (
  lines: ReadonlyArray<OptionLine>,
  fault: (line: number, problem: string) => void
): { readonly config: MysqlConfig; readonly files: NamedFiles } => {
  const said: Said = { config: {}, tls: {}, files: { tls: {} } }
  for (const { line, name, value } of lines) {
    const take = Object.hasOwn(takes, name) ? takes[name] : undefined
    // A password without a value asks the programs of the server for a prompt, which there is not here.
    if (take === undefined || (value === undefined && !alone.has(name))) continue
    const problem = take(value ?? "", said)
    if (problem !== undefined) fault(line, `${name}: ${problem}`)
  }
  const mode = modeOf(said)
  const config = { ...onOneWay(said), ...(mode === undefined ? {} : { tls: { ...said.tls, mode } }) }
  return mode === "disabled"
    ? { config: { ...config, tls: { mode } }, files: { ...said.files, tls: {} } }
    : { config, files: said.files }
}

/** Programs of the server use the socket for the local host alone, where the protocol does not say otherwise. */
const onOneWay = ({ config, protocol }: Said): MysqlConfig => {
  const { host, port, socketPath, ...rest } = config
  const local = host === undefined || host === "localhost"
  const bySocket = socketPath !== undefined && protocol !== "tcp" && (local || protocol === "socket")
  return {
    ...rest,
    ...(bySocket
      ? { socketPath }
      : { ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port }) })
  }
}

/** An authority asks for a check against it, and any other option of TLS for TLS. */
const modeOf = ({ files, mode, ssl, tls, verified }: Said): TlsOptions["mode"] | undefined => {
  if (mode !== undefined) return mode
  if (ssl === false) return "disabled"
  if (verified === true) return "verify-identity"
  if (files.tls.ca !== undefined && verified === undefined) return "verify-ca"
  const meant = ssl === true || verified === false || Object.keys({ ...files.tls, ...tls }).length > 0
  return meant ? "required" : undefined
}
