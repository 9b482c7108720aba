/**
 * Failures as the pool sees them: which of them trying again would change, and what borrowers are told.
 */
import * as Duration from "effect/Duration"
import * as MysqlError from "../MysqlError.ts"
import type { Refusal } from "./poolState.ts"

/** Refusals because the server has too much to do, or is not serving at the moment. */
const notNow: ReadonlySet<number | undefined> = new Set([1040, 1041, 1053, 1203, 1205, 1213, 1226, 3032, 3168])
/** Refused before the login, and for longer than a moment: the host is blocked, or not allowed. */
const shutOut: ReadonlySet<number> = new Set([1129, 1130])

/** Asking the server again would not change it. */
export const isHopeless = ({ reason }: MysqlError.MysqlError): boolean => {
  switch (reason._tag) {
    case "LoginError":
    case "ServerError":
      return !notNow.has(reason.errno)
    case "ConfigurationError":
      return true
    case "TlsError":
      return !brokeOff(reason.cause)
    case "ConnectError": {
      const refusal = MysqlError.isMysqlError(reason.cause) ? reason.cause.reason : undefined
      return refusal?._tag === "ServerError" && shutOut.has(refusal.errno)
    }
    default:
      return false
  }
}

/** The line broke during the handshake, as it does when a server goes: that is no refusal. */
const brokeOff = (cause: unknown): boolean =>
  cause instanceof Error && (!("code" in cause) || cause.code === "ECONNRESET" || cause.code === "EPIPE")

export const refusal = (why: Refusal): MysqlError.MysqlError => {
  switch (why._tag) {
    case "closed":
      return MysqlError.make(new MysqlError.PoolClosed({}))
    case "hopeless":
      return why.error
    case "timeout": {
      const { idle, max, pending, used } = why.stats
      return MysqlError.make(new MysqlError.AcquireTimeout({ idle, used, pending, max, cause: why.lastFailure }))
    }
    case "deadlock":
      return MysqlError.make(new MysqlError.PoolDeadlock({ used: why.stats.used, max: why.stats.max }))
  }
}

export const silent = (bound: Duration.Duration): MysqlError.MysqlError =>
  MysqlError.make(
    new MysqlError.ConnectionLost({ phase: "idle", problem: `no sign of life within ${Duration.format(bound)}` })
  )
