/**
 * From a `MysqlError` to a `SqlError`: which of the eleven reasons of `effect/sql` it is, and whether a retry can be
 * right.
 *
 * A server's error is judged by its number, which for some means another thing on MySQL than on MariaDB, and otherwise
 * by the class of its SQLSTATE. An error that leaves open whether the statement ran is never one of those that core
 * calls retryable. The `MysqlError` stays as `cause`.
 *
 * Manual: "Server Error Message Reference" (MySQL), "MariaDB Error Code Reference".
 */
import type * as MysqlError from "@effect-mysql/client/MysqlError"
import * as SqlError from "effect/sql/SqlError"

/** Where an error happened. */
export interface Place {
  readonly product: "mysql" | "mariadb"
  /** What was being done, for `operation`. */
  readonly operation: string
  /**
   * What the loss of the line means here: in a `transaction`, before COMMIT was written, that nothing is left of it; at
   * `commit`, and at a `statement` that commits by itself, that its outcome is unknown.
   */
  readonly phase: "statement" | "transaction" | "commit"
}

export type Kind =
  | "connection"
  /** The server ends the connection while it answers: as good as a lost line. */
  | "lineEnded"
  | "authentication"
  | "authorization"
  | "syntax"
  | "unique"
  | "constraint"
  | "deadlock"
  | "serialization"
  | "lockTimeout"
  | "statementTimeout"
  | "unknown"

type Numbers = Partial<Record<Kind, ReadonlyArray<number>>>

const ofBoth: Numbers = {
  // 1836 read-only mode: not executed here, and possible elsewhere.
  connection: [1040, 1042, 1043, 1129, 1130, 1203, 1226, 1836],
  lineEnded: [1053, 1077, 1079, 1080, 1152, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1189, 1190],
  authentication: [1045, 1251, 1275, 1524, 1698, 1820, 1862, 1873, 3159],
  authorization: [1044, 1095, 1131, 1132, 1142, 1143, 1211, 1227, 1370, 1410, 1419, 1792],
  // What SQLSTATE 42 does not cover; 1049 also ends a login, and 1052 has the state of a constraint.
  syntax: [1007, 1008, 1046, 1049, 1052, 1111, 1179, 1193, 1210, 1222, 1241, 1295],
  unique: [1022, 1062, 1169, 1586, 1859],
  constraint: [1048, 1215, 1216, 1217, 1263, 1364, 1369, 1451, 1452, 1761, 1762],
  deadlock: [1213, 1614, 3058],
  // 1412: the table is another one than the snapshot knows; only a new transaction helps.
  serialization: [1402, 1412],
  lockTimeout: [1205, 1613],
  // 1153: too large for the server, the next time as well. 1317: killed, and not by us.
  unknown: [1153, 1317, 1461]
}

const ofMysql: Numbers = {
  // 3032 offline mode.
  connection: [3032, 3168, 4031],
  lineEnded: [3169],
  authentication: [3118, 3955],
  authorization: [3202, 3630],
  constraint: [1557, 3780, 3819],
  deadlock: [3132],
  serialization: [3101],
  lockTimeout: [3133, 3572],
  statementTimeout: [3024],
  unknown: [3068]
}

const ofMariadb: Numbers = {
  lineEnded: [1927],
  authentication: [4151],
  constraint: [4025],
  // 1020: with innodb_snapshot_isolation, a row changed since the snapshot; the transaction is rolled back.
  serialization: [1020],
  statementTimeout: [1969]
}

const tableOf = (...parts: ReadonlyArray<Numbers>): ReadonlyMap<number, Kind> =>
  new Map(
    parts.flatMap((part) =>
      Object.entries(part).flatMap(([kind, numbers]) => numbers.map((errno) => [errno, kind as Kind] as const))
    )
  )

export const tables = { mysql: tableOf(ofBoth, ofMysql), mariadb: tableOf(ofBoth, ofMariadb) }

/** By how a SQLSTATE begins. */
const sqlStates: ReadonlyArray<readonly [start: string, kind: Kind]> = [
  ["08", "lineEnded"],
  ["21S", "syntax"],
  ["23", "constraint"],
  ["28", "authentication"],
  ["40", "serialization"],
  ["42", "syntax"]
]

const byState = (sqlState: string): Kind | undefined => sqlStates.find(([start]) => sqlState.startsWith(start))?.[1]

/** HA_ERR_LOCK_DEADLOCK, the one cause of 1180 that proves a rollback. */
const rolledBackAtCommit = /\b149\b/
/** Names of options are the same in all languages of the server. */
const readOnlyOption = /--(?:super-)?read[-_]only/

/** A node of a Galera cluster that is not ready to serve. */
const nodeNotReady = /\bWSREP\b/

const kindOf = (product: Place["product"], errno: number, sqlState: string, message: string): Kind => {
  if (errno === 1180) return rolledBackAtCommit.test(message) ? "serialization" : "unknown"
  if (errno === 1047) return nodeNotReady.test(message) ? "connection" : "unknown"
  if (errno === 1290) return readOnlyOption.test(message) ? "connection" : "unknown"
  return tables[product].get(errno) ?? byState(sqlState) ?? "unknown"
}

const quotes: ReadonlyArray<readonly [open: string, close: string]> = [
  ["'", "'"],
  ['"', '"'],
  ["`", "`"],
  ["«", "»"],
  ["‘", "’"],
  ["“", "”"],
  ["„", "“"],
  ["「", "」"]
]

