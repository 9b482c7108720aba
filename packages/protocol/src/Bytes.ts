/**
 * Reading and writing the basic data types of the protocol: fixed-length integers (little endian), length-encoded
 * integers and strings, NUL-terminated strings.
 *
 * A `Reader` covers exactly one packet. Reading past its end throws a `ProtocolError`, which `decode` turns into a
 * `Result`: nothing is thrown across the edge of this package.
 *
 * Manual: "Protocol Data Types" (Integer Types, String Types).
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { ProtocolError } from "./ProtocolError.ts"

const two32 = 4294967296

/** The global is a getter, which costs as much as reading a few bytes. */
const { Buffer } = globalThis

/**
 * A cursor over one packet.
 *
 * @since 0.1.0
 * @category models
 */
export class Reader {
  readonly phase: string
  readonly bytes: Buffer
  readonly end: number
  position: number

  constructor(phase: string, bytes: Uint8Array, start: number = 0, end: number = bytes.length) {
    this.phase = phase
    this.bytes = asBuffer(bytes)
    this.position = start
    this.end = end
  }

  /** Bytes that are left in the packet. */
  get remaining(): number {
    return this.end - this.position
  }

  fail(expected: string, got: string): never {
    throw new ProtocolError({ phase: this.phase, expected, got })
  }

  private take(length: number, what: string): number {
    const at = this.position
    if (length > this.end - at) this.fail(`${what} of ${length} bytes`, `${this.end - at} bytes left in the packet`)
    this.position = at + length
    return at
  }

  u8(): number {
    return this.bytes[this.take(1, "an integer")]!
  }

  u16(): number {
    return this.bytes.readUInt16LE(this.take(2, "an integer"))
  }

  u24(): number {
    return this.bytes.readUIntLE(this.take(3, "an integer"), 3)
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.take(4, "an integer"))
  }

  /** An unsigned 64-bit integer: `number` where it is safe, else `bigint`. */
  u64(): number | bigint {
    const at = this.take(8, "an integer")
    const high = this.bytes.readUInt32LE(at + 4)
    return high < 0x200000 ? high * two32 + this.bytes.readUInt32LE(at) : this.bytes.readBigUInt64LE(at)
  }

  /** A length-encoded integer: `number` where it is safe, else `bigint`. */
  lengthEncoded(): number | bigint {
    const first = this.u8()
    if (first < 0xfb) return first
    if (first === 0xfc) return this.u16()
    if (first === 0xfd) return this.u24()
    if (first === 0xfe) return this.u64()
    return this.fail("a length-encoded integer", `first byte 0x${first.toString(16)}`)
  }

  /** A length-encoded integer that counts something inside this packet. */
  length(): number {
    const value = this.lengthEncoded()
    if (typeof value === "bigint") return this.fail("a length inside the packet", `${value}`)
    return value
  }

  /** A view of the next bytes: valid as long as nobody writes to the packet's buffer. */
  view(length: number): Buffer {
    const at = this.take(length, "a string")
    return this.bytes.subarray(at, at + length)
  }

  /** A copy of the next bytes. */
  copy(length: number): Uint8Array {
    const at = this.take(length, "a string")
    return copyBytes(this.bytes, at, at + length)
  }

  text(length: number): string {
    const at = this.take(length, "a string")
    return this.bytes.toString("utf8", at, at + length)
  }

  lengthEncodedText(): string {
    return this.text(this.length())
  }

  lengthEncodedBytes(): Uint8Array {
    return this.copy(this.length())
  }

  nulTerminatedText(): string {
    return this.nulTerminated().toString("utf8")
  }

  nulTerminated(): Buffer {
    const at = this.position
    const nul = this.bytes.indexOf(0, at)
    if (nul === -1 || nul >= this.end) this.fail("a NUL-terminated string", "no NUL in the packet")
    this.position = nul + 1
    return this.bytes.subarray(at, nul)
  }

  rest(): Buffer {
    return this.view(this.remaining)
  }

  skip(length: number): void {
    this.take(length, "filler")
  }

  /** Fails when anything is left: what this phase does not allow to grow. */
  finish(): void {
    if (this.position !== this.end) this.fail("the end of the packet", `${this.remaining} bytes more`)
  }
}

/**
 * Runs a decoder over a whole packet and returns what it threw as a failure.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = <A>(
  phase: string,
  bytes: Uint8Array,
  f: (reader: Reader) => A
): Result.Result<A, ProtocolError> => {
  try {
    return Result.succeed(f(new Reader(phase, bytes)))
  } catch (error) {
    if (error instanceof ProtocolError) return Result.fail(error)
    throw error
  }
}

/**
 * The same memory as a `Buffer`, without a copy.
 *
 * @since 0.1.0
 * @category conversions
 */
