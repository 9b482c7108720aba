/**
 * Servers out of Debian's packages, installed by `debootstrap` into a private folder of the cache. Nothing of the system
 * is touched but for the package `debootstrap` itself, where that is missing; no service is started by an installation.
 *
 * The programs run without chroot, on the dynamic loader and the libraries of their own folder.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import * as Flavour from "../Flavour.ts"
import { MysqlServerError } from "../MysqlServerError.ts"
import { parseVersion } from "./binaryProvider.ts"
import { file, folder, type Log, withLock } from "./cache.ts"
import { type CommandError, run } from "./command.ts"
import { initialiseMysql, mariadbInstallOptions, type Program, runAs, template } from "./dataDirectory.ts"
import { cacheDirectory, noInstall } from "./environment.ts"
import * as NativeServer from "./nativeServer.ts"
import type { Availability, Provider } from "./provider.ts"

/** Where Debian keeps libraries, and the loader among them. */
const architectures: { readonly [arch: string]: { readonly libraries: string; readonly loader: string } } = {
  arm64: { libraries: "usr/lib/aarch64-linux-gnu", loader: "ld-linux-aarch64.so.1" },
  x64: { libraries: "usr/lib/x86_64-linux-gnu", loader: "ld-linux-x86-64.so.2" }
}

