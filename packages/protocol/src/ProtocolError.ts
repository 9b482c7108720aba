/**
 * The one error of this package for bytes that break the protocol.
 *
 * It says in which phase the bytes stood, what the protocol expects there and what came instead. After it the position
 * in the byte stream is unknown: the connection has to be closed and must not be used again.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Bytes that the protocol does not allow.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProtocolError extends Data.TaggedError("ProtocolError")<{
  /** Where in the conversation: `"greeting"`, `"column definition"`, `"text row"` … */
  readonly phase: string
  readonly expected: string
  readonly got: string
}> {
  override get message(): string {
    return `Protocol error in ${this.phase}: expected ${this.expected}, got ${this.got}`
  }
}
