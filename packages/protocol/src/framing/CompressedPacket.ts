/**
 * The compressed protocol: around the packets goes another frame, with a length, a sequence number of its own and the
 * length that its content has when it is inflated; 0 says that the content is not compressed. Frames and packets need not
 * begin at the same places: what is in the frames is one stream of bytes.
 *
 * `Parser` is the only place that reads such a header. It inflates one frame at a time, and never to more than the frame
 * has announced, which is below 16 MiB. `decode`, `encode` and `duplex` are channels over it, to be put between a line and
 * the channels of `Packet`.
 *
 * Manual: "Compression", "Compressed Packet".
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Zlib from "node:zlib"
import { asBuffer } from "../Bytes.ts"
import { ProtocolError } from "../ProtocolError.ts"
import { maxFramePayload } from "./Packet.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Algorithm = "zlib" | "zstd"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly algorithm: Algorithm
  /** Content shorter than this goes as it is. Default 512 bytes. */
  readonly threshold?: number | undefined
  /** Of compression: 1 to 9 for zlib, 1 to 22 for zstd. Default 6, and 3 for zstd. */
  readonly level?: number | undefined
}

/**
 * Below this many bytes compressing costs more time than it saves: a packet of the network has room for more.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultThreshold = 512

/**
 * What the algorithms themselves have for a default. Manual: "Connection Compression Control".
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultLevel: { readonly [A in Algorithm]: number } = { zlib: 6, zstd: 3 }

const headerBytes = 7

const inflate = (algorithm: Algorithm, content: Buffer, bytes: number): Buffer | undefined => {
  try {
    const options = { maxOutputLength: bytes }
    return algorithm === "zlib" ? Zlib.inflateSync(content, options) : Zlib.zstdDecompressSync(content, options)
  } catch {
    return undefined
  }
}

const deflate = (algorithm: Algorithm, content: Uint8Array, level: number): Buffer =>
  algorithm === "zlib"
    ? Zlib.deflateSync(content, { level })
    : Zlib.zstdCompressSync(content, { params: { [Zlib.constants.ZSTD_c_compressionLevel]: level } })

/**
 * The incremental parser. After `next()` returned `true`, `content` holds the bytes of one frame, inflated. When it
 * returns `false`, either more bytes are needed or `error` is set for good.
 *
 * @since 0.1.0
 * @category models
 */
export class Parser {
  content: Buffer = Buffer.alloc(0)
  /** Of the frame that `content` came in. */
  sequence = 0
  error: ProtocolError | undefined = undefined

  private readonly algorithm: Algorithm
  private chunks: Array<Buffer> = []
  private first = 0
  /** Bytes of the first chunk that were used. */
  private position = 0
  private available = 0

  constructor(options: Pick<Options, "algorithm">) {
    this.algorithm = options.algorithm
  }

  /** Adds bytes. They are not copied: nobody may write to them afterwards. */
  feed(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.chunks.push(asBuffer(chunk))
    this.available += chunk.length
  }

  /** Bytes that have arrived and were not handed out. */
  get pendingBytes(): number {
    return this.available
  }

  next(): boolean {
    if (this.error !== undefined || this.available < headerBytes) return false
    const header = this.peek(headerBytes)
    const length = header.readUIntLE(0, 3)
    const inflated = header.readUIntLE(4, 3)
    if (length === 0) return this.fail("content", "an empty frame")
    if (this.available < headerBytes + length) return false
    this.sequence = header[3]!
    const content = this.peek(headerBytes + length).subarray(headerBytes)
    this.skip(headerBytes + length)
    if (inflated === 0) {
      this.content = content
      return true
    }
    const bytes = inflate(this.algorithm, content, inflated)
    if (bytes?.length !== inflated) {
      return this.fail(`${inflated} bytes of ${this.algorithm}`, bytes === undefined ? "others" : `${bytes.length}`)
    }
    this.content = bytes
    return true
  }

