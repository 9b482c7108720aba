/**
 * The limit: a socket with one read buffer that is used again and again, requests that were encoded beforehand, and
 * replies of which nothing is looked at but the packet headers and the bytes that tell where a reply ends. No row, no
 * string, no promise per round trip. No driver can be cheaper; how far it is from here is what it costs. The loop over
 * headers is its own, for the limit must not inherit the cost of the parser that it is the limit for; login and
 * encoding, which are not timed, are the protocol package's.
 */

import {
  Authentication,
  AuthPlugin,
  Capabilities,
  Command,
  Execute,
  Greeting,
  HandshakeResponse,
  Packet
} from "@effect-mysql/protocol"
import * as Result from "effect/Result"
import { connect as connectSocket, type Socket } from "node:net"
import type { Contestant, Target } from "../Contestant.ts"
import { accountId, pointId } from "../Dataset.ts"
import { allParameters, concurrency, pageParameters, sql } from "../Line.ts"

const { Flag, ExtendedFlag } = Capabilities

const flags =
  Flag.LONG_FLAG |
  Flag.PROTOCOL_41 |
  Flag.TRANSACTIONS |
  Flag.SECURE_CONNECTION |
  Flag.PLUGIN_AUTH |
  Flag.PLUGIN_AUTH_LENENC |
  Flag.CONNECT_WITH_DB |
  Flag.DEPRECATE_EOF

type Phase = "header" | "columns" | "rows"

/** Counts packets from the header on and says when a reply is complete. */
class Framer {
  rows = 0
  /** Replies that are still to come, and what to do when there are none. */
  replies = 0
  done: (error: Error | undefined) => void = () => undefined

  private phase: Phase = "header"
  private columns = 0
  /** Bytes of the current payload that have not arrived and do not matter. */
  private skip = 0
  /** Header and first two bytes of a packet that is cut there by the end of a chunk. */
  private readonly head = Buffer.alloc(6)
  private headBytes = 0

  read(chunk: Buffer, length: number): void {
    let at = 0
    while (at < length) {
      if (this.skip > 0) {
        const count = Math.min(this.skip, length - at)
        this.skip -= count
        at += count
      } else if (this.headBytes === 0 && length - at >= 6) {
        const payload = chunk[at]! | (chunk[at + 1]! << 8) | (chunk[at + 2]! << 16)
        const end = at + 4 + payload
        this.packet(payload, chunk[at + 4]!, chunk[at + 5]!)
        if (end > length) this.skip = end - length
        at = end
      } else {
        this.head[this.headBytes++] = chunk[at++]!
        const payload = this.headBytes < 4 ? 2 : this.head.readUIntLE(0, 3)
        const known = Math.min(payload, 2)
        if (this.headBytes === 4 + known) {
          this.headBytes = 0
          this.skip = payload - known
          this.packet(payload, this.head[4]!, this.head[5]!)
        }
      }
    }
  }

  private packet(length: number, first: number, second: number): void {
    switch (this.phase) {
      case "header":
        if (first === 0xff) this.fail()
        else if (first === 0x00) this.complete()
        else {
          this.columns = first
          // MariaDB leaves the definitions out when the client has them from before.
          this.phase = length === 2 && second === 0 ? "rows" : "columns"
        }
        return
      case "columns":
        if (--this.columns === 0) this.phase = "rows"
        return
      case "rows":
        if (first === 0xfe && length < Packet.maxFramePayload) this.complete()
        else if (first === 0xff) this.fail()
        else this.rows++
    }
  }

  private complete(): void {
    this.phase = "header"
    if (--this.replies === 0) this.done(undefined)
  }

  private fail(): void {
    this.phase = "header"
    this.done(new Error("the server replied with an error"))
  }
}

/** A session in its two states: first packets are handed out one by one, then they are only counted. */
class Session {
  readonly framer = new Framer()
  private readonly socket: Socket
  private readonly parser = Packet.makeParser({ sequence: "report" })
  private waiting: ((error: Error | undefined) => void) | undefined
  private counting = false

