/**
 * The server's errors that are classified by their number: what each of them is on which product, and how a server is
 * made to say it. `docs/sql-errors.md` is written from this.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import {
  asUser,
  both,
  crowd,
  deadlock,
  freeing,
  isLocked,
  login,
  type Product,
  type Provoke,
  password,
  session,
  statement,
  two
} from "./provoking.ts"

export interface Entry {
  readonly errno: number
  readonly symbol: string
  readonly on: Product | "both"
  readonly reason: string
  /** What the number alone does not say. */
  readonly note?: string
  /** How the server is made to say it; nothing where it cannot be here. Absent on a product that does not say it so. */
  readonly provoke?: Partial<Record<Product, Provoke>>
}

export const entries: ReadonlyArray<Entry> = [
  // ---- ConnectionError: nothing was done; later, or elsewhere, it can be ------------------------------------------
  {
    errno: 1040,
    symbol: "ER_CON_COUNT_ERROR",
    on: "both",
    reason: "ConnectionError",
    provoke: both(({ connect, global, user }) =>
      Effect.andThen(
        global("max_connections", "10"),
        Effect.flatMap(user(), (name) => crowd(connect, name))
      )
    )
  },
  { errno: 1042, symbol: "ER_BAD_HOST_ERROR", on: "both", reason: "ConnectionError" },
  { errno: 1043, symbol: "ER_HANDSHAKE_ERROR", on: "both", reason: "ConnectionError" },
  {
    errno: 1047,
    symbol: "ER_UNKNOWN_COM_ERROR",
    on: "mariadb",
    reason: "ConnectionError",
    note: "of a node of a cluster that is not ready, which says WSREP; else `UnknownError`"
  },
  { errno: 1129, symbol: "ER_HOST_IS_BLOCKED", on: "both", reason: "ConnectionError" },
  { errno: 1130, symbol: "ER_HOST_NOT_PRIVILEGED", on: "both", reason: "ConnectionError" },
  {
    errno: 1203,
    symbol: "ER_TOO_MANY_USER_CONNECTIONS",
    on: "both",
    reason: "ConnectionError",
    provoke: {
      mysql: ({ connect, global, user }) =>
        Effect.andThen(
          global("max_user_connections", "1"),
          Effect.flatMap(user(), (name) => crowd(connect, name))
        )
    }
  },
  {
    errno: 1226,
    symbol: "ER_USER_LIMIT_REACHED",
    on: "both",
    reason: "ConnectionError",
    provoke: both(({ connect, user }) =>
      Effect.flatMap(user("WITH MAX_USER_CONNECTIONS 1"), (name) => crowd(connect, name))
    )
  },
  {
    errno: 1290,
    symbol: "ER_OPTION_PREVENTS_STATEMENT",
    on: "both",
    reason: "ConnectionError",
    note: "of `--read-only` and `--super-read-only`; of other options `UnknownError`",
    provoke: both(({ connect, global, sql, user }) =>
      Effect.gen(function* () {
        const username = yield* user()
        yield* sql.unsafe(`GRANT INSERT ON ${sql.config.database}.* TO ${username}`)
        const limited = yield* connect({ username, password })
        yield* global("read_only", "1")
        yield* limited`INSERT INTO parents VALUES (99, 'x')`
      })
    )
  },
  { errno: 1836, symbol: "ER_READ_ONLY_MODE", on: "both", reason: "ConnectionError" },
  {
    errno: 3032,
    symbol: "ER_SERVER_OFFLINE_MODE",
    on: "mysql",
    reason: "ConnectionError",
    provoke: {
      mysql: ({ connect, global, user }) =>
        Effect.gen(function* () {
          const username = yield* user()
          yield* global("offline_mode", "1")
          yield* connect({ username, password })
        })
    }
  },
  { errno: 3168, symbol: "ER_SERVER_ISNT_AVAILABLE", on: "mysql", reason: "ConnectionError" },
  {
    errno: 4031,
    symbol: "ER_CLIENT_INTERACTION_TIMEOUT",
    on: "mysql",
    reason: "ConnectionError",
    note: "the server's farewell to an idle connection, which is seen before a statement is sent"
  },

  // ---- the server ends the connection ---------------------------------------------------------------------------
  ...(
    [
      [1053, "ER_SERVER_SHUTDOWN"],
      [1077, "ER_NORMAL_SHUTDOWN"],
      [1079, "ER_SHUTDOWN_COMPLETE"],
      [1080, "ER_FORCING_CLOSE"],
      [1152, "ER_ABORTING_CONNECTION"],
      [1154, "ER_NET_READ_ERROR_FROM_PIPE"],
      [1155, "ER_NET_FCNTL_ERROR"],
      [1156, "ER_NET_PACKETS_OUT_OF_ORDER"],
      [1157, "ER_NET_UNCOMPRESS_ERROR"],
      [1158, "ER_NET_READ_ERROR"],
      [1159, "ER_NET_READ_INTERRUPTED"],
      [1160, "ER_NET_ERROR_ON_WRITE"],
      [1161, "ER_NET_WRITE_INTERRUPTED"],
      [1184, "ER_NEW_ABORTING_CONNECTION"],
      [1189, "ER_SOURCE_NET_READ"],
      [1190, "ER_SOURCE_NET_WRITE"]
    ] as const
  ).map(([errno, symbol]): Entry => ({ errno, symbol, on: "both", reason: "line" })),
  { errno: 1927, symbol: "ER_CONNECTION_KILLED", on: "mariadb", reason: "line" },
  { errno: 3169, symbol: "ER_SESSION_WAS_KILLED", on: "mysql", reason: "line" },

  // ---- AuthenticationError ----------------------------------------------------------------------------------------
  {
    errno: 1045,
    symbol: "ER_ACCESS_DENIED_ERROR",
    on: "both",
    reason: "AuthenticationError",
    provoke: both(login("", { password: Redacted.make("wrong") }))
  },
  { errno: 1251, symbol: "ER_NOT_SUPPORTED_AUTH_MODE", on: "both", reason: "AuthenticationError" },
  { errno: 1275, symbol: "ER_SERVER_IS_IN_SECURE_AUTH_MODE", on: "both", reason: "AuthenticationError" },
  {
    errno: 1524,
    symbol: "ER_PLUGIN_IS_NOT_LOADED",
    on: "both",
    reason: "AuthenticationError",
    provoke: statement("CREATE USER nobody IDENTIFIED WITH there_is_no_such_plugin")
  },
  {
    errno: 1698,
    symbol: "ER_ACCESS_DENIED_NO_PASSWORD_ERROR",
    on: "both",
    reason: "AuthenticationError",
    provoke: {
      mariadb: ({ connect, sql }) =>
        Effect.gen(function* () {
          yield* sql.unsafe("CREATE OR REPLACE USER by_socket IDENTIFIED VIA unix_socket")
          yield* connect({ username: "by_socket", password })
        })
    }
  },
  {
    errno: 1820,
    symbol: "ER_MUST_CHANGE_PASSWORD",
    on: "both",
    reason: "AuthenticationError",
    provoke: {
      mariadb: (tools) => Effect.flatMap(login("PASSWORD EXPIRE")(tools), (sql) => (sql as any)`SELECT 1`)
    }
  },
  {
    errno: 1862,
    symbol: "ER_MUST_CHANGE_PASSWORD_LOGIN",
    on: "both",
    reason: "AuthenticationError",
    provoke: {
      mysql: login("PASSWORD EXPIRE"),
      mariadb: (tools) =>
        Effect.andThen(tools.global("disconnect_on_expired_password", "1"), login("PASSWORD EXPIRE")(tools))
    }
  },
  { errno: 1873, symbol: "ER_ACCESS_DENIED_CHANGE_USER_ERROR", on: "both", reason: "AuthenticationError" },
  {
    errno: 3118,
    symbol: "ER_ACCOUNT_HAS_BEEN_LOCKED",
    on: "mysql",
    reason: "AuthenticationError",
    provoke: { mysql: login(isLocked) }
  },
  {
    errno: 3159,
    symbol: "ER_SECURE_TRANSPORT_REQUIRED",
    on: "both",
    reason: "AuthenticationError",
    note: "MariaDB 10.11 says 1045 instead",
    provoke: {
      mysql: ({ connect, global }) =>
        Effect.andThen(global("require_secure_transport", "1"), connect({ tls: { mode: "disabled" } }))
    }
  },
  {
    errno: 3955,
    symbol: "ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK",
    on: "mysql",
    reason: "AuthenticationError",
    provoke: {
      mysql: ({ connect, user }) =>
        Effect.gen(function* () {
          const username = yield* user("FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME 1")
          yield* Effect.exit(connect({ username, password: Redacted.make("wrong") }))
          yield* connect({ username, password })
        })
    }
  },
  {
    errno: 4151,
    symbol: "ER_ACCOUNT_HAS_BEEN_LOCKED",
    on: "mariadb",
    reason: "AuthenticationError",
    provoke: { mariadb: login(isLocked) }
  },

  // ---- AuthorizationError -----------------------------------------------------------------------------------------
  {
    errno: 1044,
    symbol: "ER_DBACCESS_DENIED_ERROR",
    on: "both",
    reason: "AuthorizationError",
    provoke: asUser("CREATE DATABASE not_for_you")
  },
  {
    errno: 1095,
    symbol: "ER_KILL_DENIED_ERROR",
    on: "both",
    reason: "AuthorizationError",
    provoke: both(({ connect, sql, user }) =>
      Effect.gen(function* () {
        const rows = yield* sql<{ readonly id: number }>`SELECT CONNECTION_ID() AS id`
        const limited = yield* connect({ username: yield* user(), password })
        yield* limited.unsafe(`KILL ${rows[0]!.id}`)
      })
    )
  },
  { errno: 1131, symbol: "ER_PASSWORD_ANONYMOUS_USER", on: "both", reason: "AuthorizationError" },
  { errno: 1132, symbol: "ER_PASSWORD_NOT_ALLOWED", on: "both", reason: "AuthorizationError" },
  {
    errno: 1142,
    symbol: "ER_TABLEACCESS_DENIED_ERROR",
    on: "both",
    reason: "AuthorizationError",
    provoke: asUser("DELETE FROM parents")
  },
  {
    errno: 1143,
    symbol: "ER_COLUMNACCESS_DENIED_ERROR",
    on: "both",
    reason: "AuthorizationError",
    provoke: both(({ connect, sql, user }) =>
      Effect.gen(function* () {
        const username = yield* user()
        yield* sql.unsafe(`REVOKE SELECT ON ${sql.config.database}.* FROM ${username}`)
        yield* sql.unsafe(`GRANT SELECT (id) ON parents TO ${username}`)
        const limited = yield* connect({ username, password })
        yield* limited`SELECT name FROM parents`
      })
    )
  },
  { errno: 1211, symbol: "ER_NO_PERMISSION_TO_CREATE_USER", on: "both", reason: "AuthorizationError" },
  {
    errno: 1227,
    symbol: "ER_SPECIFIC_ACCESS_DENIED_ERROR",
    on: "both",
    reason: "AuthorizationError",
    provoke: asUser("SET GLOBAL max_connections = 7")
  },
  {
    errno: 1370,
    symbol: "ER_PROCACCESS_DENIED_ERROR",
    on: "both",
    reason: "AuthorizationError",
    provoke: asUser("CALL nothing()")
  },
  {
    errno: 1410,
    symbol: "ER_CANT_CREATE_USER_WITH_GRANT",
    on: "both",
    reason: "AuthorizationError",
    provoke: { mysql: statement("GRANT SELECT ON *.* TO there_is_no_such_user").mysql }
  },
  { errno: 1419, symbol: "ER_BINLOG_CREATE_ROUTINE_NEED_SUPER", on: "both", reason: "AuthorizationError" },
  {
    errno: 1792,
    symbol: "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION",
    on: "both",
    reason: "AuthorizationError",
    provoke: session("START TRANSACTION READ ONLY", "DELETE FROM parents")
  },
  { errno: 3202, symbol: "ER_KEYRING_ACCESS_DENIED_ERROR", on: "mysql", reason: "AuthorizationError" },
  { errno: 3630, symbol: "ER_PERSIST_ONLY_ACCESS_DENIED_ERROR", on: "mysql", reason: "AuthorizationError" },

  // ---- SqlSyntaxError: what is wrong with the statement, not with the data ----------------------------------------
  ...(
    [
      [1008, "ER_DB_DROP_EXISTS", ["DROP DATABASE there_is_no_such_database"]],
      [1049, "ER_BAD_DB_ERROR", ["USE there_is_no_such_database"]],
      [1052, "ER_NON_UNIQ_ERROR", ["SELECT id FROM parents a, parents b"]],
      [1111, "ER_INVALID_GROUP_FUNC_USE", ["UPDATE parents SET id = SUM(id)"]],
      [1193, "ER_UNKNOWN_SYSTEM_VARIABLE", ["SET SESSION there_is_no_such_variable = 1"]],
      [1222, "ER_WRONG_NUMBER_OF_COLUMNS_IN_SELECT", ["SELECT 1 UNION SELECT 1, 2"]],
      [1241, "ER_OPERAND_COLUMNS", ["SELECT (SELECT 1, 2)"]]
    ] as const
  ).map(
    ([errno, symbol, texts]): Entry => ({
      errno,
      symbol,
      on: "both",
      reason: "SqlSyntaxError",
      provoke: statement(...texts)
    })
  ),
  {
    errno: 1007,
    symbol: "ER_DB_CREATE_EXISTS",
    on: "both",
    reason: "SqlSyntaxError",
    provoke: both(({ sql }) => sql.unsafe(`CREATE DATABASE ${sql.config.database}`))
  },
  {
    errno: 1046,
    symbol: "ER_NO_DB_ERROR",
    on: "both",
    reason: "SqlSyntaxError",
    provoke: both(({ connect }) =>
      Effect.flatMap(connect({ database: undefined }), (sql) => sql`SELECT * FROM parents`)
    )
  },
  {
    errno: 1179,
    symbol: "ER_CANT_DO_THIS_DURING_AN_TRANSACTION",
    on: "both",
    reason: "SqlSyntaxError"
  },
  {
    errno: 1210,
    symbol: "ER_WRONG_ARGUMENTS",
    on: "both",
    reason: "SqlSyntaxError",
    provoke: session("PREPARE p FROM 'SELECT ?'", "EXECUTE p")
  },
  {
    errno: 1295,
    symbol: "ER_UNSUPPORTED_PS",
    on: "both",
    reason: "SqlSyntaxError",
    note: "of SQL's own PREPARE; what the protocol cannot prepare goes as text by itself",
    provoke: {
      mysql: session("PREPARE p FROM 'USE mysql'").mysql,
      mariadb: session("PREPARE p FROM 'PREPARE q FROM @x'").mariadb
    }
  },

  // ---- UniqueViolation, with the key as `constraint` ----------------------------------------------------------------
  { errno: 1022, symbol: "ER_DUP_KEY", on: "both", reason: "UniqueViolation" },
  {
    errno: 1062,
    symbol: "ER_DUP_ENTRY",
    on: "both",
    reason: "UniqueViolation",
    provoke: statement("INSERT INTO parents VALUES (1, 'x')")
  },
  { errno: 1169, symbol: "ER_DUP_UNIQUE", on: "both", reason: "UniqueViolation" },
  { errno: 1586, symbol: "ER_DUP_ENTRY_WITH_KEY_NAME", on: "both", reason: "UniqueViolation" },
  { errno: 1859, symbol: "ER_DUP_UNKNOWN_IN_INDEX", on: "both", reason: "UniqueViolation" },

  // ---- ConstraintError ---------------------------------------------------------------------------------------------
  ...(
    [
      [1048, "ER_BAD_NULL_ERROR", ["INSERT INTO children VALUES (9, NULL, 1)"]],
      [1364, "ER_NO_DEFAULT_FOR_FIELD", ["INSERT INTO children (id) VALUES (9)"]],
      [1369, "ER_VIEW_CHECK_FAILED", ["INSERT INTO small_parents VALUES (1000, 'x')"]],
      [1451, "ER_ROW_IS_REFERENCED_2", ["DELETE FROM parents WHERE id = 1"]],
      [1452, "ER_NO_REFERENCED_ROW_2", ["INSERT INTO children VALUES (9, 9, 1)"]],
      [1761, "ER_FOREIGN_DUPLICATE_KEY_WITH_CHILD_INFO", ["UPDATE updated SET id = 3 WHERE id = 1"]]
    ] as const
  ).map(
    ([errno, symbol, texts]): Entry => ({
      errno,
      symbol,
      on: "both",
      reason: "ConstraintError",
      provoke: statement(...texts)
    })
  ),
  { errno: 1215, symbol: "ER_CANNOT_ADD_FOREIGN", on: "both", reason: "ConstraintError" },
  { errno: 1216, symbol: "ER_NO_REFERENCED_ROW", on: "both", reason: "ConstraintError" },
  { errno: 1217, symbol: "ER_ROW_IS_REFERENCED", on: "both", reason: "ConstraintError" },
  { errno: 1263, symbol: "ER_WARN_NULL_TO_NOTNULL", on: "both", reason: "ConstraintError" },
  { errno: 1557, symbol: "ER_FOREIGN_DUPLICATE_KEY_OLD_UNUSED", on: "mysql", reason: "ConstraintError" },
  {
    errno: 1762,
    symbol: "ER_FOREIGN_DUPLICATE_KEY_WITHOUT_CHILD_INFO",
    on: "both",
    reason: "ConstraintError"
  },
  {
    errno: 3780,
    symbol: "ER_FK_INCOMPATIBLE_COLUMNS",
    on: "mysql",
    reason: "ConstraintError",
    provoke: {
      mysql: statement("CREATE TABLE wrong (p VARCHAR(9), FOREIGN KEY (p) REFERENCES parents (id))").mysql
    }
  },
  {
    errno: 3819,
    symbol: "ER_CHECK_CONSTRAINT_VIOLATED",
    on: "mysql",
    reason: "ConstraintError",
    provoke: { mysql: statement("INSERT INTO children VALUES (9, 1, 0)").mysql }
  },
  {
    errno: 4025,
    symbol: "ER_CONSTRAINT_FAILED",
    on: "mariadb",
    reason: "ConstraintError",
    provoke: { mariadb: statement("INSERT INTO children VALUES (9, 1, 0)").mariadb }
  },

  // ---- what another try of the whole transaction can get past ------------------------------------------------------
  { errno: 1213, symbol: "ER_LOCK_DEADLOCK", on: "both", reason: "DeadlockError", provoke: both(deadlock) },
  { errno: 1614, symbol: "ER_XA_RBDEADLOCK", on: "both", reason: "DeadlockError" },
  {
    errno: 3058,
    symbol: "ER_USER_LOCK_DEADLOCK",
    on: "both",
    reason: "DeadlockError",
    provoke: {
      mysql: two((first, second) =>
        Effect.gen(function* () {
          yield* first`SELECT GET_LOCK('a', 1)`
          yield* second`SELECT GET_LOCK('b', 1)`
          const waiting = yield* Effect.forkChild(Effect.exit(freeing(first, first`SELECT GET_LOCK('b', 20)`)))
          yield* freeing(second, second`SELECT GET_LOCK('a', 20)`)
          return yield* yield* Fiber.join(waiting)
        })
      )
    }
  },
  { errno: 3132, symbol: "ER_LOCKING_SERVICE_DEADLOCK", on: "mysql", reason: "DeadlockError" },
  {
    errno: 1020,
    symbol: "ER_CHECKREAD",
    on: "mariadb",
    reason: "SerializationError",
    note: "`innodb_snapshot_isolation`",
    provoke: {
      mariadb: two((first, second) =>
        Effect.gen(function* () {
          yield* first`SET SESSION innodb_snapshot_isolation = 1`
          yield* first`START TRANSACTION`
          yield* first`SELECT * FROM parents`
          yield* second`UPDATE parents SET name = UUID() WHERE id = 1`
          yield* first`UPDATE parents SET name = 'y' WHERE id = 1`
        })
      )
    }
  },
  {
    errno: 1180,
    symbol: "ER_ERROR_DURING_COMMIT",
    on: "both",
    reason: "SerializationError",
    note: "with the engine's error 149; else `UnknownError`"
  },
  { errno: 1402, symbol: "ER_XA_RBROLLBACK", on: "both", reason: "SerializationError" },
  {
    errno: 1412,
    symbol: "ER_TABLE_DEF_CHANGED",
    on: "both",
    reason: "SerializationError",
    provoke: both(
      two((first, second) =>
        Effect.gen(function* () {
          yield* first`START TRANSACTION WITH CONSISTENT SNAPSHOT`
          yield* second`ALTER TABLE altered ADD INDEX (x), ALGORITHM = COPY`
          yield* first`SELECT * FROM altered`
        })
      )
    )
  },
  { errno: 3101, symbol: "ER_TRANSACTION_ROLLBACK_DURING_COMMIT", on: "mysql", reason: "SerializationError" },
  {
    errno: 1205,
    symbol: "ER_LOCK_WAIT_TIMEOUT",
    on: "both",
    reason: "LockTimeoutError",
    note: "the transaction lives on; MariaDB says it for NOWAIT as well",
    provoke: both(
      two((first, second) =>
        first.withTransaction(
          Effect.andThen(
            first`UPDATE parents SET name = 'x' WHERE id = 1`,
            second`UPDATE parents SET name = 'y' WHERE id = 1`
          )
        )
      )
    )
  },
  { errno: 1613, symbol: "ER_XA_RBTIMEOUT", on: "both", reason: "LockTimeoutError" },
  { errno: 3133, symbol: "ER_LOCKING_SERVICE_TIMEOUT", on: "mysql", reason: "LockTimeoutError" },
  {
    errno: 3572,
    symbol: "ER_LOCK_NOWAIT",
    on: "mysql",
    reason: "LockTimeoutError",
    provoke: {
      mysql: two((first, second) =>
        first.withTransaction(
          Effect.andThen(
            first`UPDATE parents SET name = 'x' WHERE id = 1`,
            second`SELECT * FROM parents WHERE id = 1 FOR UPDATE NOWAIT`
          )
        )
      )
    }
  },
  {
    errno: 1969,
    symbol: "ER_STATEMENT_TIMEOUT",
    on: "mariadb",
    reason: "StatementTimeoutError",
    provoke: { mariadb: session("SET SESSION max_statement_time = 0.1", "SELECT SLEEP(20)").mariadb }
  },
  {
    errno: 3024,
    symbol: "ER_QUERY_TIMEOUT",
    on: "mysql",
    reason: "StatementTimeoutError",
    provoke: {
      mysql: session(
        "SET SESSION max_execution_time = 100",
        "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c"
      ).mysql
    }
  },

  // ---- UnknownError, where the SQLSTATE would say something else ---------------------------------------------------
  { errno: 1047, symbol: "ER_UNKNOWN_COM_ERROR", on: "mysql", reason: "UnknownError" },
  { errno: 1153, symbol: "ER_NET_PACKET_TOO_LARGE", on: "both", reason: "UnknownError" },
  {
    errno: 1317,
    symbol: "ER_QUERY_INTERRUPTED",
    on: "both",
    reason: "UnknownError",
    note: "somebody else stopped it: whether to run it again is not for a program to say",
    provoke: both(({ connect, sql }) =>
      Effect.gen(function* () {
        const victim = yield* connect()
        const rows = yield* victim<{ readonly id: number }>`SELECT CONNECTION_ID() AS id`
        yield* Effect.forkChild(
          sql`SELECT 1 FROM information_schema.processlist WHERE id = ${rows[0]!.id} AND info LIKE '%to_be_killed%'`.pipe(
            Effect.repeat({ until: (found) => found.length > 0 }),
            Effect.andThen(sql.unsafe(`KILL QUERY ${rows[0]!.id}`))
          )
        )
        yield* victim`SELECT COUNT(*) AS to_be_killed FROM information_schema.columns a, information_schema.columns b, information_schema.columns c`
      })
    )
  },
  {
    errno: 1461,
    symbol: "ER_MAX_PREPARED_STMT_COUNT_REACHED",
    on: "both",
    reason: "UnknownError",
    note: "of SQL's own PREPARE; statements of the driver go as text then",
    provoke: both((tools) =>
      Effect.andThen(
        tools.global("max_prepared_stmt_count", "0"),
        session("PREPARE p FROM 'SELECT 1'")[tools.product](tools)
      )
    )
  },
  { errno: 3068, symbol: "ER_NET_OK_PACKET_TOO_LARGE", on: "mysql", reason: "UnknownError" }
]
