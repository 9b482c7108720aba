import { describe, expect, it } from "@effect/vitest"
import type { Description } from "../../packages/test-utils/src/SharedServers.ts"
import * as Servers from "../lib/servers.ts"

const running: Description = {
  name: "mariadb-10.11",
  flavour: "mariadb-10.11",
  available: true,
  url: "mysql://root@127.0.0.1:4000",
  host: "127.0.0.1",
  port: 4000,
  provider: "debian"
}
const noMysql: Description = { name: "mysql-9.7", flavour: "mysql-9.7", available: false, reason: "sid is broken" }
const noMariaDb: Description = { name: "mariadb-11.8", flavour: "mariadb-11.8", available: false, reason: "no root" }

describe("what is said about the servers", () => {
  it("is a table of what ran and why the rest did not", () => {
    expect(Servers.table([noMysql, running])).toEqual([
      "Servers",
      "  MySQL 9.7      not run  sid is broken",
      "  MariaDB 10.11  ran      debian, 127.0.0.1:4000"
    ])
    expect(Servers.table([])).toEqual(["Servers: none was asked for"])
  })

  it("repeats what did not run, on lines of their own", () => {
    expect(Servers.notRun([noMysql, running, noMariaDb])).toEqual(["MySQL 9.7: NOT RUN", "MariaDB 11.8: NOT RUN"])
  })

  it("only Debian's unstable may have a bad day where servers are required", () => {
    expect(Servers.missedBy([noMysql, running, noMariaDb])).toEqual([noMariaDb])
  })
})
