/**
 * Mutated packets and sessions through everything that reads them. Each packet is read twice, with other bytes around it:
 * where the outcomes differ, a byte from outside the packet has had a say. Rows are read once by a loop and once by a
 * generated function, which have to agree too.
 */

import { generateKeyPairSync } from "node:crypto"
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Auth from "../../src/connect/Auth.ts"
import * as CompressedPacket from "../../src/framing/CompressedPacket.ts"
import * as Packet from "../../src/framing/Packet.ts"
import * as Corpus from "./corpus.ts"
import { mutate, Random } from "./mutate.ts"
import * as Targets from "./targets.ts"

/** What lies around a packet in the buffer. */
interface Surroundings {
  readonly before: Buffer
  readonly behind: Buffer
}

/** Bytes that change whatever they get into: text, digits, lengths, flags. */
const surroundings: readonly [Surroundings, Surroundings] = [
  { before: Buffer.alloc(32, 0x00), behind: Buffer.alloc(64, 0x31) },
  { before: Buffer.alloc(32, 0xff), behind: Buffer.alloc(64, 0xfe) }
]

const surrounded = (bytes: Buffer, { before, behind }: Surroundings): Buffer => Buffer.concat([before, bytes, behind])

/** More than there will be: the parser waits for the rest of the frame that the bytes behind belong to. */
const openFrame = Packet.frame(Buffer.alloc(200), 2).subarray(0, 4)

const asChunk = (payload: Buffer, { before, behind }: Surroundings): Buffer =>
  Buffer.concat([Packet.frame(before, 0), Packet.frame(payload, 1), openFrame, behind])

const algorithms = ["zlib", "zstd"] as const

const asFrame = (content: Buffer, algorithm: CompressedPacket.Algorithm, threshold: number): Buffer =>
  Buffer.concat(CompressedPacket.frames(content, 1, { algorithm, threshold, level: 1 }))

/** The header of a frame that is longer than what comes behind it. */
const openCompressedFrame = Buffer.from("ffff0002000000", "hex")

/** So often in a long run the memory is looked at, and in a short one after so many steps: each look takes long. */
const looks = 50
const leastSteps = 5000

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

/** Bytes that are in use once everything that can go is gone. */
const bytesInUse = (): number => {
  // What buffers have held is given back by the collection after the one that found them gone.
  for (let count = 0; count < 3; count++) collectGarbage()
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
}

export interface Findings {
  /** What went wrong, and with which bytes. */
  readonly faults: Array<string>
  /** Outcomes that were values, and outcomes that were errors. */
  values: number
  errors: number
  /** The most that was kept between two looks, beyond what was in use at the beginning. */
  grownBytes: number
}

const maxFaults = 10

/** So often the loop of events gets its turn: Node lets go only then of what it used for bytes that do not inflate. */
const stepsBetweenTurns = 1000

const watch = async (count: number, work: (findings: Findings, index: number) => void): Promise<Findings> => {
  const findings: Findings = { faults: [], values: 0, errors: 0, grownBytes: 0 }
  const before = bytesInUse()
  const every = Math.max(Math.ceil(count / looks), leastSteps)
  for (let index = 0; index < count && findings.faults.length < maxFaults; index++) {
    work(findings, index)
    const looksNow = index % every === every - 1 || index === count - 1
    if (looksNow || index % stepsBetweenTurns === 0) await setImmediate()
    if (looksNow) findings.grownBytes = Math.max(findings.grownBytes, bytesInUse() - before)
  }
  return findings
}

