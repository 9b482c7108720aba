import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as Execute from "../../src/command/Execute.ts"
import * as Literal from "../../src/value/Literal.ts"
import * as MysqlTypes from "../../src/value/MysqlTypes.ts"
import { classify, type ParameterError, type TypedParameter } from "../../src/value/Parameter.ts"

const cyclic: Record<string, unknown> = {}
cyclic.self = cyclic

const cast = <A>(value: unknown): A => value as A

describe("typed parameters become", () => {
  it.each<[value: TypedParameter, parameter: unknown]>([
    [MysqlTypes.bigint(5), { _tag: "Integer", value: 5n, unsigned: false }],
    [MysqlTypes.bigint("-9223372036854775808"), { _tag: "Integer", value: -(2n ** 63n), unsigned: false }],
    [MysqlTypes.bigint(2n ** 64n - 1n), { _tag: "Integer", value: 2n ** 64n - 1n, unsigned: true }],
    [MysqlTypes.bigintUnsigned(0), { _tag: "Integer", value: 0n, unsigned: true }],
    [MysqlTypes.decimal("1.10"), { _tag: "Decimal", digits: "1.10" }],
    [MysqlTypes.decimal("-.5"), { _tag: "Decimal", digits: "-.5" }],
    [MysqlTypes.decimal(1.1), { _tag: "Decimal", digits: "1.1" }],
    [MysqlTypes.decimal(1e21), { _tag: "Decimal", digits: "1000000000000000000000" }],
    [MysqlTypes.decimal(1e-7), { _tag: "Decimal", digits: "0.0000001" }],
    [MysqlTypes.decimal(10n ** 40n), { _tag: "Decimal", digits: `1${"0".repeat(40)}` }],
    [MysqlTypes.decimal(BigDecimal.fromStringUnsafe("2.50")), { _tag: "Decimal", digits: "2.50" }],
    [MysqlTypes.float(1.1), { _tag: "Float", value: Math.fround(1.1) }],
    [MysqlTypes.double(5), { _tag: "Double", value: 5 }],
    [MysqlTypes.date("2024-02-29"), { _tag: "Date", year: 2024, month: 2, day: 29 }],
    [MysqlTypes.date("0000-00-00"), { _tag: "Date", year: 0, month: 0, day: 0 }],
    [MysqlTypes.date(new Date("2024-02-29T00:00:00Z")), { _tag: "Date", year: 2024, month: 2, day: 29 }],
    [MysqlTypes.date(DateTime.makeUnsafe("1000-01-01T00:00:00Z")), { _tag: "Date", year: 1000, month: 1, day: 1 }],
    [MysqlTypes.time("-838:59:59"), { _tag: "Time", micros: -3_020_399_000_000n }],
    [MysqlTypes.time("1:02:03.5"), { _tag: "Time", micros: 3_723_500_000n }],
    [MysqlTypes.time(Duration.seconds(1)), { _tag: "Time", micros: 1_000_000n }],
    [MysqlTypes.text("x"), { _tag: "Text", value: "x" }],
    [MysqlTypes.set(["a", "b"]), { _tag: "Text", value: "a,b" }],
    [MysqlTypes.set([]), { _tag: "Text", value: "" }],
    [MysqlTypes.binary(new Uint16Array([0x0201])), { _tag: "Bytes", value: Uint8Array.of(1, 2) }],
    [MysqlTypes.binary(Uint8Array.of(1, 2, 3).buffer), { _tag: "Bytes", value: Uint8Array.of(1, 2, 3) }],
    [MysqlTypes.json({ a: [1, null], b: undefined }), { _tag: "Text", value: '{"a":[1,null]}' }],
    [MysqlTypes.json({ big: 9_007_199_254_740_993n }), { _tag: "Text", value: '{"big":9007199254740993}' }],
    [MysqlTypes.json(null), { _tag: "Text", value: "null" }],
    [MysqlTypes.json(new Date(0)), { _tag: "Text", value: '"1970-01-01T00:00:00.000Z"' }],
    [MysqlTypes.vector([1, -0.5]), { _tag: "Bytes", value: Buffer.from("0000803f000000bf", "hex") }]
  ])("%o: %o", (value, parameter) => {
    expect(classify(value, 0, 0)).toEqual(parameter)
  })

  it.each([
    ["2024-02-29 23:59:58.000001", 1],
    ["2024-02-29T23:59:58.5", 500_000],
    ["2024-02-29 23:59:58", 0]
  ])("a DATETIME of the string %s, which no time zone shifts", (text, micros) => {
    const fields = { year: 2024, month: 2, day: 29, hour: 23, minute: 59, second: 58, micros }
    expect(classify(MysqlTypes.datetime(text), 0, 120)).toEqual({ _tag: "DateTime", ...fields, timestamp: false })
    expect(classify(MysqlTypes.timestamp(text), 0, 120)).toEqual({ _tag: "DateTime", ...fields, timestamp: true })
  })

  it("a DATETIME of an instant, in the session's time zone", () => {
    const instant = new Date("2024-02-29T23:30:00Z")
    const same = classify(instant, 0, 60)
    expect(classify(MysqlTypes.datetime(instant), 0, 60)).toEqual(same)
    expect(classify(MysqlTypes.datetime(DateTime.makeUnsafe(instant)), 0, 60)).toEqual(same)
    expect(same).toMatchObject({ month: 3, day: 1, hour: 0, minute: 30 })
  })
})

