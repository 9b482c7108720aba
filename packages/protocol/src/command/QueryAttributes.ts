/**
 * Query attributes: named values that travel with a statement and that `mysql_query_attribute_string()` reads on the
 * server. MySQL only. Where both sides agreed on them every statement has to carry them, be it none.
 *
 * Manual: "COM_QUERY", "Query Attributes".
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import { Writer } from "../Bytes.ts"
import { ColumnType } from "../ColumnType.ts"
import * as Packet from "../framing/Packet.ts"
import { inCharset, typeOf, write } from "../value/BinaryValue.ts"
import type { Charset } from "../value/Charset.ts"
import { attempt, classify, type Parameter, type ParameterError } from "../value/Parameter.ts"
import type { Zone } from "../value/Zone.ts"
import { Code } from "./Command.ts"

/**
 * Names and values, which are those that parameters can have.
 *
 * @since 0.1.0
 * @category models
 */
export type QueryAttributes = Readonly<Record<string, unknown>>

/**
 * A statement without attributes where both sides agreed on them. Manual: "COM_QUERY".
 *
 * @since 0.1.0
 * @category constants
 */
export const none: QueryAttributes = {}

/** The count of sets of attributes: the protocol has room for several, servers know one. */
const oneSet = 1

/**
 * COM_QUERY where `CLIENT_QUERY_ATTRIBUTES` was agreed on. A text as bytes is in the character set of the session. Fails for a value that cannot be sent; nothing was sent then.
 *
 * @since 0.1.0
 * @category encoding
 */
export const query = (
  sql: string | Uint8Array,
  attributes: QueryAttributes,
  session: { readonly offsetMinutes: Zone; readonly charset?: Charset | undefined } = { offsetMinutes: 0 }
): Result.Result<Buffer, ParameterError> => {
  const names = Object.keys(attributes)
  const writer = new Writer(sql.length + 16 + names.length * 32)
    .u8(Code.QUERY)
    .lengthEncoded(names.length)
    .lengthEncoded(oneSet)
  return attempt(() => {
    if (names.length > 0) {
      const { charset, offsetMinutes } = session
      const values = names.map((name) => {
        const value = classify(attributes[name], name, offsetMinutes)
        return { type: typeOf(value), value: charset === undefined ? value : inCharset(value, name, charset) }
      })
      writeAttributes(writer, names, values)
    }
    return Packet.seal(typeof sql === "string" ? writer.text(sql) : writer.bytes(sql))
  })
}

const writeAttributes = (
  writer: Writer,
  names: ReadonlyArray<string>,
  values: ReadonlyArray<{ readonly type: number | undefined; readonly value: Parameter }>
): void => {
  const bitmap = writer.size
  writer.zeros((names.length + 7) >> 3).u8(1)
  for (const [index, { type }] of values.entries()) {
    writer.u16(type ?? ColumnType.NULL).lengthEncodedText(names[index]!)
  }
  for (const [index, { value }] of values.entries()) {
    if (value._tag === "Null") writer.orPatch(bitmap + (index >> 3), 1 << (index & 7))
    else write(writer, value)
  }
}
