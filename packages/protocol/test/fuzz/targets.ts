/**
 * Everything that reads bytes of a server, as functions from bytes to an outcome: a value, or an error of this package.
 * Whatever else is thrown comes through, and is a finding.
 */
import * as Result from "effect/Result"
import { decode } from "../../src/Bytes.ts"
import * as ChangeUser from "../../src/command/ChangeUser.ts"
import * as Authentication from "../../src/connect/Authentication.ts"
import * as AuthPacket from "../../src/connect/AuthPacket.ts"
import { disclosureOver } from "../../src/connect/AuthPlugin.ts"
import type { Capabilities } from "../../src/connect/Capabilities.ts"
import * as Greeting from "../../src/connect/Greeting.ts"
import * as HandshakeResponse from "../../src/connect/HandshakeResponse.ts"
import * as CompressedPacket from "../../src/framing/CompressedPacket.ts"
import * as Packet from "../../src/framing/Packet.ts"
import { ProtocolError } from "../../src/ProtocolError.ts"
import * as Column from "../../src/reply/Column.ts"
import * as Err from "../../src/reply/Err.ts"
import * as LocalInfile from "../../src/reply/LocalInfile.ts"
import * as Ok from "../../src/reply/Ok.ts"
import * as Reply from "../../src/reply/Reply.ts"
import type { DecodingOptions } from "../../src/row/Decoding.ts"
import * as RowDecoder from "../../src/row/RowDecoder.ts"
import * as BinaryValue from "../../src/value/BinaryValue.ts"
import { BadValue, DecodeError } from "../../src/value/DecodeError.ts"
import { shown } from "../support/replay.ts"
import type { Login, Rows, Session } from "./corpus.ts"
import type { Random } from "./mutate.ts"

