/**
 * Servers that are installed on this machine: a `mysqld` or `mariadbd` on the PATH or where systems usually put them,
 * if its version is that of the flavour. It is run on a data directory of our own; the system's own server, its data
 * and its configuration are left alone.
 */
import * as Effect from "effect/Effect"
import { accessSync, constants, realpathSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import * as Flavour from "../Flavour.ts"
import { MysqlServerError } from "../MysqlServerError.ts"
import { run } from "./command.ts"
import { initialiseMysql, mariadbInstallOptions, type Program, runAs } from "./dataDirectory.ts"
import { variable } from "./environment.ts"
import * as NativeServer from "./nativeServer.ts"
import type { Provider } from "./provider.ts"

const formulas = ["mysql", "mysql@9.7", "mariadb", "mariadb@11.8", "mariadb@10.11"]
const usualFolders: ReadonlyArray<string> = [
  "/usr/sbin",
  "/usr/libexec",
  "/usr/local/sbin",
  "/usr/local/mysql/bin",
  ...["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"].flatMap((prefix) =>
    formulas.map((formula) => join(prefix, formula, "bin"))
  )
]

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const folders = Effect.map(variable("PATH"), (path) => [
  ...new Set([...(path ?? "").split(delimiter).filter((folder) => folder !== ""), ...usualFolders])
])

const findAll = (names: ReadonlyArray<string>, where: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(
    where.flatMap((folder) =>
      names
        .map((name) => join(folder, name))
        .filter(isExecutable)
        .map((path) => realpathSync(path))
    )
  )
]

/** The version out of `mysqld  Ver 9.7.4 for Linux on x86_64`. */
export const parseVersion = (output: string): string | undefined => /\bVer\s+(\S+)/.exec(output)?.[1]

const initialiseMariaDb =
  (server: string, where: ReadonlyArray<string>): Program["initialise"] =>
  (directory, settings) => {
    const prefix = dirname(dirname(server))
    const near = [dirname(server), join(prefix, "bin"), join(prefix, "scripts")]
    const script = findAll(["mariadb-install-db", "mysql_install_db"], [...near, ...where])[0] ?? "mariadb-install-db"
    return run(script, mariadbInstallOptions(directory, settings))
  }

const inspect = (path: string, where: ReadonlyArray<string>): Effect.Effect<Program | undefined> =>
  Effect.match(run(path, ["--version"]), {
    onFailure: () => undefined,
    onSuccess: (output): Program | undefined => {
      const version = parseVersion(output)
      if (version === undefined) return undefined
      const product = /mariadb/i.test(output) ? "mariadb" : "mysql"
      return {
        product,
        version,
        command: [path],
        options: runAs,
        initialise: product === "mysql" ? initialiseMysql([path], runAs) : initialiseMariaDb(path, where)
      }
    }
  })

/** The programs that are here, whatever their version. */
const programs: Effect.Effect<ReadonlyArray<Program>> = Effect.flatMap(folders, (where) =>
  Effect.map(
    Effect.forEach(findAll(["mysqld", "mariadbd"], where), (path) => inspect(path, where)),
    (found) => found.filter((program) => program !== undefined)
  )
)

const none = (found: ReadonlyArray<Program>): string =>
  found.length === 0
    ? "no mysqld or mariadbd is installed"
    : `installed here: ${found.map((program) => `${program.product} ${program.version}`).join(", ")}`

const matching =
  (flavour: Flavour.Flavour) =>
  (found: ReadonlyArray<Program>): Program | undefined =>
    found.find(
      (program) =>
        program.product === Flavour.details[flavour].product && Flavour.fromVersion(program.version) === flavour
    )

export const provider: Provider = {
  name: "binary",
  availability: (flavour) =>
    Effect.map(programs, (found) =>
      matching(flavour)(found) === undefined ? { _tag: "Unavailable", reason: none(found) } : { _tag: "Ready" }
    ),
  provide: (wanted) =>
    Effect.flatMap(programs, (found) => {
      const program = matching(wanted.flavour)(found)
      return program === undefined
        ? Effect.fail(
            new MysqlServerError({
              operation: `run an installed ${Flavour.details[wanted.flavour].title}`,
              tried: [none(found)],
              advice: "Put the server of that version on the PATH."
            })
          )
        : NativeServer.make("binary", program, wanted)
    })
}
