/**
 * BIT(1) as a boolean, where that is asked for; otherwise BIT is bytes.
 *
 * @since 0.1.0
 */
import { BadValue } from "./DecodeError.ts"

export const boolean = (bytes: Buffer, start: number, end: number): boolean => {
  if (end - start !== 1) throw new BadValue(`${end - start} bytes in place of one bit`)
  return bytes[start] !== 0
}
