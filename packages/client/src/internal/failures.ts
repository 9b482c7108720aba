/** From what the protocol package and the server say to a `MysqlError`. */

import type { AuthError } from "@effect-mysql/protocol/connect/AuthPlugin"
import { type Product, symbolOf } from "@effect-mysql/protocol/ErrorCode"
import type { ProtocolError } from "@effect-mysql/protocol/ProtocolError"
import type { Err } from "@effect-mysql/protocol/reply/Err"
import { type Charset, unfit as unfitProblem } from "@effect-mysql/protocol/value/Charset"
import type { DecodeError } from "@effect-mysql/protocol/value/DecodeError"
import type { ParameterError } from "@effect-mysql/protocol/value/Parameter"
import * as MysqlError from "../MysqlError.ts"

export const protocol = (cause: ProtocolError): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ProtocolError({ phase: cause.phase, expected: cause.expected, got: cause.got, cause }))

export const decode = (cause: DecodeError): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.DecodeError({ column: cause.column, type: cause.type, problem: cause.problem, cause }))

export const parameter = (cause: Pick<ParameterError, "parameter" | "message">): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ParameterError({ parameter: cause.parameter, message: cause.message, cause }))

/** One of many rows, which cannot be sent; `first` is the number of the first that could be meant. */
export const row = (cause: ParameterError, first: number = 0): MysqlError.MysqlError => {
  const row = first + (cause.row ?? 0)
  const message = `Row ${row}: ${cause.message}`
  return MysqlError.make(new MysqlError.ParameterError({ parameter: cause.parameter, row, message, cause }))
}

/** The same about one of many rows. */
export const ofRow =
  (row: number) =>
  (error: MysqlError.MysqlError): MysqlError.MysqlError => {
    const { reason } = error
    if (reason._tag !== "ParameterError") return error
    const message = `Row ${row}: ${reason.message}`
    return MysqlError.make(
      new MysqlError.ParameterError({ parameter: reason.parameter, row, message, cause: reason.cause })
    )
  }

export const configuration = (...faults: ReadonlyArray<string>): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ConfigurationError({ faults }))

export const unfit = (charset: Charset): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ParameterError({ parameter: "sql", message: `Not sent: ${unfitProblem(charset)}` }))

export const tooLong = (bytes: number, maxAllowedPacket: number): MysqlError.MysqlError =>
  MysqlError.make(
    new MysqlError.ParameterError({
      parameter: "sql",
      message: `Not sent: ${bytes} bytes of statement and values, and the server takes less than ${maxAllowedPacket} (max_allowed_packet)`
    })
  )

export const auth = (cause: AuthError): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.LoginError({ errno: undefined, plugin: cause.plugin, problem: cause.message, cause }))

export const login = (err: Err, plugin: string): MysqlError.MysqlError =>
  MysqlError.make(
    new MysqlError.LoginError({
      errno: err.errno,
      plugin,
      problem: `${err.message} (${symbolOf(err.errno)}, ${err.errno})`,
      cause: err
    })
  )

/** On MariaDB and on MySQL; the other's number means something else, or nothing. */
const statementTimeouts: ReadonlySet<string> = new Set(["ER_STATEMENT_TIMEOUT", "ER_QUERY_TIMEOUT"])

/** `product`: who says so, where that is known already. */
export const server = (err: Err, sql: string, product: Product | undefined): MysqlError.MysqlError => {
  const symbol = symbolOf(err.errno, product)
  const reason = new MysqlError.ServerError({
    errno: err.errno,
    sqlState: err.sqlState,
    symbol,
    serverMessage: err.message,
    sql
  })
  return MysqlError.make(
    statementTimeouts.has(symbol) ? new MysqlError.StatementTimeout({ by: "server", cause: reason }) : reason
  )
}

/** The line was cut here. */
export const lostLine = (problem: string): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ConnectionLost({ phase: "sent", problem }))