  constructor(target: Target) {
    this.socket = connectSocket({
      host: target.host,
      port: target.port,
      noDelay: true,
      onread: {
        buffer: Buffer.alloc(65_536),
        callback: (length, buffer) => {
          if (this.counting) {
            this.framer.read(buffer as Buffer, length)
          } else {
            this.parser.feed(Buffer.from(buffer.subarray(0, length)))
            this.waiting?.(undefined)
          }
          return true
        }
      }
    })
    const lost = (error?: Error): void => {
      const reason = error ?? new Error("the server closed the connection")
      if (this.counting) this.framer.done(reason)
      else this.waiting?.(reason)
    }
    this.socket.on("error", lost)
    this.socket.on("close", () => lost())
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  async packet(): Promise<Buffer> {
    while (!this.parser.next()) {
      if (this.parser.error !== undefined) throw this.parser.error
      await new Promise<void>((resolve, reject) => {
        this.waiting = (error) => (error === undefined ? resolve() : reject(error))
      })
    }
    return Buffer.from(this.parser.bytes.subarray(this.parser.start, this.parser.end))
  }

  get sequence(): number {
    return this.parser.sequence
  }

  /** From now on replies are counted, not read. */
  startCounting(): void {
    this.counting = true
  }

  /** Sends what is `replies` commands and calls back when their replies have passed. */
  exchange(bytes: Uint8Array, replies: number, done: (error: Error | undefined) => void): void {
    this.framer.replies = replies
    this.framer.done = done
    this.socket.write(bytes)
  }

  close(): Promise<void> {
    this.framer.done = () => undefined
    return new Promise((resolve) => {
      this.socket.once("close", () => resolve())
      this.socket.end(Command.quit)
    })
  }
}

const login = async (session: Session, target: Target): Promise<void> => {
  const greeting = Result.getOrThrow(Greeting.decode(await session.packet()))
  const capabilities: Capabilities.Capabilities = {
    flags: (flags & greeting.capabilities.flags) | (greeting.capabilities.flags & Flag.LONG_PASSWORD),
    extended: greeting.capabilities.extended & ExtendedFlag.CACHE_METADATA
  }
  const authentication = Result.getOrThrow(
    Authentication.make({
      capabilities,
      greeting,
      password: target.password,
      disclosure: AuthPlugin.disclosureOver("no"),
      tls: false
    })
  )
  const response = HandshakeResponse.encode({
    capabilities,
    maxPacketBytes: Packet.maxFramePayload,
    collation: 45,
    username: target.user,
    authPlugin: authentication.authPlugin,
    authResponse: authentication.authResponse,
    database: target.database,
    connectAttributes: {}
  })
  session.write(Packet.seal(response, session.sequence + 1))
  while (true) {
    const step = Result.getOrThrow(authentication.next(await session.packet()))
    if (step._tag === "Accepted") return
    if (step._tag === "Refused") throw new Error(`the server refused the login: ${step.err.message}`)
    if (step._tag === "Send") session.write(Packet.frame(step.bytes, session.sequence + 1))
  }
}

/**
 * Prepares a statement with one integer parameter, runs it once with the parameter's type, and gives the bytes of every
 * further execution, which differ only in the integer at their end.
 */
const prepare = async (session: Session, text: string): Promise<(parameter: number) => Buffer> => {
  session.write(Command.prepare(text))
  const reply = await session.packet()
  if (reply[0] !== 0) throw new Error(`the server refused to prepare: ${text}`)
  const statementId = reply.readUInt32LE(1)
  const definitions = reply.readUInt16LE(5) + reply.readUInt16LE(7)
  for (let index = 0; index < definitions; index++) await session.packet()
  const execute = { statementId, parameters: [0], offsetMinutes: 0 }
  const first = Result.getOrThrow(Execute.encode({ ...execute, boundTypes: undefined }))
  session.write(first.bytes)
  let packet = await session.packet()
  if (packet[0] === 0xff) throw new Error(`the server refused to execute: ${text}`)
  // With parameter 0 nothing is found: the reply ends with the first OK in the shape of an EOF.
  while (packet[0] !== 0x00 && packet[0] !== 0xfe) packet = await session.packet()
  const again = Result.getOrThrow(Execute.encode({ ...execute, boundTypes: first.boundTypes })).bytes
  const offset = again.length - 8
  return (parameter) => {
    again.writeUInt32LE(parameter, offset)
    return again
  }
}

export const connect = async (target: Target): Promise<Contestant> => {
  const session = new Session(target)
  await login(session, target)
  const point = await prepare(session, sql.point)
  const page = await prepare(session, sql.pageBinary)
  const all = await prepare(session, sql.allBinary)
  const balance = await prepare(session, sql.balance)
  const deposit = await prepare(session, sql.deposit)
  session.startCounting()
  const one = Command.query(sql.one)
  const manyOnes = Buffer.concat(new Array<Buffer>(concurrency).fill(one))
  const pageText = Command.query(sql.pageText)
  const allText = Command.query(sql.allText)
  const begin = Command.query("START TRANSACTION")
  const commit = Command.query("COMMIT")

  /** `step` gives the bytes of each turn, which are so many commands. */
  const repeat =
    (commands: number, step: (turn: number) => Buffer): Contestant["runners"]["select1"] =>
    (turns, reader) =>
      new Promise((resolve, reject) => {
        const before = session.framer.rows
        let turn = 0
        const next = (error: Error | undefined): void => {
          if (error !== undefined) {
            reject(error)
          } else if (turn < turns) {
            session.exchange(step(turn++), commands, next)
          } else {
            reader.undecoded(session.framer.rows - before)
            resolve()
          }
        }
        next(undefined)
      })

  return {
    close: () => session.close(),
    runners: {
      select1: repeat(1, () => one),
      point: repeat(1, (turn) => point(pointId(turn))),
      "rows-text": repeat(1, () => pageText),
      "rows-binary": repeat(1, () => page(pageParameters[0]!)),
      "stream-text": repeat(1, () => allText),
      "stream-binary": repeat(1, () => all(allParameters[0]!)),
      concurrent: repeat(concurrency, () => manyOnes),
      transaction: (turns, reader) => {
        const steps: ReadonlyArray<(turn: number) => Buffer> = [
          () => begin,
          (turn) => balance(accountId(turn)),
          (turn) => deposit(accountId(turn)),
          () => commit
        ]
        return repeat(1, (step) => steps[step % 4]!(step >> 2))(turns * 4, reader)
      }
    }
  }
}
