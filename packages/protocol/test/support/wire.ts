/**
 * Bytes of the protocol put together by hand: what a test expects or feeds must not come from the encoders under test.
 */
import { ColumnType } from "../../src/ColumnType.ts"

export const hex = (digits: string): Buffer => {
  const bytes = Buffer.from(digits.replaceAll(/\s/g, ""), "hex")
  if (bytes.length * 2 !== digits.replaceAll(/\s/g, "").length) throw new Error(`not hexadecimal: ${digits}`)
  return bytes
}

/** A frame: length, sequence number, payload. */
export const frame = (sequence: number, payload: Uint8Array): Buffer => {
  const { length } = payload
  return Buffer.concat([
    Uint8Array.of(length & 0xff, (length >> 8) & 0xff, (length >> 16) & 0xff, sequence & 0xff),
    payload
  ])
}

/** Frames whose sequence numbers follow one another from `first` on. */
export const frames = (first: number, ...payloads: ReadonlyArray<Uint8Array>): Buffer =>
  Buffer.concat(payloads.map((payload, index) => frame(first + index, payload)))

export const u16 = (value: number): Buffer => Buffer.of(value & 0xff, value >> 8)

export const u32 = (value: number): Buffer => Buffer.concat([u16(value & 0xffff), u16(value >>> 16)])

/** A length and that many bytes. */
export const sized = (value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value)
  if (bytes.length < 251) return Buffer.concat([Uint8Array.of(bytes.length), bytes])
  if (bytes.length < 0x10000) return Buffer.concat([Uint8Array.of(0xfc), u16(bytes.length), bytes])
  throw new Error("longer than a test needs")
}

export interface ColumnOfTest {
  readonly name: string
  readonly table?: string | undefined
  readonly type?: number | undefined
  readonly flags?: number | undefined
  readonly collation?: number | undefined
  readonly length?: number | undefined
  readonly decimals?: number | undefined
}

const utf8mb4 = 45

/** "Protocol::ColumnDefinition41". Default: a VARCHAR. */
export const columnDefinition = (column: ColumnOfTest): Buffer =>
  Buffer.concat([
    sized("def"),
    sized(""),
    sized(column.table ?? ""),
    sized(""),
    sized(column.name),
    sized(""),
    Uint8Array.of(0x0c),
    u16(column.collation ?? utf8mb4),
    u32(column.length ?? 255),
    Uint8Array.of(column.type ?? ColumnType.VAR_STRING),
    u16(column.flags ?? 0),
    Uint8Array.of(column.decimals ?? 0),
    u16(0)
  ])

/** "Text Resultset Row": `null` is NULL. */
export const textRow = (...values: ReadonlyArray<string | Uint8Array | null>): Buffer =>
  Buffer.concat(values.map((value) => (value === null ? Buffer.of(0xfb) : sized(value))))

/** The OK that ends rows with CLIENT_DEPRECATE_EOF: nothing affected, autocommit, no warning. */
export const endOfRows = (status = 0x0002): Buffer => Buffer.concat([hex("fe 00 00"), u16(status), u16(0)])

/** "EOF_Packet". */
export const eof = (status = 0x0002): Buffer => Buffer.concat([hex("fe 0000"), u16(status)])

/** "OK_Packet" without info. */
export const ok = (status = 0x0002): Buffer => Buffer.concat([hex("00 00 00"), u16(status), u16(0)])

/** "ERR_Packet". */
export const err = (errno: number, sqlState: string, message: string): Buffer =>
  Buffer.concat([Uint8Array.of(0xff), u16(errno), Buffer.from(`#${sqlState}${message}`)])
