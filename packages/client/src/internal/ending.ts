/**
 * Errors by which a server says that it ends the session: it was killed, it was idle for too long, the server shuts
 * down. They are the loss of a line and not the refusal of a statement, since what that did is as open.
 */
import { type Product, symbolOf } from "@effect-mysql/protocol/ErrorCode"
import type { Err } from "@effect-mysql/protocol/reply/Err"
import type { Reply } from "@effect-mysql/protocol/reply/Reply"
import * as MysqlError from "../MysqlError.ts"
import * as failures from "./failures.ts"

/**
 * Server shutdown (1053, 1079, 1080), aborted and broken connections (1152, 1158 to 1161, 1184), killed ones (1927 on
 * MariaDB, 3169 on MySQL).
 */
const ending: ReadonlySet<number> = new Set([1053, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3169])
/** ER_CLIENT_INTERACTION_TIMEOUT on MySQL: sent unasked only. On MariaDB the number is that of another error. */
const idleTooLong = 4031

/**
 * `undefined` where the session goes on. A server that sends an error with sequence number 0 has not read the command
 * that it seems to answer.
 */
export const endOf = (err: Err, sequence: number, product: Product): MysqlError.MysqlError | undefined => {
  const unasked = sequence === 0
  if (!ending.has(err.errno) && !(unasked && err.errno === idleTooLong)) return undefined
  return lostBy(err, unasked ? "notSent" : "replyStarted", product)
}

/** Why the connection cannot be used after this reply, if it cannot. */
export const whyLost = (reply: Reply, sequence: number): MysqlError.MysqlError | undefined => {
  if (reply.failure !== undefined) return failures.protocol(reply.failure)
  return reply.err === undefined ? undefined : endOf(reply.err, sequence, reply.product)
}

export const lostBy = (err: Err, phase: MysqlError.ConnectionLost["phase"], product: Product): MysqlError.MysqlError =>
  MysqlError.make(
    new MysqlError.ConnectionLost({
      phase,
      problem: `the server ended the session: ${err.message} (${symbolOf(err.errno, product)}, ${err.errno})`,
      cause: failures.server(err, "", product).reason
    })
  )
