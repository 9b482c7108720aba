import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as Execute from "../../src/command/Execute.ts"
import * as Literal from "../../src/value/Literal.ts"
import { classify, type ParameterError } from "../../src/value/Parameter.ts"
import * as Placeholders from "../../src/value/Placeholders.ts"

const context = (offsetMinutes = 0): Literal.LiteralContext => ({
  sqlMode: { noBackslashEscapes: false, ansiQuotes: false },
  offsetMinutes
})

/** Every way that takes a value, with what it says of it; the value is the second of two. */
const ways = (value: unknown, offsetMinutes = 0): ReadonlyArray<Result.Result<unknown, ParameterError>> => [
  Execute.encode({ statementId: 1, parameters: [1, value], boundTypes: undefined, offsetMinutes }),
  Literal.interpolate(Placeholders.parse("SELECT ?, ?", context().sqlMode), [1, value], context(offsetMinutes))
]

describe("kinds of values", () => {
  it.each<[name: string, value: unknown, tag: string]>([
    ["null", null, "Null"],
    ["true", true, "Boolean"],
    ["a safe integer", -5, "Integer"],
    ["a bigint", 5n, "Integer"],
    ["a fraction", 0.5, "Double"],
    ["minus zero, which an integer cannot be", -0, "Double"],
    ["2^53, which is not safe", 2 ** 53, "Double"],
    ["a bigint beyond 64 bits", 2n ** 64n, "Decimal"],
    ["a BigDecimal", BigDecimal.fromStringUnsafe("1.50"), "Decimal"],
    ["text", "", "Text"],
    ["a Uint8Array", new Uint8Array(1), "Bytes"],
    ["a Buffer", Buffer.from("a"), "Bytes"],
    ["a Float32Array", new Float32Array(1), "Bytes"],
    ["a Date", new Date(0), "DateTime"],
    ["a DateTime", DateTime.makeUnsafe(0), "DateTime"],
    ["a DateTime in a zone", DateTime.makeZonedUnsafe(0, { timeZone: "Europe/Berlin" }), "DateTime"],
    ["a Duration", Duration.seconds(1), "Time"]
  ])("%s", (_name, value, tag) => {
    expect(classify(value, 0, 0)._tag).toBe(tag)
  })

  it.each<[bigint, boolean]>([
    [-(2n ** 63n), false],
    [2n ** 63n - 1n, false],
    [2n ** 63n, true],
    [2n ** 64n - 1n, true]
  ])("%s is unsigned: %s", (value, unsigned) => {
    expect(classify(value, 0, 0)).toMatchObject({ _tag: "Integer", unsigned })
  })

  it.each([
    ["1.50", "1.50"],
    ["-0.001", "-0.001"],
    ["0", "0"],
    ["12e3", "12000"],
    ["1e-5", "0.00001"],
    ["-123.456", "-123.456"],
    [`${"9".repeat(35)}.${"9".repeat(30)}`, `${"9".repeat(35)}.${"9".repeat(30)}`],
    [`0.${"0".repeat(64)}1`, `0.${"0".repeat(64)}1`]
  ])("BigDecimal %s has the digits %s", (text, digits) => {
    expect(classify(BigDecimal.fromStringUnsafe(text), 0, 0)).toEqual({ _tag: "Decimal", digits })
  })
})

const digits65 = 10n ** 65n - 1n
const digits66 = 10n ** 65n

