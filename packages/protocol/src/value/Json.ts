/**
 * JSON documents, both ways. Integers beyond 2^53 become `bigint` and lose no digit.
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
    throw new BadValue((error as Error).message)
  }
}

/** Leaves by an exception. */
type Fail = (message: string) => never

/** `JSON` as ECMAScript 2025 has it: numbers with more digits than a double can have. */
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }

/**
 * The text of a document. What JSON has no word for is a failure, but for properties that are `undefined`. Throws what
 * `JSON.stringify` and the methods of the document throw.
 */
export const stringify = (value: unknown, fail: Fail): string => {
  function exactly(this: unknown, key: string, replaced: unknown): unknown {
    // Before a `toJSON` that somebody has given to every bigint.
    const original = (this as Record<string, unknown>)[key]
    if (typeof original === "bigint") return rawJSON(original.toString())
    switch (typeof replaced) {
      case "number":
        return Number.isFinite(replaced) ? replaced : fail(`JSON cannot hold ${replaced}`)
      case "function":
      case "symbol":
        return fail(`JSON cannot hold a ${typeof replaced}`)
      case "undefined":
        return Array.isArray(this) || key === "" ? fail("JSON cannot hold undefined") : undefined
      default:
        return replaced
    }
  }
  return JSON.stringify(value, exactly)
}
