/**
 * Packets: a header of three bytes of length and one byte of sequence number, then the payload. A payload of 2^24-1
 * bytes or more is split into several frames; the last one is shorter than 2^24-1, and empty if need be.
 *
 * `makeParser` is the only place that reads a packet header. It is synchronous and incremental: chunks go in, complete
 * packets come out, in place where a packet lies within one chunk. `decode`, `encode` and `duplex` are channels over it
 * for proxies, scripted servers and tests.
 *
 * Manual: "MySQL Packets".
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import { asBuffer, copyBytes, type Writer } from "../Bytes.ts"
import { ProtocolError } from "../ProtocolError.ts"

/**
 * The longest payload of one frame, and the length that says that another frame follows.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxFramePayload = 0xffffff

/**
 * Largest packet that is accepted unless told otherwise: 64 MiB.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultMaxPacketBytes: number = 64 * 1024 * 1024

/**
 * A packet as the channels hand it out: payload joined, sequence number of its last frame.
 *
 * @since 0.1.0
 * @category models
 */
export interface Packet {
  readonly sequence: number
  readonly payload: Uint8Array
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ParserOptions {
  /** Largest payload in bytes. Default 64 MiB. A longer one is an error as soon as it is announced. */
  readonly maxPacketBytes?: number | undefined
  /**
   * `strict` (default): the numbers must go on from `expect`. `report`: only the frames of one packet must follow one
   * another; for whoever sees both directions or does not know where a conversation starts.
   */
  readonly sequence?: "strict" | "report" | undefined
}

/**
 * The incremental parser. After `next()` returned `true`, `bytes`, `start` and `end` describe the payload: they are
 * valid until the next call. When `next()` returns `false`, either more bytes are needed or `error` is set for good.
 *
 * @since 0.1.0
 * @category models
 */
export class Parser {
  bytes: Buffer = Buffer.alloc(0)
  start: number = 0
  end: number = 0
  /** Sequence number of the packet's last frame. */
  sequence: number = 0
  error: ProtocolError | undefined = undefined
  maxPacketBytes: number

  private readonly strict: boolean
  private expected = 0
  /** What the next packet may carry in place of `expected`. */
  private restart: number | undefined = undefined
  /** The chunk that is being read, and the chunks after it. */
  private chunk: Buffer = this.bytes
  private position = 0
  private queue: Array<Buffer> = []
  private queueIndex = 0
  /** A frame that began in an earlier chunk: header and payload, `filled` bytes of it so far. */
  private partial: Buffer | undefined = undefined
  private filled = 0
  /** Frames of 2^24-1 bytes that belong to the packet under way. */
  private parts: Array<Buffer> = []
  private partsBytes = 0

  constructor(options?: ParserOptions) {
    this.maxPacketBytes = options?.maxPacketBytes ?? defaultMaxPacketBytes
    this.strict = options?.sequence !== "report"
  }

  /** The sequence number that the next packet has to carry. */
  expect(sequence: number): void {
    this.expected = sequence & 0xff
  }

  /**
   * Inside compressed frames a server goes on with the number of the frame after it has flushed: to be called for each
   * frame before its content is fed. The packet that begins with the frame, if one does, may carry that number.
   */
  beginFrame(sequence: number): void {
    this.restart = this.pendingBytes === 0 ? sequence : undefined
  }

  /** Adds bytes. They are not copied: nobody may write to them afterwards. */
  feed(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    const bytes = asBuffer(chunk)
    if (this.position < this.chunk.length || this.queueIndex < this.queue.length) {
      this.queue.push(bytes)
    } else {
      this.chunk = bytes
      this.position = 0
    }
  }

  /** Bytes that have arrived and were not handed out. */
  get pendingBytes(): number {
    let total = this.chunk.length - this.position + this.filled + this.partsBytes
    for (let index = this.queueIndex; index < this.queue.length; index++) total += this.queue[index]!.length
    return total
  }

  /** Moves to the next complete packet. */
  next(): boolean {
    while (this.error === undefined) {
      if (this.partial !== undefined) {
        if (!this.fill(this.partial)) {
          if (!this.advance()) return false
          continue
        }
        const frame = this.partial
        this.partial = undefined
        this.filled = 0
        if (this.frame(frame, 4, frame.length, frame[3]!)) return true
        continue
      }
      const chunk = this.chunk
      const at = this.position
      const available = chunk.length - at
      if (available >= 4) {
        const length = chunk[at]! | (chunk[at + 1]! << 8) | (chunk[at + 2]! << 16)
        if (length + this.partsBytes > this.maxPacketBytes) return this.tooLarge(length)
        if (available >= length + 4) {
          this.position = at + 4 + length
          if (this.frame(chunk, at + 4, at + 4 + length, chunk[at + 3]!)) return true
          continue
        }
        this.startPartial(length + 4)
      } else if (available > 0) {
        this.startPartial(4)
      } else if (!this.advance()) {
        return false
      }
    }
    return false
  }

