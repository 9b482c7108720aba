/**
 * The one error of the test servers: what could not be done, what was tried, and what the reader can do about it.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * A server could not be had, started, stopped or asked.
 *
 * @since 0.1.0
 * @category errors
 */
export class MysqlServerError extends Data.TaggedError("MysqlServerError")<{
  /** What was wanted, as the rest of "Could not …": `"start mysql-9.7"`. */
  readonly operation: string
  /** One sentence for each way that was tried, with its outcome. */
  readonly tried: ReadonlyArray<string>
  /** What to do, as a sentence. */
  readonly advice?: string | undefined
  readonly cause?: unknown
}> {
  override get message(): string {
    // What was tried may itself be such a sentence.
    const tried = this.tried.length === 0 ? "" : `: ${this.tried.join("; ").replace(/\.$/, "")}`
    return `Could not ${this.operation}${tried}.${this.advice === undefined ? "" : ` ${this.advice}`}`
  }
}
