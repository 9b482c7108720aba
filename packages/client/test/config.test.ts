/**
 * From what people write to a configuration with every default, or to all its faults at once.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as MysqlConfig from "../src/MysqlConfig.ts"
import { reasonOf } from "./support/script.ts"

const url = (text: string): MysqlConfig.MysqlConfig => ({ url: Redacted.make(text) })

/** What users of JavaScript can write and the types forbid. */
const untyped = (config: object): MysqlConfig.MysqlConfig => config as MysqlConfig.MysqlConfig

const faultsOf = (config: MysqlConfig.MysqlConfig) =>
  Effect.map(Effect.exit(MysqlConfig.resolve(config)), (exit) => {
    const reason = reasonOf(exit)
    return reason?._tag === "ConfigurationError" ? reason.faults : []
  })

const passwordOf = (config: MysqlConfig.Resolved) => Effect.map(config.password, Redacted.value)

describe("defaults", () => {
  it.effect("are those that the options state", () =>
    Effect.gen(function* () {
      const { password, ...resolved } = yield* MysqlConfig.resolve({})
      expect(resolved).toEqual({
        target: { host: "localhost", port: 3306 },
        username: "root",
        database: undefined,
        tls: { mode: "preferred" },
        connectTimeout: Duration.seconds(10),
        collation: "utf8mb4_unicode_ci",
        timezone: "+00:00",
        offsetMinutes: 0,
        autocommit: true,
        sqlMode: undefined,
        sessionVariables: {},
        connectAttributes: {},
        prepare: true,
        statementCacheSize: 64,
        multiStatements: false,
        foundRows: false,
        maxPacketBytes: 64 * 1024 * 1024,
        statementTimeout: undefined,
        streamPauseLimit: Duration.minutes(10),
        cancellation: "kill",
        decoding: {}
      })
      expect(Redacted.value(yield* password)).toBe("")
    })
  )

  it.effect("hold for fields that are given as undefined too", () =>
    Effect.gen(function* () {
      const resolved = yield* MysqlConfig.resolve({ ...url("mysql://h:1/d"), host: undefined, port: undefined })
      expect(resolved.target).toEqual({ host: "h", port: 1 })
    })
  )
})

describe("a URL", () => {
  const urls: ReadonlyArray<readonly [text: string, expected: object]> = [
    ["mysql://localhost", { target: { host: "localhost", port: 3306 }, username: "root", database: undefined }],
    [
      "mariadb://ann:secret@db.example:3307/shop",
      { target: { host: "db.example", port: 3307 }, username: "ann", database: "shop" }
    ],
    ["mysql://an%40n:s%3Ae%2Fc@h/sh%20op", { target: { host: "h", port: 3306 }, username: "an@n", database: "sh op" }],
    ["mysql://[::1]:3308/", { target: { host: "::1", port: 3308 }, database: undefined }],
    ["mysql://h?tls=verify-identity", { tls: { mode: "verify-identity" } }],
    ["mysql://h?timezone=%2B02:00", { timezone: "+02:00", offsetMinutes: 120 }],
    ["mysql:///shop?socketPath=/run/mysqld/mysqld.sock", { target: { socketPath: "/run/mysqld/mysqld.sock" } }]
  ]

  it.effect.each(urls)("%s", ([text, expected]) =>
    Effect.gen(function* () {
      expect(yield* MysqlConfig.resolve(url(text))).toMatchObject(expected)
    })
  )

  it.effect("holds a password that may have any character", () =>
    Effect.gen(function* () {
      const password = "a:b/c@d?e#f%g ü&="
      const resolved = yield* MysqlConfig.resolve(url(`mysql://u:${encodeURIComponent(password)}@h`))
      expect(yield* passwordOf(resolved)).toBe(password)
    })
  )

  it.effect("gives way to fields beside it", () =>
    Effect.gen(function* () {
      const resolved = yield* MysqlConfig.resolve({
        ...url("mysql://ann:one@h:3307/shop?tls=disabled"),
        host: "other",
        username: "bob",
        password: Redacted.make("two"),
        database: "stock",
        tls: { mode: "required" }
      })
      expect(resolved).toMatchObject({
        target: { host: "other", port: 3307 },
        username: "bob",
        database: "stock",
        tls: { mode: "required" }
      })
      expect(yield* passwordOf(resolved)).toBe("two")
    })
  )

  const wrong: ReadonlyArray<readonly [text: string, fault: string]> = [
    ["not a URL", "url is not a URL"],
    ["postgres://h/d", "url starts with neither mysql:// nor mariadb://"],
    ["mysql://u:%zz@h", "url has a malformed percent-encoding"],
    ["mysql://h?multiStatements=true", "url has an unknown parameter or value: multiStatements"],
    ["mysql://h?tls=yes", "url has an unknown parameter or value: tls"],
    ["mysql://h?__proto__=1", "url has an unknown parameter or value: __proto__"],
    ["mysql://h?timezone=Mars", "timezone Mars is not an offset such as Z or +02:00"],
    ["mysql://h:0/d", "port 0 is not between 1 and 65535"]
  ]

  it.effect.each(wrong)("%s is refused", ([text, fault]) =>
    Effect.gen(function* () {
      expect(yield* faultsOf(url(text))).toEqual([fault])
    })
  )
})

