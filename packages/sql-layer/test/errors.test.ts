import { describe, expect, it } from "@effect/vitest"
import * as MysqlError from "@effect-mysql/client/MysqlError"
import * as errors from "../src/internal/errors.ts"

const place: errors.Place = { product: "mysql", operation: "execute", phase: "statement" }

const serverError = (errno: number, sqlState = "HY000", serverMessage = "message"): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ServerError({ errno, sqlState, symbol: `ERROR_${errno}`, serverMessage, sql: "x" }))

const lost = (phase: MysqlError.ConnectionLost["phase"]): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ConnectionLost({ phase, problem: "end" }))

const tag = (error: MysqlError.MysqlError, where: Partial<errors.Place> = {}): string =>
  errors.fromMysql(error, { ...place, ...where }).reason._tag

describe("the reason of an error", () => {
  it.each([
    [new MysqlError.ConnectError({ address: "a:1", problem: "refused" }), "ConnectionError"],
    [new MysqlError.TlsError({ problem: "no" }), "ConnectionError"],
    [new MysqlError.AcquireTimeout({ idle: 0, used: 1, pending: 1, max: 1 }), "ConnectionError"],
    [new MysqlError.PoolClosed({}), "ConnectionError"],
    [new MysqlError.LoginError({ errno: 1045, plugin: "p", problem: "no" }), "AuthenticationError"],
    [new MysqlError.LoginError({ errno: undefined, plugin: "p", problem: "no" }), "AuthenticationError"],
    [new MysqlError.LoginError({ errno: 1044, plugin: "p", problem: "no" }), "AuthorizationError"],
    [new MysqlError.LoginError({ errno: 1049, plugin: "p", problem: "no" }), "SqlSyntaxError"],
    [new MysqlError.LoginError({ errno: 1203, plugin: "p", problem: "no" }), "ConnectionError"],
    [new MysqlError.StatementTimeout({ by: "client" }), "StatementTimeoutError"],
    [new MysqlError.ProtocolError({ phase: "p", expected: "e", got: "g" }), "UnknownError"],
    [new MysqlError.DecodeError({ column: "c", type: "t", problem: "p" }), "UnknownError"],
    [new MysqlError.ParameterError({ parameter: 0, message: "m" }), "UnknownError"],
    [new MysqlError.ConfigurationError({ faults: ["f"] }), "UnknownError"]
  ])("%s", (reason, expected) => {
    expect(tag(MysqlError.make(reason))).toBe(expected)
  })

  it.each([
    ["both", 1040, "ConnectionError"],
    ["both", 1045, "AuthenticationError"],
    ["both", 1142, "AuthorizationError"],
    ["both", 1048, "ConstraintError"],
    ["both", 1062, "UniqueViolation"],
    ["both", 1205, "LockTimeoutError"],
    ["both", 1213, "DeadlockError"],
    ["both", 1317, "UnknownError"],
    ["both", 1047, "UnknownError"],
    ["mysql", 1020, "UnknownError"],
    ["mariadb", 1020, "SerializationError"],
    ["mysql", 3101, "SerializationError"],
    ["mysql", 3572, "LockTimeoutError"],
    ["mysql", 3819, "ConstraintError"],
    ["mariadb", 4025, "ConstraintError"],
    ["mysql", 4025, "UnknownError"],
    ["mysql", 4031, "ConnectionError"],
    ["mariadb", 4031, "UnknownError"],
    ["mariadb", 4151, "AuthenticationError"],
    ["mysql", 4151, "UnknownError"]
  ] as const)("number on %s: %d %s", (who, errno, expected) => {
    for (const product of who === "both" ? (["mysql", "mariadb"] as const) : [who]) {
      expect(tag(serverError(errno), { product })).toBe(expected)
    }
  })

  it.each([
    ["21S01", "SqlSyntaxError"],
    ["21000", "UnknownError"],
    ["42S22", "SqlSyntaxError"],
    ["23000", "ConstraintError"],
    ["28000", "AuthenticationError"],
    ["40001", "SerializationError"],
    ["08S01", "UnknownError"],
    ["22001", "UnknownError"],
    ["45000", "UnknownError"]
  ])("of a number that is not listed, by SQLSTATE: %s %s", (sqlState, expected) => {
    expect(tag(serverError(9999, sqlState))).toBe(expected)
  })

  it.each([
    ["SqlSyntaxError", "42000", [1064, 1102, 1103, 1110, 1112, 1113, 1149, 1166, 1171, 1230, 1235, 1286, 1305]],
    ["SqlSyntaxError", "42S02", [1051, 1146]],
    ["SqlSyntaxError", "42S01", [1050]],
    ["SqlSyntaxError", "42S22", [1054]],
    ["SqlSyntaxError", "21S01", [1136]],
    ["SqlSyntaxError", "HY000", [1007, 1111, 1179]],
    ["ConstraintError", "HY000", [1215, 1364]],
    ["ConstraintError", "22004", [1263]],
    ["UnknownError", "22003", [1264, 1690]],
    ["UnknownError", "01000", [1265]],
    ["UnknownError", "22007", [1367]],
    ["UnknownError", "HY000", [1196, 1289, 1366]],
    ["UnknownError", "22001", [1406]],
    ["UnknownError", "22008", [1441]]
  ])("those that other drivers sort by number are %s with SQLSTATE %s: %j", (expected, sqlState, errnos) => {
    for (const product of ["mysql", "mariadb"] as const) {
      expect(errnos.map((errno) => tag(serverError(errno, sqlState), { product }))).toEqual(errnos.map(() => expected))
    }
  })

  it("1180 proves a rollback only where the engine says deadlock", () => {
    const deadlock = serverError(1180, "HY000", 'Got error 149 "Lock deadlock; Retry transaction" during COMMIT')
    const partition = serverError(1180, "HY000", 'Got error 6 "No such device or address" during COMMIT')
    expect(tag(deadlock, { phase: "commit" })).toBe("SerializationError")
    expect(tag(partition, { phase: "commit" })).toBe("UnknownError")
    expect(errors.fromMysql(partition, { ...place, phase: "commit" }).message).toContain("Outcome unknown")
  })

  it("1047 can be retried elsewhere only where a node of a cluster is not ready", () => {
    const notReady = serverError(1047, "08S01", "WSREP has not yet prepared node for application use")
    expect(tag(notReady, { product: "mariadb" })).toBe("ConnectionError")
    expect(tag(serverError(1047, "08S01", "Unknown command"), { product: "mariadb" })).toBe("UnknownError")
  })

  it("1290 can be retried elsewhere only where it is about reading", () => {
    const prevents = (option: string): string => `The MySQL server is running with the ${option} option`
    expect(tag(serverError(1290, "HY000", prevents("--read-only")))).toBe("ConnectionError")
    expect(tag(serverError(1290, "HY000", prevents("--super-read-only")))).toBe("ConnectionError")
    expect(tag(serverError(1290, "HY000", prevents("--secure-file-priv")))).toBe("UnknownError")
  })

  it("keeps the original as cause, with the operation", () => {
    const original = serverError(1062)
    const { reason } = errors.fromMysql(original, { ...place, operation: "executeRaw" })
    expect(reason.cause).toBe(original)
    expect(reason.operation).toBe("executeRaw")
    expect(reason.message).toBe(original.message)
  })
})

