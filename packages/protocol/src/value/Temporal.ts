/**
 * DATE, DATETIME, TIMESTAMP and TIME, from digits (text protocol) and from fields (binary protocol).
 *
 * A `Date` holds milliseconds: microseconds are cut off. The strings and `Duration` keep them.
 *
 * Manual: "Binary Protocol Value", "ProtocolBinary::MYSQL_TYPE_DATETIME", "MYSQL_TYPE_TIME".
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import { BadValue } from "./DecodeError.ts"
import { u16, u32 } from "./Integer.ts"
import { ascii } from "./Text.ts"
import { toUtc, type Zone } from "./Zone.ts"

const minute = 60_000
const day = 86_400_000

/** How a DATETIME becomes a `Date`. */
export interface DateOptions {
  /** The session's time zone: minutes ahead of UTC, or a named one. */
  readonly offsetMinutes: Zone
  /** What a zero or impossible date gives. */
  readonly invalidDate: "error" | "null"
}

/** Two digits as a number; negative where they are none. */
const two = (bytes: Buffer, at: number): number => {
  const tens = bytes[at]! - 0x30
  const ones = bytes[at + 1]! - 0x30
  return tens >>> 0 > 9 || ones >>> 0 > 9 ? -1 : tens * 10 + ones
}

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)

