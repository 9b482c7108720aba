import { describe, expect, it } from "vitest"
import { Writer } from "../../src/Bytes.ts"
import * as Command from "../../src/command/Command.ts"
import * as Packet from "../../src/framing/Packet.ts"
import { frame, hex } from "../support/wire.ts"

const full = 2 ** 24 - 1
const limit = { maxPacketBytes: 3 * full }

/** Bytes that differ from place to place, so that a part in the wrong place shows. */
const payloadOf = (length: number): Buffer => {
  const payload = Buffer.allocUnsafe(length)
  for (let index = 0; index < length; index++) payload[index] = index ^ (index >>> 8) ^ (index >>> 16)
  return payload
}

/** "Sending More Than 16Mb", by hand: full frames, and one that is shorter than full, empty if need be. */
const framesByHand = (payload: Buffer, sequence: number): ReadonlyArray<Buffer> => {
  const frames: Array<Buffer> = []
  for (let at = 0; at <= payload.length; at += full) {
    frames.push(frame(sequence + frames.length, payload.subarray(at, Math.min(at + full, payload.length))))
  }
  return frames
}

const sizes: ReadonlyArray<[name: string, bytes: number, frames: number]> = [
  ["2^24-2", full - 1, 1],
  ["2^24-1", full, 2],
  ["2^24", full + 1, 2],
  ["2^24+1", full + 2, 2],
  ["2*(2^24-1)", 2 * full, 3]
]

describe.each(sizes)("a payload of %s bytes", (_name, length, count) => {
  const payload = payloadOf(length)
  const frames = framesByHand(payload, 250)
  const bytes = Buffer.concat(frames)

  it("is split into the frames of the manual", () => {
    expect(frames).toHaveLength(count)
    expect(Packet.frameCount(length)).toBe(count)
    expect(Packet.frame(payload, 250).equals(bytes)).toBe(true)
    expect(Packet.seal(new Writer(length).bytes(payload), 250).equals(bytes)).toBe(true)
  })

  const joined = (pieces: ReadonlyArray<Uint8Array>): Packet.Parser => {
    const parser = Packet.makeParser(limit)
    parser.expect(250)
    for (const piece of pieces.slice(0, -1)) {
      parser.feed(piece)
      expect(parser.next()).toBe(false)
    }
    parser.feed(pieces.at(-1)!)
    expect(parser.next()).toBe(true)
    expect(parser.bytes.subarray(parser.start, parser.end).equals(payload)).toBe(true)
    expect(parser.sequence).toBe((250 + count - 1) & 0xff)
    expect(parser.pendingBytes).toBe(0)
    return parser
  }

  it("is joined again, from one chunk", () => {
    const parser = joined([bytes])
    parser.feed(frame(250 + count, hex("0e")))
    expect(parser.next()).toBe(true)
  })

  it("is joined again, from chunks as a socket gives them", () => {
    const chunk = 65_536
    joined(
      Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, index) =>
        bytes.subarray(index * chunk, (index + 1) * chunk)
      )
    )
  })

  it("is joined again, cut in the last header", () => {
    const lastHeader = bytes.length - frames.at(-1)!.length
    for (let at = lastHeader + 1; at < lastHeader + 4; at++) joined([bytes.subarray(0, at), bytes.subarray(at)])
  })
})

describe("frames of one packet", () => {
  const first = frame(0, Buffer.alloc(full))

  it("count as pending until the last has come", () => {
    const parser = Packet.makeParser(limit)
    parser.feed(first)
    expect(parser.next()).toBe(false)
    expect(parser.pendingBytes).toBe(full)
    parser.feed(hex("010000"))
    expect(parser.next()).toBe(false)
    expect(parser.pendingBytes).toBe(full + 3)
  })

  it.each([["strict"], ["report"]] as const)("must follow one another (%s), and an ERR is none of them", (sequence) => {
    for (const bad of [frame(0, hex("00")), frame(2, hex("00")), frame(0, hex("ff1504"))]) {
      const parser = Packet.makeParser({ ...limit, sequence })
      parser.feed(first)
      parser.feed(bad)
      expect(parser.next()).toBe(false)
      expect(parser.error).toMatchObject({ expected: "sequence number 1" })
    }
  })

  it("without end stop at the limit, as soon as the next is announced", () => {
    const parser = Packet.makeParser({ maxPacketBytes: full + 10 })
    parser.feed(first)
    parser.feed(frame(1, Buffer.alloc(11)).subarray(0, 4))
    expect(parser.next()).toBe(false)
    expect(parser.error).toMatchObject({ got: `${full + 11} bytes` })
  })
})

describe("a command of 16 MiB", () => {
  it.each([full - 2, full - 1, full])("with a text of %d bytes is framed like any packet", (length) => {
    const text = "x".repeat(length)
    const payload = Buffer.concat([hex("03"), Buffer.from(text)])
    expect(Command.query(text).equals(Buffer.concat(framesByHand(payload, 0)))).toBe(true)
  })
})
