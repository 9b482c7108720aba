import { describe, expect, it } from "vitest"
import { BadValue } from "../../src/value/DecodeError.ts"
import * as Integer from "../../src/value/Integer.ts"
import { hex } from "../support/wire.ts"

type Value = number | bigint

const fromText = (f: (bytes: Buffer, start: number, end: number) => Value, digits: string): Value => {
  // Digits on both sides that are not part of the value.
  const bytes = Buffer.from(`9-9${digits}999`)
  return f(bytes, 3, 3 + digits.length)
}

const thrownBy = (f: () => unknown): unknown => {
  try {
    return f()
  } catch (error) {
    return error
  }
}

describe("digits of types that fit into a number", () => {
  it.each<[string, number]>([
    ["0", 0],
    ["7", 7],
    ["-128", -128],
    ["255", 255],
    ["-2147483648", -2147483648],
    ["4294967295", 4294967295],
    ["00000000000000000000", 0],
    ["00000000004294967295", 4294967295],
    [`${"0".repeat(250)}42`, 42]
  ])("%s", (digits, value) => {
    expect(fromText(Integer.fromText, digits)).toBe(value)
  })

  it.each(["", "-", "--1", "1-", "12abc", " 1", "1 ", "+1", "1.0", "1e3", "0x10", "9".repeat(16), "１"])(
    '"%s" are none',
    (digits) => {
      expect(thrownBy(() => fromText(Integer.fromText, digits))).toBeInstanceOf(BadValue)
    }
  )
})

describe("digits of BIGINT", () => {
  it.each<[string, Value]>([
    ["0", 0],
    ["999999999999999", 999999999999999],
    ["1000000000000000", 1000000000000000],
    ["-999999999999999", -999999999999999],
    ["9007199254740989", 9007199254740989],
    ["9007199254740990", 9007199254740990],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
    ["9007199254740992", 9007199254740992n],
    ["9007199254740993", 9007199254740993n],
    ["9999999999999999", 9999999999999999n],
    ["-9007199254740991", Number.MIN_SAFE_INTEGER],
    ["-9007199254740992", -9007199254740992n],
    ["9223372036854775807", 9223372036854775807n],
    ["-9223372036854775808", -9223372036854775808n],
    ["18446744073709551615", 18446744073709551615n],
    ["00000000000000000007", 7],
    ["0000000000000007", 7]
  ])("%s: a number where that is exact", (digits, value) => {
    expect(fromText(Integer.autoFromText, digits)).toBe(value)
    expect(fromText(Integer.bigFromText, digits)).toBe(BigInt(value))
  })

  it.each([
    "",
    "-",
    "123456789012345x",
    "x234567890123456",
    "12345678901234567x",
    "1234567890123456-",
    "0x12345678901234567890",
    " 12345678901234567"
  ])('"%s" are none', (digits) => {
    expect(thrownBy(() => fromText(Integer.autoFromText, digits))).toBeInstanceOf(BadValue)
    expect(thrownBy(() => fromText(Integer.bigFromText, digits))).toBeInstanceOf(BadValue)
  })

  it("an error shows no more than the start of what came", () => {
    const error = thrownBy(() => fromText(Integer.bigFromText, "x".repeat(1000)))
    expect(error).toMatchObject({ problem: `"${"x".repeat(40)}" is not an integer` })
  })
})

describe("binary, little endian", () => {
  it.each<[name: string, f: (bytes: Buffer, at: number) => Value, bytes: string, value: Value]>([
    ["i8 least", Integer.i8, "80", -128],
    ["i8 greatest", Integer.i8, "7f", 127],
    ["i8 -1", Integer.i8, "ff", -1],
    ["u8 greatest", Integer.u8, "ff", 255],
    ["i16 least", Integer.i16, "0080", -32768],
    ["i16 greatest", Integer.i16, "ff7f", 32767],
    ["u16 greatest", Integer.u16, "ffff", 65535],
    ["i32 least", Integer.i32, "00000080", -2147483648],
    ["i32 greatest", Integer.i32, "ffffff7f", 2147483647],
    ["u32 greatest", Integer.u32, "ffffffff", 4294967295],
    ["i64 0", Integer.i64, "0000000000000000", 0],
    ["i64 -1", Integer.i64, "ffffffffffffffff", -1],
    ["i64 2^32", Integer.i64, "0000000001000000", 4294967296],
    ["i64 -2^32-1", Integer.i64, "fffffffffeffffff", -4294967297],
    ["i64 2^53-1", Integer.i64, "ffffffffffff1f00", Number.MAX_SAFE_INTEGER],
    ["i64 2^53", Integer.i64, "0000000000002000", 9007199254740992n],
    ["i64 -(2^53-1)", Integer.i64, "010000000000e0ff", Number.MIN_SAFE_INTEGER],
    ["i64 -2^53", Integer.i64, "000000000000e0ff", -9007199254740992n],
    ["i64 -2^53-1", Integer.i64, "ffffffffffffdfff", -9007199254740993n],
    ["i64 least", Integer.i64, "0000000000000080", -9223372036854775808n],
    ["i64 greatest", Integer.i64, "ffffffffffffff7f", 9223372036854775807n],
    ["u64 2^53-1", Integer.u64, "ffffffffffff1f00", Number.MAX_SAFE_INTEGER],
    ["u64 2^53", Integer.u64, "0000000000002000", 9007199254740992n],
    ["u64 greatest", Integer.u64, "ffffffffffffffff", 18446744073709551615n],
    ["bigint, signed", Integer.bigI64, "ffffffffffffffff", -1n],
    ["bigint, unsigned", Integer.bigU64, "ffffffffffffffff", 18446744073709551615n],
    ["bigint, small", Integer.bigI64, "0100000000000000", 1n]
  ])("%s", (_name, f, bytes, value) => {
    expect(f(Buffer.concat([hex("ee"), hex(bytes), hex("ee")]), 1)).toBe(value)
  })
})
