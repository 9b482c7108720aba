/**
 * Option files: what `my.cnf` says to clients, as a partial configuration. Whoever has such files keeps hosts, accounts
 * and certificates there, for all programs.
 *
 * Understood are `host`, `port`, `socket`, `protocol`, `user`, `password`, `database`, `default-character-set`,
 * `connect-timeout` (seconds), `init-command`, `max-allowed-packet`, `compress`,
 * `compression-algorithms`, `default-auth`, `enable-cleartext-plugin`,
 * `get-server-public-key`, `server-public-key-path`, `ssl`, `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`,
 * `ssl-passphrase`, `ssl-verify-server-cert`, `tls-version` and `tls-sni-servername`. Other options are those of other
 * programs and are ignored, as are `!include` and `!includedir`.
 *
 * Manual: "Using Option Files", "Command Options for Connecting to the Server".
 *
 * @since 0.1.0
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as configFile from "./internal/configFile.ts"
import { type OptionLine, parse as parseSyntax } from "./internal/optionSyntax.ts"
import { type MysqlConfig, merge, type TlsOptions } from "./MysqlConfig.ts"
import * as MysqlError from "./MysqlError.ts"

/**
 * An option as it stands in a file: `name` with dashes and without `loose-`, `value` without quotes and with its escapes
 * read, `undefined` for a name alone. `line` counts from 1.
 *
 * @since 0.1.0
 * @category models
 */
export type FileOption = OptionLine

/**
 * @since 0.1.0
 * @category models
 */
export interface LoadOptions {
  /** The groups to read, of which the one that stands later in the file wins. Default `client`. */
  readonly groups?: ReadonlyArray<string> | undefined
}

const invalid = (faults: ReadonlyArray<string>): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ConfigurationError({ faults }))

/**
 * Every option of every group, in the order of the text. Fails with `ConfigurationError`, which names lines and no
 * values.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (text: string): Result.Result<ReadonlyArray<FileOption>, MysqlError.MysqlError> =>
  Result.mapError(parseSyntax(text), invalid)

/** Read in this order, each where it is: what a later one says wins. */
const standardFiles: ReadonlyArray<string> = ["/etc/my.cnf", "/etc/mysql/my.cnf", "~/.my.cnf"]

/**
 * The configuration out of an option file, or out of the standard ones (`/etc/my.cnf`, `/etc/mysql/my.cnf`,
 * `~/.my.cnf`). A leading `~` is the home of the user. A file or a group that is not there says nothing. Combine it with
 * what is to win over it by `MysqlConfig.merge`.
 *
 * Files are read through the `FileSystem` in context, and through Node's where there is none. Fails with
 * `ConfigurationError`, which lists all faults and no secret: of a file that cannot be read, among them certificates that
 * it names, of a syntax or of values that are wrong.
 *
 * @example
 * ```ts
 * import { MysqlConfig, MysqlConnection, OptionFile } from "@effect-mysql/client"
 * import { Effect } from "effect"
 *
 * const connection = OptionFile.load("~/.my.cnf", { groups: ["client", "reports"] }).pipe(
 *   Effect.flatMap((file) => MysqlConnection.make(MysqlConfig.merge(file, { database: "shop" })))
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = (path?: string, options?: LoadOptions): Effect.Effect<MysqlConfig, MysqlError.MysqlError> =>
  Effect.gen(function* () {
    const groups = new Set(options?.groups ?? ["client"])
    const faults: Array<string> = []
    let config: MysqlConfig = {}
    for (const file of path === undefined ? standardFiles : [path]) {
      const text = yield* Effect.result(read(file))
      if (Result.isFailure(text)) {
        if (!isMissing(text.failure)) faults.push(unreadable(file, text.failure))
        continue
      }
      const lines = parseSyntax(new TextDecoder().decode(text.success))
      if (Result.isFailure(lines)) {
        faults.push(...lines.failure.map((fault) => `${file}: ${fault}`))
        continue
      }
      const { files, ...said } = configFile.toConfig(
        lines.success.filter(({ group }) => groups.has(group)),
        (line, fault) => faults.push(`${file}: line ${line}: ${fault}`)
      )
      config = merge(config, yield* withFiles(said.config, files, faults))
    }
    return faults.length === 0 ? config : yield* invalid(faults)
  })

/** With what the files hold that it names. */
const withFiles = Effect.fnUntraced(function* (
  config: MysqlConfig,
  files: configFile.NamedFiles,
  faults: Array<string>
) {
  const contents = Effect.fnUntraced(function* (file: string | undefined) {
    if (file === undefined) return undefined
    const bytes = yield* Effect.result(read(file))
    if (Result.isSuccess(bytes)) return bytes.success
    faults.push(unreadable(file, bytes.failure))
    return undefined
  })
  const publicKey = yield* contents(files.serverPublicKey)
  const { tls } = config
  const key = yield* contents(files.tls.key)
  return defined<MysqlConfig>({
    ...config,
    serverPublicKey: publicKey === undefined ? undefined : new TextDecoder().decode(publicKey),
    tls:
      tls === undefined
        ? undefined
        : defined<TlsOptions>({
            ...tls,
            ca: yield* contents(files.tls.ca),
            cert: yield* contents(files.tls.cert),
            key: key === undefined ? undefined : Redacted.make(key)
          })
  })
})

const defined = <A extends object>(options: A): A =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as A

const read = (file: string): Effect.Effect<Uint8Array, PlatformError.PlatformError> =>
  Effect.flatMap(
    Effect.serviceOption(FileSystem.FileSystem),
    Option.match({
      onNone: () => Effect.provide(readWith(file), NodeFileSystem.layer),
      onSome: (files) => Effect.provideService(readWith(file), FileSystem.FileSystem, files)
    })
  )

const readWith = (file: string): Effect.Effect<Uint8Array, PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.readFile(inHome(file)))

const inHome = (file: string): string => {
  const home = globalThis.process?.env["HOME"] ?? globalThis.process?.env["USERPROFILE"]
  return home === undefined ? file : file.replace(/^~(?=$|[/\\])/, () => home)
}

const isMissing = ({ reason }: PlatformError.PlatformError): boolean => reason._tag === "NotFound"

const unreadable = (file: string, error: PlatformError.PlatformError): string =>
  `${file} cannot be read: ${error.message}`
