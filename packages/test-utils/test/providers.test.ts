/**
 * Where a server comes from, and how clear it is when it cannot be had.
 */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync } from "node:fs"
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { provider as binary } from "../src/internal/binaryProvider.ts"
import { Environment, type Variables } from "../src/internal/environment.ts"
import * as MysqlServer from "../src/MysqlServer.ts"

let empty: string

beforeAll(async () => {
  empty = await mkdtemp(join(tmpdir(), "effect-mysql-providers-"))
})
afterAll(() => rm(empty, { recursive: true }))

const failure = (options: MysqlServer.Options, variables: Variables) =>
  MysqlServer.make(options).pipe(Effect.scoped, Effect.flip, Effect.provideService(Environment, variables))

describe("a server that cannot be had", () => {
  it.live("by packages, when installing is forbidden: nothing is written", () =>
    Effect.gen(function* () {
      const cache = join(empty, "cache")
      const error = yield* failure(
        { provider: "debian", flavour: "mysql-9.7" },
        { XDG_CACHE_HOME: cache, EFFECT_MYSQL_NO_INSTALL: "1" }
      )
      expect(error.message).toMatch(/^Could not install MySQL 9\.7 from Debian's packages: .+ MYSQL_TEST_URL\.$/)
      expect(existsSync(cache)).toBe(false)
    })
  )

  it.live("by URL, when none is set or nobody answers there", () =>
    Effect.gen(function* () {
      const unset = yield* failure({ provider: "url" }, {})
      expect(unset.message).toContain("the variable is not set")
      const refused = yield* failure({ provider: "url" }, { MYSQL_TEST_URL: "mysql://root:hunter2@127.0.0.1:1" })
      expect(refused.message).toContain("127.0.0.1:1: connect ECONNREFUSED")
      expect(refused.message).not.toContain("hunter2")
    })
  )

  it.live("by URL, when settings or certificates are asked for", () =>
    Effect.gen(function* () {
      const variables = { MYSQL_TEST_URL: "mysql://root@127.0.0.1:1" }
      const settings = yield* failure({ provider: "url", settings: { max_connections: 3 } }, variables)
      expect(settings.message).toContain("keeps its own settings")
      const certificates = yield* failure({ provider: "url", tls: true }, variables)
      expect(certificates.message).toContain("keeps its own certificates")
    })
  )

  it.live("by a provider that does not exist", () =>
    Effect.gen(function* () {
      const error = yield* failure({}, { EFFECT_MYSQL_PROVIDER: "vagrant" })
      expect(error.message).toBe(
        'Could not choose a provider: EFFECT_MYSQL_PROVIDER is "vagrant". Set it to one of auto, url, binary, container, debian.'
      )
    })
  )

  it.live("with settings that are the kit's", () =>
    Effect.gen(function* () {
      const error = yield* failure({ settings: { port: 3306 } }, {})
      expect(error.message).toContain("port is decided by the kit")
    })
  )
})

const script = (name: string, version: string): string => `#!/bin/sh
if [ "$1" = --version ]; then echo "${name}  Ver ${version} for Linux on x86_64"; exit; fi
echo "this is not a server" >&2
exit 1
`

describe("a server program on the PATH", () => {
  const program = (name: string, version: string) =>
    Effect.promise(async () => {
      const folder = await mkdtemp(join(empty, "bin-"))
      await writeFile(join(folder, name), script(name, version))
      await chmod(join(folder, name), 0o755)
      return folder
    })

  it.live.each([
    ["mysqld", "9.7.2", "mysql-9.7"],
    ["mariadbd", "11.8.3-MariaDB", "mariadb-11.8"],
    // MariaDB's packages have a link of the old name.
    ["mysqld", "10.11.14-MariaDB-log", "mariadb-10.11"]
  ] as const)("%s of version %s is taken for %s", ([name, version, flavour]) =>
    Effect.gen(function* () {
      const PATH = yield* program(name, version)
      const availability = yield* Effect.provideService(binary.availability(flavour), Environment, { PATH })
      expect(availability).toEqual({ _tag: "Ready" })
    })
  )

  it.live("that cannot initialise its data fails with its own words, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const PATH = yield* program("mysqld", "9.7.999")
      const cache = join(empty, "cache-of-broken")
      const variables = { PATH, XDG_CACHE_HOME: cache }
      const error = yield* failure({ provider: "binary", flavour: "mysql-9.7", log: () => Effect.void }, variables)
      expect(error.message).toContain("Could not initialise a data directory of 9.7.999")
      expect(error.message).toContain("this is not a server")
      expect(readdirSync(join(cache, "effect-mysql", "templates"))).toEqual([])
    })
  )
})
