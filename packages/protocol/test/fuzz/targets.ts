/**
 * Everything that reads bytes of the other side, as functions from bytes to an outcome: a value, or an error of this
 * package. Whatever else is thrown comes through, and is a finding.
 */
import * as Result from "effect/Result"
import { decode, type Reader } from "../../src/Bytes.ts"
import { ColumnType } from "../../src/ColumnType.ts"
import * as CommandPacket from "../../src/command/CommandPacket.ts"
import * as Auth from "../../src/connect/Auth.ts"
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
import * as Progress from "../../src/reply/Progress.ts"
import * as Reply from "../../src/reply/Reply.ts"
import * as ResultSet from "../../src/reply/ResultSet.ts"
import type { DecodingOptions } from "../../src/row/Decoding.ts"
import * as RowDecoder from "../../src/row/RowDecoder.ts"
import * as BinaryValue from "../../src/value/BinaryValue.ts"
import { BadValue, DecodeError } from "../../src/value/DecodeError.ts"
import { ParameterError } from "../../src/value/Parameter.ts"
import { replay, shown } from "../support/replay.ts"
import type { Login, Rows, Packet as Seed, Session } from "./corpus.ts"
import * as Corpus from "./corpus.ts"
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

/** A decoder of single messages, which gets the packet alone, and packets that it was made for. */
export interface Message {
  readonly name: string
  readonly seeds: ReadonlyArray<Seed>
  readonly read: Target
}

const statementTypes = [
  ColumnType.VAR_STRING,
  ColumnType.LONGLONG,
  ColumnType.DATETIME,
  ColumnType.DOUBLE,
  ColumnType.TIME,
  ColumnType.NEWDECIMAL,
  ColumnType.TINY
]

/** What a server may know of a statement: nothing, how many parameters it has, their types, and which came before. */
const knownStatements: ReadonlyArray<CommandPacket.Statement | undefined> = [
  undefined,
  ...[1, 2, 3, 9].flatMap((parameterCount): ReadonlyArray<CommandPacket.Statement> => {
    const types = Array.from({ length: parameterCount }, (_, index) => statementTypes[index % statementTypes.length]!)
    return [
      { parameterCount },
      { parameterCount, types },
      { parameterCount, types, longData: new Set([0]) },
      // Those of attributes that came with the last execution too.
      { parameterCount: parameterCount - 1, types, longData: new Set([parameterCount - 1]) }
    ]
  })
]

const commandReader =
  (statement: CommandPacket.Statement | undefined): Target =>
  (bytes, capabilities) =>
    settled(CommandPacket.decode(bytes, { capabilities, statements: () => statement }))

/** Header and number of the ERR that it is. */
const progressHeaderBytes = 3

const readProgress = (reader: Reader): Progress.Progress => {
  reader.skip(progressHeaderBytes)
  return Progress.read(reader)
}

export const messages: ReadonlyArray<Message> = [
  { name: "greeting", seeds: Corpus.greetings, read: (bytes) => settled(Greeting.decode(bytes)) },
  {
    name: "authentication",
    seeds: Corpus.authPackets,
    read: (bytes, capabilities) => settled(AuthPacket.decode(bytes, capabilities))
  },
  {
    name: "OK",
    seeds: Corpus.replies,
    read: (bytes, capabilities) => settled(Ok.decode(bytes, capabilities))
  },
  { name: "ERR", seeds: Corpus.replies, read: (bytes) => settled(Err.decode(bytes)) },
  {
    name: "column",
    seeds: Corpus.replies,
    read: (bytes, capabilities) => settled(Column.decode(bytes, capabilities))
  },
  { name: "LOCAL INFILE request", seeds: Corpus.fileRequests, read: (bytes) => settled(LocalInfile.decode(bytes)) },
  {
    name: "progress",
    seeds: Corpus.replies,
    read: (bytes) => settled(decode("progress", bytes, readProgress))
  },
  // What a server reads of a client.
  { name: "answer to the greeting", seeds: Corpus.answers, read: (bytes) => settled(HandshakeResponse.decode(bytes)) },
  {
    name: "parameter",
    seeds: Corpus.commands,
    read: (bytes) => settled(decode("parameter", bytes, (reader) => BinaryValue.read(reader, reader.u16())))
  },
  ...knownStatements.map((statement) => ({ name: "command", seeds: Corpus.commands, read: commandReader(statement) }))
]