describe("time zones", () => {
  const zones: ReadonlyArray<readonly [zone: string, offsetMinutes: number | undefined]> = [
    ["Z", 0],
    ["+00:00", 0],
    ["+05:30", 330],
    ["-03:30", -210],
    ["+14:00", 840],
    ["-13:59", -839],
    ["+14:01", undefined],
    ["-14:00", undefined],
    ["+02:60", undefined],
    ["+2:00", undefined],
    ["local", undefined],
    ["Europe/Berlin", undefined]
  ]

  it.effect.each(zones)("%s is %s minutes ahead of UTC", ([timezone, offsetMinutes]) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(MysqlConfig.resolve({ timezone }))
      expect(Exit.isSuccess(exit) ? exit.value.offsetMinutes : undefined).toBe(offsetMinutes)
    })
  )
})

describe("faults", () => {
  const cases: ReadonlyArray<readonly [config: object, fault: string]> = [
    [{ port: 65_536 }, "port 65536 is not between 1 and 65535"],
    [{ port: 33.5 }, "port 33.5 is not between 1 and 65535"],
    [{ socketPath: "/s", host: "h" }, "socketPath and host or port exclude one another"],
    [{ socketPath: "/s", port: 1 }, "socketPath and host or port exclude one another"],
    [{ statementCacheSize: 0 }, "statementCacheSize is not a positive integer"],
    [{ maxPacketBytes: 10 }, "maxPacketBytes is not at least 1024"],
    [{ collation: "latin1_swedish_ci" }, "collation latin1_swedish_ci is not one of utf8mb4"],
    [{ collation: "utf8mb4_bin; DROP" }, "collation utf8mb4_bin; DROP is not one of utf8mb4"],
    [{ sessionVariables: { "a = 1, b": 1 } }, `"a = 1, b" is not the name of a session variable`],
    [{ connectTimeout: "soon" }, "connectTimeout is not a duration"],
    [{ connectTimeout: -1 }, "connectTimeout is not a duration"],
    [{ statementTimeout: "later" }, "statementTimeout is not a duration"],
    [{ streamPauseLimit: "never" }, "streamPauseLimit is not a duration"],
    [{ tls: { mode: "required", cert: "c" } }, "tls.cert and tls.key go together"],
    [{ hots: "h" }, "unknown option hots"],
    // A typing error in one of these must not weaken what was asked for.
    [
      { tls: { mode: "verify_identity" } },
      `tls.mode "verify_identity" is none of disabled, preferred, required, verify-ca, verify-identity`
    ],
    [{ tls: { ca: "c" } }, "tls.mode undefined is none of disabled, preferred, required, verify-ca, verify-identity"],
    [{ tls: { mode: "required", rejectUnauthorized: true } }, "unknown option tls.rejectUnauthorized"],
    [{ tls: { mode: "required", minVersion: "TLSv1" } }, `tls.minVersion "TLSv1" is none of TLSv1.2, TLSv1.3`],
    [{ cancellation: "never" }, `cancellation "never" is none of kill, close, wait`],
    [{ autocommit: "off" }, `autocommit "off" is none of true, false, server`],
    [{ decoding: { bigint: "number" } }, `decoding.bigint "number" is none of auto, bigint, string`],
    [{ decoding: { dates: "string" } }, "unknown option decoding.dates"]
  ]

  it.effect.each(cases)("%j: %s", ([config, fault]) =>
    Effect.gen(function* () {
      expect(yield* faultsOf(untyped(config))).toEqual([fault])
    })
  )

  it.effect("are reported all at once", () =>
    Effect.gen(function* () {
      const faults = yield* faultsOf(
        untyped({ ...url("http://h?x=1"), port: -1, timezone: "Mars", statementCacheSize: 0, hots: "h" })
      )
      expect(faults).toHaveLength(6)
    })
  )

  it.effect("hold no secret, and neither does what is made of them", () =>
    Effect.gen(function* () {
      const secret = "s3cret"
      const config = untyped({
        ...url(`http://ann:${secret}@h?${secret}x=1&tls=${secret}`),
        password: Redacted.make(secret),
        tls: { mode: "required", passphrase: Redacted.make(secret) },
        port: -1
      })
      const exit = yield* Effect.exit(MysqlConfig.resolve(config))
      expect(reasonOf(exit)?.message).toContain("port -1")
      for (const shown of [String(exit), JSON.stringify(exit), reasonOf(exit)?.message]) {
        expect(shown?.replace(`${secret}x`, "")).not.toContain(secret)
      }
      const resolved = yield* MysqlConfig.resolve({ ...url(`mysql://u:${secret}@h`) })
      expect(JSON.stringify(resolved)).not.toContain(secret)
    })
  )

  it.effect("are not found in options that are the pool's and the client's", () =>
    Effect.gen(function* () {
      expect(yield* faultsOf(untyped({ maxConnections: 3, poolName: "p", transformJson: true }))).toEqual([])
    })
  )
})

describe("the password", () => {
  it.effect("may be an effect, which runs at every connect", () =>
    Effect.gen(function* () {
      let runs = 0
      const resolved = yield* MysqlConfig.resolve({ password: Effect.sync(() => Redacted.make(`p${++runs}`)) })
      expect([yield* passwordOf(resolved), yield* passwordOf(resolved)]).toEqual(["p1", "p2"])
    })
  )
})
