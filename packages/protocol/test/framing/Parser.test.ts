import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Packet from "../../src/framing/Packet.ts"
import { ProtocolError } from "../../src/ProtocolError.ts"
import { holds } from "../support/property.ts"
import { byteByByte, cuts } from "../support/replay.ts"
import { frame, frames, hex } from "../support/wire.ts"

interface Seen {
  readonly sequence: number
  readonly payload: string
}

const drain = (parser: Packet.Parser, pieces: Iterable<Uint8Array>): ReadonlyArray<Seen> => {
  const seen: Array<Seen> = []
  for (const piece of pieces) {
    parser.feed(piece)
    while (parser.next()) {
      seen.push({ sequence: parser.sequence, payload: parser.bytes.toString("hex", parser.start, parser.end) })
    }
  }
  return seen
}

const stream = frames(0, hex("0301"), hex(""), hex("aabbccddeeff"), Buffer.alloc(300, 0x5a), hex("fe"))
const expected: ReadonlyArray<Seen> = [
  { sequence: 0, payload: "0301" },
  { sequence: 1, payload: "" },
  { sequence: 2, payload: "aabbccddeeff" },
  { sequence: 3, payload: "5a".repeat(300) },
  { sequence: 4, payload: "fe" }
]

describe("packets are the same", () => {
  it("fed whole", () => {
    expect(drain(Packet.makeParser(), [stream])).toEqual(expected)
  })

  it("fed byte by byte", () => {
    expect(drain(Packet.makeParser(), byteByByte(stream))).toEqual(expected)
  })

  it("cut at every position", () => {
    for (const pieces of cuts(stream)) expect(drain(Packet.makeParser(), pieces)).toEqual(expected)
  })

  it("cut at every two positions of a short stream", () => {
    const short = frames(0, hex("0102"), hex(""), hex("030405"))
    const whole = drain(Packet.makeParser(), [short])
    for (const [head, tail] of cuts(short)) {
      for (const rest of cuts(tail)) expect(drain(Packet.makeParser(), [head, ...rest])).toEqual(whole)
    }
  })

  it("fed in pieces of any sizes, several of them before the first read", () => {
    holds(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), fc.boolean()), { maxLength: 40 }),
        (payloads, steps) => {
          const bytes = frames(0, ...payloads)
          const parser = Packet.makeParser()
          const seen: Array<string> = []
          const collect = (): void => {
            while (parser.next()) seen.push(parser.bytes.toString("hex", parser.start, parser.end))
          }
          let at = 0
          for (const [size, read] of steps) {
            parser.feed(bytes.subarray(at, at + size))
            at = Math.min(at + size, bytes.length)
            if (read) collect()
          }
          parser.feed(bytes.subarray(at))
          collect()
          expect(seen).toEqual(payloads.map((payload) => Buffer.from(payload).toString("hex")))
          expect(parser.pendingBytes).toBe(0)
        }
      )
    )
  })
})

describe("a packet within one chunk", () => {
  it("is handed out in place", () => {
    const parser = Packet.makeParser()
    parser.feed(stream)
    expect(parser.next()).toBe(true)
    expect(parser.bytes.buffer).toBe(stream.buffer)
    expect(parser.bytes.byteOffset).toBe(stream.byteOffset)
    expect([parser.start, parser.end]).toEqual([4, 6])
  })
})

describe("pendingBytes", () => {
  it("counts what has arrived and was not handed out", () => {
    const parser = Packet.makeParser()
    const bytes = frames(0, hex("010203"), hex("0405"))
    expect(parser.pendingBytes).toBe(0)
    parser.feed(bytes.subarray(0, 2))
    expect(parser.pendingBytes).toBe(2)
    expect(parser.next()).toBe(false)
    expect(parser.pendingBytes).toBe(2)
    parser.feed(bytes.subarray(2, 5))
    parser.feed(bytes.subarray(5, 8))
    expect(parser.pendingBytes).toBe(8)
    expect(parser.next()).toBe(true)
    expect(parser.pendingBytes).toBe(1)
    parser.feed(bytes.subarray(8))
    expect(parser.next()).toBe(true)
    expect(parser.pendingBytes).toBe(0)
    parser.feed(Buffer.alloc(0))
    expect(parser.next()).toBe(false)
    expect(parser.pendingBytes).toBe(0)
  })
})