const replyCommands = ["query", "execute", "prepare", "plain"] as const

/** The reply machine. It gets a chunk that has the packet in it, with number 1, behind one that was read. */
export const replies: ReadonlyArray<Target> = replyCommands.map((command) => (chunk, capabilities) => {
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

/** Bytes as they came: what a server gets from its storage and writes. */
const opaque = ({ name }: Column.Column): Column.Column => ({
  database: "",
  table: "",
  originalTable: "",
  name,
  originalName: "",
  extendedType: undefined,
  format: undefined,
  length: 255,
  decimals: 0,
  type: ColumnType.BLOB,
  collation: binaryCollation,
  flags: 0
})

const binaryCollation = 63

export interface Rewriter {
  readonly rows: Rows
  readonly rewrite: (row: Buffer, capabilities: Capabilities) => unknown
}

/**
 * What was read of a row is written as a server writes it, a whole result of it, and read once more. Text is the same
 * then; of a binary row it is enough that it holds to the protocol, or cannot be written: digits that are none have no
 * form of their own.
 */
export const rewriterOf = (rows: Rows): Rewriter => {
  const { protocol } = rows
  const columns = protocol === "text" ? rows.columns.map(opaque) : rows.columns
  const decoder = Result.getOrThrow(
    RowDecoder.make(columns, { protocol, shape: "array", decoding: {}, offsetMinutes: 0, codeGeneration: false })
  )
  const rewrite = (bytes: Buffer, capabilities: Capabilities): unknown => {
    const values = row(decoder, bytes, 0, bytes.length)
    if (!Array.isArray(values)) return values
    const written = ResultSet.encode({ columns, rows: [values, values], protocol }, capabilities)
    if (Result.isFailure(written)) {
      if (written.failure instanceof ParameterError) return String(written.failure)
      throw written.failure
    }
    const packets = written.success.map((payload, index) => Packet.seal(payload, index + 1))
    const reply = replay(packets, { command: protocol === "text" ? "query" : "execute", capabilities })
    const same = protocol === "binary" || textOf(reply.results[0]?.rows) === textOf([values, values])
    if (!reply.done || reply.failure !== undefined || !same) {
      throw new Error(`${textOf(values)} was written and read as ${textOf(shown(reply))}`)
    }
    return values
  }
  return { rows, rewrite }
}

/** A plugin of a client that gets these bytes in the place where a server would send them: what it answers, and why not. */
export const plugin = (name: string, data: Buffer, random: Random): (() => unknown) => {
  const found = Result.getOrThrow(Auth.find(name))
  const context = {
    password: random.pick(["", "pässwörd", "p".repeat(300)]),
    scramble:
      random.below(2) === 0 ? data.subarray(0, found.scrambleBytes) : Buffer.alloc(found.scrambleBytes ?? 20, 7),
    disclosure: disclosureOver(random.pick(["no", "encrypted", "verified"]), { allowPublicKeyRetrieval: true }),
    tls: random.below(2) === 0,
    answers: random.pick([undefined, [], ["second"]]),
    round: random.below(3),
    nonce: Buffer.alloc(32, 9)
  }
  // Padding is random: that there is an answer, and how long it is, is the outcome.
  const outcome = (answer: Result.Result<Uint8Array | undefined, unknown>): unknown =>
    Result.isSuccess(answer) ? { length: answer.success?.length } : String(answer.failure)
  return () => {
    const answer = outcome(found.respond(data, context))
    return typeof answer === "string"
      ? answer
      : [outcome(found.start(context)), answer, found.verifier?.(context, data)]
  }
}

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
  return parser.next() ? [parser.sequence, parser.content] : String(parser.error ?? "more is needed")
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
