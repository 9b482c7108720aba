/**
 * The names of branches as SQL and back, and the numbers of the errors that are about branches.
 *
 * Manual: "XA Transaction SQL Statements".
 */
import { isMysqlError } from "@effect-mysql/client/MysqlError"
import type { SqlError } from "effect/sql/SqlError"
import type { Xid } from "../TwoPhaseTransaction.ts"
import * as errors from "./errors.ts"

/** Ours, so that they are told from those of others: "EMYS". */
export const defaultFormatId = 0x454d5953

const maxFormatId = 2 ** 31 - 1
const maxPartBytes = 64

/** XAER_NOTA. */
export const unknownXid = 1397
/** XA_RBROLLBACK, XA_RBTIMEOUT, XA_RBDEADLOCK: the branch is rolled back, and over where it was to be committed. */
export const rolledBack: ReadonlySet<number | undefined> = new Set([1402, 1613, 1614])

export const bytesOf = (part: string | Uint8Array): Uint8Array =>
  typeof part === "string" ? new TextEncoder().encode(part) : part

/** A name that nobody else makes up. */
export const random = (): Xid => ({
  formatId: defaultFormatId,
  gtrid: bytesOf(globalThis.crypto.randomUUID()),
  bqual: new Uint8Array(0)
})

const hex = (bytes: Uint8Array): string => `X'${Buffer.from(bytes).toString("hex")}'`

export const encode = ({ bqual, formatId, gtrid }: Xid): string => `${hex(gtrid)},${hex(bqual)},${formatId}`

/** All that is wrong with a name. */
export const faultOf = ({ bqual, formatId, gtrid }: Xid): SqlError | undefined => {
  const faults = [
    ...(gtrid.length >= 1 && gtrid.length <= maxPartBytes
      ? []
      : [`gtrid has ${gtrid.length} bytes, and 1 to ${maxPartBytes} are possible`]),
    ...(bqual.length <= maxPartBytes
      ? []
      : [`bqual has ${bqual.length} bytes, and at most ${maxPartBytes} are possible`]),
    ...(Number.isInteger(formatId) && formatId >= 0 && formatId <= maxFormatId
      ? []
      : [`formatId ${formatId} is not an integer from 0 to ${maxFormatId}`])
  ]
  return faults.length === 0 ? undefined : errors.make("unknown", "xa", `Xid: ${faults.join("; ")}`)
}

export const resourceManagerError = 1401

/** How the products list prepared branches with their bytes intact. */
export const recover = { mysql: "XA RECOVER CONVERT XID", mariadb: "XA RECOVER" }

/** A row of the list: format id, lengths of gtrid and bqual, and the bytes of both (MySQL: as hex digits after `0x`). */
export const decode = ([formatId, gtridLength, bqualLength, data]: ReadonlyArray<unknown>): Xid => {
  const bytes = data instanceof Uint8Array ? data : Buffer.from(String(data).slice(2), "hex")
  const end = Number(gtridLength)
  return {
    formatId: Number(formatId),
    gtrid: Uint8Array.from(bytes.subarray(0, end)),
    bqual: Uint8Array.from(bytes.subarray(end, end + Number(bqualLength)))
  }
}

/** The number that the server gave, under whatever it was wrapped. */
export const serverErrno = (error: SqlError): number | undefined => {
  const { cause } = error.reason
  return isMysqlError(cause) && cause.reason._tag === "ServerError" ? cause.reason.errno : undefined
}
