/**
 * FLOAT and DOUBLE.
 *
 * A FLOAT comes as the shortest decimal that is the same 32-bit float again: `1.1`, not `1.100000023841858`. In the text
 * protocol the server itself rounds a FLOAT to six digits.
 *
 * @since 0.1.0
 */
import { BadValue } from "./DecodeError.ts"
import { ascii } from "./Text.ts"

const powersOfTen: ReadonlyArray<number> = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))

/**
 * Up to 15 digits without exponent are an integer below 2^53 divided by an exact power of ten: one correctly rounded
 * operation, so the result is what `Number` gives. Everything else goes to `Number`.
 */
export const fromText = (bytes: Buffer, start: number, end: number): number => {
  if (end - start > 16) return slowFromText(bytes, start, end)
  const negative = bytes[start] === 0x2d
  let index = negative ? start + 1 : start
  let mantissa = 0
  let digits = 0
  let fraction = -1
  for (; index < end; index++) {
    const byte = bytes[index]!
    const digit = byte - 0x30
    if (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit
      digits++
      if (fraction >= 0) fraction++
    } else if (byte === 0x2e && fraction === -1) {
      fraction = 0
    } else {
      return slowFromText(bytes, start, end)
    }
  }
  if (digits === 0 || digits > 15) return slowFromText(bytes, start, end)
  const value = fraction > 0 ? mantissa / powersOfTen[fraction]! : mantissa
  return negative ? -value : value
}

const slowFromText = (bytes: Buffer, start: number, end: number): number => {
  const digits = ascii(bytes, start, end)
  // `Number` takes more than servers send: white space, `0x10`, `Infinity`.
  const value = /^[-+.\de]+$/.test(digits) ? Number(digits) : Number.NaN
  if (Number.isNaN(value)) throw new BadValue(`"${digits.slice(0, 40)}" is not a number`)
  return value
}

export const f64 = (bytes: Buffer, at: number): number => bytes.readDoubleLE(at)

const leastNormal = 2 ** -126

export const f32 = (bytes: Buffer, at: number): number => {
  const value = bytes.readFloatLE(at)
  if (Number.isInteger(value) && Math.abs(value) < 0x1000000) return value
  // Six digits are always exact, but for the subnormal: those have fewer.
  for (let precision = Math.abs(value) < leastNormal ? 1 : 6; precision < 9; precision++) {
    const shorter = Number(value.toPrecision(precision))
    if (Math.fround(shorter) === value) return shorter
  }
  return Number(value.toPrecision(9))
}
