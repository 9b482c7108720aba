import { describe, expect, it } from "@effect/vitest"
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as Packet from "../../src/framing/Packet.ts"
import { ProtocolError } from "../../src/ProtocolError.ts"
import { byteByByte, cuts } from "../support/replay.ts"
import { frame, frames, hex } from "../support/wire.ts"

const plain = ({ payload, sequence }: Packet.Packet) => ({ sequence, payload: Buffer.from(payload).toString("hex") })

const decoded = <E>(chunks: Stream.Stream<Uint8Array, E>, options?: Packet.ParserOptions) =>
  Stream.pipeThroughChannel(chunks, Packet.decode<E>(options))

/** What came out, and how it ended. */
const outcome = Effect.fnUntraced(function* <E>(packets: Stream.Stream<Packet.Packet, E>) {
  const seen: Array<ReturnType<typeof plain>> = []
  const exit = yield* Effect.exit(Stream.runForEach(packets, (packet) => Effect.sync(() => seen.push(plain(packet)))))
  return { seen, error: Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined }
})

const stream = frames(3, hex("0301"), hex(""), hex("aabbcc"))
const packets = [
  { sequence: 3, payload: "0301" },
  { sequence: 4, payload: "" },
  { sequence: 5, payload: "aabbcc" }
]

describe("decode", () => {
  it.effect("gives the same packets for bytes in one chunk, in every two, and one by one", () =>
    Effect.gen(function* () {
      for (const pieces of [[stream], ...cuts(stream), byteByByte(stream)]) {
        expect(yield* outcome(decoded(Stream.fromIterable(pieces)))).toEqual({ seen: packets, error: undefined })
      }
    })
  )

  it.effect("hands out copies: the chunk may be used again", () =>
    Effect.gen(function* () {
      const chunk = Buffer.from(stream)
      const found = yield* Stream.runCollect(decoded(Stream.make(chunk)))
      chunk.fill(0)
      expect(found.map(plain)).toEqual(packets)
    })
  )

  it.effect("what was complete before an error comes out first", () =>
    Effect.gen(function* () {
      const broken = Buffer.concat([stream, frame(6, Buffer.alloc(20))])
      const { error, seen } = yield* outcome(decoded(Stream.make(broken), { maxPacketBytes: 10 }))
      expect(seen).toEqual(packets)
      expect(error).toBeInstanceOf(ProtocolError)
      expect(error).toMatchObject({ got: "20 bytes" })
    })
  )

  it.effect("checks the numbers where it is told to", () =>
    Effect.gen(function* () {
      const { error, seen } = yield* outcome(decoded(Stream.make(stream), { sequence: "strict" }))
      expect(seen).toEqual([])
      expect(error).toMatchObject({ expected: "sequence number 0", got: "3" })
    })
  )

  it.effect("the end of the input inside a packet is an error, wherever it is", () =>
    Effect.gen(function* () {
      const boundaries = new Set([6, 10, stream.length])
      for (let end = 1; end < stream.length; end++) {
        const { error, seen } = yield* outcome(decoded(Stream.make(stream.subarray(0, end))))
        expect(seen).toEqual(packets.slice(0, seen.length))
        if (boundaries.has(end)) expect(error).toBeUndefined()
        else expect(error).toMatchObject({ phase: "packet", expected: "a complete packet" })
      }
    })
  )

  it.effect("an error of the input passes through, behind what was complete", () =>
    Effect.gen(function* () {
      const failing = Stream.concat(Stream.make(stream), Stream.fail("line lost" as const))
      expect(yield* outcome(decoded(failing))).toEqual({ seen: packets, error: "line lost" })
    })
  )

  it.effect("the end of the input passes its value on", () =>
    Effect.gen(function* () {
      const input = Channel.fromEffectDone(Effect.succeed("bye")) as Channel.Channel<
        Arr.NonEmptyReadonlyArray<Uint8Array>,
        never,
        string
      >
      expect(yield* Channel.runDrain(Channel.pipeTo(input, Packet.decode<never, string>()))).toBe("bye")
    })
  )

  it.effect("each run starts afresh", () =>
    Effect.gen(function* () {
      const channel = Packet.decode()
      const half = Stream.pipeThroughChannel(Stream.make(stream.subarray(0, 8)), channel)
      const whole = Stream.pipeThroughChannel(Stream.make(stream), channel)
      expect((yield* outcome(half)).error).toMatchObject({ phase: "packet" })
      expect(yield* outcome(whole)).toEqual({ seen: packets, error: undefined })
    })
  )
})

describe("encode", () => {
  it.effect("one chunk of bytes for each chunk of packets, under the numbers that they carry", () =>
    Effect.gen(function* () {
      const first = [
        { sequence: 3, payload: hex("0301") },
        { sequence: 4, payload: hex("") }
      ]
      const second = [{ sequence: 5, payload: hex("aabbcc") }]
      const input = Stream.fromArrays(first, second)
      const chunks = yield* Stream.runCollect(Stream.pipeThroughChannel(input, Packet.encode()))
      expect(chunks.map((chunk) => Buffer.from(chunk).toString("hex"))).toEqual([
        "020000030301" + "00000004",
        "03000005aabbcc"
      ])
    })
  )
})

describe("duplex", () => {
  it.effect("packets in, packets out, bytes between", () =>
    Effect.gen(function* () {
      const onTheWire: Array<string> = []
      // Answers each chunk of bytes with itself, cut in two.
      const echo = Channel.identity<Arr.NonEmptyReadonlyArray<Uint8Array>, never, unknown>().pipe(
        Channel.map((chunks): Arr.NonEmptyReadonlyArray<Uint8Array> => {
          const bytes = Buffer.concat(chunks)
          onTheWire.push(bytes.toString("hex"))
          return [bytes.subarray(0, 5), bytes.subarray(5)]
        })
      )
      const input = Stream.fromArrays(
        [{ sequence: 0, payload: hex("03313233") }],
        [{ sequence: 1, payload: hex("00") }]
      )
      const output = yield* Stream.runCollect(Stream.pipeThroughChannel(input, Packet.duplex(echo)))
      expect(onTheWire).toEqual(["0400000003313233", "0100000100"])
      expect(output.map(plain)).toEqual([
        { sequence: 0, payload: "03313233" },
        { sequence: 1, payload: "00" }
      ])
    })
  )

  it.effect("passes its options to the parser", () =>
    Effect.gen(function* () {
      const echo = Channel.identity<Arr.NonEmptyReadonlyArray<Uint8Array>, never, unknown>()
      const input = Stream.make({ sequence: 0, payload: Buffer.alloc(11) })
      const { error } = yield* outcome(Stream.pipeThroughChannel(input, Packet.duplex(echo, { maxPacketBytes: 10 })))
      expect(error).toMatchObject({ expected: "a packet of at most 10 bytes" })
    })
  )
})
