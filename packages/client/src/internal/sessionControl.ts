/**
 * What changes or tells a session beyond its statements: character set, autocommit, warnings, the user; and KILL of
 * another one.
 */
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as Charset from "@effect-mysql/protocol/value/Charset"
import * as Literal from "@effect-mysql/protocol/value/Literal"
import * as Effect from "effect/Effect"
import * as Settings from "../MysqlConfig.ts"
import type { UserOptions, Warning } from "../MysqlConnection.ts"
import * as MysqlError from "../MysqlError.ts"
import { type Core, describe } from "./Core.ts"
import { converse } from "./conversation.ts"
import type { Owner } from "./Entry.ts"
import type { Execution } from "./Execution.ts"
import * as failures from "./failures.ts"
import * as login from "./login.ts"

/** Of both products; MariaDB's are longer, but none of its connections has come that far. */
const maxConnectionId = 0xffff_ffff

export const kill = (
  execution: Execution,
  connectionId: number,
  what: "QUERY" | "CONNECTION"
): Effect.Effect<void, MysqlError.MysqlError> => {
  if (!Number.isInteger(connectionId) || connectionId < 0 || connectionId > maxConnectionId) {
    return badArgument("connectionId", `${connectionId} is not the number of a connection`)
  }
  if (what !== "QUERY" && what !== "CONNECTION") return badArgument("what", "it is neither QUERY nor CONNECTION")
  const sql = `KILL ${what} ${connectionId}`
  return execution.plain([execution.command(sql)], sql)
}

const badArgument = (parameter: string, problem: string): Effect.Effect<never, MysqlError.MysqlError> =>
  Effect.fail(MysqlError.make(new MysqlError.ParameterError({ parameter, message: `${parameter}: ${problem}` })))

/** By the mode that the server is in now. */
export const escape = (
  core: Core,
  execution: Execution,
  value: unknown
): Effect.Effect<string, MysqlError.MysqlError> =>
  Effect.suspend(() => {
    const { offsetMinutes } = core.config
    return Effect.fromResult(Literal.encode(value, { sqlMode: execution.sqlMode, offsetMinutes }))
  }).pipe(Effect.mapError(failures.parameter))

export const setCharset = (
  core: Core,
  execution: Execution,
  charset: string,
  collation: string | undefined
): Effect.Effect<void, MysqlError.MysqlError> =>
  Effect.flatMap(Settings.resolve({ charset: charset as Settings.MysqlConfig["charset"], collation }), (checked) => {
    const statements = login.setNames(checked.charset, checked.collation)
    core.touched = true
    return Effect.map(
      execution.asking(
        statements.map((sql) => execution.command(sql)),
        "SELECT @@collation_connection",
        statements.join(";")
      ),
      (collated) => {
        core.exchange.charset = Charset.named(checked.charset)
        core.info = { ...core.info, charset: checked.charset, collation: String(collated) }
      }
    )
  })

export const setAutocommit = (
  core: Core,
  execution: Execution,
  on: boolean
): Effect.Effect<void, MysqlError.MysqlError> =>
  Effect.suspend(() => {
    if (((core.exchange.status & ServerStatus.autocommit) !== 0) === on) return Effect.void
    const sql = `SET autocommit=${on ? 1 : 0}`
    core.touched = true
    return execution.plain([execution.command(sql)], sql)
  })

/**
 * What is not given stays as it is configured. From now on this is the configuration: of a reset, and of the side line on
 * which statements are stopped.
 */
export const changeUser = (
  core: Core,
  owner: Owner | undefined,
  options: UserOptions
): Effect.Effect<void, MysqlError.MysqlError> =>
  Effect.flatMap(Settings.resolve(options), (given) => {
    const { config, exchange } = core
    const next: Settings.Resolved = {
      ...config,
      username: options.username ?? config.username,
      password: options.password === undefined ? config.password : given.password,
      database: options.database ?? config.database,
      ...(options.charset === undefined ? {} : { charset: given.charset, collation: given.collation })
    }
    return Effect.map(
      converse(exchange, owner, (riders) => login.changeUser(next, core.session, riders)),
      (session) => {
        core.config = next
        core.session = session
        core.info = describe(next, session)
        core.statements.forgetPrepared()
        core.touched = false
        exchange.begin(session, next.charset)
      }
    )
  })

/** In the server's order. */
export const warnings = (execution: Execution): Effect.Effect<ReadonlyArray<Warning>, MysqlError.MysqlError> =>
  Effect.map(execution.rowsOf("SHOW WARNINGS"), (rows) =>
    rows.map(([level, errno, message]) => ({ level: String(level), errno: Number(errno), message: String(message) }))
  )
