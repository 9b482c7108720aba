/**
 * Which flavour a server is, by each of the ways in which it says its version.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Flavour from "../src/Flavour.ts"

describe("Flavour.fromVersion", () => {
  it.each([
    ["9.7.4-2", "mysql-9.7"],
    ["9.7.0", "mysql-9.7"],
    ["mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", "mysql-9.7"],
    ["11.8.9-MariaDB-0+deb13u1 from Debian", "mariadb-11.8"],
    ["10.11.18-MariaDB-0+deb12u1", "mariadb-10.11"],
    ["5.5.5-10.11.18-MariaDB-log", "mariadb-10.11"],
    ["8.4.3", undefined],
    ["9.70.1", undefined],
    ["11.4.2-MariaDB", undefined],
    ["11.8.9", undefined],
    ["9.7.4-MariaDB", undefined],
    ["8.0.11-TiDB-v8.5.0", undefined],
    ["", undefined]
  ])("%s is %s", (version, flavour) => {
    expect(Flavour.fromVersion(version)).toBe(flavour)
  })
})