const context: Literal.LiteralContext = { sqlMode: { noBackslashEscapes: false, ansiQuotes: false }, offsetMinutes: 0 }

describe("what does not fit its type is a ParameterError with the type's name", () => {
  it.each<[value: TypedParameter, message: RegExp]>([
    [MysqlTypes.bigint(1.5), /BIGINT: 1.5 is not a safe integer/],
    [MysqlTypes.bigint(2 ** 53), /not a safe integer/],
    [MysqlTypes.bigint("0x10"), /0x10 is not/],
    [MysqlTypes.bigint(""), /is not a safe integer/],
    [MysqlTypes.bigint(cast(null)), /null is not/],
    [MysqlTypes.bigint(2n ** 64n), /does not fit into 64 bits/],
    [MysqlTypes.bigint(-(2n ** 63n) - 1n), /does not fit into 64 bits/],
    [MysqlTypes.bigintUnsigned(-1), /BIGINT UNSIGNED: -1 does not fit/],
    [MysqlTypes.bigintUnsigned(2n ** 64n), /does not fit/],
    [MysqlTypes.decimal("1e3"), /DECIMAL: "1e3" is not a DECIMAL/],
    [MysqlTypes.decimal(""), /is not a DECIMAL/],
    [MysqlTypes.decimal("."), /is not a DECIMAL/],
    [MysqlTypes.decimal("1; DROP TABLE t"), /is not a DECIMAL/],
    [MysqlTypes.decimal(Number.NaN), /NaN is not a DECIMAL/],
    [MysqlTypes.decimal(1e66), /at most 65 digits/],
    [MysqlTypes.decimal("1".repeat(66)), /at most 65 digits/],
    [MysqlTypes.decimal(BigDecimal.make(10n ** 65n, 0)), /at most 65 digits/],
    [MysqlTypes.float(1e39), /FLOAT: 1e\+39 is not a FLOAT/],
    [MysqlTypes.float(cast("1")), /is not a FLOAT/],
    [MysqlTypes.double(Number.POSITIVE_INFINITY), /DOUBLE: Infinity is not a DOUBLE/],
    [MysqlTypes.date("2024-13-01"), /DATE: "2024-13-01" is not a date/],
    [MysqlTypes.date("2024-1-1"), /is not a date/],
    [MysqlTypes.date("2024-01-32"), /is not a date/],
    [MysqlTypes.date(new Date("2024-02-29T00:00:00.001Z")), /midnight in UTC/],
    [MysqlTypes.date(new Date(Number.NaN)), /invalid/],
    [MysqlTypes.date(cast(20240229)), /neither a string nor a Date/],
    [MysqlTypes.datetime("2024-02-29"), /DATETIME: "2024-02-29" is not a time/],
    [MysqlTypes.datetime("2024-02-29 24:00:00"), /is not a time/],
    [MysqlTypes.datetime("2024-02-29 23:59:60"), /is not a time/],
    [MysqlTypes.datetime("2024-02-29T23:59:58Z"), /is not a time/],
    [MysqlTypes.datetime("2024-99-29 23:59:58"), /is not a date/],
    [MysqlTypes.timestamp("2024-02-29 23:59:58.1234567"), /TIMESTAMP: .* is not a time/],
    [MysqlTypes.time("839:00:00"), /between -838:59:59/],
    [MysqlTypes.time("10:60:00"), /TIME: "10:60:00" is not a time/],
    [MysqlTypes.time(Duration.infinity), /not infinite/],
    [MysqlTypes.text("\ud800"), /lone surrogate/],
    [MysqlTypes.text(cast(5)), /VARCHAR: not a string/],
    [MysqlTypes.binary(cast("x")), /BLOB: not bytes/],
    [MysqlTypes.set(["a,b"]), /SET: a member/],
    [MysqlTypes.set([""]), /SET: a member/],
    [MysqlTypes.set(cast([1])), /array of strings/],
    [MysqlTypes.json(undefined), /JSON: JSON cannot hold undefined/],
    [MysqlTypes.json({ a: [undefined] }), /JSON cannot hold undefined/],
    [MysqlTypes.json({ a: Number.NaN }), /JSON cannot hold NaN/],
    [MysqlTypes.json({ a: () => 1 }), /JSON cannot hold a function/],
    [MysqlTypes.json([Symbol("s")]), /JSON cannot hold a symbol/],
    [MysqlTypes.json(cyclic), /JSON: .*circular/],
    [
      MysqlTypes.json({
        toJSON: () => {
          throw new Error("no")
        }
      }),
      /JSON: no/
    ],
    [
      MysqlTypes.json({
        toJSON: () => {
          throw "text"
        }
      }),
      /JSON: the value threw/
    ],
    [MysqlTypes.vector([1, Number.NaN]), /VECTOR: a VECTOR has finite numbers/],
    [MysqlTypes.vector(cast("abc")), /array of numbers/]
  ])("%o %s", (value, message) => {
    const ways: ReadonlyArray<Result.Result<unknown, ParameterError>> = [
      Execute.encode({ statementId: 1, parameters: [1, value], boundTypes: undefined, offsetMinutes: 0 }),
      Literal.interpolate({ parts: ["", ",", ""], severalStatements: false, inComments: false }, [1, value], context)
    ]
    for (const result of ways) {
      expect(result).toMatchObject({ failure: { _tag: "ParameterError", parameter: 1 } })
      expect(Result.isFailure(result) && result.failure.message).toMatch(message)
    }
  })
})
