/**
 * The options of one statement, checked once for each object: a typing error in them must not be taken for a default.
 */
import type { CursorOptions, TransactionOptions } from "../MysqlConnection.ts"
import type { MysqlError } from "../MysqlError.ts"
import { checkStatement, checkTransaction, type Faults } from "./configChecks.ts"
import * as failures from "./failures.ts"

/** Found to be right; callers keep theirs in constants. */
const sound = new WeakSet<object>()

const once =
  <Options extends object>(check: (options: Options, faults: Faults) => void) =>
  (options: Options | undefined): MysqlError | undefined => {
    if (options === undefined || sound.has(options)) return undefined
    const faults: Faults = []
    check(options, faults)
    if (faults.length > 0) return failures.configuration(...faults)
    sound.add(options)
    return undefined
  }

/** What is wrong with them, if anything. */
export const faultOf: (options: CursorOptions<any> | undefined) => MysqlError | undefined = once(checkStatement)

export const transactionFaultOf: (options: TransactionOptions | undefined) => MysqlError | undefined =
  once(checkTransaction)
