import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as Bytes from "../src/Bytes.ts"
import * as Packet from "../src/framing/Packet.ts"
import { ProtocolError } from "../src/ProtocolError.ts"
import { hex } from "./support/wire.ts"

const read = <A>(bytes: Uint8Array, f: (reader: Bytes.Reader) => A): Result.Result<A, ProtocolError> =>
  Bytes.decode("test", bytes, f)

const written = (f: (writer: Bytes.Writer) => Bytes.Writer): string => f(new Bytes.Writer(1)).payload().toString("hex")

describe("Reader", () => {
  describe("integers", () => {
    it.each<[name: string, bytes: string, f: (reader: Bytes.Reader) => unknown, value: unknown]>([
      ["u8", "ff", (reader) => reader.u8(), 255],
      ["u16, little endian", "3412", (reader) => reader.u16(), 0x1234],
      ["u16 at its top", "ffff", (reader) => reader.u16(), 65535],
      ["u24", "563412", (reader) => reader.u24(), 0x123456],
      ["u24 at its top", "ffffff", (reader) => reader.u24(), 16777215],
      ["u32", "78563412", (reader) => reader.u32(), 0x12345678],
      ["u32 at its top, not negative", "ffffffff", (reader) => reader.u32(), 4294967295],
      ["u64 zero", "0000000000000000", (reader) => reader.u64(), 0],
      ["u64 2^32", "0000000001000000", (reader) => reader.u64(), 4294967296],
      ["u64 2^53-1, the last that is a number", "ffffffffffff1f00", (reader) => reader.u64(), Number.MAX_SAFE_INTEGER],
      ["u64 2^53, the first bigint", "0000000000002000", (reader) => reader.u64(), 9007199254740992n],
      ["u64 2^63", "0000000000000080", (reader) => reader.u64(), 9223372036854775808n],
      ["u64 2^64-1", "ffffffffffffffff", (reader) => reader.u64(), 18446744073709551615n]
    ])("%s", (_name, bytes, f, value) => {
      expect(read(hex(bytes), f)).toStrictEqual(Result.succeed(value))
    })
  })

  describe("length-encoded integers", () => {
    it.each<[value: number | bigint, bytes: string]>([
      [0, "00"],
      [250, "fa"],
      [251, "fc fb00"],
      [65535, "fc ffff"],
      [65536, "fd 000001"],
      [16777215, "fd ffffff"],
      [16777216, "fe 0000000100000000"],
      [Number.MAX_SAFE_INTEGER, "fe ffffffffffff1f00"],
      [9007199254740992n, "fe 0000000000002000"],
      [18446744073709551615n, "fe ffffffffffffffff"]
    ])("%s", (value, bytes) => {
      expect(read(hex(bytes), (reader) => reader.lengthEncoded())).toStrictEqual(Result.succeed(value))
    })

    it("more bytes than needed are a value like any other", () => {
      expect(read(hex("fe 0100000000000000"), (reader) => reader.lengthEncoded())).toStrictEqual(Result.succeed(1))
    })

    it.each(["fb", "ff"])("0x%s is none: NULL and ERR have their own places", (first) => {
      const result = read(hex(first), (reader) => reader.lengthEncoded())
      expect(Result.getFailure(result)).toMatchObject({ value: { got: `first byte 0x${first}` } })
    })

    it("a length beyond 2^53 cannot be one of this packet", () => {
      const result = read(hex("fe ffffffffffffffff"), (reader) => reader.length())
      expect(Result.getFailure(result)).toMatchObject({
        value: { expected: "a length inside the packet", got: "18446744073709551615" }
      })
    })
  })

  describe("every read past the end is a ProtocolError that says what was expected", () => {
    it.each<[name: string, bytes: string, f: (reader: Bytes.Reader) => unknown]>([
      ["u8", "", (reader) => reader.u8()],
      ["u16", "01", (reader) => reader.u16()],
      ["u24", "0102", (reader) => reader.u24()],
      ["u32", "010203", (reader) => reader.u32()],
      ["u64", "01020304050607", (reader) => reader.u64()],
      ["a length of two bytes", "fc01", (reader) => reader.lengthEncoded()],
      ["a length of three bytes", "fd0102", (reader) => reader.lengthEncoded()],
      ["a length of eight bytes", "fe01020304050607", (reader) => reader.lengthEncoded()],
      ["view", "0102", (reader) => reader.view(3)],
      ["copy", "0102", (reader) => reader.copy(3)],
      ["text", "6162", (reader) => reader.text(3)],
      ["lengthEncodedText", "036162", (reader) => reader.lengthEncodedText()],
      ["lengthEncodedBytes", "036162", (reader) => reader.lengthEncodedBytes()],
      ["a text of 2^48 bytes", "fe0000000000000100 61", (reader) => reader.lengthEncodedText()],
      ["nulTerminatedText", "6162", (reader) => reader.nulTerminatedText()],
      ["skip", "01", (reader) => reader.skip(2)],
      ["finish", "01", (reader) => reader.finish()]
    ])("%s", (_name, bytes, f) => {
      const result = read(hex(bytes), f)
      expect(Result.isFailure(result) && result.failure).toBeInstanceOf(ProtocolError)
      expect(Result.isFailure(result) && result.failure.phase).toBe("test")
    })
  })

  it("covers one packet: bytes behind its end are not read", () => {
    const bytes = hex("61 00 62 63 00")
    const within = new Bytes.Reader("test", bytes, 2, 4)
    expect(within.remaining).toBe(2)
    expect(() => within.nulTerminatedText()).toThrow("no NUL in the packet")
    expect(() => within.view(3)).toThrow("2 bytes left in the packet")
    expect(within.rest().toString()).toBe("bc")
    within.finish()
  })

  it("texts and bytes come one after the other", () => {
    const result = read(hex("02 c3bc 00 6162 00 02 fffe 63"), (reader) => [
      reader.lengthEncodedText(),
      reader.lengthEncodedText(),
      reader.nulTerminatedText(),
      reader.lengthEncodedBytes(),
      reader.text(1)
    ])
    expect(result).toStrictEqual(Result.succeed(["ü", "", "ab", Uint8Array.of(0xff, 0xfe), "c"]))
  })

  it.each([0, 1, 64, 65, 1000])(
    "a copy of %d bytes is not touched when the packet's memory is used again",
    (length) => {
      const bytes = Buffer.from(Uint8Array.from({ length: length + 2 }, (_, index) => index))
      const copied = new Bytes.Reader("test", bytes, 1).copy(length)
      bytes.fill(0xff)
      expect([...copied]).toEqual(Array.from({ length }, (_, index) => (index + 1) & 0xff))
    }
  )

  it("what is not a ProtocolError is not hidden", () => {
    expect(() =>
      read(hex(""), () => {
        throw new TypeError("a bug")
      })
    ).toThrow(TypeError)
  })
})

