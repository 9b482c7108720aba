/**
 * VECTOR: 32-bit floats, little endian.
 *
 * @since 0.1.0
 */
import { BadValue } from "./DecodeError.ts"

export const floats = (bytes: Buffer, start: number, end: number): Float32Array => {
  const count = (end - start) / 4
  if (!Number.isInteger(count)) throw new BadValue(`${end - start} bytes are no whole number of 32-bit floats`)
  const values = new Float32Array(count)
  for (let index = 0; index < count; index++) values[index] = bytes.readFloatLE(start + index * 4)
  return values
}
