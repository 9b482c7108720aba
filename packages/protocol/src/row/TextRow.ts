/**
 * A row of the text protocol as a server writes it: each value as text with its length in front.
 *
 * Manual: "Text Resultset Row".
 *
 * @since 0.1.0
 */
import { Writer } from "../Bytes.ts"

const nullMarker = 0xfb

/**
 * `null` is NULL.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (values: ReadonlyArray<string | Uint8Array | null>): Writer => {
  const writer = new Writer()
  for (const value of values) {
    if (value === null) writer.u8(nullMarker)
    else if (typeof value === "string") writer.lengthEncodedText(value)
    else writer.lengthEncodedBytes(value)
  }
  return writer
}
