/**
 * Accounts of a server: the main one that the kit itself uses, and those that a test asks for, with the plugin by which
 * they log in.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { MysqlServerError } from "../MysqlServerError.ts"
import { query, quoteText } from "./control.ts"
import type { Address } from "./provider.ts"

/** An account for tests; it may come from any host. */
export interface Account {
  readonly name: string
  /** As the server calls it: `caching_sha2_password`, `mysql_native_password`, `ed25519`, `parsec` … Default: the server's. */
  readonly plugin?: string | undefined
  readonly password: Redacted.Redacted
  /** What it may do: the part between GRANT and TO. Default `ALL PRIVILEGES ON *.*`. */
  readonly privileges?: string | undefined
  /** What else the account has to do, the part after REQUIRE: `SSL`, `X509`. */
  readonly require?: string | undefined
}

type Product = "mysql" | "mariadb"

/** Plugins that servers have but do not load by themselves, and the file they are in. */
const library: { readonly [plugin: string]: string } = {
  auth_socket: "auth_socket",
  ed25519: "auth_ed25519",
  mysql_no_login: "mysql_no_login",
  pam: "auth_pam",
  parsec: "auth_parsec"
}

/**
 * The statements of an init file, one a line, that leave one account: root with this password, over the socket and
 * from everywhere.
 */
export const mainAccount = (product: Product, password: Redacted.Redacted): string => {
  const identified = `IDENTIFIED BY ${quoteText(Redacted.value(password))}`
  const statements = [
    // New data directories of MariaDB hold anonymous users and further roots without a password.
    ...(product === "mariadb"
      ? ["DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost')", "FLUSH PRIVILEGES"]
      : []),
    `ALTER USER 'root'@'localhost' ${identified}`,
    `CREATE USER IF NOT EXISTS 'root'@'%' ${identified}`,
    "GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION"
  ]
  return statements.map((statement) => `${statement};\n`).join("")
}

/** `%` also covers localhost, since there are no anonymous users before it. */
const user = (account: Account): string => `${quoteText(account.name)}@'%'`

const identifiedBy = (product: Product, account: Account): string => {
  const password = quoteText(Redacted.value(account.password))
  if (account.plugin === undefined) return `IDENTIFIED BY ${password}`
  return product === "mysql"
    ? `IDENTIFIED WITH ${account.plugin} BY ${password}`
    : `IDENTIFIED VIA ${account.plugin} USING PASSWORD(${password})`
}

const isActive = (address: Address, plugin: string) =>
  Effect.map(
    query(address, `SELECT COUNT(*) FROM information_schema.plugins WHERE plugin_name = ${quoteText(plugin)}`),
    ({ rows }) => rows[0]?.[0] !== 0
  )

const loadPlugin = (address: Address, product: Product, plugin: string) =>
  Effect.flatMap(isActive(address, plugin), (active) => {
    const file = library[plugin]
    if (active || file === undefined) return Effect.void
    return query(
      address,
      product === "mysql" ? `INSTALL PLUGIN ${plugin} SONAME '${file}.so'` : `INSTALL SONAME '${file}'`
    )
  })

const isPluginName = /^\w+$/

/** Creates an account; its plugin is loaded first where the server has it. */
export const create = (address: Address, product: Product, account: Account): Effect.Effect<void, MysqlServerError> => {
  const operation = `create the account ${account.name}`
  if (account.plugin !== undefined && !isPluginName.test(account.plugin)) {
    return Effect.fail(new MysqlServerError({ operation, tried: [`"${account.plugin}" is not the name of a plugin`] }))
  }
  const require = account.require === undefined ? "" : ` REQUIRE ${account.require}`
  return Effect.asVoid(
    Effect.mapError(
      Effect.andThen(
        account.plugin === undefined ? Effect.void : loadPlugin(address, product, account.plugin),
        query(
          address,
          "SET SESSION sql_mode = ''",
          `CREATE USER ${user(account)} ${identifiedBy(product, account)}${require}`,
          `GRANT ${account.privileges ?? "ALL PRIVILEGES ON *.*"} TO ${user(account)}`
        )
      ),
      (cause) =>
        new MysqlServerError({
          operation,
          tried: [cause.message],
          advice: `Check that this server has the plugin ${account.plugin ?? ""}`.trimEnd().concat("."),
          cause
        })
    )
  )
}

/** For servers that outlive the test. */
export const drop = (address: Address, account: Account): Effect.Effect<void> =>
  Effect.ignore(query(address, "SET SESSION sql_mode = ''", `DROP USER IF EXISTS ${user(account)}`))
