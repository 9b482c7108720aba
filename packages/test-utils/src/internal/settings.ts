/**
 * The settings of a throw-away server: our defaults, those of the caller over them, and the options of the command
 * line that they become.
 */
import { details, type Flavour } from "../Flavour.ts"

export type Settings = { readonly [name: string]: string | number | boolean }

/** Of one name there is one spelling here: dashes, lower case. */
const normalized = (name: string): string => name.toLowerCase().replaceAll("_", "-")

/** `skip-log-bin` and `log-bin` are about the same thing: the later of the two replaces the earlier. */
const subject = (name: string): string => name.replace(/^(?:skip|disable|enable|loose)-/, "")

/**
 * Commits survive SIGKILL (they are with the operating system) but not a power cut, which saves most of the time of
 * small transactions.
 */
const common: Settings = {
  "bind-address": "127.0.0.1",
  "character-set-server": "utf8mb4",
  "innodb-buffer-pool-size": "64M",
  "innodb-flush-log-at-trx-commit": 2,
  "local-infile": true,
  "max-connections": 500,
  "secure-file-priv": "",
  "skip-log-bin": true
}

const ofProduct: { readonly mysql: Settings; readonly mariadb: Settings } = {
  mysql: { mysqlx: false },
  // Without certificates MariaDB 11 would make some of its own, MariaDB 10 none: off on both.
  mariadb: { "skip-ssl": true }
}

/** What the kit itself decides: a caller's value would break what it promises about address and files. */
const reserved: ReadonlyArray<string> = ["datadir", "defaults-file", "pid-file", "port", "socket", "user"]

/** What a data directory is made with and cannot be changed afterwards. */
const atInitialisation: ReadonlyArray<string> = [
  "innodb-data-file-path",
  "innodb-data-home-dir",
  "innodb-page-size",
  "innodb-undo-tablespaces",
  "lower-case-table-names"
]

/** The settings among these that a caller may not give. */
export const notAllowed = (settings: Settings): ReadonlyArray<string> =>
  Object.keys(settings).filter((name) => reserved.includes(normalized(name)))

/** Our defaults for the product, under further layers, of which the last is what the caller asks for. */
export const merge = (flavour: Flavour, ...layers: ReadonlyArray<Settings>): Settings => {
  const merged = new Map<string, readonly [name: string, value: string | number | boolean]>()
  for (const layer of [common, ofProduct[details[flavour].product], ...layers]) {
    for (const [name, value] of Object.entries(layer)) {
      merged.set(subject(normalized(name)), [normalized(name), value])
    }
  }
  return Object.fromEntries(merged.values())
}

/** The settings that name the certificates, as files in a directory; on MariaDB they also switch TLS on. */
export const certificateSettings = (flavour: Flavour, directory: string): Settings => ({
  "ssl-ca": `${directory}/ca.pem`,
  "ssl-cert": `${directory}/server-cert.pem`,
  "ssl-key": `${directory}/server-key.pem`,
  ...(details[flavour].product === "mariadb" ? { ssl: true } : {})
})

/** `true` is the bare option, `false` is `OFF`. */
export const toOptions = (settings: Settings): ReadonlyArray<string> =>
  Object.entries(settings).map(([name, value]) =>
    value === true ? `--${normalized(name)}` : `--${normalized(name)}=${value === false ? "OFF" : value}`
  )

/** The part that a data directory has to be initialised with. */
export const initialSettings = (settings: Settings): Settings =>
  Object.fromEntries(Object.entries(settings).filter(([name]) => atInitialisation.includes(normalized(name))))
