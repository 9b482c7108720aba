/**
 * What holds of every server that a test starts for itself, whatever its flavour and wherever it comes from.
 */
import { expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import * as Flavour from "../src/Flavour.ts"
import { query } from "../src/internal/control.ts"
import * as MysqlServer from "../src/MysqlServer.ts"
import { addressOf, handshake, rows } from "./support.ts"

/** A start of MySQL on a machine that does much else can take several seconds. */
const lifecycleTimeout = 90_000

const isSilent = (server: MysqlServer.Server) =>
  Effect.map(
    Effect.result(Effect.timeout(rows(server, "SELECT 1"), "300 millis")),
    (answer) => answer._tag === "Failure"
  )

/** Declares the tests for servers of this flavour by this provider. */
export const ownServerTests = (flavour: Flavour.Flavour, provider: MysqlServer.ProviderName): void => {
  const own = (options?: MysqlServer.Options) => MysqlServer.layer({ ...options, flavour, provider })
  const { product } = Flavour.details[flavour]

  it.live(
    "keeps port and data through stop, kill and pause, in any order",
    () =>
      Effect.gen(function* () {
        const server = yield* MysqlServer.MysqlServer
        const database = yield* server.database
        yield* rows(server, `CREATE TABLE ${database}.t (step VARCHAR(40))`)
        const committed = (step: string) => rows(server, `INSERT INTO ${database}.t VALUES ('${step}')`)
        for (const [step, down, up] of [
          ["kill", server.kill, server.start],
          ["stop", server.stop, server.start],
          ["pause", server.pause, server.resume],
          ["kill while paused", Effect.andThen(server.pause, server.kill), server.start],
          ["stop while paused", Effect.andThen(server.pause, server.stop), server.start],
          ["start while paused", server.pause, server.start]
        ] as const) {
          yield* committed(step)
          yield* down
          expect(yield* isSilent(server), step).toBe(true)
          yield* up
          expect(yield* rows(server, `SELECT step FROM ${database}.t`), step).toContainEqual([step])
        }
        expect(yield* rows(server, `SELECT COUNT(*) FROM ${database}.t`)).toEqual([[6]])
      }).pipe(Effect.provide(own())),
    lifecycleTimeout
  )

  it.live("has the settings, the certificates and the accounts that were asked for", () =>
    Effect.gen(function* () {
      const server = yield* MysqlServer.MysqlServer
      expect(yield* rows(server, "SELECT @@max_connections, @@lower_case_table_names, @@character_set_server")).toEqual(
        [[37, 1, "utf8mb4"]]
      )

      const { ca, clientCert, clientKey } = server.certificates!
      const trusting = { ca, servername: "localhost" }
      expect(yield* handshake(server, trusting)).toMatch(/^TLSv1\.[23]$/)
      expect(yield* handshake(server, { ...trusting, cert: clientCert, key: Redacted.value(clientKey) })).toMatch(
        /^TLS/
      )
      const mistrusted = yield* Effect.flip(handshake(server, { servername: "localhost" }))
      expect(mistrusted).toMatchObject({ code: expect.stringMatching(/UNABLE_TO_VERIFY|SELF_SIGNED/) })

      const plugins = yield* rows(server, "SELECT user, plugin FROM mysql.user WHERE user IN ('sandra', 'x''y')")
      expect(new Map(plugins.map(([user, plugin]) => [user, plugin]))).toEqual(
        new Map([
          ["sandra", product === "mysql" ? "sha256_password" : "ed25519"],
          ["x'y", product === "mysql" ? "caching_sha2_password" : "mysql_native_password"]
        ])
      )
      const address = { ...addressOf(server), username: "x'y", password: Redacted.make("p\\w'ü") }
      expect((yield* query(address, "SELECT CURRENT_USER()")).rows).toEqual([["x'y@%"]])
    }).pipe(
      Effect.provide(
        own({
          tls: true,
          settings: { max_connections: 37, lower_case_table_names: 1 },
          accounts: [
            {
              name: "sandra",
              plugin: product === "mysql" ? "sha256_password" : "ed25519",
              password: Redacted.make("secret")
            },
            { name: "x'y", password: Redacted.make("p\\w'ü") }
          ]
        })
      )
    )
  )

  it.live("with a setting that it does not know fails with the server's words", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(own({ settings: { no_such_setting: 1 } })))
      expect(error.message).toContain("no-such-setting")
    }).pipe(Effect.scoped)
  )

  it.live("is gone with its scope, and so is its folder", () =>
    Effect.gen(function* () {
      const server = yield* Effect.scoped(
        Effect.map(Layer.build(own()), (context) => Context.get(context, MysqlServer.MysqlServer))
      )
      expect(yield* isSilent(server)).toBe(true)
      if (server.socketPath !== undefined) expect(existsSync(dirname(server.socketPath))).toBe(false)
    })
  )

  it.live("does not outlive a test process that was killed", () =>
    Effect.gen(function* () {
      const options = { flavour, provider }
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(
            process.execPath,
            ["--no-warnings", join(import.meta.dirname, "fixtures", "startServer.ts"), JSON.stringify(options)],
            { stdio: ["ignore", "pipe", "inherit"] }
          )
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const [line] = yield* Effect.promise(() => once(createInterface({ input: child.stdout }), "line"))
      const { socketPath } = JSON.parse(String(line)) as { readonly socketPath: string }
      expect(existsSync(socketPath)).toBe(true)
      child.kill("SIGKILL")
      const gone = Effect.sync(() => !existsSync(dirname(socketPath)))
      yield* Effect.repeat(gone, { until: (is) => is, schedule: Schedule.spaced("20 millis") }).pipe(
        Effect.timeout("15 seconds")
      )
    }).pipe(Effect.scoped)
  )
}
