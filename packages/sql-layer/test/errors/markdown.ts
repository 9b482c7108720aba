/** `docs/sql-errors.md`, written from the table. */
import type { Product } from "./provoking.ts"
import type { Entry } from "./table.ts"

const on = { both: "both", mysql: "MySQL", mariadb: "MariaDB" }

const provokedOn = ({ on, provoke }: Entry): string => {
  const products = (["mysql", "mariadb"] as const).filter((product) => provoke?.[product] !== undefined)
  const all = on === "both" ? 2 : 1
  if (products.length === 0) return "no"
  return products.length === all
    ? "yes"
    : `on ${products.map((product: Product) => (product === "mysql" ? "MySQL" : "MariaDB")).join()}`
}

const sections: ReadonlyArray<readonly [reason: string, retryable: boolean | undefined, text: string]> = [
  [
    "ConnectionError",
    true,
    "Nothing was executed. Also: no server to be reached, no TLS, no connection of the pool in time, and a line that was lost before the statement was sent or, in a transaction, before COMMIT was."
  ],
  [
    "line",
    undefined,
    "The server ends the connection while it answers. In a transaction before COMMIT nothing of it is left: `ConnectionError`, retryable. Otherwise the statement may have been executed: `UnknownError` with `Outcome unknown` in its message, not retryable. The same goes for a line that is lost after the statement was sent."
  ],
  ["AuthenticationError", false, "The login was refused. SQLSTATE 28 as well."],
  ["AuthorizationError", false, "The user may not do that."],
  [
    "SqlSyntaxError",
    false,
    "The statement is wrong, or does not fit the schema: the same statement fails again. SQLSTATE 42 and 21S as well, among them 1050, 1051, 1054, 1064, 1102, 1103, 1110, 1112, 1113, 1136, 1146, 1149, 1166, 1171, 1230, 1235, 1286 and 1305. `RETURNING` where the server has none is refused with it before it is sent."
  ],
  [
    "UniqueViolation",
    false,
    "`constraint` is the key as the server names it, whatever language it speaks: MySQL `table.key`, MariaDB `key`."
  ],
  ["ConstraintError", false, "SQLSTATE 23 as well."],
  ["DeadlockError", true, "The whole transaction was rolled back: run it again from its start."],
  ["SerializationError", true, "The same, or its snapshot is of no use any more. SQLSTATE 40 as well."],
  [
    "LockTimeoutError",
    true,
    "Only the statement was undone, and the transaction is open: roll it back before trying again."
  ],
  [
    "StatementTimeoutError",
    true,
    "The statement was stopped by the server's limit, or by `statementTimeout`, and is undone; the transaction is open."
  ],
  [
    "UnknownError",
    false,
    "Everything else: values that do not fit (SQLSTATE 22: 1264, 1265, 1292, 1366, 1367, 1406, 1441, 1690), what the server has not got or does not roll back (1196, 1289), a COMMIT whose outcome nobody knows, and the errors that are not the server's: of a parameter, of a value that cannot be read, of the protocol, of the configuration. The numbers here are those whose SQLSTATE would say something else."
  ]
]

export const markdown = (entries: ReadonlyArray<Entry>): string => {
  const parts = sections.map(([reason, retryable, text]) => {
    const rows = entries
      .filter((entry) => entry.reason === reason)
      .map(
        (entry) =>
          `| ${entry.errno} | \`${entry.symbol}\` | ${on[entry.on]} | ${provokedOn(entry)} | ${entry.note ?? ""} |`
      )
    const title = reason === "line" ? "The connection ends" : `\`${reason}\`${retryable === true ? ", retryable" : ""}`
    return `## ${title}\n\n${text}\n\n| number | name | on | provoked | |\n|---|---|---|---|---|\n${rows.join("\n")}\n`
  })
  return `# What the server's errors become

\`MysqlClient\` fails with the \`SqlError\` of \`effect/sql\`. Its \`reason\` is one of eleven, by the number of the server's
error, which for some means another thing on MySQL than on MariaDB, and otherwise by the class of its SQLSTATE. The
\`MysqlError\` is the \`cause\` of the reason, with \`errno\`, \`sqlState\`, \`symbol\`, \`serverMessage\` and the text of the
statement.

\`isRetryable\` says that another try can be right: of the statement by itself, or of the transaction as a whole. What may
have been executed is never retryable.

"Provoked" says whether the tests make a real server say it. The others need a cluster, a plugin, a broken network or
another time; they are tested as messages.

${parts.join("\n")}`
}
