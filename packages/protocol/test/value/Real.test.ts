import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BadValue } from "../../src/value/DecodeError.ts"
import * as Real from "../../src/value/Real.ts"
import { holds } from "../support/property.ts"

const fromText = (digits: string): number => {
  const bytes = Buffer.from(`9${digits}9`)
  return Real.fromText(bytes, 1, 1 + digits.length)
}

const f32 = (value: number): number => {
  const bytes = Buffer.alloc(5)
  bytes.writeFloatLE(value, 1)
  return Real.f32(bytes, 1)
}

describe("DOUBLE as digits", () => {
  it.each([
    "0",
    "-0",
    "0.1",
    "-1.5",
    "1e21",
    "1e-7",
    "1.7976931348623157e308",
    "-2.2250738585072014e-308",
    "5e-324",
    "123456789012345",
    "999999999999999",
    "9007199254740993",
    "0.000000000000001",
    "0.1234567890123456",
    "12345678.90123456",
    "3.14159265358979",
    "100000000000000.1"
  ])("%s is what Number makes of it", (digits) => {
    expect(fromText(digits)).toBe(Number(digits))
  })

  it("any decimal number is what Number makes of it", () => {
    const decimal = fc
      .tuple(
        fc.constantFrom("", "-"),
        fc.stringMatching(/^\d{1,17}$/),
        fc.option(fc.stringMatching(/^\d{1,20}$/)),
        fc.option(fc.integer({ min: -330, max: 310 }))
      )
      .map(
        ([sign, whole, fraction, exponent]) =>
          `${sign}${whole}${fraction === null ? "" : `.${fraction}`}${exponent === null ? "" : `e${exponent}`}`
      )
    holds(
      fc.property(decimal, (digits) => Object.is(fromText(digits), Number(digits))),
      { numRuns: 5000 }
    )
  })

  it("any double is the same after a server has printed it", () => {
    holds(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) =>
        Object.is(fromText(Object.is(value, -0) ? "-0" : String(value)), value)
      ),
      { numRuns: 2000 }
    )
  })

  it.each([
    "",
    "-",
    ".",
    "-.",
    "1.2.3",
    "1e",
    "e5",
    "abc",
    "0x10",
    "0b1",
    "Infinity",
    "-Infinity",
    "NaN",
    " 1",
    "1 ",
    "1,5",
    "--1"
  ])('"%s" is none', (digits) => {
    expect(() => fromText(digits)).toThrow(BadValue)
  })
})

describe("FLOAT in binary is the shortest decimal that is the same float again", () => {
  it.each<[number, number]>([
    [0, 0],
    [-0, -0],
    [1.1, 1.1],
    [-1.1, -1.1],
    [0.1, 0.1],
    [16777216, 16777216],
    [16777217, 16777216],
    [123456.789, 123456.79],
    [3.4028234663852886e38, 3.4028235e38],
    [1.1754943508222875e-38, 1.1754944e-38],
    [1.401298464324817e-45, 1e-45],
    [2.802596928649634e-45, 3e-45],
    [1e10, 1e10],
    [33554432, 33554432],
    [1 / 3, 0.33333334],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    [Number.NaN, Number.NaN]
  ])("%d comes as %d", (value, shown) => {
    expect(f32(value)).toBe(shown)
  })

  it("no shorter decimal would do", () => {
    const digitsOf = (value: number): number => value.toExponential().replace(/e.*|[-.]/g, "").length
    holds(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const shown = f32(value)
        if (Math.fround(shown) !== value) return false
        const digits = digitsOf(shown)
        return (
          digits === 1 ||
          Math.fround(Number(shown.toPrecision(digits - 1))) !== value ||
          (Number.isInteger(shown) && Math.abs(shown) < 0x1000000)
        )
      }),
      { numRuns: 5000 }
    )
  })
})

it("DOUBLE in binary is taken as it is", () => {
  const bytes = Buffer.alloc(9)
  for (const value of [0.1, -0, Number.MAX_VALUE, 5e-324]) {
    bytes.writeDoubleLE(value, 1)
    expect(Real.f64(bytes, 1)).toBe(value)
  }
})
