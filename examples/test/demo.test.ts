/**
 * `npm run demo` as it is run: a process of its own, with all cities, on every server.
 */

import { describe, expect, it } from "@effect/vitest"
import * as MysqlConnection from "@effect-mysql/client/MysqlConnection"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Database from "../src/demo/Database.ts"
import { run } from "./support.ts"

const databases = (server: MysqlServer.Server) =>
  Effect.gen(function* () {
    const connection = yield* MysqlConnection.make({ url: server.url })
    const { rows } = yield* connection.query(`SHOW DATABASES LIKE '${Database.name}'`)
    return rows.length
  }).pipe(Effect.scoped)

for (const shared of SharedServers.all) {
  describe.skipIf(!shared.available)(`demo on ${shared.name}`, () => {
    it.live(
      "loads and streams 138,398 cities, holds its checks, and leaves nothing behind",
      () =>
        Effect.gen(function* () {
          const server = yield* MysqlServer.MysqlServer
          const env = { MYSQL_TEST_URL: Redacted.value(server.url) }
          const args = server.flavour === "url" ? [] : ["--flavour", server.flavour]
          const { exitCode, stderr, stdout } = yield* run("demo.ts", { env, args: [...args, "--no-install"] })
          expect(stdout).toMatch(/^Server: (MySQL|MariaDB) \d+\.\d+\.\d+ at MYSQL_TEST_URL, /m)
          expect(stdout).toMatch(/^Loaded +138,398 rows/m)
          expect(stdout).toMatch(/^Streamed +138,398 rows/m)
          expect(stdout).toMatch(/^ {2}China +290,561,066 █+$/m)
          expect(stdout).not.toContain("✗")
          expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" })
          expect(yield* databases(server)).toBe(0)
        }).pipe(Effect.provide(shared.layer)),
      180_000
    )

    it.live.each([
      ["Ctrl-C", { signal: { name: "SIGINT", after: "40 %" } }, /\nInterrupted: cleaning up\n$/],
      ["a reader that goes away", { readUntil: "40 %" }, /40 %/]
    ] as const)(
      "%s in the middle ends it, and leaves nothing behind",
      ([, options, said]) =>
        Effect.gen(function* () {
          const server = yield* MysqlServer.MysqlServer
          const env = { MYSQL_TEST_URL: Redacted.value(server.url) }
          const { exitCode, stderr, stdout } = yield* run("demo.ts", { ...options, env, args: ["--no-install"] })
          expect(stdout).toMatch(said)
          expect(stdout).not.toContain("Checks")
          expect({ exitCode, stderr }).toEqual({ exitCode: 130, stderr: "" })
          expect(yield* databases(server)).toBe(0)
        }).pipe(Effect.provide(shared.layer)),
      60_000
    )
  })
}

describe("demo", () => {
  it.live("without a server it says in one line what was tried and what to do", () =>
    Effect.gen(function* () {
      const env = { MYSQL_TEST_URL: "mysql://root@127.0.0.1:1" }
      const { exitCode, stderr, stdout } = yield* run("demo.ts", { env })
      expect(stdout).not.toContain("Server")
      expect(stderr).toMatch(
        /^\s*ERROR\s+The demo failed\. Could not use [^\n]*127\.0\.0\.1:1[^\n]* Set MYSQL_TEST_URL [^\n]*\s*$/
      )
      expect(exitCode).toBe(1)
    })
  )

  it.live("a flavour that there is not is refused with those that there are", () =>
    Effect.gen(function* () {
      const { exitCode, stderr, stdout } = yield* run("demo.ts", { args: ["--flavour", "oracle"] })
      expect(`${stdout}${stderr}`).toMatch(/mysql-9\.7.*mariadb-11\.8.*mariadb-10\.11/)
      expect(exitCode).not.toBe(0)
    })
  )
})
