/**
 * Data directories: one is initialised for each version of a server program and kept as a template, of which a new
 * server gets a copy. What has to be known at initialisation (page size, case of names …) gets a directory of its own.
 */
import * as Effect from "effect/Effect"
import { constants } from "node:fs"
import { cp, rm } from "node:fs/promises"
import { join } from "node:path"
import { MysqlServerError } from "../MysqlServerError.ts"
import { file, folder, type Log } from "./cache.ts"
import { type CommandError, run } from "./command.ts"
import { cacheDirectory } from "./environment.ts"
import { initialSettings, type Settings, toOptions } from "./settings.ts"

/** A server program that can be run here. */
export interface Program {
  readonly product: "mysql" | "mariadb"
  /** The full version, e.g. `10.11.18-MariaDB-0+deb12u1`. */
  readonly version: string
  /** The program, or what runs it; further arguments may follow. */
  readonly command: readonly [string, ...ReadonlyArray<string>]
  /** Where it finds its files, if not where it looks by itself. */
  readonly options: ReadonlyArray<string>
  /** Writes the system tables into a folder that does not exist yet; root has no password then. */
  readonly initialise: (directory: string, options: ReadonlyArray<string>) => Effect.Effect<unknown, CommandError>
}

/** Servers refuse to run as root unless told to. */
export const runAs: ReadonlyArray<string> = process.getuid?.() === 0 ? ["--user=root"] : []

/** Small logs: they are copied with every server, and grow when it starts. */
export const smallLogs: { readonly mysql: ReadonlyArray<string>; readonly mariadb: ReadonlyArray<string> } = {
  mysql: ["--innodb-redo-log-capacity=8M"],
  mariadb: ["--innodb-log-file-size=4M"]
}

/** How MySQL does it; MariaDB has a script of its own. */
export const initialiseMysql =
  (command: Program["command"], options: ReadonlyArray<string>): Program["initialise"] =>
  (directory, settings) =>
    run(command[0], [
      ...command.slice(1),
      "--no-defaults",
      ...options,
      "--initialize-insecure",
      `--datadir=${directory}`,
      ...smallLogs.mysql,
      ...settings
    ])

export const mariadbInstallOptions = (directory: string, settings: ReadonlyArray<string>): ReadonlyArray<string> => [
  "--no-defaults",
  `--datadir=${directory}`,
  "--auth-root-authentication-method=normal",
  "--skip-test-db",
  // Does without looking up this machine's name.
  "--force",
  ...runAs,
  ...smallLogs.mariadb,
  ...settings
]

const initialised = (program: Program, directory: string, settings: ReadonlyArray<string>) =>
  Effect.mapError(
    program.initialise(directory, settings),
    (cause) =>
      new MysqlServerError({
        operation: `initialise a data directory of ${program.version}`,
        tried: [cause.message],
        cause
      })
  )

const templatePath = (program: Program) =>
  Effect.map(cacheDirectory, (cache) =>
    join(cache, "templates", `${program.product}-${program.version.replaceAll(/[^\w.+-]/g, "_")}`)
  )

/** Makes sure that the template of this program is there, and gives its path. */
export const template: (program: Program, log: Log) => Effect.Effect<string, MysqlServerError> = Effect.fnUntraced(
  function* (program, log) {
    const path = yield* templatePath(program)
    yield* folder(path, log, (temporary) =>
      Effect.andThen(
        log(`Initialising a data directory of ${program.product} ${program.version}`),
        Effect.asVoid(initialised(program, temporary, []))
      )
    )
    return path
  }
)

/** A data directory at `directory`, ready to be started with these settings. */
export const createDataDirectory: (
  program: Program,
  directory: string,
  settings: Settings,
  log: Log
) => Effect.Effect<void, MysqlServerError> = Effect.fnUntraced(function* (program, directory, settings, log) {
  const initial = toOptions(initialSettings(settings))
  if (initial.length > 0) {
    yield* initialised(program, directory, initial)
    return
  }
  const source = yield* template(program, log)
  yield* file(`copy ${source}`, async () => {
    await cp(source, directory, { recursive: true, mode: constants.COPYFILE_FICLONE })
    // MySQL's identity (@@server_uuid) is made anew where this file is missing.
    await rm(join(directory, "auto.cnf"), { force: true })
  })
})
