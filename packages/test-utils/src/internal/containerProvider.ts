/**
 * Servers in containers, through testcontainers: the public images, or those that the environment names
 * (`EFFECT_MYSQL_IMAGE_MYSQL_9_7` …). Whatever the image, it obeys the conventions of the public ones: a root password
 * by variable, options of the server as the command.
 *
 * The host's port is fixed, so that a container that was stopped comes back at the same address.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { ContainerRuntimeClient, StartedTestContainer } from "testcontainers"
import { existsSync } from "node:fs"
import { chmod, mkdir } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Certificates } from "../Certificates.ts"
import * as Flavour from "../Flavour.ts"
import { MysqlServerError } from "../MysqlServerError.ts"
import { file } from "./cache.ts"
import { query } from "./control.ts"
import { noInstall, variable } from "./environment.ts"
import { make as makeLifecycle } from "./lifecycle.ts"
import { freePort, isOwnAddress, newPassword } from "./network.ts"
import type { Address, Availability, Provided, Provider, Wanted } from "./provider.ts"
import * as ServerLog from "./serverLog.ts"
import { certificateSettings, merge, toOptions } from "./settings.ts"
import * as WorkFolder from "./workFolder.ts"

const serverPort = 3306
/** Where certificates and socket are inside. */
const certificatesFolder = "/etc/effect-mysql"
const socketFolder = "/run/effect-mysql"

/** The public images first run a server without a port, which is not the one to wait for. */
const readyLine = /port: 3306\b/
const startupMillis = 120_000
const pullLimit = "5 minutes"
const reaperLimit = "20 seconds"
const portAttempts = 5
const stopSeconds = 60

// Loaded when a container is wanted: it is large.
const testcontainers = Effect.promise(() => import("testcontainers"))

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const attempt = <A>(operation: string, run: () => Promise<A>): Effect.Effect<A, MysqlServerError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new MysqlServerError({ operation, tried: [messageOf(cause)], cause })
  })

const engine: Effect.Effect<ContainerRuntimeClient, MysqlServerError> = Effect.flatMap(
  testcontainers,
  ({ getContainerRuntimeClient }) =>
    Effect.mapError(
      attempt("reach a container engine", () => getContainerRuntimeClient()),
      (error) => new MysqlServerError({ ...error, advice: "Start Docker, or set DOCKER_HOST." })
    )
)

const imageName = (flavour: Flavour.Flavour): Effect.Effect<string> =>
  Effect.map(variable(Flavour.details[flavour].imageVariable), (name) => name ?? Flavour.details[flavour].image)

const hasImage = (client: ContainerRuntimeClient, image: string) =>
  Effect.flatMap(testcontainers, ({ ImageName }) =>
    attempt(`look for the image ${image}`, () => client.image.exists(ImageName.fromString(image)))
  )

const availability = (flavour: Flavour.Flavour): Effect.Effect<Availability> =>
  Effect.gen(function* () {
    const image = yield* imageName(flavour)
    if (yield* hasImage(yield* engine, image)) return { _tag: "Ready" } as const
    return (yield* noInstall)
      ? ({ _tag: "Unavailable", reason: `the image ${image} is not here, and pulling is forbidden` } as const)
      : ({ _tag: "NeedsInstall", what: `${Flavour.details[flavour].title}: the container image ${image}` } as const)
  }).pipe(Effect.catch(() => Effect.succeed({ _tag: "Unavailable", reason: "no container engine answers" } as const)))

const pull = Effect.fnUntraced(function* (client: ContainerRuntimeClient, image: string, wanted: Wanted) {
  if (yield* hasImage(client, image)) return
  if (yield* noInstall) {
    return yield* new MysqlServerError({
      operation: `pull the image ${image}`,
      tried: ["EFFECT_MYSQL_NO_INSTALL forbids it"]
    })
  }
  yield* wanted.log(`Pulling the container image ${image}`)
  const { ImageName } = yield* testcontainers
  yield* Effect.timeoutOrElse(
    attempt(`pull the image ${image}`, () => client.image.pull(ImageName.fromString(image))),
    {
      duration: pullLimit,
      orElse: () =>
        Effect.fail(new MysqlServerError({ operation: `pull the image ${image}`, tried: [`not done in ${pullLimit}`] }))
    }
  )
})

/**
 * Ryuk removes the containers of a process that died. Where its image cannot be had, testcontainers has to be told to do
 * without; the watcher of the folder then removes what a process left behind.
 */
const decideAboutReaper = (client: ContainerRuntimeClient) =>
  Effect.flatMap(testcontainers, ({ getReaper }) =>
    process.env.TESTCONTAINERS_RYUK_DISABLED !== undefined
      ? Effect.void
      : Effect.ignore(
          Effect.onExit(
            Effect.timeout(
              attempt("start Ryuk", () => getReaper(client)),
              reaperLimit
            ),
            (exit) =>
              Effect.sync(() => {
                if (Exit.isFailure(exit)) process.env.TESTCONTAINERS_RYUK_DISABLED = "true"
              })
          )
        )
  )

/** A folder that the server's socket appears in, where the engine shares this machine's file system. */
const socketsIn = (path: string): Effect.Effect<string, MysqlServerError> =>
  file("create a folder for the server's socket", async () => {
    const shared = join(path, "run")
    await mkdir(shared)
    // The server runs as a user of the image; the folder above keeps other users of this machine out.
    await chmod(shared, 0o777)
    return shared
  })