  private fail(expected: string, got: string): false {
    this.error = new ProtocolError({ phase: "compressed packet", expected, got })
    return false
  }

  /** The next bytes in one piece: in place where one chunk has them. */
  private peek(count: number): Buffer {
    const chunk = this.chunks[this.first]!
    if (chunk.length - this.position >= count) return chunk.subarray(this.position, this.position + count)
    const joined = Buffer.allocUnsafe(count)
    let filled = chunk.copy(joined, 0, this.position)
    for (let index = this.first + 1; filled < count; index++) {
      filled += this.chunks[index]!.copy(joined, filled, 0, Math.min(count - filled, this.chunks[index]!.length))
    }
    return joined
  }

  private skip(count: number): void {
    this.available -= count
    let left = count
    while (left > 0) {
      const rest = this.chunks[this.first]!.length - this.position
      if (left < rest) {
        this.position += left
        return
      }
      left -= rest
      this.first++
      this.position = 0
    }
    if (this.first === this.chunks.length) {
      this.chunks = []
      this.first = 0
    }
  }
}

/**
 * A parser at the beginning of a compressed stream. Manual: "Compressed Packet".
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeParser = (options: Pick<Options, "algorithm">): Parser => new Parser(options)

/**
 * Bytes of packets as frames, as many as it takes.
 *
 * @since 0.1.0
 * @category encoding
 */
export const frames = (bytes: Uint8Array, sequence: number, options: Options): ReadonlyArray<Buffer> => {
  const made: Array<Buffer> = []
  for (let from = 0; from < bytes.length; from += maxFramePayload) {
    made.push(frame(bytes.subarray(from, from + maxFramePayload), sequence + made.length, options))
  }
  return made
}

const frame = (content: Uint8Array, sequence: number, options: Options): Buffer => {
  const { algorithm, level = defaultLevel[algorithm], threshold = defaultThreshold } = options
  const deflated = content.length < threshold ? undefined : deflate(algorithm, content, level)
  const pays = deflated !== undefined && deflated.length < content.length
  const body = pays ? deflated : content
  const framed = Buffer.allocUnsafe(headerBytes + body.length)
  framed.writeUIntLE(body.length, 0, 3)
  framed[3] = sequence
  framed.writeUIntLE(pays ? content.length : 0, 4, 3)
  framed.set(body, headerBytes)
  return framed
}

/**
 * One side of a compressed conversation as it writes: it cuts its bytes into frames and numbers them. A command, whose
 * packet has the number 0, begins anew with 0 in a frame of its own; anything else goes on where the conversation is.
 *
 * @since 0.1.0
 * @category models
 */
export class Compressor {
  /** The number of the next frame, whoever writes it. Whoever reads frames of the other side sets it. */
  next = 0

  private readonly options: Options
  /** Of the last packet's last frame. */
  private lastSequence = -1
  private lastLength = 0

  constructor(options: Options) {
    this.options = options
  }

  /** Whole packets, headers included, in a row. */
  compress(packets: Uint8Array): Buffer {
    const bytes = asBuffer(packets)
    const made: Array<Buffer> = []
    let begin = 0
    for (let at = 0; at + 4 <= bytes.length; ) {
      const length = bytes.readUIntLE(at, 3)
      const sequence = bytes[at + 3]!
      if (this.isCommand(sequence)) {
        this.flush(bytes.subarray(begin, at), made)
        begin = at
        this.next = 0
      }
      this.lastSequence = sequence
      this.lastLength = length
      at += 4 + length
    }
    this.flush(bytes.subarray(begin), made)
    return made.length === 1 ? made[0]! : Buffer.concat(made)
  }

  /** In a file that is sent the numbers come round to 0 as well; its end is an empty packet. */
  private isCommand(sequence: number): boolean {
    return sequence === 0 && !(this.lastSequence === 0xff && this.lastLength > 0)
  }