describe("a lost line", () => {
  it.each([
    ["idle", "statement", "ConnectionError"],
    ["notSent", "statement", "ConnectionError"],
    ["sent", "statement", "UnknownError"],
    ["replyStarted", "statement", "UnknownError"],
    ["sent", "transaction", "ConnectionError"],
    ["replyStarted", "transaction", "ConnectionError"],
    ["notSent", "commit", "ConnectionError"],
    ["sent", "commit", "UnknownError"]
  ] as const)("%s, in a %s: %s", (lostWhen, phase, expected) => {
    const error = errors.fromMysql(lost(lostWhen), { ...place, phase })
    expect(error.reason._tag).toBe(expected)
    expect(error.isRetryable).toBe(expected === "ConnectionError")
    expect(error.message.includes("Outcome unknown")).toBe(expected === "UnknownError")
  })

  it("announced by the server is the same", () => {
    expect(tag(serverError(1053, "08S01"))).toBe("UnknownError")
    expect(tag(serverError(1927, "70100"), { product: "mariadb" })).toBe("UnknownError")
    expect(tag(serverError(1053, "08S01"), { phase: "transaction" })).toBe("ConnectionError")
  })

  it("at COMMIT, or a COMMIT that took too long, leaves the outcome open", () => {
    for (const reason of [
      new MysqlError.CommitOutcomeUnknown({ connectionId: 7 }),
      new MysqlError.StatementTimeout({ by: "client" })
    ]) {
      const error = errors.fromMysql(MysqlError.make(reason), { ...place, phase: "commit" })
      expect(error.reason._tag).toBe("UnknownError")
      expect(error.isRetryable).toBe(false)
      expect(error.message).toContain("Outcome unknown")
    }
  })
})

describe("what is gone", () => {
  it("is told by an error of the same kind, with the first one as cause", () => {
    const first = errors.fromMysql(serverError(1062, "23000", "Duplicate entry '1' for key 'k'"), place)
    const again = errors.gone(first, "commit")
    expect(again.reason).toMatchObject({ _tag: "UniqueViolation", constraint: "k", operation: "commit", cause: first })
    expect(again.message).toContain("gone")
  })
})

describe("the constraint", () => {
  it.each([
    ["Duplicate entry 'a' for key 'users.email'", "users.email"],
    ["Duplicate entry 'it's' for key 'email'", "email"],
    ["Duplicate entry '' for key \"email\"", "email"],
    ["Doppelter Eintrag 'a' für Schlüssel 'email'", "email"],
    ["Дублирующаяся запись 'a' по ключу 'email'", "email"],
    ["'a' は索引 'email' で重複しています。", "email"],
    ["重复条目'a'，键'email'", "email"],
    ["Duplicat d'entrée «a» pour la clé «email»", "email"],
    ["Doppelter Eintrag „a“ für Schlüssel „email“", "email"],
    ["no quotes at all", undefined],
    ["an apostrophe isn't a name", undefined]
  ])("of %j is %j", (message, expected) => {
    expect(errors.lastQuoted(message)).toBe(expected)
  })
})