describe("sequence numbers", () => {
  it("go on from `expect` and wrap at 256", () => {
    const parser = Packet.makeParser()
    parser.expect(254)
    const seen = drain(parser, [frames(254, hex("01"), hex("02"), hex("03"), hex("04"))])
    expect(seen.map(({ sequence }) => sequence)).toEqual([254, 255, 0, 1])
    parser.expect(256)
    expect(drain(parser, [frame(0, hex("05"))])).toHaveLength(1)
  })

  it.each([
    ["repeated", 0],
    ["one too high", 2],
    ["255", 255]
  ])("%s: an error for good, in place of the packet", (_name, sequence) => {
    const parser = Packet.makeParser()
    expect(drain(parser, [frame(0, hex("01")), frame(sequence, hex("02")), frame(1, hex("03"))])).toHaveLength(1)
    expect(parser.error).toBeInstanceOf(ProtocolError)
    expect(parser.error).toMatchObject({ expected: "sequence number 1", got: `${sequence}` })
    parser.feed(frame(1, hex("04")))
    expect(parser.next()).toBe(false)
  })

  it("0 is accepted on an ERR: servers send it unasked", () => {
    const parser = Packet.makeParser()
    parser.expect(5)
    expect(drain(parser, [frame(0, hex("ff bf0f 23"))])).toEqual([{ sequence: 0, payload: "ffbf0f23" }])
    expect(parser.error).toBeUndefined()
  })

  it("0 is not accepted on anything else, an empty packet included", () => {
    for (const payload of [hex("00"), hex("fe"), hex("")]) {
      const parser = Packet.makeParser()
      parser.expect(5)
      expect(drain(parser, [frame(0, payload)])).toEqual([])
      expect(parser.error).toMatchObject({ expected: "sequence number 5", got: "0" })
    }
  })

  it("are reported where the conversation is not known", () => {
    const parser = Packet.makeParser({ sequence: "report" })
    const seen = drain(parser, [frame(9, hex("01")), frame(0, hex("02")), frame(0, hex("03"))])
    expect(seen.map(({ sequence }) => sequence)).toEqual([9, 0, 0])
  })
})

describe("maxPacketBytes", () => {
  const header = (length: number): Buffer => frame(0, Buffer.alloc(length)).subarray(0, 4)

  it("a packet of exactly that size passes", () => {
    const parser = Packet.makeParser({ maxPacketBytes: 1000 })
    expect(drain(parser, [frame(0, Buffer.alloc(1000))])).toHaveLength(1)
  })

  it("one byte more is an error as soon as it is announced, before any of its bytes", () => {
    for (const pieces of [[header(1001)], [header(1001).subarray(0, 3), header(1001).subarray(3)]]) {
      const parser = Packet.makeParser({ maxPacketBytes: 1000 })
      expect(drain(parser, pieces)).toEqual([])
      expect(parser.error).toMatchObject({ expected: "a packet of at most 1000 bytes", got: "1001 bytes" })
    }
  })

  it("the greeting of a web server is refused before a login", () => {
    const parser = Packet.makeParser({ maxPacketBytes: 64 * 1024 })
    expect(drain(parser, [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")])).toEqual([])
    expect(parser.error).toMatchObject({ phase: "packet header", expected: "a packet of at most 65536 bytes" })
  })

  it("can be raised after the login", () => {
    const parser = Packet.makeParser({ maxPacketBytes: 10 })
    expect(drain(parser, [frame(0, Buffer.alloc(10))])).toHaveLength(1)
    parser.maxPacketBytes = 20
    expect(drain(parser, [frame(1, Buffer.alloc(20))])).toHaveLength(1)
  })
})

describe.each([
  ["few", hex("bbcc")],
  ["many", Buffer.alloc(200, 0xcc)]
])("skip steps over %s bytes that are known", (_name, second) => {
  const known = frames(1, hex("aa"), second)
  const rest = frame(3, hex("dd"))

  it("when exactly these come next; the sequence goes on behind them", () => {
    const parser = Packet.makeParser()
    expect(drain(parser, [frame(0, hex("02"))])).toHaveLength(1)
    parser.feed(Buffer.concat([known, rest]))
    expect(parser.skip(known, 2)).toBe(true)
    expect(drain(parser, [])).toEqual([])
    expect(parser.next()).toBe(true)
    expect(parser.sequence).toBe(3)
    expect(parser.pendingBytes).toBe(0)
  })

  it("in the chunk that is being read, from where reading stopped", () => {
    const parser = Packet.makeParser()
    parser.feed(Buffer.concat([frame(0, hex("02")), known, rest]))
    expect(parser.next()).toBe(true)
    expect(parser.skip(known, 2)).toBe(true)
    expect(parser.next()).toBe(true)
    expect(parser.bytes.toString("hex", parser.start, parser.end)).toBe("dd")
  })

  it.each([
    ["other bytes", frames(1, hex("aa"), Buffer.from(second).fill(0xcd, second.length - 1))],
    ["other sequence numbers", frames(2, hex("aa"), second)]
  ])("not for %s: the parser has not moved", (_name, other) => {
    const parser = Packet.makeParser({ sequence: "report" })
    parser.feed(other)
    expect(parser.skip(known, 2)).toBe(false)
    expect(drain(parser, [Buffer.alloc(0)])).toEqual(drain(Packet.makeParser({ sequence: "report" }), [other]))
  })

  it("not when they straddle a chunk, wherever the cut: the packets come one by one", () => {
    for (const [head, tail] of cuts(known)) {
      const parser = Packet.makeParser()
      parser.expect(1)
      parser.feed(head)
      parser.feed(Buffer.concat([tail, rest]))
      expect(parser.skip(known, 2)).toBe(false)
      expect(drain(parser, [Buffer.alloc(0)]).map(({ payload }) => payload)).toEqual([
        "aa",
        second.toString("hex"),
        "dd"
      ])
    }
  })

  it("not in the middle of a packet, and not when nothing has come", () => {
    const parser = Packet.makeParser()
    expect(parser.skip(known, 2)).toBe(false)
    parser.feed(frame(0, hex("aabbcc")).subarray(0, 5))
    expect(parser.next()).toBe(false)
    parser.feed(known)
    expect(parser.skip(known, 2)).toBe(false)
  })
})
