/**
 * A line whose bytes are compressed on the way: the transport below sees frames, everybody above the packets in them.
 * What is pulled is one frame at a time, so that no more is inflated than somebody reads.
 */
import * as CompressedPacket from "@effect-mysql/protocol/framing/CompressedPacket"
import type { Parser } from "@effect-mysql/protocol/framing/Packet"
import { ProtocolError } from "@effect-mysql/protocol/ProtocolError"
import * as Effect from "effect/Effect"
import type { DirectLine, TransportConnection } from "../Transport.ts"
import * as directLine from "./directLine.ts"
import * as failures from "./failures.ts"

class CompressedLine implements TransportConnection {
  private readonly line: TransportConnection
  private readonly below: DirectLine
  /** Reads the packets, and has to know where a frame begins. */
  private readonly packets: Parser
  private readonly frames: CompressedPacket.Parser
  private readonly compressor: CompressedPacket.Compressor
  /** The content that was given and not released. */
  private held: Buffer | undefined = undefined
  /** Numbers that a frame may have which does not go on from the last: those behind a command. */
  private readonly beginnings = new Set([0])
  private expected = 0

  constructor(line: TransportConnection, packets: Parser, options: CompressedPacket.Options) {
    this.line = line
    this.below = directLine.of(line)
    this.packets = packets
    this.frames = CompressedPacket.makeParser(options)
    this.compressor = CompressedPacket.makeCompressor(options)
  }

  readonly direct: DirectLine = {
    take: (onArrival) => {
      while (this.held === undefined && !this.inflate()) {
        if (this.frames.error !== undefined) return failures.protocol(this.frames.error)
        const taken = this.below.take(onArrival)
        if (taken === undefined || !directLine.isChunks(taken)) return taken
        for (const chunk of taken) this.frames.feed(Buffer.from(chunk))
        this.line.release()
      }
      return [this.held!]
    },
    offer: (bytes, onRoom) => {
      const framed = this.compressor.compress(bytes)
      this.beginnings.add(this.compressor.next)
      return this.below.offer(framed, onRoom)
    },
    // What is written below is a copy.
    lend: (bytes, onReturn) => this.direct.offer(bytes, onReturn)
  }

  readonly pull = directLine.pullOf(this.direct.take)

  readonly write = directLine.writeOf(this.direct.offer)

  readonly release = (): void => {
    this.held = undefined
  }

  /** Tells of a wrong number as of any other fault of the frames. */
  private inflate(): boolean {
    const { frames } = this
    if (!frames.next()) return false
    const { sequence } = frames
    if (sequence !== this.expected && sequence !== this.compressor.next && !this.beginnings.has(sequence)) {
      frames.error = new ProtocolError({
        phase: "compressed packet",
        expected: `sequence number ${this.expected}`,
        got: `${sequence}`
      })
      return false
    }
    this.expected = (sequence + 1) & 0xff
    this.compressor.next = this.expected
    this.packets.beginFrame(sequence)
    this.held = frames.content
    return true
  }

  readonly startTls = (...options: Parameters<TransportConnection["startTls"]>) => this.line.startTls(...options)

  readonly idle: TransportConnection["idle"] = Effect.suspend(() =>
    this.held !== undefined || this.frames.pendingBytes > 0 ? Effect.succeed("bytes" as const) : this.line.idle
  )

  get secure(): TransportConnection["secure"] {
    return this.line.secure
  }

  get tls(): TransportConnection["tls"] {
    return this.line.tls
  }

  get peerCertificate(): TransportConnection["peerCertificate"] {
    return this.line.peerCertificate
  }

  get target(): TransportConnection["target"] {
    return this.line.target
  }
}

/** From now on the line is compressed; `packets` is the parser of what is pulled from it. */
export const make = (
  line: TransportConnection,
  packets: Parser,
  options: CompressedPacket.Options
): TransportConnection => new CompressedLine(line, packets, options)