describe("what cannot be sent without loss is a ParameterError, as a parameter and as a literal", () => {
  it.each<[name: string, value: unknown, message: RegExp]>([
    ["undefined", undefined, /undefined is not a value; use null/],
    ["NaN", Number.NaN, /NaN is not a number of SQL/],
    ["Infinity", Number.POSITIVE_INFINITY, /Infinity is not a number of SQL/],
    ["-Infinity", Number.NEGATIVE_INFINITY, /-Infinity is not a number of SQL/],
    ["an array", [1, 2], /an array is not one value/],
    ["an empty array", [], /an array is not one value/],
    ["an object", { a: 1 }, /an object is not a value of SQL/],
    ["an object with toSqlString", { toSqlString: () => "1 OR 1=1" }, /an object is not a value of SQL/],
    ["an object with toString", { toString: () => "1 OR 1=1" }, /an object is not a value of SQL/],
    ["an object without a prototype", Object.create(null), /an object is not a value of SQL/],
    ["a Map", new Map(), /an object is not a value of SQL/],
    ["an ArrayBuffer", new ArrayBuffer(4), /an object is not a value of SQL/],
    ["a Uint16Array", new Uint16Array(2), /an object is not a value of SQL/],
    ["a boxed string", Object("text"), /an object is not a value of SQL/],
    ["a function", () => 1, /a function is not a value of SQL/],
    ["a symbol", Symbol("s"), /a symbol is not a value of SQL/],
    ["a lone high surrogate", "a\ud83d", /lone surrogate/],
    ["a lone low surrogate", "\ude00a", /lone surrogate/],
    ["an invalid Date", new Date(Number.NaN), /the Date is invalid/],
    ["a Date before the year 0", new Date(-62_167_219_200_001), /between the years 0 and 9999/],
    ["a Date of the year 10000", new Date(253_402_300_800_000), /between the years 0 and 9999/],
    ["66 digits", digits66, /at most 65 digits/],
    ["66 digits below zero", -digits66, /at most 65 digits/],
    ["a BigDecimal of 66 digits", BigDecimal.make(digits66, 10), /at most 65 digits/],
    ["a BigDecimal of 66 digits behind the point", BigDecimal.make(1n, 66), /at most 65 digits/],
    ["a BigDecimal of 1 and a billion zeros", BigDecimal.make(1n, -1_000_000_000), /at most 65 digits/],
    ["a Duration of more than 838:59:59", Duration.hours(839), /between -838:59:59 and 838:59:59/],
    ["a Duration of less than -838:59:59", Duration.hours(-839), /between -838:59:59 and 838:59:59/],
    ["a Duration of a nanosecond", Duration.nanos(1n), /whole microseconds/],
    ["an infinite Duration", Duration.infinity, /not infinite/],
    ["a negative infinite Duration", Duration.negativeInfinity, /not infinite/]
  ])("%s", (_name, value, message) => {
    for (const result of ways(value)) {
      expect(result).toMatchObject({ failure: { _tag: "ParameterError", parameter: 1 } })
      expect(Result.isFailure(result) && result.failure.message).toMatch(message)
    }
  })

  it("a gap in the array is undefined", () => {
    const parameters = [1, 2, 3]
    delete parameters[1]
    expect(Execute.encode({ statementId: 1, parameters, boundTypes: undefined, offsetMinutes: 0 })).toMatchObject({
      failure: { parameter: 1, message: "Parameter 1: undefined is not a value; use null for NULL" }
    })
  })

  it.each([
    ["65 digits", digits65],
    ["65 digits below zero", -digits65],
    ["a BigDecimal of 65 digits", BigDecimal.make(digits65, 30)],
    ["0000-01-01", new Date(-62_167_219_200_000)],
    ["9999-12-31 23:59:59.999", new Date(253_402_300_799_999)],
    ["838:59:59", Duration.seconds(838 * 3600 + 59 * 60 + 59)]
  ])("%s can just be sent", (_name, value) => {
    for (const result of ways(value)) expect(Result.isSuccess(result)).toBe(true)
  })

  it.each([
    [1, "9999-12-31T23:59:30Z"],
    [-1, "0000-01-01T00:00:30Z"]
  ])("a Date that leaves the calendar in a session %d minute ahead of UTC cannot", (offsetMinutes, iso) => {
    for (const result of ways(new Date(iso), 0)) expect(Result.isSuccess(result)).toBe(true)
    for (const result of ways(new Date(iso), offsetMinutes)) {
      expect(Result.isFailure(result) && result.failure.message).toMatch(/between the years 0 and 9999/)
    }
  })
})