/** Administrators' programs are not on everybody's PATH. */
const path = [process.env.PATH ?? "", "/usr/local/sbin", "/usr/sbin", "/sbin"].join(":")
const nonInteractive = { ...process.env, PATH: path, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" }

const serversDirectory = Effect.map(cacheDirectory, (cache) => join(cache, "servers"))

/** The folder that holds, or will hold, the installed packages of a flavour: a root file system. */
export const root = (flavour: Flavour.Flavour): Effect.Effect<string> =>
  Effect.map(serversDirectory, (servers) => join(servers, flavour))

const isDebian = (): boolean => {
  try {
    return /^ID="?debian"?$/m.test(readFileSync("/etc/os-release", "utf8"))
  } catch {
    return false
  }
}

/** Why packages cannot be installed here; `undefined` when they can. */
export const whyNot = (): string | undefined => {
  if (architectures[process.arch] === undefined) return `there is no recipe for ${process.arch}`
  if (!isDebian()) return "this is not Debian"
  if (process.getuid?.() !== 0) return "installing Debian packages into a private folder needs root"
  return undefined
}

const announcement = (flavour: Flavour.Flavour, directory: string): string => {
  const { debianPackages, debianSuite, title } = Flavour.details[flavour]
  return `${title}: ${debianPackages.join(" and ")} from Debian ${debianSuite} into ${directory} (600 MB, one to two minutes)`
}

const availability = Effect.fnUntraced(function* (flavour: Flavour.Flavour): Effect.fn.Return<Availability> {
  const directory = yield* root(flavour)
  if (existsSync(directory)) return { _tag: "Ready" }
  const reason = whyNot()
  if (reason !== undefined) return { _tag: "Unavailable", reason }
  if (yield* noInstall) return { _tag: "Unavailable", reason: "it is not installed, and installing is forbidden" }
  return { _tag: "NeedsInstall", what: announcement(flavour, directory) }
})

const hasDebootstrap = (): boolean => existsSync("/usr/sbin/debootstrap")

/** Installs packages into the system; the lists are brought up to date where they do not know them. */
export const aptInstall = (packages: ReadonlyArray<string>): Effect.Effect<unknown, CommandError> => {
  const install = run("apt-get", ["install", "--yes", "--no-install-recommends", ...packages], {
    environment: nonInteractive
  })
  const update = run("apt-get", ["update"], { environment: nonInteractive })
  return Effect.catch(install, () => Effect.andThen(update, install))
}

const installDebootstrap = (log: Log) =>
  Effect.flatMap(serversDirectory, (servers) =>
    withLock(
      join(servers, "debootstrap.lock"),
      log,
      Effect.suspend(() =>
        hasDebootstrap()
          ? Effect.void
          : Effect.andThen(
              log("Installing the Debian package debootstrap with apt-get"),
              Effect.asVoid(aptInstall(["debootstrap"]))
            )
      )
    )
  )

/**
 * debootstrap mounts file systems in its target. In a mount namespace of its own they go with the process, however it
 * ends, and the target can be removed. Where there may be no such namespace, there may be no mounts either.
 */
const debootstrap = (args: ReadonlyArray<string>): Effect.Effect<unknown, CommandError> => {
  const plain = ["debootstrap", ...args] as const
  return Effect.flatMap(Effect.exit(run("unshare", ["--mount", "true"])), (exit) => {
    const [command, ...rest] = exit._tag === "Success" ? (["unshare", "--mount", ...plain] as const) : plain
    return run(command, rest, { environment: nonInteractive, guarded: true })
  })
}

const installFailed =
  (flavour: Flavour.Flavour) =>
  (cause: CommandError | MysqlServerError): MysqlServerError => {
    if (cause._tag === "MysqlServerError") return cause
    const { debianSuite, title } = Flavour.details[flavour]
    return new MysqlServerError({
      operation: `install ${title} from Debian ${debianSuite}`,
      tried: [cause.message],
      advice:
        debianSuite === "sid"
          ? "Debian's unstable release cannot be resolved on every day: try again later, or use a container, a server on " +
            "the PATH or MYSQL_TEST_URL."
          : "Check that Debian's packages can be reached, or use a container, a server on the PATH or MYSQL_TEST_URL.",
      cause
    })
  }

/** Downloaded packages and their lists are of no use any more. */
const removeDownloads = async (directory: string): Promise<void> => {
  const archives = join(directory, "var/cache/apt/archives")
  const lists = join(directory, "var/lib/apt/lists")
  for (const parent of [archives, lists]) {
    const names = await readdir(parent).catch(() => [])
    await Promise.all(names.map((name) => rm(join(parent, name), { recursive: true, force: true })))
  }
}

/** Installs the packages of a flavour unless they are there, and gives the folder. */
export const install: (flavour: Flavour.Flavour, log: Log) => Effect.Effect<string, MysqlServerError> =
  Effect.fnUntraced(function* (flavour, log) {
    const directory = yield* root(flavour)
    const available = yield* availability(flavour)
    if (available._tag === "Ready") return directory
    if (available._tag === "Unavailable") {
      return yield* new MysqlServerError({
        operation: `install ${Flavour.details[flavour].title} from Debian's packages`,
        tried: [available.reason],
        advice: "Use a container, a server on the PATH or MYSQL_TEST_URL."
      })
    }
    const { debianPackages, debianSuite, title } = Flavour.details[flavour]
    yield* folder(directory, log, (temporary) =>
      Effect.gen(function* () {
        yield* log(`Installing ${available.what}`)
        const started = yield* Clock.currentTimeMillis
        yield* installDebootstrap(log)
        yield* debootstrap(["--variant=minbase", `--include=${debianPackages.join(",")}`, debianSuite, temporary])
        yield* file(`clear downloads of ${title}`, () => removeDownloads(temporary))
        const seconds = Math.round(((yield* Clock.currentTimeMillis) - started) / 1000)
        yield* log(`Installed ${title} in ${seconds} s`)
      })
    ).pipe(Effect.mapError(installFailed(flavour)))
    return directory
  })

/** MariaDB's script finds its programs only below `/`. */
const initialiseMariaDb =
  (directory: string): Program["initialise"] =>
  (target, settings) => {
    const inside = `/var/tmp/effect-mysql-${randomUUID()}`
    return Effect.onExit(
      Effect.andThen(
        run("chroot", [directory, "mariadb-install-db", ...mariadbInstallOptions(inside, settings)]),
        run("mv", [join(directory, inside), target])
      ),
      () => Effect.promise(() => rm(join(directory, inside), { recursive: true, force: true }))
    )
  }

const program = (flavour: Flavour.Flavour, directory: string): Effect.Effect<Program, CommandError> => {
  const { product } = Flavour.details[flavour]
  const { libraries, loader } = architectures[process.arch]!
  const paths = [libraries, "usr/lib/mysql/private", "usr/lib"].map((path) => join(directory, path))
  const command: Program["command"] = [
    join(directory, libraries, loader),
    "--library-path",
    paths.join(":"),
    join(directory, "usr/sbin", product === "mysql" ? "mysqld" : "mariadbd")
  ]
  const options = [
    `--basedir=${directory}/usr`,
    `--lc-messages-dir=${directory}/usr/share/mysql`,
    `--plugin-dir=${directory}/usr/lib/mysql/plugin`,
    `--character-sets-dir=${directory}/usr/share/mysql/charsets`,
    ...runAs
  ]
  return Effect.map(run(command[0], [...command.slice(1), "--version"]), (output) => ({
    product,
    version: parseVersion(output) ?? Flavour.details[flavour].version,
    command,
    options,
    initialise: product === "mysql" ? initialiseMysql(command, options) : initialiseMariaDb(directory)
  }))
}

const installed = (flavour: Flavour.Flavour, log: Log) =>
  Effect.flatMap(install(flavour, log), (directory) =>
    Effect.mapError(
      program(flavour, directory),
      (cause) =>
        new MysqlServerError({
          operation: `run ${Flavour.details[flavour].title}`,
          tried: [cause.message],
          advice: `Remove ${directory} to have it installed again.`,
          cause
        })
    )
  )

/** Installs a flavour and initialises its template, so that a later start takes a second or two. */
export const prepare = (flavour: Flavour.Flavour, log: Log): Effect.Effect<void, MysqlServerError> =>
  Effect.asVoid(Effect.flatMap(installed(flavour, log), (program) => template(program, log)))

export const provider: Provider = {
  name: "debian",
  availability,
  provide: (wanted) =>
    Effect.flatMap(installed(wanted.flavour, wanted.log), (program) => NativeServer.make("debian", program, wanted))
}
