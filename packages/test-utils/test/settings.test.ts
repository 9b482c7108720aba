/**
 * How the kit's settings and those of a test become the options of a server.
 */
import { describe, expect, it } from "@effect/vitest"
import { certificateSettings, initialSettings, merge, notAllowed, toOptions } from "../src/internal/settings.ts"

describe("settings", () => {
  it("of the caller go over the kit's, whatever the spelling", () => {
    const options = toOptions(merge("mysql-9.7", { MAX_CONNECTIONS: 7, "Wait-Timeout": 3 }))
    expect(options).toContain("--max-connections=7")
    expect(options).toContain("--wait-timeout=3")
    expect(options.filter((option) => option.includes("max-connections"))).toHaveLength(1)
  })

  it("replace their opposite", () => {
    const options = toOptions(merge("mysql-9.7", { log_bin: "binlog", server_id: 1 }))
    expect(options).toContain("--log-bin=binlog")
    expect(options).not.toContain("--skip-log-bin")
  })

  it("are bare when true and OFF when false", () => {
    expect(toOptions({ require_secure_transport: true, mysqlx: false, sql_mode: "" })).toEqual([
      "--require-secure-transport",
      "--mysqlx=OFF",
      "--sql-mode="
    ])
  })

  it("leave TLS off on MariaDB unless there are certificates", () => {
    expect(toOptions(merge("mariadb-11.8", {}))).toContain("--skip-ssl")
    const options = toOptions(merge("mariadb-11.8", certificateSettings("mariadb-11.8", "/certificates"), {}))
    expect(options).toContain("--ssl")
    expect(options).not.toContain("--skip-ssl")
    expect(options).toContain("--ssl-ca=/certificates/ca.pem")
  })

  it("that only one product knows are not given to the other", () => {
    expect(toOptions(merge("mysql-9.7", {}))).toContain("--mysqlx=OFF")
    expect(toOptions(merge("mariadb-10.11", {})).join(" ")).not.toContain("mysqlx")
    expect(toOptions(merge("mysql-9.7", {}))).not.toContain("--skip-ssl")
  })

  it("that say where the server lives are not the caller's", () => {
    expect(notAllowed({ port: 1, DataDir: "/", pid_file: "x", max_connections: 1 })).toEqual([
      "port",
      "DataDir",
      "pid_file"
    ])
  })

  it("that a data directory is made with are known", () => {
    expect(initialSettings({ lower_case_table_names: 1, max_connections: 1, "innodb-page-size": "8K" })).toEqual({
      lower_case_table_names: 1,
      "innodb-page-size": "8K"
    })
  })
})
