/**
 * From what people write to a configuration with every default, or to all its faults at once.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Zone from "@effect-mysql/protocol/value/Zone"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import { readFileSync } from "node:fs"
import { userInfo } from "node:os"
import { version } from "../src/internal/version.ts"
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
        username: userInfo().username,
        database: undefined,
        tls: { mode: "preferred" },
        connectTimeout: Duration.seconds(10),
        keepAlive: Duration.minutes(1),
        charset: "utf8mb4",
        collation: "utf8mb4_unicode_ci",
        timezone: "+00:00",
        offsetMinutes: 0,
        autocommit: true,
        sqlMode: undefined,
        sessionVariables: {},
        initSql: [],
        connectAttributes: {},
        prepare: true,
        statementCacheSize: 64,
        multiStatements: false,
        queryAttributes: false,
        foundRows: false,
        maxPacketBytes: 64 * 1024 * 1024,
        statementTimeout: undefined,
        serverStatementTimeout: undefined,
        streamPauseLimit: Duration.minutes(10),
        cancellation: "kill",
        compression: "none",
        authPlugin: undefined,
        furtherPasswords: [],
        serverPublicKey: undefined,
        allowPublicKeyRetrieval: false,
        allowCleartextPassword: false,
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
    [
      "mysql://localhost",
      { target: { host: "localhost", port: 3306 }, username: userInfo().username, database: undefined }
    ],
    [
      "mariadb://ann:secret@db.example:3307/shop",
      { target: { host: "db.example", port: 3307 }, username: "ann", database: "shop" }
    ],
    ["mysql://an%40n:s%3Ae%2Fc@h/sh%20op", { target: { host: "h", port: 3306 }, username: "an@n", database: "sh op" }],
    ["mysql://[::1]:3308/", { target: { host: "::1", port: 3308 }, database: undefined }],
    ["mysql://h?tls=verify-identity", { tls: { mode: "verify-identity" } }],
    ["mysql://h?timezone=%2B02:00", { timezone: "+02:00", offsetMinutes: 120 }],
    ["mysql:///shop?socketPath=/run/mysqld/mysqld.sock", { target: { socketPath: "/run/mysqld/mysqld.sock" } }],
    ["mysql://h?charset=latin1&collation=latin1_german1_ci", { charset: "latin1", collation: "latin1_german1_ci" }],
    ["mysql://h?compression=zstd", { compression: "zstd" }],
    ["mysql://h?collation=utf8mb3_bin", { charset: "utf8mb3", collation: "utf8mb3_bin" }],
    [
      "mysql://h?connectTimeout=500&keepAlive=30%20seconds",
      { connectTimeout: Duration.millis(500), keepAlive: Duration.seconds(30) }
    ],
    [
      "mysql://h?autocommit=server&prepare=false&foundRows=true",
      { autocommit: "server", prepare: false, foundRows: true }
    ],
    [
      "mysql://h?autocommit=false&statementCacheSize=5&cancellation=wait",
      { autocommit: false, statementCacheSize: 5, cancellation: "wait" }
    ],
    [
      "mysql://h?statementTimeout=1000&streamPauseLimit=1%20minute",
      { statementTimeout: Duration.seconds(1), streamPauseLimit: Duration.minutes(1) }
    ]
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
    ["mysql://h?host=evil", "url has an unknown parameter or value: host"],
    ["mysql://h?tls=required&tls=disabled", "url has the parameter tls twice"],
    ["mysql://h?prepare=0", "url has an unknown parameter or value: prepare"],
    ["mysql://h?charset=gbk", "url has an unknown parameter or value: charset"],
    ["mysql://h?connectTimeout=soon", "connectTimeout is not a duration"],
    ["mysql://u:pa%23ss@h/d#x", "url has a fragment: a # in a part of it is written %23"],
    ["mysql://h?timezone=Mars", "timezone Mars is neither an offset such as Z or +02:00 nor the name of a time zone"],
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
    ["UTC", 0],
    ["local", undefined],
    ["Europe/Atlantis", undefined]
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
    [{ statementCacheSize: 0 }, "statementCacheSize 0 is not between 1 and 1000000"],
    [{ maxPacketBytes: 10 }, "maxPacketBytes 10 is not between 1024 and 1073741824"],
    [
      { collation: "gbk_chinese_ci" },
      "collation gbk_chinese_ci is not one of utf8mb4, utf8mb3, latin1, ascii or binary"
    ],
    [
      { collation: "utf8mb4_bin; DROP" },
      "collation utf8mb4_bin; DROP is not one of utf8mb4, utf8mb3, latin1, ascii or binary"
    ],
    [
      { charset: "utf8mb4", collation: "latin1_swedish_ci" },
      "collation latin1_swedish_ci is not one of the charset utf8mb4"
    ],
    [{ charset: "gbk" }, `charset "gbk" is none of utf8mb4, utf8mb3, latin1, ascii, binary`],
    [
      { charset: "latin1", initSql: "SET @x = '日'" },
      "initSql has a character that the charset latin1 cannot represent"
    ],
    [{ initSql: ["SET @x = 1", ""] }, "initSql is not SQL"],
    [{ url: "mysql://u:secret@h" }, "url is not Redacted"],
    [{ password: "secret" }, "password is neither Redacted nor an effect"],
    [{ host: 5 }, "host is not a string"],
    [{ username: "a\0b" }, "username has a NUL"],
    [{ connectAttributes: { a: 1 } }, "connectAttributes.a is not a string"],
    [{ keepAlive: "often" }, "keepAlive is not a duration"],
    [{ port: [] }, "port of this type is not between 1 and 65535"],
    [{ prepare: null }, "prepare of this type is none of true, false"],
    [{ sessionVariables: { time_zone: "+01:00" } }, "sessionVariables.time_zone is set by the option timezone"],
    [
      { sessionVariables: { Character_Set_Client: "gbk" } },
      "sessionVariables.Character_Set_Client is set by the option charset"
    ],
    [
      { autocommit: false, sessionVariables: { autocommit: 1 } },
      "sessionVariables.autocommit and autocommit exclude one another"
    ],
    [
      { sqlMode: "", sessionVariables: { sql_mode: "ANSI" } },
      "sessionVariables.sql_mode and sqlMode exclude one another"
    ],
    [
      { sessionVariables: { wait_timeout: Number.NaN } },
      "sessionVariables.wait_timeout is neither a string nor a number"
    ],
    [{ sessionVariables: { "a = 1, b": 1 } }, `"a = 1, b" is not the name of a session variable`],
    [{ connectTimeout: "soon" }, "connectTimeout is not a duration"],
    [{ connectTimeout: -1 }, "connectTimeout is not a duration"],
    [{ statementTimeout: "later" }, "statementTimeout is not a duration"],
    [{ streamPauseLimit: "never" }, "streamPauseLimit is not a duration"],
    [{ tls: { mode: "required", cert: "c" } }, "tls.cert and tls.key go together"],
    [{ tls: { mode: "required", passphrase: Redacted.make("p") } }, "tls.passphrase is of no use without tls.key"],
    [{ tls: { mode: "required", cert: "c", key: "k" } }, "tls.key is not Redacted"],
    [{ tls: { mode: "required", ca: 5 } }, "tls.ca is neither text nor bytes"],
    [{ tls: { mode: "disabled", ca: "c" } }, "tls.mode disabled and tls.ca exclude one another"],
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
        tls: { mode: "required", key: Redacted.make(secret), passphrase: Redacted.make(secret) },
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

describe("a named time zone", () => {
  it.effect("stays a name for the server, and gives dates their offset here", () =>
    Effect.gen(function* () {
      const { offsetMinutes, timezone } = yield* MysqlConfig.resolve({ timezone: "Europe/Berlin" })
      expect(timezone).toBe("Europe/Berlin")
      expect(Zone.toLocal(offsetMinutes, Date.UTC(2026, 6, 1))).toBe(Date.UTC(2026, 6, 1, 2))
    })
  )
})

describe("two configurations", () => {
  const merged: ReadonlyArray<readonly [base: object, over: object, result: object]> = [
    [{ host: "a", port: 1 }, { host: "b" }, { host: "b", port: 1 }],
    [{ host: "a", port: 1 }, { socketPath: "/s" }, { socketPath: "/s" }],
    [{ socketPath: "/s" }, { host: "b" }, { host: "b" }],
    [{ socketPath: "/s" }, { port: 2 }, { port: 2 }],
    [{ socketPath: "/s" }, { host: undefined, database: "d" }, { socketPath: "/s", database: "d" }],
    [{ charset: "latin1", collation: "latin1_bin" }, { charset: "utf8mb4" }, { charset: "utf8mb4" }],
    [
      { charset: "latin1", collation: "latin1_bin" },
      { charset: "latin1" },
      { charset: "latin1", collation: "latin1_bin" }
    ],
    [
      { username: "ann", tls: { mode: "required" } },
      { tls: { mode: "verify-ca" } },
      { username: "ann", tls: { mode: "verify-ca" } }
    ]
  ]

  it.effect.each(merged)("%j under %j are %j", ([base, over, result]) =>
    Effect.sync(() => expect(MysqlConfig.merge(untyped(base), untyped(over))).toEqual(result))
  )

  it.effect("are one where a URL says what another field says in another way", () =>
    Effect.gen(function* () {
      const socket = yield* MysqlConfig.resolve({ ...url("mysql://h:1/d"), socketPath: "/s" })
      expect(socket).toMatchObject({ target: { socketPath: "/s" }, database: "d" })
      const host = yield* MysqlConfig.resolve({ ...url("mysql:///d?socketPath=/s"), host: "h" })
      expect(host).toMatchObject({ target: { host: "h", port: 3306 }, database: "d" })
    })
  )
})

describe("what a URL says", () => {
  it.effect("can be had by itself", () =>
    Effect.gen(function* () {
      const config = yield* MysqlConfig.fromUrl("mysql://ann:p%20w@h:1/d?timezone=Z")
      expect({ ...config, password: undefined }).toEqual({
        host: "h",
        port: 1,
        username: "ann",
        database: "d",
        timezone: "Z",
        password: undefined
      })
      expect(Redacted.value(config.password as Redacted.Redacted)).toBe("p w")
      const exit = yield* Effect.exit(MysqlConfig.fromUrl(Redacted.make("mysql://h?x=1&y=2")))
      expect(reasonOf(exit)).toMatchObject({ _tag: "ConfigurationError", faults: { length: 2 } })
    })
  )
})

describe("the version that servers are told", () => {
  it("is that of the package", () => {
    expect(version).toBe(JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version)
  })
})

describe("anything at all in place of options", () => {
  const holds = <Ts>(property: fc.IProperty<Ts>): void => fc.assert(property, { numRuns: 2000 })
  const names = [
    ...[
      "url",
      "host",
      "port",
      "socketPath",
      "username",
      "password",
      "furtherPasswords",
      "database",
      "tls",
      "connectTimeout"
    ],
    ...["keepAlive", "compression", "charset", "collation", "timezone", "autocommit", "sqlMode", "sessionVariables"],
    ...[
      "initSql",
      "connectAttributes",
      "prepare",
      "statementCacheSize",
      "multiStatements",
      "maxPacketBytes",
      "decoding"
    ],
    ...["statementTimeout", "streamPauseLimit", "cancellation", "authPlugin", "serverPublicKey"]
  ]
  const nothing = fc.constant(undefined)
  const junk = fc.oneof({ weight: 6, arbitrary: nothing }, { weight: 1, arbitrary: fc.anything({ withBigInt: true }) })
  const configs = fc.record(Object.fromEntries(names.map((name) => [name, junk])))

  it("is a configuration or has faults, and is never a defect", () => {
    holds(
      fc.property(configs, (config) => {
        const exit = Effect.runSyncExit(MysqlConfig.resolve(config as MysqlConfig.MysqlConfig))
        expect(Exit.isSuccess(exit) || reasonOf(exit)?._tag === "ConfigurationError").toBe(true)
      })
    )
  })

  it("is a URL or has faults", () => {
    const part = fc.oneof(
      fc.string(),
      fc.constantFrom("mysql://", "@", ":", "/", "?", "tls=", "&", "#", "%", "[::1]", "1")
    )
    holds(
      fc.property(fc.array(part), (parts) => {
        const exit = Effect.runSyncExit(MysqlConfig.resolve({ url: Redacted.make(`mysql://${parts.join("")}`) }))
        expect(Exit.isSuccess(exit) || reasonOf(exit)?._tag === "ConfigurationError").toBe(true)
      })
    )
  })
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