describe("Writer", () => {
  it.each<[name: string, f: (writer: Bytes.Writer) => Bytes.Writer, bytes: string]>([
    ["u8", (writer) => writer.u8(255), "ff"],
    ["u16", (writer) => writer.u16(0x1234), "3412"],
    ["u24", (writer) => writer.u24(0x123456), "563412"],
    ["u32", (writer) => writer.u32(0xfedcba98), "98badcfe"],
    ["i64 of a number", (writer) => writer.i64(4294967297), "0100000001000000"],
    ["i64 of -1", (writer) => writer.i64(-1), "ffffffffffffffff"],
    ["i64 of -2^32", (writer) => writer.i64(-4294967296), "00000000ffffffff"],
    ["i64 of 2^53-1", (writer) => writer.i64(Number.MAX_SAFE_INTEGER), "ffffffffffff1f00"],
    ["i64 of -(2^53-1)", (writer) => writer.i64(Number.MIN_SAFE_INTEGER), "010000000000e0ff"],
    ["i64 of the least bigint", (writer) => writer.i64(-9223372036854775808n), "0000000000000080"],
    ["i64 of an unsigned bigint", (writer) => writer.i64(18446744073709551615n), "ffffffffffffffff"],
    ["a length as a small bigint", (writer) => writer.lengthEncoded(300n), "fc2c01"],
    ["a length as a large bigint", (writer) => writer.lengthEncoded(2n ** 64n - 2n), "fefeffffffffffffff"],
    ["f32", (writer) => writer.f32(-1.5), "0000c0bf"],
    ["f64", (writer) => writer.f64(-1.5), "000000000000f8bf"],
    ["bytes", (writer) => writer.bytes(Uint8Array.of(1, 2)), "0102"],
    ["zeros", (writer) => writer.zeros(3), "000000"],
    ["text", (writer) => writer.text("ü€😀"), "c3bce282acf09f9880"],
    ["NUL-terminated text", (writer) => writer.nulTerminatedText("ü"), "c3bc00"],
    ["length-encoded text counts bytes", (writer) => writer.lengthEncodedText("ü"), "02c3bc"],
    ["length-encoded bytes", (writer) => writer.lengthEncodedBytes(Uint8Array.of(9)), "0109"]
  ])("%s", (_name, f, bytes) => {
    expect(written(f)).toBe(bytes)
  })

  it.each<[number, string]>([
    [0, "00"],
    [250, "fa"],
    [251, "fcfb00"],
    [65535, "fcffff"],
    [65536, "fd000001"],
    [16777215, "fdffffff"],
    [16777216, "fe0000000100000000"]
  ])("length-encoded %d", (value, bytes) => {
    expect(written((writer) => writer.lengthEncoded(value))).toBe(bytes)
  })

  it("grows without losing what was written, and counts it", () => {
    const writer = new Bytes.Writer(1)
    for (let byte = 0; byte < 1000; byte++) writer.u8(byte & 0xff)
    expect(writer.size).toBe(1000)
    expect([...writer.payload()]).toEqual(Array.from({ length: 1000 }, (_, index) => index & 0xff))
  })

  it("changes bytes that were written", () => {
    const writer = new Bytes.Writer().zeros(3)
    writer.patch(0, 0x12)
    writer.orPatch(2, 0x81)
    writer.orPatch(2, 0x02)
    expect(writer.payload().toString("hex")).toBe("120083")
  })

  it("keeps room for the header: sealing copies nothing", () => {
    const writer = new Bytes.Writer().text("abc")
    const sealed = Packet.seal(writer, 7)
    expect(sealed.toString("hex")).toBe("03000007616263")
    expect(sealed.buffer).toBe(writer.payload().buffer)
  })
})
