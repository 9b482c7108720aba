import { describe, expect, it } from "vitest"
import * as Bit from "../../src/value/Bit.ts"
import { BadValue, DecodeError } from "../../src/value/DecodeError.ts"
import * as Json from "../../src/value/Json.ts"
import * as Text from "../../src/value/Text.ts"
import * as Vector from "../../src/value/Vector.ts"
import { hex } from "../support/wire.ts"

const of = <A>(read: (bytes: Buffer, start: number, end: number) => A, value: Uint8Array): A => {
  const bytes = Buffer.concat([hex("3939"), value, hex("3939")])
  return read(bytes, 2, 2 + value.length)
}

describe("JSON", () => {
  const parsed = (text: string): unknown => of(Json.parsed, Buffer.from(text))

  it.each<[text: string, value: unknown]>([
    ["null", null],
    ["true", true],
    ["0", 0],
    ["-1.5e3", -1500],
    ['"ü\\u00e9😀"', "üé😀"],
    ["[]", []],
    ['{"a": {"b": [1]}}', { a: { b: [1] } }],
    ["9007199254740991", 9007199254740991],
    ["9007199254740992", 9007199254740992n],
    ["9007199254740993", 9007199254740993n],
    ["-9007199254740993", -9007199254740993n],
    ["18446744073709551615", 18446744073709551615n],
    ['[1, {"id": 12345678901234567890123}]', [1, { id: 12345678901234567890123n }]],
    ["1.7976931348623157e308", Number.MAX_VALUE],
    ['"12345678901234567890"', "12345678901234567890"],
    ['{"12345678901234567890": 1}', { "12345678901234567890": 1 }]
  ])("%s", (text, value) => {
    expect(parsed(text)).toStrictEqual(value)
  })

  it.each([
    ["", ""],
    ["a large number beside it", ', "n": 12345678901234567890']
  ])("__proto__ is a property like any other %s", (_name, more) => {
    const value = parsed(`{"__proto__": {"admin": true}${more}}`) as object
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.hasOwn(value, "__proto__")).toBe(true)
    expect("admin" in value).toBe(false)
  })

  it.each(["", "{", "[1,]", "nul", '{"a": 12345678901234567890', "'a'"])('"%s" is none', (text) => {
    expect(() => parsed(text)).toThrow(BadValue)
  })
})

describe("texts", () => {
  const short = "short ASCII"
  it.each([
    "",
    "a",
    short,
    "exactly 14 ...",
    "fifteen bytes..",
    "ü",
    "short, then ü€",
    "😀 and much more than fourteen bytes"
  ])('"%s"', (text) => {
    expect(of(Text.text, Buffer.from(text))).toBe(text)
  })

  it.each([
    ["short", "ff61"],
    ["long", `ff${"61".repeat(20)}`]
  ])("what is not UTF-8 shows as such (%s)", (_name, bytes) => {
    expect(of(Text.text, hex(bytes))).toMatch(/^\ufffda+$/)
  })

  it("NUL is a character", () => {
    expect(of(Text.text, hex("610062"))).toBe("a\0b")
  })

  it("members of a SET", () => {
    expect(of(Text.members, Buffer.from(""))).toEqual([])
    expect(of(Text.members, Buffer.from("a"))).toEqual(["a"])
    expect(of(Text.members, Buffer.from("a,größer,c"))).toEqual(["a", "größer", "c"])
  })
})

describe("BIT(1)", () => {
  it.each([
    ["00", false],
    ["01", true]
  ])("%s is %s", (bytes, value) => {
    expect(of(Bit.boolean, hex(bytes))).toBe(value)
  })

  it.each(["", "0001"])('"%s" is none', (bytes) => {
    expect(() => of(Bit.boolean, hex(bytes))).toThrow(BadValue)
  })
})

describe("VECTOR", () => {
  it("floats, little endian, in memory of their own", () => {
    const bytes = hex("ff 0000803f 000000bf")
    const values = Vector.floats(bytes, 1, 9)
    bytes.fill(0)
    expect(values).toEqual(new Float32Array([1, -0.5]))
    expect(Vector.floats(bytes, 1, 1)).toEqual(new Float32Array(0))
  })

  it("no part of a float", () => {
    expect(() => Vector.floats(Buffer.alloc(8), 0, 7)).toThrow(BadValue)
  })
})

it("a DecodeError says column, type and problem", () => {
  const error = new DecodeError({ column: "total", type: "INT", problem: '"x" is not an integer' })
  expect(error.message).toBe('Column "total" of type INT: "x" is not an integer')
})