  /**
   * Steps over bytes that are known, headers included, when exactly these come next; says whether it did. For metadata
   * that a server repeats with every result: one comparison in place of parsing it.
   */
  skip(known: Uint8Array, packets: number): boolean {
    if (this.partial !== undefined) return false
    if (this.position === this.chunk.length && !this.advance()) return false
    const end = this.position + known.length
    if (end > this.chunk.length || !this.matches(known)) return false
    this.position = end
    this.expected = (this.expected + packets) & 0xff
    return true
  }

  /** For a few bytes a loop is faster than crossing into native code. */
  private matches(known: Uint8Array): boolean {
    const { chunk, position } = this
    if (known.length > 128) return chunk.compare(known, 0, known.length, position, position + known.length) === 0
    for (let index = 0; index < known.length; index++) if (chunk[position + index] !== known[index]) return false
    return true
  }

  private startPartial(size: number): void {
    const rest = this.chunk.length - this.position
    this.partial = Buffer.allocUnsafe(size)
    this.chunk.copy(this.partial, 0, this.position)
    this.filled = rest
    this.position = this.chunk.length
  }

  /** Copies what the chunk has into the frame; `true` when the frame is complete. */
  private fill(partial: Buffer): boolean {
    const count = Math.min(partial.length - this.filled, this.chunk.length - this.position)
    this.chunk.copy(partial, this.filled, this.position, this.position + count)
    this.filled += count
    this.position += count
    if (this.filled < partial.length) return false
    const length = partial[0]! | (partial[1]! << 8) | (partial[2]! << 16)
    if (partial.length === length + 4) return true
    // Only the header was missing: now the size of the frame is known.
    if (length + this.partsBytes > this.maxPacketBytes) return this.tooLarge(length)
    this.partial = Buffer.allocUnsafe(length + 4)
    partial.copy(this.partial)
    return this.fill(this.partial)
  }

  private advance(): boolean {
    if (this.queueIndex === this.queue.length) return false
    this.chunk = this.queue[this.queueIndex++]!
    this.position = 0
    if (this.queueIndex === this.queue.length) {
      this.queue = []
      this.queueIndex = 0
    }
    return true
  }

  /** Takes one complete frame; `true` when it completes a packet. */
  private frame(bytes: Buffer, start: number, end: number, sequence: number): boolean {
    const length = end - start
    if (sequence !== this.expected && (this.strict || this.parts.length > 0)) {
      // Servers send an unasked ERR with sequence 0.
      const unasked = length > 0 && bytes[start] === 0xff
      if (this.parts.length > 0 || !(unasked || sequence === this.restart)) {
        this.error = new ProtocolError({
          phase: "packet header",
          expected: `sequence number ${this.expected}`,
          got: `${sequence}`
        })
        return false
      }
    }
    this.expected = (sequence + 1) & 0xff
    this.restart = undefined
    this.sequence = sequence
    if (length === maxFramePayload) {
      this.parts.push(Buffer.from(bytes.subarray(start, end)))
      this.partsBytes += length
      return false
    }
    if (this.parts.length === 0) {
      this.bytes = bytes
      this.start = start
      this.end = end
      return true
    }
    this.parts.push(bytes.subarray(start, end))
    this.bytes = Buffer.concat(this.parts, this.partsBytes + length)
    this.start = 0
    this.end = this.bytes.length
    this.parts = []
    this.partsBytes = 0
    return true
  }

