/**
 * JSON documents. Integers beyond 2^53 become `bigint` and lose no digit.
 *
 * @since 0.1.0
 */
import { BadValue } from "./DecodeError.ts"
import { narrow } from "./Integer.ts"
import { text } from "./Text.ts"

/** `JSON.parse` as ECMAScript 2025 has it: the reviver sees the source text of a primitive. */
type Parse = (
  text: string,
  reviver?: (key: string, value: unknown, context: { readonly source?: string }) => unknown
) => unknown

const parse = JSON.parse as Parse

const exact = (_key: string, value: unknown, context: { readonly source?: string }): unknown =>
  typeof value === "number" &&
  !Number.isSafeInteger(value) &&
  context.source !== undefined &&
  /^-?\d+$/.test(context.source)
    ? narrow(BigInt(context.source))
    : value

export const parsed = (bytes: Buffer, start: number, end: number): unknown => {
  const source = text(bytes, start, end)
  try {
    return /\d{16}/.test(source) ? parse(source, exact) : parse(source)
  } catch (error) {
    throw new BadValue(error instanceof Error ? error.message : String(error))
  }
}