/** Days since 1970-01-01 of a day in the proleptic Gregorian calendar, by counting years from March on. */
const daysSinceEpoch = (year: number, month: number, dayOfMonth: number): number => {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + dayOfMonth - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

const exists = (year: number, month: number, dayOfMonth: number): boolean =>
  month >= 1 &&
  month <= 12 &&
  dayOfMonth >= 1 &&
  (dayOfMonth <= monthDays[month - 1]! || (month === 2 && dayOfMonth === 29 && isLeap(year)))

const dateAt = (
  options: DateOptions,
  year: number,
  month: number,
  dayOfMonth: number,
  timeOfDay: number
): Date | undefined =>
  exists(year, month, dayOfMonth)
    ? new Date(toUtc(options.offsetMinutes, daysSinceEpoch(year, month, dayOfMonth) * day + timeOfDay))
    : undefined

const impossible = (options: DateOptions, shown: string): null => {
  if (options.invalidDate === "null") return null
  throw new BadValue(`${shown} is not a date that exists (decode as "string", or invalidDate: "null")`)
}

const digitsOnly = (bytes: Buffer, start: number, end: number): boolean => {
  for (let index = start; index < end; index++) if ((bytes[index]! - 0x30) >>> 0 > 9) return false
  return true
}

const malformed = (what: string, shown: string): BadValue => new BadValue(`"${shown}" is not a ${what}`)

/** `YYYY-MM-DD[ HH:MM:SS[.f…]]` */
export const dateFromText =
  (options: DateOptions) =>
  (bytes: Buffer, start: number, end: number): Date | null => {
    const length = end - start
    const century = two(bytes, start)
    const yearOfCentury = two(bytes, start + 2)
    const month = two(bytes, start + 5)
    const dayOfMonth = two(bytes, start + 8)
    let wellFormed =
      length >= 10 &&
      (century | yearOfCentury | month | dayOfMonth) >= 0 &&
      bytes[start + 4] === 0x2d &&
      bytes[start + 7] === 0x2d
    let timeOfDay = 0
    if (length !== 10) {
      const hours = two(bytes, start + 11)
      const minutes = two(bytes, start + 14)
      const seconds = two(bytes, start + 17)
      timeOfDay = hours * 3_600_000 + minutes * minute + seconds * 1000
      wellFormed &&=
        (hours | minutes | seconds) >= 0 &&
        hours < 24 &&
        minutes < 60 &&
        seconds < 60 &&
        bytes[start + 10] === 0x20 &&
        bytes[start + 13] === 0x3a &&
        bytes[start + 16] === 0x3a &&
        (length === 19 ||
          (length > 20 && length <= 26 && bytes[start + 19] === 0x2e && digitsOnly(bytes, start + 20, end)))
      // The first three digits of the fraction: a Date has no more.
      for (let index = start + 20, unit = 100; index < end && unit >= 1; index++, unit /= 10) {
        timeOfDay += (bytes[index]! - 0x30) * unit
      }
    }
    if (!wellFormed) throw malformed("DATETIME", ascii(bytes, start, Math.min(end, start + 40)))
    return (
      dateAt(options, century * 100 + yearOfCentury, month, dayOfMonth, timeOfDay) ??
      impossible(options, ascii(bytes, start, end))
    )
  }

const checkLength = (start: number, end: number, what: string, allowed: ReadonlyArray<number>): number => {
  const length = end - start
  if (!allowed.includes(length)) throw new BadValue(`a ${what} of ${length} bytes`)
  return length
}

const dateTimeLengths = [0, 4, 7, 11]
const timeLengths = [0, 8, 12]

export const dateFromFields =
  (options: DateOptions) =>
  (bytes: Buffer, start: number, end: number): Date | null => {
    const length = end - start
    if (length !== 7 && length !== 11) checkLength(start, end, "DATETIME", dateTimeLengths)
    let timeOfDay = 0
    if (length >= 7) {
      const hours = bytes[start + 4]!
      const minutes = bytes[start + 5]!
      const seconds = bytes[start + 6]!
      const micros = length === 11 ? u32(bytes, start + 7) : 0
      if (hours > 23 || minutes > 59 || seconds > 59 || micros > 999_999) {
        throw malformed("DATETIME", stringFromFields(6, true)(bytes, start, end))
      }
      timeOfDay = hours * 3_600_000 + minutes * minute + seconds * 1000 + Math.floor(micros / 1000)
    }
    const date =
      length === 0 ? undefined : dateAt(options, u16(bytes, start), bytes[start + 2]!, bytes[start + 3]!, timeOfDay)
    return date ?? impossible(options, stringFromFields(0, true)(bytes, start, end))
  }

const pad = (value: number, width: number): string => String(value).padStart(width, "0")

/** More than six decimals mean that the server does not say how many there are. */
const fraction = (micros: number, decimals: number): string =>
  decimals === 0 || (decimals > 6 && micros === 0) ? "" : `.${pad(micros, 6).slice(0, decimals)}`

/** As the text protocol writes it: `decimals` digits of the fraction, as many as the column has. */
export const stringFromFields =
  (decimals: number, timed: boolean) =>
  (bytes: Buffer, start: number, end: number): string => {
    const length = checkLength(start, end, "DATETIME", dateTimeLengths)
    const date =
      length === 0
        ? "0000-00-00"
        : `${pad(u16(bytes, start), 4)}-${pad(bytes[start + 2]!, 2)}-${pad(bytes[start + 3]!, 2)}`
    if (!timed) return date
    const time =
      length < 7 ? "00:00:00" : `${pad(bytes[start + 4]!, 2)}:${pad(bytes[start + 5]!, 2)}:${pad(bytes[start + 6]!, 2)}`
    return `${date} ${time}${fraction(length === 11 ? u32(bytes, start + 7) : 0, decimals)}`
  }

/** `[-]HHH:MM:SS[.f…]`: hours may have more than two digits. */
export const timeStringFromFields =
  (decimals: number) =>
  (bytes: Buffer, start: number, end: number): string => {
    const length = checkLength(start, end, "TIME", timeLengths)
    if (length === 0) return `00:00:00${fraction(0, decimals)}`
    const hours = u32(bytes, start + 1) * 24 + bytes[start + 5]!
    const micros = length === 12 ? u32(bytes, start + 8) : 0
    return `${bytes[start] === 1 ? "-" : ""}${pad(hours, 2)}:${pad(bytes[start + 6]!, 2)}:${pad(bytes[start + 7]!, 2)}${fraction(
      micros,
      decimals
    )}`
  }

const durationOf = (negative: boolean, seconds: number, micros: number): Duration.Duration => {
  const nanos = (BigInt(seconds) * BigInt(1_000_000) + BigInt(micros)) * BigInt(1000)
  return Duration.nanos(negative ? -nanos : nanos)
}

export const durationFromFields = (bytes: Buffer, start: number, end: number): Duration.Duration => {
  const length = checkLength(start, end, "TIME", timeLengths)
  if (length === 0) return Duration.zero
  const hours = u32(bytes, start + 1) * 24 + bytes[start + 5]!
  const seconds = hours * 3600 + bytes[start + 6]! * 60 + bytes[start + 7]!
  return durationOf(bytes[start] === 1, seconds, length === 12 ? u32(bytes, start + 8) : 0)
}

export const durationFromText = (bytes: Buffer, start: number, end: number): Duration.Duration => {
  const shown = ascii(bytes, start, end)
  const match = /^(-?)(\d{2,3}):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?$/.exec(shown)
  if (match === null) throw malformed("TIME", shown)
  const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60 + Number(match[4])
  return durationOf(match[1] === "-", seconds, Number((match[5] ?? "").padEnd(6, "0")))
}