/** The outcome as text: two outcomes are the same if and only if their texts are. */
export const textOf = (outcome: unknown): string =>
  JSON.stringify(outcome, (_, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`
    if (value instanceof Uint8Array)
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")
    if (typeof value === "number" && !Number.isFinite(value)) return String(value)
    return value
  })

const settled = (result: Result.Result<unknown, unknown>): unknown =>
  Result.isSuccess(result) ? result.success : String(result.failure)

export type Target = (bytes: Buffer, capabilities: Capabilities) => unknown

/** The decoders of single messages. They get the packet alone. */
export const messages: ReadonlyArray<Target> = [
  (bytes) => settled(Greeting.decode(bytes)),
  (bytes, capabilities) => settled(AuthPacket.decode(bytes, capabilities)),
  (bytes, capabilities) => settled(Ok.decode(bytes, capabilities)),
  (bytes) => settled(Err.decode(bytes)),
  (bytes, capabilities) => settled(Column.decode(bytes, capabilities)),
  (bytes) => settled(LocalInfile.decode(bytes)),
  // What a server reads of a client.
  (bytes) => settled(HandshakeResponse.decode(bytes)),
  (bytes, capabilities) => settled(decode("change of user", bytes, (reader) => ChangeUser.read(reader, capabilities))),
  (bytes) => settled(decode("parameter", bytes, (reader) => BinaryValue.read(reader, reader.u16())))
]

const commands = ["query", "execute", "prepare", "plain"] as const

/** The reply machine. It gets a chunk that has the packet in it, with number 1, behind one that was read. */
export const replies: ReadonlyArray<Target> = commands.map((command) => (chunk, capabilities) => {
  const parser = Packet.makeParser()
  parser.feed(chunk)
  parser.next()
  const reply = replyOf(command, capabilities)
  reply.consume(parser)
  return shown(reply)
})

const replyOf = (command: Reply.ReplyOptions["command"], capabilities: Capabilities, metadata?: Reply.Metadata) =>
  new Reply.Reply({
    command,
    capabilities,
    rows: { shape: "object", decoding: {}, offsetMinutes: 0 },
    metadata,
    localInfile: false
  })

/** A row, as the reply machine takes what its decoder throws. */
export const row = (decoder: RowDecoder.RowDecoder, bytes: Buffer, start: number, end: number): unknown => {
  try {
    return decoder.decode(bytes, start, end)
  } catch (error) {
    if (error instanceof BadValue) return String(decoder.explain(bytes, start, end))
    if (error instanceof ProtocolError || error instanceof DecodeError) return String(error)
    throw error
  }
}

/** Every option at least once away from its default. */
const decodings: ReadonlyArray<DecodingOptions> = [
  {},
  {
    bigint: "bigint",
    decimal: "BigDecimal",
    date: "Date",
    dateTime: "DateTime",
    invalidDate: "null",
    time: "Duration",
    json: "text",
    geometry: "geojson",
    bit1: "boolean",
    tinyint1: "boolean",
    set: "array"
  },
  { bigint: "string", dateTime: "string", date: "Date", duplicateColumns: "qualify" }
]

/** The same columns read by a loop and by a generated function. */
export interface Decoders {
  readonly rows: Rows
  readonly loop: RowDecoder.RowDecoder
  readonly generated: RowDecoder.RowDecoder
}

export const decodersOf = (rows: Rows): ReadonlyArray<Decoders> =>
  decodings.flatMap((decoding) =>
    (["object", "array"] as const).map((shape) => {
      const make = (codeGeneration: boolean): RowDecoder.RowDecoder => {
        const options = { protocol: rows.protocol, shape, decoding, offsetMinutes: 0, codeGeneration }
        const decoder = Result.getOrThrow(RowDecoder.make(rows.columns, options))
        // So often that it has become a function of its own.
        const [packet] = rows.packets
        for (let count = 0; count < 100; count++) row(decoder, packet!, 0, packet!.length)
        return decoder
      }
      return { rows, loop: make(false), generated: make(true) }
    })
  )

/** A whole session out of a stream of bytes that was cut anywhere. Ends where the client would close the line. */
export const session = ({ capabilities, replies }: Session, pieces: ReadonlyArray<Buffer>): unknown => {
  const parser = Packet.makeParser()
  const outcomes: Array<unknown> = []
  let next = 0
  /** Of the last reply in the same protocol: it fits or not, as that of a statement whose tables have changed. */
  const metadata = new Map<string, Reply.Metadata>()
  for (const { command } of replies) {
    const known = metadata.get(command === "fetch" ? "execute" : command)
    // Nobody fetches rows of which he does not know the columns.
    if (command === "fetch" && known === undefined) break
    parser.expect(1)
    const reply = replyOf(command, capabilities, known)
    while (!reply.consume(parser) && next < pieces.length) parser.feed(pieces[next++]!)
    outcomes.push(shown(reply))
    if (!reply.done || reply.failure !== undefined) break
    if (reply.metadata !== undefined) metadata.set(command, reply.metadata)
  }
  return outcomes
}

/** What a frame of the compressed protocol has in it; the one before has been read. */
export const compressed = (chunk: Buffer, algorithm: CompressedPacket.Algorithm): unknown => {
  const parser = CompressedPacket.makeParser({ algorithm })
  parser.feed(chunk)
  parser.next()
  return parser.next() ? [parser.sequence, parser.content] : (parser.error?.message ?? "more is needed")
}

/** The bytes of a session out of frames that were cut anywhere. */
export const inflated = (
  pieces: ReadonlyArray<Buffer>,
  algorithm: CompressedPacket.Algorithm
): ReadonlyArray<Buffer> => {
  const parser = CompressedPacket.makeParser({ algorithm })
  const contents: Array<Buffer> = []
  for (const piece of pieces) {
    parser.feed(piece)
    while (parser.next()) contents.push(parser.content)
  }
  return contents
}

/** A login up to its end, with the answers that it would send. */
export const login = ({ capabilities, password, plugin }: Login, packets: ReadonlyArray<Buffer>): unknown => {
  const [first, ...others] = packets
  const greeting = Greeting.decode(first ?? Buffer.alloc(0))
  if (Result.isFailure(greeting)) return String(greeting.failure)
  const made = Authentication.make({
    capabilities,
    greeting: greeting.success,
    password,
    disclosure: disclosureOver("verified"),
    tls: false,
    authPlugin: plugin
  })
  if (Result.isFailure(made)) return String(made.failure)
  const steps: Array<unknown> = []
  for (const packet of others) {
    const step = made.success.next(packet)
    // Salted with what is random: that it sends, and how much, is the outcome.
    steps.push(Result.isSuccess(step) ? [step.success._tag] : String(step.failure))
    if (Result.isFailure(step) || step.success._tag === "Accepted" || step.success._tag === "Refused") break
  }
  return steps
}

/** The bytes in pieces of any lengths, mostly a few. */
export const pieces = (bytes: Buffer, random: Random): ReadonlyArray<Buffer> => {
  const cut: Array<Buffer> = []
  const longest = random.pick([bytes.length + 1, 4096, 512, 64])
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(longest)
    cut.push(bytes.subarray(at, at + length))
    at += length
  }
  return cut
}
