/**
 * A server as a child process on a data directory of its own: what the providers `binary` and `debian` have in common.
 *
 * The data directory and the socket live in a temporary folder that goes with the scope.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setImmediate } from "node:timers/promises"
import type { Certificates } from "../Certificates.ts"
import * as Flavour from "../Flavour.ts"
import { MysqlServerError } from "../MysqlServerError.ts"
import { mainAccount } from "./accounts.ts"
import { file } from "./cache.ts"
import { query } from "./control.ts"
import { createDataDirectory, type Program } from "./dataDirectory.ts"
import { make as makeLifecycle } from "./lifecycle.ts"
import { freePort, newPassword } from "./network.ts"
import type { Address, Provided, ProviderName, Wanted } from "./provider.ts"
import * as ServerLog from "./serverLog.ts"
import { certificateSettings, merge, toOptions } from "./settings.ts"
import * as WorkFolder from "./workFolder.ts"

/** Another process may take a free port before the server does. */
const portAttempts = 5

/** A server that does not end in order within this time is killed. */
const terminationLimit = "60 seconds"

const readyLine = /ready for connections/
const portTakenLine = /Address already in use|port: \d+ ?\?|Bind on TCP\/IP port/

const writeCertificates = (directory: string, certificates: Certificates): Effect.Effect<void, MysqlServerError> =>
  file("write the server's certificates", async () => {
    await writeFile(join(directory, "ca.pem"), certificates.ca)
    await writeFile(join(directory, "server-cert.pem"), certificates.serverCert)
    await writeFile(join(directory, "server-key.pem"), Redacted.value(certificates.serverKey), { mode: 0o600 })
  })

interface Running {
  readonly child: ChildProcess
  readonly exited: Deferred.Deferred<void>
  readonly ready: Deferred.Deferred<void>
  readonly log: ServerLog.ServerLog
}

const spawnServer = (command: string, args: ReadonlyArray<string>): Running => {
  const exited = Deferred.makeUnsafe<void>()
  const ready = Deferred.makeUnsafe<void>()
  const log = ServerLog.make()
  // Detached: Ctrl-C is for us, who then end the server in order.
  const child = spawn(command, args, { detached: true, stdio: ["ignore", "ignore", "pipe"] })
  createInterface({ input: child.stderr! }).on("line", (line) => {
    log.add(line)
    if (readyLine.test(line)) Deferred.doneUnsafe(ready, Effect.void)
  })
  child.once("error", (cause) => {
    log.add(cause.message)
    Deferred.doneUnsafe(exited, Effect.void)
  })
  child.once("close", () => Deferred.doneUnsafe(exited, Effect.void))
  return { child, exited, ready, log }
}

const threadsStopped = async (pid: number): Promise<boolean> => {
  const threads = await readdir(`/proc/${pid}/task`)
  const states = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, "utf8").catch(() => ") T"))
  )
  // "pid (name) state …", where the name may hold anything.
  return states.every((stat) => stat[stat.lastIndexOf(")") + 2] === "T")
}

/** The kernel stops a process thread by thread, after `kill` has returned. */
const stopped = (pid: number): Effect.Effect<void> =>
  process.platform === "linux"
    ? Effect.ignore(
        Effect.tryPromise(async () => {
          while (!(await threadsStopped(pid))) await setImmediate()
        })
      )
    : Effect.void

