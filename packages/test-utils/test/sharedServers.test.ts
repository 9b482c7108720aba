/**
 * What the runner tells the test files about servers, and what they make of it.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { Environment } from "../src/internal/environment.ts"
import * as MysqlServer from "../src/MysqlServer.ts"
import * as SharedServers from "../src/SharedServers.ts"

const available: SharedServers.Description = {
  name: "mariadb-11.8",
  flavour: "mariadb-11.8",
  available: true,
  url: "mysql://root:pa%40ss@127.0.0.1:4321",
  host: "127.0.0.1",
  port: 4321,
  socketPath: "/tmp/a.sock",
  certificates: { ca: "CA", clientCert: "CERT", clientKey: "KEY" },
  provider: "debian"
}
const unavailable: SharedServers.Description = {
  name: "mysql-9.7",
  flavour: "mysql-9.7",
  available: false,
  reason: "sid could not be resolved"
}

const read = (descriptions: ReadonlyArray<SharedServers.Description>) =>
  Result.getOrThrow(SharedServers.fromEnvironment(SharedServers.toEnv(descriptions)[SharedServers.environmentVariable]))

describe("SharedServers", () => {
  it("without a runner, every flavour is there and none is available", () => {
    const servers = Result.getOrThrow(SharedServers.fromEnvironment(undefined))
    expect(servers.map(({ available, name, reason }) => [name, available, reason])).toEqual(
      ["mysql-9.7", "mariadb-11.8", "mariadb-10.11"].map((name) => [
        name,
        false,
        "the servers are started by `npm test`"
      ])
    )
  })

  it("those that a run is not about are there all the same, and not available", () => {
    const servers = read([available, ...SharedServers.notAskedFor(["mariadb-11.8"])])
    expect(servers.map(({ available, name, reason }) => [name, available, reason])).toEqual([
      ["mariadb-11.8", true, undefined],
      ["mysql-9.7", false, "not asked for"],
      ["mariadb-10.11", false, "not asked for"]
    ])
    expect(SharedServers.notAskedFor([])).toHaveLength(3)
    expect(SharedServers.notAskedFor(["mysql-9.7", "mariadb-11.8", "mariadb-10.11"])).toEqual([])
  })

  it.live("what the runner describes arrives", () =>
    Effect.gen(function* () {
      const [server] = read([available, unavailable])
      expect(server).toMatchObject({ name: "mariadb-11.8", available: true, provider: "debian", canOwn: true })
      const service = yield* Effect.provide(MysqlServer.MysqlServer, server!.layer)
      expect(service).toMatchObject({ host: "127.0.0.1", port: 4321, socketPath: "/tmp/a.sock" })
      expect(Redacted.value(service.url)).toBe("mysql://root:pa%40ss@127.0.0.1:4321")
      expect(service.certificates).toMatchObject({ ca: "CA", clientCert: "CERT" })
      expect(Redacted.value(service.certificates!.clientKey)).toBe("KEY")
    })
  )

  it.live("a shared server is not a test's to stop", () =>
    Effect.gen(function* () {
      const service = yield* Effect.provide(MysqlServer.MysqlServer, read([available])[0]!.layer)
      for (const verb of ["start", "stop", "kill", "pause", "resume"] as const) {
        const error = yield* Effect.flip(service[verb])
        expect(error.message).toContain(`Could not ${verb} the server: it is shared by all tests of this run`)
      }
    })
  )

  it.live("one that could not be had says why, also to who asks for it all the same", () =>
    Effect.gen(function* () {
      const [server] = read([unavailable])
      expect(server).toMatchObject({ available: false, reason: "sid could not be resolved", canOwn: false })
      for (const layer of [server!.layer, server!.own()]) {
        const error = yield* Effect.flip(Effect.scoped(Effect.provide(MysqlServer.MysqlServer, layer)))
        expect(error.message).toContain("sid could not be resolved")
      }
    })
  )

  it.live("of a server by URL there is no other", () =>
    Effect.gen(function* () {
      const [server] = read([{ ...available, provider: "url" }])
      expect(server!.canOwn).toBe(false)
      const error = yield* Effect.flip(Effect.scoped(Effect.provide(MysqlServer.MysqlServer, server!.own())))
      expect(error.message).toContain("MYSQL_TEST_URL")
    })
  )

  it.each([
    "",
    "{}",
    "[{}]",
    '[{"name":"a","flavour":"mysql-5.5","available":false,"reason":""}]',
    JSON.stringify([{ ...available, port: "4321" }])
  ])("%j is not what a runner writes", (text) => {
    expect(Result.isFailure(SharedServers.fromEnvironment(text))).toBe(true)
  })

  it.live("starting never fails: a broken MYSQL_TEST_URL is the reason of every flavour", () =>
    Effect.gen(function* () {
      const servers = yield* SharedServers.start(["mysql-9.7", "mariadb-11.8"]).pipe(
        Effect.scoped,
        Effect.provideService(Environment, { MYSQL_TEST_URL: "http://localhost" })
      )
      expect(servers.map((server) => server.available)).toEqual([false, false])
      expect(servers[0]).toMatchObject({ reason: expect.stringContaining("does not begin with mysql://") })
      expect(read(servers)).toHaveLength(2)
    })
  )
})
