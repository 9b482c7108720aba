/**
 * Strings and byte strings out of the receive buffer.
 *
 * @since 0.1.0
 */
import { copyBytes } from "../Bytes.ts"

/** The decoding methods of Node's buffers that `toString` dispatches to; calling them directly is the hot path. */
interface Slices {
  readonly latin1Slice: (start: number, end: number) => string
  readonly utf8Slice: (start: number, end: number) => string
}

/** Up to this many bytes a string is built here: crossing into native code costs more. */
const shortBytes = 14

/** Bytes that are known to be ASCII. */
export const ascii = (bytes: Buffer, start: number, end: number): string =>
  (bytes as Buffer & Slices).latin1Slice(start, end)

export const text = (bytes: Buffer, start: number, end: number): string => {
  const length = end - start
  if (length <= shortBytes) {
    let value = ""
    for (let index = start; index < end; index++) {
      const byte = bytes[index]!
      if (byte > 0x7f) return (bytes as Buffer & Slices).utf8Slice(start, end)
      value += String.fromCharCode(byte)
    }
    return value
  }
  return (bytes as Buffer & Slices).utf8Slice(start, end)
}

export const binary = (bytes: Buffer, start: number, end: number): Uint8Array => copyBytes(bytes, start, end)

/** The members of a SET. */
export const members = (bytes: Buffer, start: number, end: number): ReadonlyArray<string> =>
  start === end ? [] : text(bytes, start, end).split(",")
