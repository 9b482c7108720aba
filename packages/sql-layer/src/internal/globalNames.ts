/**
 * The names that a coordinator gives to its transactions: its own name and sixteen random bytes are the global part, the
 * name of the database is that of the branch. A name of another length is another coordinator's.
 */
import type { SqlError } from "effect/sql/SqlError"
import type { Xid } from "../TwoPhaseTransaction.ts"
import * as errors from "./errors.ts"
import { bytesOf } from "./xa.ts"

/** "EMYC". */
const formatId = 0x454d5943
const randomBytes = 16
const maxNameBytes = 64 - randomBytes
const maxKeyBytes = 64

export const faultOf = (name: string, keys: ReadonlyArray<string>): SqlError | undefined => {
  const faults: Array<string> = []
  const check = (what: string, text: string, most: number): void => {
    const { length } = bytesOf(text)
    if (length < 1 || length > most) faults.push(`${what} "${text}" has ${length} bytes, and 1 to ${most} are possible`)
  }
  check("name", name, maxNameBytes)
  for (const key of keys) check("participant", key, maxKeyBytes)
  if (keys.length === 0) faults.push("there are no participants")
  return faults.length === 0 ? undefined : errors.make("unknown", "coordinator", `Coordinator: ${faults.join("; ")}`)
}

export const newGtrid = (name: string): Uint8Array => {
  const own = bytesOf(name)
  const gtrid = new Uint8Array(own.length + randomBytes)
  gtrid.set(own)
  globalThis.crypto.getRandomValues(gtrid.subarray(own.length))
  return gtrid
}

export const xid = (gtrid: Uint8Array, key: string): Xid => ({ formatId, gtrid, bqual: bytesOf(key) })

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index])

/** It is a branch of this coordinator on this database. */
export const isOf = (name: string, key: string, branch: Xid): boolean => {
  const own = bytesOf(name)
  return (
    branch.formatId === formatId &&
    branch.gtrid.length === own.length + randomBytes &&
    sameBytes(branch.gtrid.subarray(0, own.length), own) &&
    sameBytes(branch.bqual, bytesOf(key))
  )
}