  private tooLarge(length: number): false {
    this.error = new ProtocolError({
      phase: "packet header",
      expected: `a packet of at most ${this.maxPacketBytes} bytes`,
      got: `${this.partsBytes + length} bytes`
    })
    return false
  }
}

/**
 * A parser at the beginning of a stream of packets. Manual: "MySQL Packets".
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeParser = (options?: ParserOptions): Parser => new Parser(options)

/**
 * Completes a message that was written with a `Writer`: fills in the header, and splits what is longer than a frame.
 * The result is a view of the writer's memory where one frame is enough.
 *
 * @since 0.1.0
 * @category encoding
 */
export const seal = (message: Writer, sequence: number = 0): Buffer => {
  const bytes = message.sealable()
  const length = bytes.length - 4
  if (length >= maxFramePayload) return split(bytes.subarray(4), sequence)
  writeHeader(bytes, 0, length, sequence)
  return bytes
}

/**
 * A payload as frames.
 *
 * @since 0.1.0
 * @category encoding
 */
export const frame = (payload: Uint8Array, sequence: number = 0): Buffer => split(payload, sequence)

/**
 * How many frames a payload of this many bytes takes.
 *
 * @since 0.1.0
 * @category encoding
 */
export const frameCount = (payloadBytes: number): number => Math.floor(payloadBytes / maxFramePayload) + 1

/**
 * How many frames a sealed message is made of.
 *
 * @since 0.1.0
 * @category encoding
 */
export const frameCountOf = (sealed: Uint8Array): number => Math.floor((sealed.length - 4) / (maxFramePayload + 4)) + 1

const writeHeader = (target: Buffer, at: number, length: number, sequence: number): void => {
  target[at] = length
  target[at + 1] = length >>> 8
  target[at + 2] = length >>> 16
  target[at + 3] = sequence
}

const split = (payload: Uint8Array, sequence: number): Buffer => {
  const frames = frameCount(payload.length)
  const target = Buffer.allocUnsafe(payload.length + 4 * frames)
  for (let index = 0; index < frames; index++) {
    const from = index * maxFramePayload
    const length = Math.min(payload.length - from, maxFramePayload)
    const at = from + 4 * index
    writeHeader(target, at, length, (sequence + index) & 0xff)
    target.set(payload.subarray(from, from + length), at + 4)
  }
  return target
}

/**
 * Bytes to packets. What was complete before an error comes out first. The end of the input in the middle of a packet
 * is an error.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = <IE = never, Done = unknown>(
  options?: ParserOptions
): Channel.Channel<
  Arr.NonEmptyReadonlyArray<Packet>,
  ProtocolError | IE,
  Done,
  Arr.NonEmptyReadonlyArray<Uint8Array>,
  IE,
  Done
> =>
  Channel.fromTransform((upstream) =>
    Effect.sync(() => {
      const parser = makeParser({ sequence: "report", ...options })
      const collect = (): Array<Packet> => {
        const packets: Array<Packet> = []
        while (parser.next()) {
          packets.push({ sequence: parser.sequence, payload: copyBytes(parser.bytes, parser.start, parser.end) })
        }
        return packets
      }
      const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Packet>, ProtocolError | IE, Done> = Effect.suspend(() => {
        if (parser.error !== undefined) return Effect.fail(parser.error)
        return Pull.matchEffect(upstream, {
          onSuccess: (chunks) => {
            for (const chunk of chunks) parser.feed(chunk)
            const packets = collect()
            if (Arr.isArrayNonEmpty(packets)) return Effect.succeed(packets)
            return pull
          },
          onFailure: (cause: Cause.Cause<IE>) => Effect.failCause(cause),
          onDone: (done): Pull.Pull<never, ProtocolError, Done> =>
            parser.pendingBytes === 0
              ? Cause.done(done)
              : Effect.fail(
                  new ProtocolError({
                    phase: "packet",
                    expected: "a complete packet",
                    got: `the end of the input after ${parser.pendingBytes} bytes`
                  })
                )
        })
      })
      return pull
    })
  )

/**
 * Packets to bytes: one chunk of output for each chunk of input.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = <IE = never, Done = unknown>(): Channel.Channel<
  Arr.NonEmptyReadonlyArray<Uint8Array>,
  IE,
  Done,
  Arr.NonEmptyReadonlyArray<Packet>,
  IE,
  Done
> =>
  Channel.fromTransform((upstream) =>
    Effect.succeed(
      Effect.map(
        upstream,
        (packets): Arr.NonEmptyReadonlyArray<Uint8Array> => [
          Buffer.concat(packets.map((packet) => frame(packet.payload, packet.sequence)))
        ]
      )
    )
  )

/**
 * A channel of bytes as a channel of packets, in both directions.
 *
 * @since 0.1.0
 * @category combinators
 */
export const duplex = <OutErr, OutDone, InErr, InDone, R>(
  self: Channel.Channel<
    Arr.NonEmptyReadonlyArray<Uint8Array>,
    OutErr,
    OutDone,
    Arr.NonEmptyReadonlyArray<Uint8Array>,
    InErr,
    InDone,
    R
  >,
  options?: ParserOptions
): Channel.Channel<
  Arr.NonEmptyReadonlyArray<Packet>,
  OutErr | ProtocolError,
  OutDone,
  Arr.NonEmptyReadonlyArray<Packet>,
  InErr,
  InDone,
  R
> => encode<InErr, InDone>().pipe(Channel.pipeTo(self), Channel.pipeTo(decode<OutErr, OutDone>(options)))
