/**
 * Writes the error catalogue of the protocol package from the servers' own data: MySQL's from the performance schema of a
 * MySQL 9.7 of the test kit, MariaDB's from the headers that its build generates.
 *
 * `node scripts/error-codes.ts FOLDER`: the folder holds `mysqld_ername.h` and `sql_state.h` of MariaDB 11.8, as in
 * Debian's package `libmariadbd-dev` under `usr/include/mariadb/server`.
 */
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as MysqlConnection from "../packages/client/src/MysqlConnection.ts"
import * as MysqlServer from "../packages/test-utils/src/MysqlServer.ts"
import * as Main from "./lib/main.ts"

interface Code {
  readonly errno: number
  readonly symbol: string
  readonly sqlState: string
}

/** What MySQL writes to its log only has higher numbers. */
const firstOfTheLog = 10_000
const defaultState = "HY000"
const lineWidth = 118

const ofMysql: Effect.Effect<ReadonlyArray<Code>, unknown, MysqlServer.MysqlServer> = Effect.scoped(
  Effect.gen(function* () {
    const { url } = yield* MysqlServer.MysqlServer
    const connection = yield* MysqlConnection.make({ url })
    const { rows } = yield* connection.query<Code>(
      "SELECT error_number AS errno, error_name AS symbol, sql_state AS `sqlState`" +
        " FROM performance_schema.events_errors_summary_global_by_error WHERE error_number < ? ORDER BY error_number",
      [firstOfTheLog]
    )
    return rows
  })
)

const ofMariadb = (folder: string): ReadonlyArray<Code> => {
  const read = (name: string): string => readFileSync(join(folder, name), "utf8")
  const states = new Map<string, string>()
  for (const [, symbol, state] of read("sql_state.h").matchAll(/\{\s*(\w+)\s*,\s*"(\w{5})"/g))
    states.set(symbol!, state!)
  return [...read("mysqld_ername.h").matchAll(/\{ "(\w+)", (\d+),/g)].map(([, symbol, errno]) => ({
    errno: Number(errno),
    symbol: symbol!,
    sqlState: states.get(symbol!) ?? defaultState
  }))
}

const packed = (codes: ReadonlyArray<Code>): string => {
  const lines: Array<string> = []
  let line = ""
  let next = -1
  for (const { errno, sqlState, symbol } of codes) {
    const name = sqlState === defaultState ? symbol : `${symbol}/${sqlState}`
    const word = errno === next ? name : `${errno} ${name}`
    next = errno + 1
    if (line.length + word.length + 1 > lineWidth) {
      lines.push(line)
      line = word
    } else {
      line = line === "" ? word : `${line} ${word}`
    }
  }
  return [...lines, line].join("\n")
}

const write = (product: "mysql" | "mariadb", title: string, codes: ReadonlyArray<Code>): void => {
  const source = `/**
 * The errors of ${title}, ${codes.length} of them. Written by \`scripts/error-codes.ts\`; not to be edited.
 *
 * A number, then names of that and the following numbers, each with its SQLSTATE where that is not ${defaultState}.
 */
export const ${product}Errors = \`
${packed(codes)}
\`
`
  writeFileSync(new URL(`../packages/protocol/src/internal/${product}Errors.ts`, import.meta.url), source)
}

Main.run(
  Effect.gen(function* () {
    const folder = process.argv[2]
    if (folder === undefined) {
      console.error("The folder of mysqld_ername.h and sql_state.h of MariaDB 11.8 has to be given")
      return 2
    }
    write("mariadb", "MariaDB 11.8", ofMariadb(folder))
    write("mysql", "MySQL 9.7", yield* ofMysql)
    return 0
  }).pipe(Effect.provide(MysqlServer.layer({ flavour: "mysql-9.7" })), Effect.orDie)
)
