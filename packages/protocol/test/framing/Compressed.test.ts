import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Zlib from "node:zlib"
import * as CompressedPacket from "../../src/framing/CompressedPacket.ts"
import * as Packet from "../../src/framing/Packet.ts"
import * as LocalInfile from "../../src/reply/LocalInfile.ts"
import * as Reply from "../../src/reply/Reply.ts"
import { bytes, exchange, type RecordedSession, servers, session } from "../support/fixture.ts"
import { holds } from "../support/property.ts"
import { byteByByte, cuts } from "../support/replay.ts"
import { frame, hex } from "../support/wire.ts"

const algorithms = ["zlib", "zstd"] as const

/** A frame by hand. */
const framed = (sequence: number, content: Uint8Array, inflated: number): Buffer => {
  const header = Buffer.alloc(7)
  header.writeUIntLE(content.length, 0, 3)
  header[3] = sequence
  header.writeUIntLE(inflated, 4, 3)
  return Buffer.concat([header, content])
}

interface Content {
  readonly sequence: number
  readonly content: Buffer
}

const parse = (pieces: Iterable<Uint8Array>, algorithm: CompressedPacket.Algorithm) => {
  const parser = CompressedPacket.makeParser({ algorithm })
  const found: Array<Content> = []
  for (const piece of pieces) {
    parser.feed(piece)
    while (parser.next()) found.push({ sequence: parser.sequence, content: Buffer.from(parser.content) })
  }
  return { found, error: parser.error, pendingBytes: parser.pendingBytes }
}

/** Runs a reply over compressed bytes, with the numbers of packets and frames as strict as the client has them. */
const replay = (recorded: RecordedSession, name: string, algorithm: CompressedPacket.Algorithm) => {
  const { command, request, response } = exchange(recorded, name)
  const frames = CompressedPacket.makeParser({ algorithm })
  const packets = Packet.makeParser()
  const sent = parse([bytes(request)], algorithm).found
  const reply = new Reply.Reply({
    command,
    capabilities: recorded.capabilities,
    rows: { shape: "array", decoding: {}, offsetMinutes: 0 },
    localInfile: true
  })
  packets.expect(1)
  frames.feed(bytes(response))
  const numbers: Array<number> = []
  while (!reply.done && frames.next()) {
    numbers.push(frames.sequence)
    packets.beginFrame(frames.sequence)
    packets.feed(frames.content)
    reply.consume(packets)
    if (reply.localInfile !== undefined) {
      const plain = Buffer.concat(sent.map(({ content }) => content))
      // The last packet of what was sent is empty: its last byte is its number.
      reply.uploaded(packets, new LocalInfile.Upload(plain[plain.length - 1]!))
    }
  }
  expect(frames.error).toBeUndefined()
  expect(reply.failure).toBeUndefined()
  expect(frames.pendingBytes).toBe(0)
  return { reply, numbers, sent }
}

describe.each(servers)("recorded of %s", (server) => {
  describe.each(server.startsWith("mysql") ? algorithms : (["zlib"] as const))("%s", (algorithm) => {
    const recorded = session(server, `compressed-${algorithm}`)
    const rowsOf = (name: string) => replay(recorded, name, algorithm).reply.results[0]!.rows

    it("results, short and long", () => {
      expect(rowsOf("short")).toEqual([[1]])
      expect(rowsOf("long statement")).toEqual([[2]])
      expect(replay(recorded, "refused", algorithm).reply.err?.errno).toBe(1146)
      expect(replay(recorded, "ping", algorithm).reply.results).toHaveLength(1)
      expect(rowsOf("many rows")).toHaveLength(3000)
    })

    it("after a flush the packets go on with the number of the frame", () => {
      const { numbers, reply } = replay(recorded, "several", algorithm)
      expect(reply.results.map(({ rows }) => rows)).toEqual([[[1]], [["a".repeat(300)]], [[2]]])
      expect(numbers).toEqual([1, 2, 3])
      const { response } = exchange(recorded, "several")
      const second = parse([bytes(response)], algorithm).found[1]!
      expect(second.content[3]).toBe(2)
    })

    it("an upload is numbered on from the request, and comes round", () => {
      expect(replay(recorded, "local infile", algorithm).reply.results[0]!.ok.affectedRows).toBe(3)
      const { reply, sent } = replay(recorded, "local infile of many packets", algorithm)
      expect(reply.results[0]!.ok.affectedRows).toBe(600)
      // COM_QUERY is frame 0, the server's request frame 1.
      expect(sent.slice(0, 3).map(({ sequence }) => sequence)).toEqual([0, 2, 3])
      expect(new Set(sent.map(({ sequence }) => sequence)).size).toBe(256)
    })

    it("what pays is compressed, what does not is not", () => {
      const inflatedLength = (name: string) => bytes(exchange(recorded, name).request).readUIntLE(4, 3)
      expect(inflatedLength("short")).toBe(0)
      expect(inflatedLength("long statement")).toBeGreaterThan(500)
    })

    it("cut at every byte the frames are the same", () => {
      for (const name of ["several", "long statement"]) {
        const response = bytes(exchange(recorded, name).response)
        const whole = parse([response], algorithm)
        for (const pieces of [byteByByte(response), ...cuts(response)]) expect(parse(pieces, algorithm)).toEqual(whole)
      }
    })
  })
})

