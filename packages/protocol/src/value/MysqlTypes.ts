/**
 * Parameters with a type, for when the JavaScript type of a value is not enough: a number that shall be a DECIMAL, an
 * object that shall be JSON, a DATETIME with microseconds. Each function takes a value and gives a parameter that every
 * statement takes, prepared or as text.
 *
 * ```ts
 * connection.query("INSERT INTO t VALUES (?, ?)", [MysqlTypes.decimal("1.10"), MysqlTypes.json({ a: [1, 2] })])
 * ```
 *
 * A value that does not fit its type makes the statement fail with a `ParameterError` before anything is sent.
 *
 * Manual: "Data Types", "Binary Protocol Value".
 *
 * @since 0.1.0
 */
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Geometry from "./Geometry.ts"
import * as Json from "./Json.ts"
import {
  type CalendarDay,
  type Fail,
  instant,
  littleEndian,
  maxDecimalDigits,
  maxU64,
  minI64,
  time as ofDuration,
  integer as ofInteger,
  text as ofText,
  type Parameter,
  plainDigits,
  TypedParameter,
  timeOfMicros,
  tooManyDigits
} from "./Parameter.ts"
import type { Zone } from "./Zone.ts"

// ---- numbers -------------------------------------------------------------------------------------------------------

const whole = (value: number | bigint | string, fail: Fail): bigint => {
  const isWhole =
    typeof value === "number"
      ? Number.isSafeInteger(value)
      : typeof value === "bigint" || (typeof value === "string" && /^[-+]?\d{1,20}$/.test(value))
  return isWhole ? BigInt(value) : fail(`${String(value)} is not a safe integer, a bigint or decimal digits`)
}

/**
 * BIGINT, or BIGINT UNSIGNED above 2^63 − 1: a safe integer, a `bigint`, or decimal digits.
 *
 * @since 0.1.0
 * @category numbers
 */
export const bigint = (value: number | bigint | string): TypedParameter =>
  new TypedParameter("BIGINT", value, (fail) => {
    const number = whole(value, fail)
    if (number < minI64 || number >= maxU64) return fail(`${number} does not fit into 64 bits`)
    return ofInteger(number)!
  })

/**
 * BIGINT UNSIGNED: arithmetic with it is unsigned.
 *
 * @since 0.1.0
 * @category numbers
 */
export const bigintUnsigned = (value: number | bigint | string): TypedParameter =>
  new TypedParameter("BIGINT UNSIGNED", value, (fail) => {
    const number = whole(value, fail)
    if (number < BigInt(0) || number >= maxU64) return fail(`${number} does not fit into 64 bits without a sign`)
    return { _tag: "Integer", value: number, unsigned: true }
  })

const decimalDigits = /^[-+]?(\d*)(?:\.(\d*))?$/

/**
 * DECIMAL: digits as they are to be stored, without an exponent, at most 65. A `number` goes in its shortest form.
 *
 * @since 0.1.0
 * @category numbers
 */
export const decimal = (value: string | number | bigint | BigDecimal.BigDecimal): TypedParameter =>
  new TypedParameter("DECIMAL", value, (fail) => {
    if (BigDecimal.isBigDecimal(value)) return { _tag: "Decimal", digits: plainDigits(value) ?? fail(tooManyDigits) }
    if (typeof value === "number") {
      if (!Number.isFinite(value)) return fail(`${value} is not a DECIMAL`)
      return { _tag: "Decimal", digits: plainDigits(BigDecimal.fromNumberUnsafe(value)) ?? fail(tooManyDigits) }
    }
    const digits = String(value)
    const match = decimalDigits.exec(digits)
    const count = (match?.[1]?.length ?? 0) + (match?.[2]?.length ?? 0)
    if (match === null || count === 0) return fail(`"${digits.slice(0, 80)}" is not a DECIMAL`)
    return count > maxDecimalDigits ? fail(tooManyDigits) : { _tag: "Decimal", digits }
  })