/**
 * Whether the engine shares this machine's file system. Also when this machine is a container that runs it: then
 * testcontainers calls it by its address in the bridge network, which is one of ours.
 */
const isHere = (client: ContainerRuntimeClient): Effect.Effect<boolean> =>
  process.platform === "linux" ? isOwnAddress(client.info.containerRuntime.host) : Effect.succeed(false)

const certificateFiles = (certificates: Certificates | undefined) =>
  certificates === undefined
    ? []
    : [
        { content: certificates.ca, target: `${certificatesFolder}/ca.pem`, mode: 0o644 },
        { content: certificates.serverCert, target: `${certificatesFolder}/server-cert.pem`, mode: 0o644 },
        // Read by a user of the image, whose number differs from image to image.
        { content: Redacted.value(certificates.serverKey), target: `${certificatesFolder}/server-key.pem`, mode: 0o644 }
      ]

const make = Effect.fnUntraced(function* (wanted: Wanted): Effect.fn.Return<Provided, MysqlServerError, Scope.Scope> {
  const name = Flavour.details[wanted.flavour].title
  const operation = `start ${name} in a container`
  const image = yield* imageName(wanted.flavour)
  const client = yield* engine
  yield* pull(client, image, wanted)
  yield* decideAboutReaper(client)
  const { GenericContainer, Wait } = yield* testcontainers
  const { path, watch } = yield* WorkFolder.make('docker rm --force --volumes "$last"')
  const here = yield* isHere(client)
  const folder = here ? yield* socketsIn(path) : undefined
  const password = yield* newPassword
  const settings = merge(
    wanted.flavour,
    { "bind-address": "*" },
    wanted.certificates === undefined ? {} : certificateSettings(wanted.flavour, certificatesFolder),
    wanted.settings
  )

  const startAt = (port: number) => {
    const words = ServerLog.make()
    const container = new GenericContainer(image)
      .withExposedPorts({ container: serverPort, host: port })
      .withEnvironment({
        [Flavour.details[wanted.flavour].product === "mysql" ? "MYSQL_ROOT_PASSWORD" : "MARIADB_ROOT_PASSWORD"]:
          Redacted.value(password)
      })
      .withCommand([...(folder === undefined ? [] : [`--socket=${socketFolder}/mysqld.sock`]), ...toOptions(settings)])
      .withCopyContentToContainer(certificateFiles(wanted.certificates))
      .withBindMounts(folder === undefined ? [] : [{ source: folder, target: socketFolder }])
      .withWaitStrategy(Wait.forLogMessage(readyLine))
      .withStartupTimeout(startupMillis)
      .withLogConsumer((stream) => void createInterface({ input: stream }).on("line", words.add))
    return Effect.mapError(
      attempt(operation, () => container.start()),
      (error) => new MysqlServerError({ ...error, tried: [...error.tried, ...words.lastWords()] })
    )
  }

  const container: StartedTestContainer = yield* Effect.acquireRelease(
    Effect.retry(Effect.flatMap(freePort, startAt), {
      while: (error) => error.tried.some((line) => /port is already allocated|address already in use/i.test(line)),
      schedule: Schedule.recurs(portAttempts - 1)
    }),
    (container) => Effect.ignore(attempt(`remove ${name}`, () => container.stop({ remove: true, timeout: 0 })))
  )
  const socketPath = folder === undefined ? undefined : join(folder, "mysqld.sock")
  const address: Address = {
    host: here || container.getHost() === "localhost" ? "127.0.0.1" : container.getHost(),
    port: container.getMappedPort(serverPort),
    socketPath: socketPath !== undefined && existsSync(socketPath) ? socketPath : undefined,
    username: "root",
    password
  }
  watch(container.getId())
  const handle = client.container.getById(container.getId())
  const isAlive = Effect.map(
    Effect.result(attempt(`look at ${name}`, () => handle.inspect())),
    (state) => state._tag === "Success" && state.success.State.Running
  )
  const once = Effect.asVoid(
    Effect.mapError(
      query(address, "SELECT 1"),
      (cause) => new MysqlServerError({ operation, tried: [`it does not answer: ${cause.message}`], cause })
    )
  )
  // The engine tells when a container runs, not when the server in it serves.
  const answers = Effect.timeoutOrElse(
    Effect.retry(once, { while: () => isAlive, schedule: Schedule.spaced("100 millis") }),
    { duration: startupMillis, orElse: () => once }
  )
  yield* answers

  const lifecycle = makeLifecycle({
    name,
    isAlive,
    answers,
    launch: Effect.onError(
      Effect.andThen(
        attempt(operation, () => handle.start()),
        answers
      ),
      () => Effect.ignore(attempt(`kill ${name}`, () => handle.kill()))
    ),
    terminate: attempt(`stop ${name}`, () => handle.stop({ t: stopSeconds })),
    kill: attempt(`kill ${name}`, async () => {
      const gone = handle.wait()
      await handle.kill({ signal: "SIGKILL" })
      await gone
    }),
    pause: attempt(`pause ${name}`, () => handle.pause()),
    resume: attempt(`resume ${name}`, () => handle.unpause())
  })
  return { ...lifecycle, provider: "container", flavour: wanted.flavour, address }
})

export const provider: Provider = { name: "container", availability, provide: make }