export const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * A copy in memory of its own: the receive buffer can be reused, and a small value does not keep a large chunk alive.
 *
 * @since 0.1.0
 * @category conversions
 */
export const copyBytes = (bytes: Uint8Array, start: number, end: number): Uint8Array => {
  const length = end - start
  const copy = new Uint8Array(length)
  // A view costs more than copying a few bytes one by one.
  if (length <= 64) for (let index = 0; index < length; index++) copy[index] = bytes[start + index]!
  else copy.set(bytes.subarray(start, end))
  return copy
}

/**
 * A growing buffer that a message is written into. The first four bytes are kept free for the packet header, so that
 * framing a message of ordinary size copies nothing.
 *
 * @since 0.1.0
 * @category models
 */
export class Writer {
  private buffer: Buffer
  private at: number = 4

  constructor(capacity: number = 256) {
    this.buffer = Buffer.allocUnsafe(capacity + 4)
  }

  /** Bytes of payload that were written. */
  get size(): number {
    return this.at - 4
  }

  private grow(length: number): number {
    const at = this.at
    const needed = at + length
    if (needed > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2))
      this.buffer.copy(larger, 0, 0, at)
      this.buffer = larger
    }
    this.at = needed
    return at
  }

  u8(value: number): this {
    const at = this.grow(1)
    this.buffer[at] = value
    return this
  }

  u16(value: number): this {
    const at = this.grow(2)
    this.buffer[at] = value
    this.buffer[at + 1] = value >>> 8
    return this
  }

  u24(value: number): this {
    const at = this.grow(3)
    this.buffer[at] = value
    this.buffer[at + 1] = value >>> 8
    this.buffer[at + 2] = value >>> 16
    return this
  }

  u32(value: number): this {
    const at = this.grow(4)
    this.buffer[at] = value
    this.buffer[at + 1] = value >>> 8
    this.buffer[at + 2] = value >>> 16
    this.buffer[at + 3] = value >>> 24
    return this
  }

  /** A 64-bit integer in two's complement. */
  i64(value: number | bigint): this {
    if (typeof value === "bigint") {
      const at = this.grow(8)
      this.buffer.writeBigInt64LE(BigInt.asIntN(64, value), at)
      return this
    }
    const high = Math.floor(value / two32)
    return this.u32(value - high * two32).u32(high)
  }

  f32(value: number): this {
    const at = this.grow(4)
    this.buffer.writeFloatLE(value, at)
    return this
  }

  f64(value: number): this {
    const at = this.grow(8)
    this.buffer.writeDoubleLE(value, at)
    return this
  }

  bytes(value: Uint8Array): this {
    const at = this.grow(value.length)
    this.buffer.set(value, at)
    return this
  }

  zeros(length: number): this {
    const at = this.grow(length)
    // Almost always a byte or two.
    for (let index = at; index < at + length; index++) this.buffer[index] = 0
    return this
  }

  lengthEncoded(value: number | bigint): this {
    if (typeof value === "bigint") {
      return value < BigInt(0x1000000) ? this.lengthEncoded(Number(value)) : this.u8(0xfe).i64(value)
    }
    if (value < 0xfb) return this.u8(value)
    if (value < 0x10000) return this.u8(0xfc).u16(value)
    if (value < 0x1000000) return this.u8(0xfd).u24(value)
    return this.u8(0xfe).i64(value)
  }

  lengthEncodedBytes(value: Uint8Array): this {
    return this.lengthEncoded(value.length).bytes(value)
  }

  lengthEncodedText(value: string): this {
    const length = Buffer.byteLength(value)
    this.lengthEncoded(length)
    return this.sizedText(value, length)
  }

  text(value: string): this {
    return this.sizedText(value, Buffer.byteLength(value))
  }

  nulTerminatedText(value: string): this {
    return this.text(value).u8(0)
  }

  private sizedText(value: string, length: number): this {
    const at = this.grow(length)
    this.buffer.write(value, at, length, "utf8")
    return this
  }

  /** Overwrites a byte of the payload. */
  patch(offset: number, value: number): void {
    this.buffer[offset + 4] = value
  }

  /** The bits of a byte of the payload that are to be set in addition. */
  orPatch(offset: number, bits: number): void {
    this.buffer[offset + 4]! |= bits
  }

  /** Takes back what was written behind this many bytes of payload. */
  truncate(size: number): void {
    this.at = size + 4
  }

  /** The payload without a header: a view of the writer's own memory. */
  payload(): Buffer {
    return this.buffer.subarray(4, this.at)
  }

  /** Header room and payload: what `Packet.seal` completes. */
  sealable(): Buffer {
    return this.buffer.subarray(0, this.at)
  }
}