/** Starts a server of this program and ends it with the scope. */
export const make: (
  provider: ProviderName,
  program: Program,
  wanted: Wanted
) => Effect.Effect<Provided, MysqlServerError, Scope.Scope> = Effect.fnUntraced(function* (provider, program, wanted) {
  const name = Flavour.details[wanted.flavour].title
  const operation = `start ${name}`
  const { path, watch } = yield* WorkFolder.make('kill -KILL "$last"')
  if (wanted.certificates !== undefined) yield* writeCertificates(path, wanted.certificates)
  const settings = merge(
    wanted.flavour,
    wanted.certificates === undefined ? {} : certificateSettings(wanted.flavour, path),
    wanted.settings
  )
  const directory = join(path, "data")
  yield* createDataDirectory(program, directory, settings, wanted.log)

  // A MariaDB that starts removes the temporary tables that it finds, also those of others.
  const temporary = join(path, "tmp")
  yield* file(`create ${temporary}`, () => mkdir(temporary))

  const password = yield* newPassword
  const socketPath = join(path, "mysqld.sock")
  const initFile = join(path, "init.sql")
  yield* file(`write ${initFile}`, () => writeFile(initFile, mainAccount(program.product, password), { mode: 0o600 }))

  let current: Running | undefined
  let address: Address = { host: "127.0.0.1", port: yield* freePort, socketPath, username: "root", password }

  const isAlive = Effect.sync(
    () =>
      current !== undefined &&
      current.child.pid !== undefined &&
      current.child.exitCode === null &&
      current.child.signalCode === null
  )
  const signal = (running: Running, name: NodeJS.Signals) => Effect.sync(() => void running.child.kill(name))
  /** The process is gone, and with it every lock on the data directory. */
  const ended = (running: Running) => Deferred.await(running.exited)
  const withCurrent = <A, E>(use: (running: Running) => Effect.Effect<A, E>): Effect.Effect<A | void, E> =>
    Effect.suspend(() => (current === undefined ? Effect.void : use(current)))
  const kill = withCurrent((running) => Effect.andThen(signal(running, "SIGKILL"), ended(running)))

  const answers = Effect.asVoid(
    Effect.mapError(
      Effect.suspend(() => query(address, "SELECT 1")),
      (cause) => new MysqlServerError({ operation, tried: [`it does not answer: ${cause.message}`], cause })
    )
  )

  const launchWith = (extra: ReadonlyArray<string>) =>
    Effect.suspend(() => {
      const running = spawnServer(program.command[0], [
        ...program.command.slice(1),
        "--no-defaults",
        ...program.options,
        `--datadir=${directory}`,
        `--tmpdir=${temporary}`,
        `--port=${address.port}`,
        `--socket=${socketPath}`,
        `--pid-file=${join(path, "mysqld.pid")}`,
        ...toOptions(settings),
        ...extra
      ])
      current = running
      watch(running.child.pid?.toString())
      running.child.once("exit", () => watch(undefined))
      return Effect.onError(
        Effect.andThen(
          Effect.raceFirst(
            Deferred.await(running.ready),
            Effect.andThen(
              Deferred.await(running.exited),
              Effect.suspend(() => Effect.fail(new MysqlServerError({ operation, tried: running.log.lastWords() })))
            )
          ),
          answers
        ),
        () => kill
      )
    })

  const lifecycle = makeLifecycle({
    name,
    isAlive,
    answers,
    launch: launchWith([]),
    terminate: withCurrent((running) =>
      Effect.andThen(
        signal(running, "SIGTERM"),
        Effect.timeoutOrElse(ended(running), { duration: terminationLimit, orElse: () => kill })
      )
    ),
    kill,
    pause: withCurrent((running) => Effect.andThen(signal(running, "SIGSTOP"), stopped(running.child.pid!))),
    resume: withCurrent((running) => signal(running, "SIGCONT"))
  })

  yield* Effect.addFinalizer(() => kill)
  yield* Effect.retry(
    Effect.tapError(launchWith([`--init-file=${initFile}`]), () =>
      Effect.map(freePort, (port) => {
        address = { ...address, port }
      })
    ),
    {
      while: (error) => error.tried.some((line) => portTakenLine.test(line)),
      schedule: Schedule.recurs(portAttempts - 1)
    }
  )
  yield* file(`remove ${initFile}`, () => rm(initFile))
  return { ...lifecycle, provider, flavour: wanted.flavour, address }
})
