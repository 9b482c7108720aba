/**
 * One branch of a distributed transaction (XA): it is prepared, after which the server keeps it over everything, a crash
 * included, until somebody commits it or rolls it back. `MysqlEngine.twoPhase` and `Session.twoPhase` begin one.
 *
 * Manual: "XA Transactions" (MySQL and MariaDB).
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as xa from "./internal/xa.ts"
import type { Executor } from "./Session.ts"

/**
 * The name of a branch: which transaction, which branch of it, and whose way of naming that is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Xid {
  /** 0 to 2^31 - 1. */
  readonly formatId: number
  /** The global transaction: 1 to 64 bytes. */
  readonly gtrid: Uint8Array
  /** The branch: at most 64 bytes. */
  readonly bqual: Uint8Array
}

/**
 * A branch. Its states: active, prepared, over.
 *
 * When its scope closes, a branch that is not prepared is rolled back, and one that is prepared stays as it is: somebody
 * has to resolve it, here or by `MysqlEngine.commitPrepared` and `rollbackPrepared`. Until then it holds its locks.
 *
 * MySQL takes a prepared branch off its session, MariaDB does not. So that both behave alike, nothing else runs on the
 * session between `prepare` and the end of the scope, and on MariaDB a session whose scope ends with a prepared branch
 * ends with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface TwoPhaseTransaction extends Executor {
  readonly xid: Xid
  /**
   * Fails where the branch is not active, and where the server has rolled it back. After the loss of the line, which is
   * an `UnknownError`, `MysqlEngine.recoverPrepared` tells whether it is prepared.
   */
  readonly prepare: Effect.Effect<void, SqlError>
  /**
   * Without `prepare` before it: in one phase. When the line is lost the outcome is unknown: of a prepared branch
   * `MysqlEngine.commitPrepared` may then be tried until it succeeds or fails with `isUnknownXid`.
   */
  readonly commit: Effect.Effect<void, SqlError>
  /** Of a branch that is over: nothing. */
  readonly rollback: Effect.Effect<void, SqlError>
}

/**
 * A name out of texts (as UTF-8) or bytes. Lengths are checked where it is used.
 *
 * @since 0.1.0
 * @category constructors
 */
export const xid = (
  gtrid: string | Uint8Array,
  bqual: string | Uint8Array = "",
  formatId: number = xa.defaultFormatId
): Xid => ({ formatId, gtrid: xa.bytesOf(gtrid), bqual: xa.bytesOf(bqual) })

/**
 * Whether two names are the same.
 *
 * @since 0.1.0
 * @category predicates
 */
export const sameXid = (a: Xid, b: Xid): boolean => xa.encode(a) === xa.encode(b)

/**
 * The server knows no such prepared branch (XAER_NOTA, 1397): it was never prepared, or is resolved already.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isUnknownXid = (error: SqlError): boolean => xa.serverErrno(error) === xa.unknownXid
