/**
 * Container images made on this machine out of the Debian packages of the `debian` provider, for machines that reach
 * Debian but no container registry. They obey the conventions of the public images as far as the kit uses them:
 * `MYSQL_ROOT_PASSWORD` or `MARIADB_ROOT_PASSWORD` at the first start, the server's options as the command.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { chmod, mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Flavour from "./Flavour.ts"
import { mainAccount } from "./internal/accounts.ts"
import { file, type Log } from "./internal/cache.ts"
import { type CommandError, run } from "./internal/command.ts"
import * as Debian from "./internal/debianProvider.ts"
import { noInstall } from "./internal/environment.ts"
import { MysqlServerError } from "./MysqlServerError.ts"

const entrypoint = "usr/local/bin/effect-mysql-entrypoint"

/** What the image runs: initialises an empty data directory, sets the password of root, and becomes the server. */
const entrypointScript = (flavour: Flavour.Flavour): string => {
  const [server, initialise] =
    Flavour.details[flavour].product === "mysql"
      ? ["mysqld", 'mysqld --no-defaults --initialize-insecure --user=mysql --datadir="$data" "$@"']
      : [
          "mariadbd",
          'mariadb-install-db --no-defaults --user=mysql --datadir="$data" --auth-root-authentication-method=normal ' +
            '--skip-test-db --force "$@"'
        ]
  return `#!/bin/sh
set -eu
data=/var/lib/effect-mysql
id mysql >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin mysql
# Where the socket is unless an option says otherwise.
install --directory --owner=mysql /run/mysqld
if [ ! -d "$data/mysql" ]; then
  ${initialise}
  password=\${MYSQL_ROOT_PASSWORD:-\${MARIADB_ROOT_PASSWORD:?set MYSQL_ROOT_PASSWORD or MARIADB_ROOT_PASSWORD}}
  umask 077
  cat > /var/lib/effect-mysql.sql <<SQL
${mainAccount(Flavour.details[flavour].product, Redacted.make("$password"))}SQL
  chown mysql /var/lib/effect-mysql.sql
  set -- --init-file=/var/lib/effect-mysql.sql "$@"
fi
exec ${server} --no-defaults --user=mysql --datadir="$data" --port=3306 --pid-file="$data/server.pid" "$@"
`
}

/**
 * The name of the image that `build` makes.
 *
 * @since 0.1.0
 * @category accessors
 */
export const imageName = (flavour: Flavour.Flavour): string => `local/${flavour.replace(/-(?=[\d.]+$)/, ":")}`

/**
 * The environment that makes the `container` provider use these images.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toEnv = (flavours: ReadonlyArray<Flavour.Flavour>): { readonly [name: string]: string } =>
  Object.fromEntries(flavours.map((flavour) => [Flavour.details[flavour].imageVariable, imageName(flavour)]))

const failed = (operation: string, advice: string) => (cause: CommandError) =>
  new MysqlServerError({ operation, tried: [cause.message], advice, cause })

/** Tells an image of an older entry point from one of this. */
const label = "effect-mysql.entrypoint"

const versionOf = (script: string): string => createHash("sha256").update(script).digest("hex").slice(0, 16)

const isCurrent = (image: string, version: string): Effect.Effect<boolean> =>
  Effect.match(run("docker", ["image", "inspect", "--format", `{{index .Config.Labels "${label}"}}`, image]), {
    onFailure: () => false,
    onSuccess: (output) => output.trim() === version
  })

/** A folder with the entry point at its place, to be packed over the file system of the packages. */
const overlay = (script: string) =>
  Effect.acquireRelease(
    file("write the entry point of an image", async () => {
      const path = await mkdtemp(join(tmpdir(), "effect-mysql-image-"))
      await mkdir(dirname(join(path, entrypoint)), { recursive: true })
      await writeFile(join(path, entrypoint), script)
      await chmod(join(path, entrypoint), 0o755)
      return path
    }),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )

/**
 * Makes the image of a flavour unless the engine has it, installing the Debian packages first where they are missing.
 * Gives its name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const build: (flavour: Flavour.Flavour, log: Log) => Effect.Effect<string, MysqlServerError> = Effect.fnUntraced(
  function* (flavour, log) {
    const image = imageName(flavour)
    const script = entrypointScript(flavour)
    const version = versionOf(script)
    if (yield* isCurrent(image, version)) return image
    const root = yield* Debian.install(flavour, log)
    yield* log(`Making the container image ${image} of ${root}`)
    const over = yield* overlay(script)
    const archive = ["--exclude=./proc", "--exclude=./sys", "--exclude=./dev", "--create", ".", "-C", over, entrypoint]
    const changes = [`ENTRYPOINT ["/${entrypoint}"]`, `LABEL ${label}=${version}`]
    yield* run("docker", ["import", ...changes.flatMap((change) => ["--change", change]), "-", image], {
      inputFrom: ["tar", "-C", root, ...archive]
    }).pipe(Effect.mapError(failed(`make the image ${image}`, "Check that the Docker engine runs and has room.")))
    return image
  },
  Effect.scoped
)

const engineAnswers = run("docker", ["version", "--format", "{{.Server.Version}}"])

/** How long the engine may take to answer after it was started. */
const startLimit = "60 seconds"
const daemonLog = "/var/log/effect-mysql-dockerd.log"

/** Starts the daemon by hand: there may be no service manager. It outlives this process. */
const startDaemon = file("start dockerd", async () => {
  const log = await open(daemonLog, "a")
  const daemon = spawn("dockerd", [], { detached: true, stdio: ["ignore", log.fd, log.fd] })
  await new Promise<void>((resolve, reject) => {
    daemon.once("spawn", resolve)
    daemon.once("error", reject)
  })
  daemon.unref()
  await log.close()
})

/**
 * Makes sure that a Docker engine answers. On Debian as root it is installed from the package `docker.io` and started
 * where it is missing; it then keeps running.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ensureDocker: (log: Log) => Effect.Effect<void, MysqlServerError> = Effect.fnUntraced(function* (log) {
  const operation = "get a Docker engine"
  const first = yield* Effect.result(engineAnswers)
  if (first._tag === "Success") return
  const obstacle = Debian.whyNot() ?? ((yield* noInstall) ? "installing is forbidden" : undefined)
  if (obstacle !== undefined) {
    return yield* new MysqlServerError({
      operation,
      tried: [first.failure.message, obstacle],
      advice: "Install and start Docker."
    })
  }
  yield* log("Installing the Debian package docker.io with apt-get")
  yield* Debian.aptInstall(["docker.io"]).pipe(
    Effect.mapError(failed(operation, "Check that Debian's packages can be reached."))
  )
  yield* log(`Starting dockerd, which writes to ${daemonLog}`)
  yield* startDaemon
  yield* Effect.retry(engineAnswers, Schedule.spaced("250 millis")).pipe(
    Effect.timeout(startLimit),
    Effect.mapError(
      (cause) =>
        new MysqlServerError({
          operation,
          tried: [`it does not answer within ${startLimit}`],
          advice: `Read ${daemonLog}.`,
          cause
        })
    ),
    Effect.asVoid
  )
})