describe.each(algorithms)("%s", (algorithm) => {
  const deflate = (content: Uint8Array): Buffer =>
    algorithm === "zlib" ? Zlib.deflateSync(content) : Zlib.zstdCompressSync(content)
  const content = Buffer.from("the same again, ".repeat(10))

  it.each<[name: string, frame: Buffer, got: unknown]>([
    ["an empty frame", framed(0, Buffer.alloc(0), 0), "an empty frame"],
    ["garbage", framed(0, Buffer.from("garbage"), 7), "others"],
    ["less than was announced", framed(0, deflate(content), content.length + 1), `${content.length}`],
    ["more than was announced", framed(0, deflate(content), content.length - 1), "others"],
    ["a bomb", framed(0, deflate(Buffer.alloc(8_000_000)), 100), "others"],
    ["a part of a stream", framed(0, deflate(content).subarray(0, 10), content.length), expect.any(String)]
  ])("%s is a ProtocolError, and the end", (_name, bad, got) => {
    const good = framed(0, Buffer.from("good"), 0)
    const { error, found } = parse([good, bad, good], algorithm)
    expect(found.map((one) => one.content.toString())).toEqual(["good"])
    expect(error).toMatchObject({ _tag: "ProtocolError", phase: "compressed packet", got })
  })

  it("what is announced is never more than a frame can hold, and waited for", () => {
    const parser = CompressedPacket.makeParser({ algorithm })
    parser.feed(hex("ffffff 00 ffffff"))
    expect(parser.next()).toBe(false)
    expect(parser.error).toBeUndefined()
  })

  const length = 0xffffff
  it.each([
    length - 5,
    length - 4,
    length - 3,
    length - 1,
    length,
    length + 1,
    2 * length - 4,
    2 * length,
    2 * length + 1
  ])(
    "a payload of %i bytes comes back, compressible or not",
    (size) => {
      const random = Buffer.alloc(size, 0)
      // Bytes that no algorithm makes shorter, in a cycle that is longer than both look back.
      let state = 1
      for (let at = 0; at < size; at += 4) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        random.writeUInt32LE(state, Math.min(at, Math.max(0, size - 4)))
      }
      for (const payload of [Buffer.alloc(size, 0x61), random]) {
        const packets = Packet.frame(payload, 0)
        const compressed = CompressedPacket.makeCompressor({ algorithm, level: 1 }).compress(packets)
        const { error, found, pendingBytes } = parse([compressed], algorithm)
        expect({ error, pendingBytes }).toEqual({ error: undefined, pendingBytes: 0 })
        expect(found.map(({ sequence }) => sequence)).toEqual(found.map((_, index) => index))
        expect(Buffer.concat(found.map((one) => one.content)).equals(packets)).toBe(true)
        expect(found.every((one) => one.content.length <= length)).toBe(true)
        if (payload !== random) expect(compressed.length).toBeLessThan(size / 50)
      }
    },
    60_000
  )

  it("every command begins with 0 in a frame of its own; what goes on is numbered on", () => {
    const compressor = CompressedPacket.makeCompressor({ algorithm })
    const commands = Buffer.concat([
      frame(0, Buffer.from("one")),
      frame(0, Buffer.from("two")),
      frame(1, Buffer.from("x"))
    ])
    const { found } = parse([compressor.compress(commands)], algorithm)
    expect(found.map(({ sequence }) => sequence)).toEqual([0, 0])
    expect(found.map((one) => one.content.length)).toEqual([7, 12])
    compressor.next = 7
    const more = parse([compressor.compress(frame(2, Buffer.from("more")))], algorithm)
    expect(more.found.map(({ sequence }) => sequence)).toEqual([7])
  })

  it("the numbers of a long file come round to 0, which is no command there", () => {
    const numbersOf = (...packets: ReadonlyArray<Buffer>): ReadonlyArray<number> => {
      const compressor = CompressedPacket.makeCompressor({ algorithm })
      compressor.next = 3
      return parse([compressor.compress(Buffer.concat(packets))], algorithm).found.map(({ sequence }) => sequence)
    }
    expect(numbersOf(frame(255, Buffer.from("part")), frame(0, Buffer.from("the next")))).toEqual([3])
    expect(numbersOf(frame(255, Buffer.alloc(0)), frame(0, Buffer.from("a command")))).toEqual([3, 0])
  })

  it("channels: any bytes in any pieces come back", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 2000 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        async (payloads, pieceBytes) => {
          const packets = payloads.map((payload, index) => frame(index, payload))
          const compressed = await Effect.runPromise(
            Stream.fromIterable(packets).pipe(
              Stream.pipeThroughChannel(CompressedPacket.encode({ algorithm, threshold: 50 })),
              Stream.runCollect
            )
          )
          const line = Buffer.concat(compressed)
          const pieces: Array<Uint8Array> = []
          for (let at = 0; at < line.length; at += pieceBytes) pieces.push(line.subarray(at, at + pieceBytes))
          const plain = await Effect.runPromise(
            Stream.fromIterable(pieces).pipe(
              Stream.pipeThroughChannel(CompressedPacket.decode({ algorithm })),
              Stream.runCollect
            )
          )
          expect(Buffer.concat(plain).equals(Buffer.concat(packets))).toBe(true)
        }
      ),
      { numRuns: 30 }
    )
  })

  it("channels: what was complete comes out before the error; an end within a frame is one", async () => {
    const run = (...pieces: ReadonlyArray<Uint8Array>) => {
      const out: Array<string> = []
      return Effect.runPromise(
        Stream.fromIterable(pieces).pipe(
          Stream.pipeThroughChannel(CompressedPacket.decode({ algorithm })),
          Stream.runForEach((piece) => Effect.sync(() => out.push(Buffer.from(piece).toString()))),
          Effect.flip,
          Effect.map((error) => ({ out, error }))
        )
      )
    }
    const good = framed(0, Buffer.from("good"), 0)
    expect(await run(Buffer.concat([good, framed(1, Buffer.from("bad"), 9)]))).toMatchObject({
      out: ["good"],
      error: { phase: "compressed packet" }
    })
    expect(await run(Buffer.concat([good, good.subarray(0, 5)]))).toMatchObject({
      out: ["good"],
      error: { expected: "a complete frame", got: "the end of the input after 5 bytes" }
    })
  })

  it("duplex: an echo of frames, numbered on by both sides", async () => {
    const seen: Array<number> = []
    const echo = Channel.fromTransform((upstream: Parameters<Parameters<typeof Channel.fromTransform>[0]>[0]) =>
      Effect.succeed(
        Effect.map(upstream as Effect.Effect<ReadonlyArray<Uint8Array>>, (chunks) => {
          const { found } = parse(chunks, algorithm)
          seen.push(...found.map(({ sequence }) => sequence))
          return [
            Buffer.concat(found.map((one) => framed(one.sequence + 1, deflate(one.content), one.content.length)))
          ] as const
        })
      )
    ) as unknown as Channel.Channel<
      readonly [Uint8Array, ...Array<Uint8Array>],
      never,
      unknown,
      readonly [Uint8Array, ...Array<Uint8Array>],
      never,
      unknown
    >
    const sent = [frame(0, Buffer.from("command")), frame(2, Buffer.from("more")), frame(0, Buffer.from("next"))]
    const back = await Effect.runPromise(
      Stream.fromIterable(sent).pipe(
        Stream.rechunk(1),
        Stream.pipeThroughChannel(CompressedPacket.duplex(echo, { algorithm })),
        Stream.runCollect
      )
    )
    expect(Buffer.concat(back).equals(Buffer.concat(sent))).toBe(true)
    expect(seen).toEqual([0, 2, 0])
  })
})

describe("what it costs", () => {
  it("arbitrary bytes end in frames or a ProtocolError, never in an exception", () => {
    holds(
      fc.property(fc.constantFrom(...algorithms), fc.array(fc.uint8Array({ maxLength: 40 })), (algorithm, pieces) => {
        const { error } = parse(pieces, algorithm)
        expect(error === undefined || error._tag === "ProtocolError").toBe(true)
      })
    )
  })
})