const attempt = (what: string, bytes: Buffer, findings: Findings, outcome: () => string): void => {
  try {
    const text = outcome()
    // Errors are shown as the strings that they are.
    if (/^(?:\\?")?(?:ProtocolError|DecodeError|ParameterError|AuthError)/.test(text) || text.includes('"failure":"'))
      findings.errors++
    else findings.values++
  } catch (error) {
    const trace = error instanceof Error ? error.stack?.split("\n").slice(0, 4).join(" ") : String(error)
    findings.faults.push(`${what}: ${trace}; bytes ${bytes.toString("hex").slice(0, 2000)}`)
  }
}

const same = (first: string, second: string): string => {
  if (first === second) return first
  let at = 0
  while (first[at] === second[at]) at++
  const from = Math.max(0, at - 150)
  throw new Error(`two readings differ: …${first.slice(from, at + 150)}… and …${second.slice(from, at + 150)}…`)
}

/** One in so many packets is of any other kind than its decoder is for. */
const strangeEvery = 4
/** One row in so many is written again: that takes much longer than reading it. */
const rewrittenEvery = 16

/** Mutated packets through the decoders of messages, the reply machine, the row decoders and the compressed protocol. */
export const fuzzPackets = (seed: number, count: number): Promise<Findings> => {
  const random = new Random(seed)
  const decoders = Corpus.rows.flatMap(Targets.decodersOf)
  const packet = (): Buffer => random.pick(Corpus.packets).bytes

  const rewriters = Corpus.rows.map(Targets.rewriterOf)

  const fuzzRewriting = (findings: Findings): void => {
    const { rewrite, rows } = random.pick(rewriters)
    const bytes = mutate(random.pick(rows.packets), random, packet())
    const { capabilities } = random.pick(Corpus.packets)
    attempt(`rewritten row of ${rows.protocol}`, bytes, findings, () => Targets.textOf(rewrite(bytes, capabilities)))
  }

  const fuzzRow = (findings: Findings): void => {
    if (random.below(rewrittenEvery) === 0) return fuzzRewriting(findings)
    const { generated, loop, rows } = random.pick(decoders)
    const bytes = mutate(random.pick(rows.packets), random, packet())
    const [one, other] = surroundings
    const end = one.before.length + bytes.length
    attempt(`row of ${rows.protocol}`, bytes, findings, () => {
      const memory = surrounded(bytes, one)
      const value = Targets.row(loop, memory, one.before.length, end)
      const first = Targets.textOf(value)
      memory.fill(0x2a)
      // What was read is a copy, whatever becomes of the receive buffer.
      same(first, Targets.textOf(value))
      return same(first, Targets.textOf(Targets.row(generated, surrounded(bytes, other), other.before.length, end)))
    })
  }

  const fuzzMessage = (findings: Findings): void => {
    const { name, read, seeds } = random.pick(Targets.messages)
    const from = random.pick(random.below(strangeEvery) === 0 ? Corpus.packets : seeds)
    const bytes = mutate(from.bytes, random, packet())
    const [first, second] = surroundings.map((around) => () => {
      const memory = surrounded(bytes, around)
      return Targets.textOf(read(memory.subarray(32, 32 + bytes.length), from.capabilities))
    })
    attempt(name, bytes, findings, () => same(first!(), second!()))
  }

  const fuzzReply = (findings: Findings): void => {
    const from = random.pick(Corpus.packets)
    const bytes = mutate(from.bytes, random, packet())
    const target = random.pick(Targets.replies)
    const [first, second] = surroundings.map(
      (around) => () => Targets.textOf(target(asChunk(bytes, around), from.capabilities))
    )
    attempt("reply", bytes, findings, () => same(first!(), second!()))
  }

  /** Frames cost more to make than to read: so many are made once. */
  const frames = algorithms.flatMap((algorithm) =>
    Array.from({ length: 50 }, () => {
      const content = Buffer.concat(Array.from({ length: 1 + random.below(20) }, packet))
      return { algorithm, bytes: asFrame(content, algorithm, random.pick([0, 1024])) }
    })
  )

  const fuzzCompressed = (findings: Findings): void => {
    const { algorithm, bytes: frame } = random.pick(frames)
    const bytes = mutate(frame, random, random.pick(frames).bytes)
    const [first, second] = surroundings.map(({ before, behind }) => () => {
      const chunk = Buffer.concat([asFrame(before, algorithm, 1024), bytes, openCompressedFrame, behind])
      return Targets.textOf(Targets.compressed(chunk, algorithm))
    })
    // Cut off, it would rightly take what comes behind for its own.
    const announced = bytes.length < 7 ? bytes.length : 7 + bytes.readUIntLE(0, 3)
    attempt("compressed", bytes, findings, () => (announced > bytes.length ? first!() : same(first!(), second!())))
  }

  const kinds = [fuzzRow, fuzzRow, fuzzRow, fuzzMessage, fuzzMessage, fuzzReply, fuzzReply, fuzzCompressed]
  return watch(count, (findings) => random.pick(kinds)(findings))
}

/** So many sessions are compressed: one in four. */
const compressedEvery = 4
/** One login, and one answer of a plugin, in so many sessions: what plugins compute costs milliseconds. */
const loginEvery = 20
/** One plugin in so many gets a key. */
const keyEvery = 3

const rsaKey = Buffer.from(
  generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "pem" })
)

/** Mutated sessions through parser and reply machine, in any pieces, mutated logins, and plugins. */
export const fuzzSessions = (seed: number, count: number): Promise<Findings> => {
  const random = new Random(seed)
  const compressedSessions = algorithms.flatMap((algorithm) =>
    Corpus.sessions.map((session) => ({
      algorithm,
      session,
      bytes: Buffer.concat(
        Targets.pieces(session.bytes, new Random(seed)).map((content) =>
          asFrame(content, algorithm, random.pick([0, 512]))
        )
      )
    }))
  )

  const fuzzCompressedSession = (findings: Findings): void => {
    const { algorithm, bytes: frames, session } = random.pick(compressedSessions)
    const bytes = mutate(frames, random, random.pick(compressedSessions).bytes)
    const cut = Targets.pieces(bytes, random)
    const read = (pieces: ReadonlyArray<Buffer>): string =>
      Targets.textOf(Targets.session(session, Targets.inflated(pieces, algorithm)))
    attempt(`session ${session.name}, ${algorithm}`, bytes, findings, () => same(read(cut), read([bytes])))
  }

  const fuzzPlugin = (findings: Findings): void => {
    const name = random.pick(Auth.names)
    const seed = random.below(keyEvery) === 0 ? rsaKey : random.pick(Corpus.authPackets).bytes
    // Behind the header byte and the name of a plugin.
    const bytes = mutate(seed.subarray(random.pick([0, 1, seed.indexOf(0) + 1])), random, rsaKey)
    const respond = Targets.plugin(name, bytes, random)
    attempt(`plugin ${name}`, bytes, findings, () => Targets.textOf(respond()))
  }

  return watch(count, (findings, index) => {
    if (index % loginEvery === 1) return fuzzPlugin(findings)
    if (index % loginEvery === 0) {
      const login = random.pick(Corpus.logins)
      const packets = login.packets.map((bytes) =>
        random.below(2) === 0 ? bytes : mutate(bytes, random, random.pick(Corpus.packets).bytes)
      )
      const all = Buffer.concat(packets)
      attempt("login", all, findings, () => Targets.textOf(Targets.login(login, packets)))
      return
    }
    if (index % compressedEvery === 2) return fuzzCompressedSession(findings)
    const session = random.pick(Corpus.sessions)
    const bytes = mutate(session.bytes, random, random.pick(Corpus.sessions).bytes)
    const cut = Targets.pieces(bytes, random)
    attempt(`session ${session.name}`, bytes, findings, () =>
      same(Targets.textOf(Targets.session(session, cut)), Targets.textOf(Targets.session(session, [bytes])))
    )
  })
}
