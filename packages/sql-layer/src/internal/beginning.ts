/**
 * How transactions begin: their options as the statements that the server understands, and what is wrong with them.
 *
 * Manual: "START TRANSACTION", "SET TRANSACTION".
 */
import type { TransactionOptions } from "@effect-mysql/client/MysqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as errors from "./errors.ts"
import { controls } from "./Lease.ts"

const allowed = {
  isolation: ["read uncommitted", "read committed", "repeatable read", "serializable"],
  accessMode: ["read only", "read write"],
  consistentSnapshot: [true, false]
} satisfies Record<keyof TransactionOptions, ReadonlyArray<unknown>>

/** All that is wrong with the options; `further` are names that the caller knows what to do with. */
export const faultOf = (
  options: TransactionOptions | undefined,
  further: ReadonlyArray<string> = []
): SqlError | undefined => {
  if (options === undefined) return undefined
  const faults = Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined || further.includes(name)) return []
    const values: ReadonlyArray<unknown> | undefined = allowed[name as keyof TransactionOptions]
    if (values === undefined) return [`${name} is not an option`]
    return values.includes(value) ? [] : [`${name} "${String(value)}" is none of ${values.join(", ")}`]
  })
  const { consistentSnapshot, isolation } = options
  if (consistentSnapshot === true && isolation !== undefined && isolation !== "repeatable read") {
    faults.push(`consistentSnapshot has no effect with isolation "${isolation}"`)
  }
  return faults.length === 0 ? undefined : errors.make("unknown", "begin", `Transaction options: ${faults.join("; ")}`)
}

/** Something is asked for that only the beginning of a transaction can give. */
export const asksForMore = (options: TransactionOptions | undefined): boolean =>
  options?.isolation !== undefined || options?.accessMode !== undefined || options?.consistentSnapshot === true

/** Two statements where there is an isolation level: it is set for the next transaction only. */
export const textOf = (options: TransactionOptions | undefined): string => {
  const characteristics = [
    ...(options?.consistentSnapshot === true ? ["WITH CONSISTENT SNAPSHOT"] : []),
    ...(options?.accessMode === undefined ? [] : [options.accessMode.toUpperCase()])
  ]
  const start = `${controls.begin} ${characteristics.join(", ")}`.trimEnd()
  return options?.isolation === undefined
    ? start
    : `SET TRANSACTION ISOLATION LEVEL ${options.isolation.toUpperCase()}; ${start}`
}