  private flush(bytes: Buffer, made: Array<Buffer>): void {
    const written = frames(bytes, this.next, this.options)
    this.next = (this.next + written.length) & 0xff
    made.push(...written)
  }
}

/**
 * A compressor at the beginning of a compressed stream. Manual: "Compressed Packet".
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeCompressor = (options: Options): Compressor => new Compressor(options)

/**
 * Compressed bytes to plain ones. What was complete before an error comes out first. The end of the input in the middle
 * of a frame is an error.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = <IE = never, Done = unknown>(
  options: Pick<Options, "algorithm">
): Channel.Channel<
  Arr.NonEmptyReadonlyArray<Uint8Array>,
  ProtocolError | IE,
  Done,
  Arr.NonEmptyReadonlyArray<Uint8Array>,
  IE,
  Done
> => Channel.fromTransform((upstream) => Effect.sync(() => inflating(upstream, makeParser(options), undefined)))

/**
 * Packets, headers included, to frames: one chunk of output for each chunk of input, which holds whole packets.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = <IE = never, Done = unknown>(
  options: Options
): Channel.Channel<Arr.NonEmptyReadonlyArray<Uint8Array>, IE, Done, Arr.NonEmptyReadonlyArray<Uint8Array>, IE, Done> =>
  Channel.fromTransform((upstream) => Effect.sync(() => deflating(upstream, makeCompressor(options))))

/**
 * A channel of compressed bytes as a channel of plain ones, in both directions: each side numbers its frames on from
 * those of the other.
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
  options: Options
): Channel.Channel<
  Arr.NonEmptyReadonlyArray<Uint8Array>,
  OutErr | ProtocolError,
  OutDone,
  Arr.NonEmptyReadonlyArray<Uint8Array>,
  InErr,
  InDone,
  R
> =>
  Channel.suspend(() => {
    const compressor = makeCompressor(options)
    return Channel.fromTransform((upstream: Plain<InErr, InDone>) =>
      Effect.succeed(deflating(upstream, compressor))
    ).pipe(
      Channel.pipeTo(self),
      Channel.pipeTo(
        Channel.fromTransform((upstream: Plain<OutErr, OutDone>) =>
          Effect.sync(() => inflating(upstream, makeParser(options), compressor))
        )
      )
    )
  })

type Plain<E, Done> = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, E, Done>

const deflating = <E, Done>(upstream: Plain<E, Done>, compressor: Compressor): Plain<E, Done> =>
  Effect.map(
    upstream,
    (chunks): Arr.NonEmptyReadonlyArray<Uint8Array> => [
      Buffer.concat(chunks.map((chunk) => compressor.compress(chunk)))
    ]
  )

/** One frame at a time, so that no more is inflated than somebody reads. */
const inflating = <E, Done>(
  upstream: Plain<E, Done>,
  parser: Parser,
  compressor: Compressor | undefined
): Plain<E | ProtocolError, Done> => {
  const pull: Plain<E | ProtocolError, Done> = Effect.suspend(() => {
    if (parser.next()) {
      if (compressor !== undefined) compressor.next = (parser.sequence + 1) & 0xff
      return Effect.succeed<Arr.NonEmptyReadonlyArray<Uint8Array>>([parser.content])
    }
    if (parser.error !== undefined) return Effect.fail(parser.error)
    return Pull.matchEffect(upstream, {
      onSuccess: (chunks) => {
        for (const chunk of chunks) parser.feed(Uint8Array.from(chunk))
        return pull
      },
      onFailure: (cause: Cause.Cause<E>) => Effect.failCause(cause),
      onDone: (done): Pull.Pull<never, ProtocolError, Done> =>
        parser.pendingBytes === 0
          ? Cause.done(done)
          : Effect.fail(
              new ProtocolError({
                phase: "compressed packet",
                expected: "a complete frame",
                got: `the end of the input after ${parser.pendingBytes} bytes`
              })
            )
    })
  })
  return pull
}