/**
 * FLOAT: the number is rounded to 32 bits.
 *
 * @since 0.1.0
 * @category numbers
 */
export const float = (value: number): TypedParameter =>
  new TypedParameter("FLOAT", value, (fail) => {
    const rounded = Math.fround(value)
    return typeof value === "number" && Number.isFinite(rounded)
      ? { _tag: "Float", value: rounded }
      : fail(`${String(value)} is not a FLOAT`)
  })

/**
 * DOUBLE, also for a whole number.
 *
 * @since 0.1.0
 * @category numbers
 */
export const double = (value: number): TypedParameter =>
  new TypedParameter("DOUBLE", value, (fail) =>
    Number.isFinite(value) ? { _tag: "Double", value } : fail(`${String(value)} is not a DOUBLE`)
  )

// ---- times ---------------------------------------------------------------------------------------------------------

const dayText = /^(\d{4})-(\d\d)-(\d\d)$/
const momentText = /^(\d{4}-\d\d-\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/
const timeText = /^(-?)(\d{1,3}):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?$/

const microsOf = (fraction: string | undefined): number => Number((fraction ?? "").padEnd(6, "0"))

/** Months and days may be 0, and a month may have 31 days: the server's modes decide. */
const dayOf = (value: string, fail: Fail): CalendarDay => {
  const match = dayText.exec(value)
  const day = { year: Number(match?.[1]), month: Number(match?.[2]), day: Number(match?.[3]) }
  return day.month <= 12 && day.day <= 31 ? day : fail(`"${value.slice(0, 40)}" is not a date such as 2024-02-29`)
}

/**
 * DATE: `YYYY-MM-DD`, zeros included, or a `Date` or `DateTime` that is midnight in UTC.
 *
 * @since 0.1.0
 * @category times
 */
export const date = (value: string | Date | DateTime.DateTime): TypedParameter =>
  new TypedParameter("DATE", value, (fail) => {
    if (typeof value === "string") return { _tag: "Date", ...dayOf(value, fail) }
    const moment = instant(epochMillis(value, fail), fail, 0, false)
    if (moment._tag !== "DateTime" || moment.hour + moment.minute + moment.second + moment.micros > 0) {
      return fail("a DATE is midnight in UTC: it has no time of day")
    }
    return { _tag: "Date", year: moment.year, month: moment.month, day: moment.day }
  })

const epochMillis = (value: unknown, fail: Fail): number => {
  if (value instanceof Date) return value.getTime()
  return DateTime.isDateTime(value) ? value.epochMilliseconds : fail("neither a string nor a Date nor a DateTime")
}

const moment =
  (value: string | Date | DateTime.DateTime, timestamp: boolean) =>
  (fail: Fail, offsetMinutes: Zone): Parameter => {
    if (typeof value !== "string") return instant(epochMillis(value, fail), fail, offsetMinutes, timestamp)
    const [, day = "", hour, minute, second, fraction] = momentText.exec(value) ?? []
    const clock = { hour: Number(hour), minute: Number(minute), second: Number(second), micros: microsOf(fraction) }
    if (!(clock.hour < 24 && clock.minute < 60 && clock.second < 60)) {
      return fail(`"${value.slice(0, 40)}" is not a time such as 2024-02-29 23:59:58.000001`)
    }
    return { _tag: "DateTime", ...dayOf(day, fail), ...clock, timestamp }
  }

/**
 * DATETIME: an instant, or `YYYY-MM-DD HH:MM:SS[.ffffff]` as it is to stand in the session's time zone, zero dates
 * included.
 *
 * @since 0.1.0
 * @category times
 */
export const datetime = (value: string | Date | DateTime.DateTime): TypedParameter =>
  new TypedParameter("DATETIME", value, moment(value, false))

/**
 * TIMESTAMP: as `datetime`.
 *
 * @since 0.1.0
 * @category times
 */
export const timestamp = (value: string | Date | DateTime.DateTime): TypedParameter =>
  new TypedParameter("TIMESTAMP", value, moment(value, true))

/**
 * TIME: a `Duration` of whole microseconds, or `[-]HHH:MM:SS[.ffffff]`; between −838:59:59 and 838:59:59.
 *
 * @since 0.1.0
 * @category times
 */
export const time = (value: string | Duration.Duration): TypedParameter =>
  new TypedParameter("TIME", value, (fail) => {
    if (Duration.isDuration(value)) return ofDuration(value, fail)
    const match = timeText.exec(String(value))
    if (match === null) return fail(`"${String(value).slice(0, 40)}" is not a time such as -23:59:58.000001`)
    const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60 + Number(match[4])
    const micros = BigInt(seconds * 1_000_000 + microsOf(match[5]))
    return timeOfMicros(match[1] === "-" ? -micros : micros, fail)
  })

// ---- strings -------------------------------------------------------------------------------------------------------

/**
 * VARCHAR.
 *
 * @since 0.1.0
 * @category strings
 */
export const text = (value: string): TypedParameter =>
  new TypedParameter("VARCHAR", value, (fail) =>
    typeof value === "string" ? ofText(value, fail) : fail("not a string")
  )

/**
 * BLOB: any bytes. They are read when the statement is sent.
 *
 * @since 0.1.0
 * @category strings
 */
export const binary = (value: ArrayBufferLike | ArrayBufferView): TypedParameter =>
  new TypedParameter("BLOB", value, (fail) => {
    if (ArrayBuffer.isView(value)) return bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer
      ? bytes(new Uint8Array(value))
      : fail("not bytes")
  })

const bytes = (value: Uint8Array): Parameter => ({ _tag: "Bytes", value })

/**
 * The members of a SET. None of them has a comma.
 *
 * @since 0.1.0
 * @category strings
 */
export const set = (members: ReadonlyArray<string>): TypedParameter =>
  new TypedParameter("SET", members, (fail) => {
    if (!Array.isArray(members) || !members.every((member) => typeof member === "string")) {
      return fail("a SET is an array of strings")
    }
    if (members.some((member) => member === "" || member.includes(","))) {
      return fail("a member of a SET is not empty and has no comma")
    }
    return ofText(members.join(","), fail)
  })

/**
 * JSON, as text. A `bigint` becomes a number with all its digits; a property that is `undefined` is left out. Whatever
 * else JSON cannot hold (`NaN`, a function, `undefined` in an array, a cycle) is an error.
 *
 * @since 0.1.0
 * @category documents
 */
export const json = (value: unknown): TypedParameter =>
  new TypedParameter("JSON", value, (fail) => ofText(Json.stringify(value, fail), fail))

/**
 * GEOMETRY: GeoJSON, or well-known binary. `srid` is the number of its spatial reference system; default that of the
 * GeoJSON's `crs`, else 0.
 *
 * @since 0.1.0
 * @category documents
 */
export const geometry = (value: Geometry.GeoJson | Uint8Array, srid?: number): TypedParameter =>
  new TypedParameter("GEOMETRY", value, (fail) =>
    bytes(value instanceof Uint8Array ? Geometry.fromWkb(value, srid, fail) : Geometry.fromGeoJson(value, srid, fail))
  )

/**
 * VECTOR: numbers, rounded to 32 bits.
 *
 * @since 0.1.0
 * @category documents
 */
export const vector = (value: Float32Array | ReadonlyArray<number>): TypedParameter =>
  new TypedParameter("VECTOR", value, (fail) => {
    if (!(value instanceof Float32Array) && !Array.isArray(value)) return fail("a VECTOR is an array of numbers")
    const floats = Float32Array.from(value as ReadonlyArray<number>)
    return floats.every(Number.isFinite) ? bytes(littleEndian(floats)) : fail("a VECTOR has finite numbers only")
  })
