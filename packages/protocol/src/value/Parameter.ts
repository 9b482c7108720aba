/**
 * JavaScript values as parameters: what type each is sent as. A value that cannot be sent without loss is a
 * `ParameterError`, never SQL text.
 *
 * | JavaScript | sent as |
 * | --- | --- |
 * | `null` | NULL |
 * | `boolean` | TINYINT |
 * | `number` | BIGINT where it is a safe integer, else DOUBLE; `NaN` and the infinities are errors |
 * | `bigint` | BIGINT, BIGINT UNSIGNED, or DECIMAL up to 65 digits |
 * | `string` | VARCHAR; one with a lone surrogate is an error |
 * | `Uint8Array`, `Float32Array` (a VECTOR) | BLOB |
 * | `Date`, `DateTime` | DATETIME |
 * | `BigDecimal` | DECIMAL |
 * | `Duration` | TIME |
 * | what a function of `MysqlTypes` made | its type |
 *
 * Manual: "COM_STMT_EXECUTE", "Binary Protocol Value".
 *
 * @since 0.1.0
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { toLocal, type Zone } from "./Zone.ts"

/**
 * A value that cannot be sent. Nothing of the statement was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class ParameterError extends Data.TaggedError("ParameterError")<{
  /** Position from 0 on, or name. */
  readonly parameter: number | string
  /** Of many rows: which one, from 0 on. */
  readonly row?: number | undefined
  readonly message: string
}> {}

/**
 * A parameter in the form that the encoders take.
 *
 * @since 0.1.0
 * @category models
 */
export type Parameter =
  | { readonly _tag: "Null" }
  | { readonly _tag: "Boolean"; readonly value: boolean }
  | { readonly _tag: "Integer"; readonly value: number | bigint; readonly unsigned: boolean }
  | { readonly _tag: "Double"; readonly value: number }
  /** Rounded to 32 bits. */
  | { readonly _tag: "Float"; readonly value: number }
  | { readonly _tag: "Decimal"; readonly digits: string }
  | { readonly _tag: "Text"; readonly value: string }
  | { readonly _tag: "Bytes"; readonly value: Uint8Array }
  | ({ readonly _tag: "Date" } & CalendarDay)
  | ({ readonly _tag: "DateTime" } & Moment)
  | { readonly _tag: "Time"; readonly micros: bigint }

/**
 * A day by its numbers: months and days may be 0, which no `Date` can say.
 *
 * @since 0.1.0
 * @category models
 */
export interface CalendarDay {
  readonly year: number
  readonly month: number
  readonly day: number
}

/**
 * A time on a day, in the session's time zone.
 *
 * @since 0.1.0
 * @category models
 */
export interface Moment extends CalendarDay {
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly micros: number
  /** It goes as TIMESTAMP; otherwise as DATETIME. */
  readonly timestamp: boolean
}

/** What `f` gives, or the `ParameterError` that it throws. */
export const attempt = <A>(f: () => A): Result.Result<A, ParameterError> => {
  try {
    return Result.succeed(f())
  } catch (error) {
    /* v8 ignore else -- @preserve nothing below throws anything else: values with code of their own are caught apart */
    if (error instanceof ParameterError) return Result.fail(error)
    throw error
  }
}

/** Gives up on a value with a sentence that says what is wrong with it. */
export type Fail = (message: string) => never

/**
 * A value together with the type that it is to be sent as. `MysqlTypes` makes them. Whether the value fits the type is
 * found out when it is encoded, where a position for the error is known.
 *
 * @since 0.1.0
 * @category models
 */
export class TypedParameter {
  /** The type by its SQL name, e.g. `DECIMAL`. */
  readonly type: string
  readonly value: unknown
  /** The value in the form that encoders take, or no value: `fail` leaves by an exception. */
  readonly classify: (fail: Fail, offsetMinutes: Zone) => Parameter

  constructor(type: string, value: unknown, classify: (fail: Fail, offsetMinutes: Zone) => Parameter) {
    this.type = type
    this.value = value
    this.classify = classify
  }
}

const nullParameter: Parameter = { _tag: "Null" }
export const minI64: bigint = -(BigInt(2) ** BigInt(63))
/** One beyond the largest BIGINT. */
const maxI64 = BigInt(2) ** BigInt(63)
/** One beyond the largest BIGINT UNSIGNED. */
export const maxU64: bigint = BigInt(2) ** BigInt(64)
export const maxDecimalDigits = 65
export const tooManyDigits: string = `a DECIMAL has at most ${maxDecimalDigits} digits`
/** 0000-01-01 and 9999-12-31T23:59:59.999 as milliseconds since the epoch. */
const minMillis = -62_167_219_200_000
const maxMillis = 253_402_300_799_999
/** TIME reaches from -838:59:59 to 838:59:59. */
const maxTimeMicros = BigInt((838 * 3600 + 59 * 60 + 59) * 1_000_000)

/**
 * Throws a `ParameterError`: the encoders of commands turn it into a `Result`. `offsetMinutes` is the
 * session's time zone: minutes ahead of UTC, or a named one.
 */
