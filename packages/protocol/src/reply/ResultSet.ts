/**
 * A whole result as a server writes it: the count of the columns, their definitions, rows, and the ends of both as they
 * were agreed on. Payloads, to be numbered from 1 on.
 *
 * Manual: "Text Resultset", "Binary Protocol Resultset".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { Writer } from "../Bytes.ts"
import { type Capabilities, Flag, has } from "../connect/Capabilities.ts"
import * as BinaryRow from "../row/BinaryRow.ts"
import * as TextRow from "../row/TextRow.ts"
import { ServerStatus } from "../ServerStatus.ts"
import type { ParameterError } from "../value/Parameter.ts"
import * as Column from "./Column.ts"
import * as ColumnCount from "./ColumnCount.ts"
import * as Ok from "./Ok.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Encodable {
  readonly columns: ReadonlyArray<Column.Column>
  /** As text: `null`, strings and bytes. In the binary form: whatever a parameter can be. */
  readonly rows: ReadonlyArray<ReadonlyArray<unknown>>
  readonly protocol: "text" | "binary"
  readonly ok?: Partial<Ok.OkFields> | undefined
  /** `false`: the client knows the columns, and left it to the server. Default `true`. */
  readonly follows?: boolean | undefined
}

/**
 * Definitions, and the EOF behind them where it was agreed on: of a result, and of the parameters and columns of a
 * statement that was prepared.
 *
 * @since 0.1.0
 * @category encoding
 */
export const definitions = (
  columns: ReadonlyArray<Column.Column>,
  capabilities: Capabilities,
  end: Pick<Ok.Ok, "status" | "warningCount"> = { status: ServerStatus.autocommit, warningCount: 0 }
): ReadonlyArray<Writer> => {
  const written = columns.map((column) => Column.encode(column, capabilities))
  return has(capabilities, Flag.DEPRECATE_EOF) ? written : [...written, Ok.encodeEof(end)]
}

/**
 * Fails for a value that its column cannot hold.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (
  result: Encodable,
  capabilities: Capabilities
): Result.Result<ReadonlyArray<Writer>, ParameterError> => {
  const ok = { affectedRows: 0, insertId: 0, status: ServerStatus.autocommit, warningCount: 0, ...result.ok }
  const follows = result.follows ?? true
  const withEof = !has(capabilities, Flag.DEPRECATE_EOF)
  const payloads = [ColumnCount.encode({ count: result.columns.length, follows }, capabilities)]
  if (follows) payloads.push(...definitions(result.columns, capabilities, ok))
  for (const row of result.rows) {
    if (result.protocol === "text") {
      payloads.push(TextRow.encode(row as ReadonlyArray<string | Uint8Array | null>))
      continue
    }
    const encoded = BinaryRow.encode(result.columns, row)
    if (Result.isFailure(encoded)) return Result.fail(encoded.failure)
    payloads.push(encoded.success)
  }
  payloads.push(withEof ? Ok.encodeEof(ok) : Ok.encode(ok, 0xfe, capabilities))
  return Result.succeed(payloads)
}
