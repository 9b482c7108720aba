/**
 * Integers: as decimal digits in the text protocol, as two's complement in the binary one. BIGINT comes as `number`
 * where it is safe, else as `bigint`.
 *
 * @since 0.1.0
 */
import { BadValue } from "./DecodeError.ts"
import { ascii } from "./Text.ts"

const two32 = 4294967296
/** So many digits always fit into a double without loss. */
const safeDigits = 15
/** With one more digit behind it, this is still a safe integer. */
const safeBeforeLastDigit = 900_719_925_474_098

/** Digits of a value that is known to fit: everything up to INT, YEAR. */
export const fromText = (bytes: Buffer, start: number, end: number): number => {
  const negative = bytes[start] === 0x2d
  let index = negative ? start + 1 : start
  // ZEROFILL may put any number of zeros in front.
  while (end - index > safeDigits && bytes[index] === 0x30) index++
  if (index === end || end - index > safeDigits) throw notAnInteger(bytes, start, end)
  let value = 0
  while (index < end) {
    const digit = bytes[index++]! - 0x30
    if (digit < 0 || digit > 9) throw notAnInteger(bytes, start, end)
    value = value * 10 + digit
  }
  return negative ? -value : value
}

export const bigFromText = (bytes: Buffer, start: number, end: number): bigint => {
  const digits = ascii(bytes, start, end)
  if (!/^-?\d+$/.test(digits)) throw notAnInteger(bytes, start, end)
  return BigInt(digits)
}

export const autoFromText = (bytes: Buffer, start: number, end: number): number | bigint => {
  if (end - start <= safeDigits) return fromText(bytes, start, end)
  if (end - start === safeDigits + 1) {
    // Sixteen digits: safe more often than not.
    const head = fromText(bytes, start, end - 1)
    const digit = bytes[end - 1]! - 0x30
    if (head >= 0 && head <= safeBeforeLastDigit && digit >= 0 && digit <= 9) return head * 10 + digit
  }
  return narrow(bigFromText(bytes, start, end))
}

/** `number` where it is safe, else the `bigint` itself. */
export const narrow = (value: bigint): number | bigint => {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

const notAnInteger = (bytes: Buffer, start: number, end: number): BadValue =>
  new BadValue(`"${ascii(bytes, start, Math.min(end, start + 40))}" is not an integer`)

export const i8 = (bytes: Buffer, at: number): number => (bytes[at]! << 24) >> 24
export const u8 = (bytes: Buffer, at: number): number => bytes[at]!
export const i16 = (bytes: Buffer, at: number): number => ((bytes[at]! | (bytes[at + 1]! << 8)) << 16) >> 16
export const u16 = (bytes: Buffer, at: number): number => bytes[at]! | (bytes[at + 1]! << 8)
export const i32 = (bytes: Buffer, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
export const u32 = (bytes: Buffer, at: number): number => i32(bytes, at) >>> 0

export const i64 = (bytes: Buffer, at: number): number | bigint => {
  const high = i32(bytes, at + 4)
  // -2^53 < value < 2^53
  return high >= -0x200000 && high < 0x200000 ? narrowest(high * two32 + u32(bytes, at)) : bytes.readBigInt64LE(at)
}

export const u64 = (bytes: Buffer, at: number): number | bigint => {
  const high = u32(bytes, at + 4)
  return high < 0x200000 ? high * two32 + u32(bytes, at) : bytes.readBigUInt64LE(at)
}

/** -2^53 is a double, but not a safe integer. */
const narrowest = (value: number): number | bigint => (value === Number.MIN_SAFE_INTEGER - 1 ? BigInt(value) : value)

export const bigI64 = (bytes: Buffer, at: number): bigint => bytes.readBigInt64LE(at)
export const bigU64 = (bytes: Buffer, at: number): bigint => bytes.readBigUInt64LE(at)