export const classify = (value: unknown, parameter: number | string, offsetMinutes: Zone): Parameter => {
  const fail: Fail = (message) => {
    throw new ParameterError({ parameter, message: `Parameter ${parameter}: ${message}` })
  }
  switch (typeof value) {
    case "string":
      return text(value, fail)
    case "number":
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) return { _tag: "Integer", value, unsigned: false }
      return Number.isFinite(value) ? { _tag: "Double", value } : fail(`${value} is not a number of SQL`)
    case "bigint":
      return integer(value) ?? fail(tooManyDigits)
    case "boolean":
      return { _tag: "Boolean", value }
    case "undefined":
      return fail("undefined is not a value; use null for NULL")
    case "object":
      return value === null ? nullParameter : object(value, fail, offsetMinutes)
    default:
      return fail(`a ${typeof value} is not a value of SQL`)
  }
}

export const text = (value: string, fail: Fail): Parameter =>
  value.isWellFormed() ? { _tag: "Text", value } : fail("the string has a lone surrogate, which UTF-8 cannot represent")

export const integer = (value: bigint): Parameter | undefined => {
  if (value >= minI64 && value < maxI64) return { _tag: "Integer", value, unsigned: false }
  if (value >= maxI64 && value < maxU64) return { _tag: "Integer", value, unsigned: true }
  const digits = value.toString()
  return digits.replace("-", "").length <= maxDecimalDigits ? { _tag: "Decimal", digits } : undefined
}

const object = (value: object, fail: Fail, offsetMinutes: Zone): Parameter => {
  if (value instanceof Uint8Array) return { _tag: "Bytes", value }
  if (value instanceof Date) return instant(value.getTime(), fail, offsetMinutes, false)
  if (value instanceof Float32Array) return { _tag: "Bytes", value: littleEndian(value) }
  if (BigDecimal.isBigDecimal(value)) return { _tag: "Decimal", digits: plainDigits(value) ?? fail(tooManyDigits) }
  if (DateTime.isDateTime(value)) return instant(value.epochMilliseconds, fail, offsetMinutes, false)
  if (Duration.isDuration(value)) return time(value, fail)
  if (value instanceof TypedParameter) return typed(value, fail, offsetMinutes)
  if (Array.isArray(value)) return fail("an array is not one value; give each element its own placeholder")
  return fail("an object is not a value of SQL; MysqlTypes.json sends one as JSON")
}

/** Values with code of their own (a `toJSON`, a getter) may throw anything. */
const typed = (value: TypedParameter, fail: Fail, offsetMinutes: Zone): Parameter => {
  try {
    return value.classify((message) => fail(`${value.type}: ${message}`), offsetMinutes)
  } catch (error) {
    if (error instanceof ParameterError) throw error
    return fail(`${value.type}: ${error instanceof Error ? error.message : "the value threw"}`)
  }
}

export const instant = (epochMillis: number, fail: Fail, offsetMinutes: Zone, timestamp: boolean): Parameter => {
  if (Number.isNaN(epochMillis)) return fail("the Date is invalid")
  const localMillis = toLocal(offsetMinutes, Math.floor(epochMillis))
  if (localMillis < minMillis || localMillis > maxMillis) return fail("a DATETIME is between the years 0 and 9999")
  const local = new Date(localMillis)
  return {
    _tag: "DateTime",
    year: local.getUTCFullYear(),
    month: local.getUTCMonth() + 1,
    day: local.getUTCDate(),
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
    second: local.getUTCSeconds(),
    micros: local.getUTCMilliseconds() * 1000,
    timestamp
  }
}

export const time = (duration: Duration.Duration, fail: Fail): Parameter => {
  if (!Duration.isFinite(duration)) return fail("a TIME is not infinite")
  const nanos = Duration.toNanosUnsafe(duration)
  if (nanos % BigInt(1000) !== BigInt(0)) return fail("a TIME has whole microseconds")
  return timeOfMicros(nanos / BigInt(1000), fail)
}

export const timeOfMicros = (micros: bigint, fail: Fail): Parameter =>
  micros > maxTimeMicros || micros < -maxTimeMicros
    ? fail("a TIME is between -838:59:59 and 838:59:59")
    : { _tag: "Time", micros }

export const littleEndian = (values: Float32Array): Uint8Array => {
  const bytes = Buffer.allocUnsafe(values.length * 4)
  for (let index = 0; index < values.length; index++) bytes.writeFloatLE(values[index]!, index * 4)
  return bytes
}

/** Digits without an exponent; `undefined` if they are too many. */
export const plainDigits = (value: BigDecimal.BigDecimal): string | undefined => {
  const negative = value.value < BigInt(0)
  const digits = (negative ? -value.value : value.value).toString()
  if (Math.max(digits.length, value.scale, digits.length - value.scale) > maxDecimalDigits) return undefined
  const sign = negative ? "-" : ""
  if (value.scale <= 0) return `${sign}${digits}${"0".repeat(-value.scale)}`
  const padded = digits.padStart(value.scale + 1, "0")
  return `${sign}${padded.slice(0, -value.scale)}.${padded.slice(-value.scale)}`
}
