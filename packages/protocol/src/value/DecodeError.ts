/**
 * A value that the server sent in a form that cannot be the column's type, or that whoever reads the rows does not take.
 * The rest of the result is read to its end: the connection stays usable.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * A value that a column of its type cannot have, or that the options have no place for. The reply goes on behind it.
 *
 * @since 0.1.0
 * @category errors
 */
export class DecodeError extends Data.TaggedError("DecodeError")<{
  readonly column: string
  /** The column's type by name. */
  readonly type: string
  /** What is wrong with the value. */
  readonly problem: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `Column "${this.column}" of type ${this.type}: ${this.problem}`
  }
}

/** Thrown by a value decoder, which does not know its column; the row decoder completes it. */
export class BadValue {
  readonly problem: string

  constructor(problem: string) {
    this.problem = problem
  }
}