/**
 * The last quoted name of a message: in the messages about duplicates, in whatever language the server speaks, it is
 * the key.
 */
export const lastQuoted = (message: string): string | undefined => {
  let found: { readonly start: number; readonly end: number } | undefined
  for (const [open, close] of quotes) {
    const end = message.lastIndexOf(close)
    const start = end <= 0 ? -1 : message.lastIndexOf(open, end - 1)
    if (start >= 0 && (found === undefined || end > found.end)) found = { start: start + 1, end }
  }
  return found === undefined || found.start === found.end ? undefined : message.slice(found.start, found.end)
}

interface Fields {
  readonly cause: unknown
  readonly message: string
  readonly operation: string
}

const reasons = {
  connection: SqlError.ConnectionError,
  authentication: SqlError.AuthenticationError,
  authorization: SqlError.AuthorizationError,
  syntax: SqlError.SqlSyntaxError,
  constraint: SqlError.ConstraintError,
  deadlock: SqlError.DeadlockError,
  serialization: SqlError.SerializationError,
  lockTimeout: SqlError.LockTimeoutError,
  statementTimeout: SqlError.StatementTimeoutError,
  unknown: SqlError.UnknownError
} satisfies Partial<Record<Kind, new (fields: Fields) => SqlError.SqlErrorReason>>

const outcomeUnknown = (fields: Fields): SqlError.SqlErrorReason =>
  new SqlError.UnknownError({ ...fields, message: `Outcome unknown: ${fields.message}` })

const lineLost = (fields: Fields, phase: Place["phase"]): SqlError.SqlErrorReason =>
  phase === "transaction"
    ? new SqlError.ConnectionError({ ...fields, message: `${fields.message}; the transaction is rolled back with it` })
    : outcomeUnknown(fields)

const ofServer = (reason: MysqlError.ServerError, fields: Fields, place: Place): SqlError.SqlErrorReason => {
  const kind = kindOf(place.product, reason.errno, reason.sqlState, reason.serverMessage)
  switch (kind) {
    case "lineEnded":
      return lineLost(fields, place.phase)
    case "unique":
      return new SqlError.UniqueViolation({ ...fields, constraint: lastQuoted(reason.serverMessage) ?? "unknown" })
    case "unknown":
      return place.phase === "commit" ? outcomeUnknown(fields) : new SqlError.UnknownError(fields)
    default:
      return new reasons[kind](fields)
  }
}

const ofLogin = (reason: MysqlError.LoginError, fields: Fields, place: Place): SqlError.SqlErrorReason => {
  const kind = reason.errno === undefined ? undefined : tables[place.product].get(reason.errno)
  // A login can also fail for want of a database, of a right to it, or of room.
  return kind === "connection" || kind === "authorization" || kind === "syntax"
    ? new reasons[kind](fields)
    : new SqlError.AuthenticationError(fields)
}

const reasonOf = (error: MysqlError.MysqlError, place: Place): SqlError.SqlErrorReason => {
  const { reason } = error
  const fields = { cause: error, message: error.message, operation: place.operation }
  switch (reason._tag) {
    case "ConnectError":
    case "TlsError":
    case "AcquireTimeout":
    case "PoolClosed":
      return new SqlError.ConnectionError(fields)
    case "ConnectionLost":
      return reason.phase === "idle" || reason.phase === "notSent"
        ? new SqlError.ConnectionError(fields)
        : lineLost(fields, place.phase)
    case "CommitOutcomeUnknown":
      return outcomeUnknown(fields)
    case "LoginError":
      return ofLogin(reason, fields, place)
    case "StatementTimeout":
      return place.phase === "commit" ? outcomeUnknown(fields) : new SqlError.StatementTimeoutError(fields)
    case "ServerError":
      return ofServer(reason, fields, place)
    default:
      return new SqlError.UnknownError(fields)
  }
}

export const fromMysql = (error: MysqlError.MysqlError, place: Place): SqlError.SqlError =>
  new SqlError.SqlError({ reason: reasonOf(error, place) })

/** An error of this package itself. */
export const make = (
  kind: "authorization" | "connection" | "syntax" | "unknown",
  operation: string,
  message: string,
  cause: unknown = new Error(message)
): SqlError.SqlError => new SqlError.SqlError({ reason: new reasons[kind]({ cause, message, operation }) })

const byTag = {
  ConnectionError: SqlError.ConnectionError,
  AuthenticationError: SqlError.AuthenticationError,
  AuthorizationError: SqlError.AuthorizationError,
  SqlSyntaxError: SqlError.SqlSyntaxError,
  ConstraintError: SqlError.ConstraintError,
  DeadlockError: SqlError.DeadlockError,
  SerializationError: SqlError.SerializationError,
  LockTimeoutError: SqlError.LockTimeoutError,
  StatementTimeoutError: SqlError.StatementTimeoutError,
  UnknownError: SqlError.UnknownError
}

/** For what is asked of a transaction after the error that ended it: of the same kind, with that error as cause. */
export const gone = (error: SqlError.SqlError, operation: string): SqlError.SqlError => {
  const { reason } = error
  const fields = {
    cause: error,
    message: `The transaction is gone since an earlier error: ${error.message}`,
    operation
  }
  return new SqlError.SqlError({
    reason:
      reason._tag === "UniqueViolation"
        ? new SqlError.UniqueViolation({ ...fields, constraint: reason.constraint })
        : new byTag[reason._tag](fields)
  })
}
