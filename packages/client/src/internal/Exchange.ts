/**
 * Commands out, replies in, in order: what the fibers that share one connection have to agree on.
 *
 * A fiber writes its command and waits to be resumed with its reply. Commands are written without waiting for replies;
 * those of one tick go out in one write. While somebody wants more of a reply, what arrives is read as it arrives, in the
 * transport's own callback: there is no reader fiber, and no fiber reads for others. What nobody asks for stays with the
 * transport, and the server has to wait.
 *
 * An entry that nobody waits for any more is abandoned: it stays in its place, and its reply is read and thrown away.
 * When only abandoned entries are left, they are stopped on the server (`Stopping`), for the fiber that abandoned last or
 * in one of its own. Who may send when is the business of `Admission`, what goes out together that of `Outbox`.
 *
 * All state is changed synchronously and is consistent whenever a fiber is resumed.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import type { Capabilities } from "@effect-mysql/protocol/connect/Capabilities"
import type { Parser } from "@effect-mysql/protocol/framing/Packet"
import { ProtocolError } from "@effect-mysql/protocol/ProtocolError"
import { Reply } from "@effect-mysql/protocol/reply/Reply"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as Charset from "@effect-mysql/protocol/value/Charset"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as MysqlError from "../MysqlError.ts"
import type { Chunks, DirectLine, TransportConnection } from "../Transport.ts"
import { Admission } from "./Admission.ts"
import * as directLine from "./directLine.ts"
import {
  ask,
  type Entry,
  firstSequence,
  hasBegun,
  isDone,
  lostAs,
  make as makeEntry,
  type Owner,
  resultOf,
  wake
} from "./Entry.ts"
import { lostBy, whyLost } from "./ending.ts"
import { FileTransfer } from "./FileTransfer.ts"
import * as failures from "./failures.ts"
import { Outbox } from "./Outbox.ts"
import type { Finish } from "./Request.ts"
import { type KillRequest, Stopping } from "./Stopping.ts"

export interface ExchangeOptions {
  readonly transport: TransportConnection
  readonly parser: Parser
  readonly capabilities: Capabilities
  readonly status: number
  readonly database: string | undefined
  readonly charset: Charset.Charset | undefined
  /** A packet of this many bytes, or more, makes the server cut the line. */
  readonly maxAllowedPacket: number
  readonly cancellation: "kill" | "close" | "wait"
  /** Stops what runs on the server's side of this connection, and ends when that is confirmed. */
  readonly kill: (request: KillRequest) => Effect.Effect<void, MysqlError.MysqlError>
  /** Starts an effect in a fiber of its own, with the services that the connection was made with. */
  readonly runFork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  /** The line can go. */
  readonly onLost: () => void
}

/** Commands that may be under way at once, and their bytes together; a longer one is under way alone. */
const maxInFlight = 128
const maxInFlightBytes = 1024 * 1024
export class Exchange {
  status: number
  database: string | undefined
  /** In which the server takes statements now; `undefined` for UTF-8. */
  charset: Charset.Charset | undefined
  /** Something beyond rows may have changed in the session, as the server's tracking tells. */
  stateChanged = false
  lost: MysqlError.MysqlError | undefined = undefined

  private readonly options: ExchangeOptions
  private readonly inFlight: Array<Entry> = []
  private inFlightBytes = 0
  private readonly admission: Admission
  private readonly outbox: Outbox
  /** While it is open the first of `inFlight` does not go on. */
  private readonly file: FileTransfer
  /** Reading has begun for the first of `inFlight`. */
  private begun = false
  private readonly stopping: Stopping
  private readonly line: DirectLine
  /** What has been taken is being read: whoever is resumed meanwhile finds all in order, and must not read himself. */
  private isReading = false
  /** Complete, and not yet told. */
  private readonly completed: Array<Entry> = []
  private onRead: (() => void) | undefined = undefined

  constructor(options: ExchangeOptions) {
    this.options = options
    this.status = options.status
    this.database = options.database
    this.charset = options.charset
    this.line = directLine.of(options.transport)
    this.outbox = new Outbox(this.line, (error) => this.unwritten(error))
    this.admission = new Admission({
      hasRoomFor: (entry) => this.hasRoomFor(entry),
      isFree: () => this.inFlight.length === 0 && !this.stopping.isActive
    })
    this.file = new FileTransfer((bytes, lent) => this.outbox.sendFirst(bytes, lent))
    this.stopping = new Stopping({
      cancellation: options.cancellation,
      kill: options.kill,
      runFork: options.runFork,
      inFlight: this.inFlight,
      isLost: () => this.lost !== undefined,
      lose: (error) => this.lose(error),
      written: this.outbox.idle,
      drain: (entry) => this.drain(entry),
      isUploading: () => this.file.isOpen,
      endUpload: () => this.sendEnd(),
      ping: () => this.pingUnawaited(),
      goOn: () => this.pump()
    })
  }

  /** As the server said last. */
  get inTransaction(): boolean {
    return (this.status & ServerStatus.inTransaction) !== 0
  }

  /** Nothing is under way, and nobody waits. */
  get quiet(): boolean {
    return this.inFlight.length === 0 && this.admission.isEmpty && !this.stopping.isActive && !this.outbox.busy
  }

  /** Something runs on the server, and all of it can be stopped without harm. */
  get stoppable(): boolean {
    return this.stopping.isPossible
  }

  // ---- for fibers --------------------------------------------------------------------------------------------------

  /**
   * Sends a command and ends when its reply is complete; `finish` then reads it. Interruption stops the statement on the
   * server where that is possible without harm to others.
   */
  run<A>(entry: Entry, finish: Finish<A>): Effect.Effect<A, MysqlError.MysqlError> {
    return this.sending(entry, isDone, finish)
  }

  /**
   * For rows that are read as they come: sends a command, and `next` runs when the reply has begun. A refusal is read to
   * its end before. `advance` and `abandon` do the rest.
   */
  open<A>(entry: Entry, next: Finish<A>): Effect.Effect<A, MysqlError.MysqlError> {
    return this.sending(entry, hasBegun, next)
  }

  private sending<A>(
    entry: Entry,
    isEnough: (entry: Entry) => boolean,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    return Effect.callback<A, MysqlError.MysqlError>((resume) => {
      const look = (): void => (isEnough(entry) ? resume(resultOf(entry, finish)) : ask(entry, look))
      ask(entry, look)
      this.admit(entry)
      return this.abandon(entry)
    })
  }

  /** For a stream: reads once. */
  advance(entry: Entry): Effect.Effect<void> {
    return this.awaiting(entry, () => true)
  }

  /** Reads until this entry is done, which nobody waits for any more. */
  private drain(entry: Entry): Effect.Effect<void> {
    return this.awaiting(entry, isDone)
  }

  private awaiting(entry: Entry, isEnough: (entry: Entry) => boolean): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (isDone(entry)) return resume(Effect.void)
      const look = (): void => (isEnough(entry) ? resume(Effect.void) : ask(entry, look))
      ask(entry, look)
      this.readOn()
      return Effect.sync(() => ask(entry, undefined))
    })
  }

  /**
   * For an upload that the server has asked for: sends a part of the file. Ends when there is room for more.
   * Interruption ends the wait and not the sending.
   */
  sendPart(entry: Entry, pieces: ReadonlyArray<Uint8Array>): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      this.file.part(pieces)
      return Effect.flatMap(this.outbox.idle, () =>
        entry.failure === undefined ? Effect.void : Effect.fail(entry.failure)
      )
    })
  }

  /** The whole file has been sent: the server answers then. */
  sendEnd(): void {
    if (this.lost !== undefined) return
    const upload = this.file.end()
    if (upload === undefined) return
    const entry = this.inFlight[0]!
    entry.replies[entry.at]!.uploaded(this.options.parser, upload)
  }

  /**
   * Waits for the connection to be free, in the order of asking, and keeps it for `owner`; `within` is the one who has it
   * already and gets it back.
   */
  reserve(owner: Owner, within?: Owner): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const withdraw = this.admission.reserve({ owner, within, granted: () => resume(Effect.void) })
      this.pump()
      return Effect.sync(() => (withdraw() ? this.pump() : this.unreserve(owner)))
    })
  }

  unreserve(owner: Owner): void {
    if (this.admission.unreserve(owner)) this.pump()
  }

  /** For whoever writes past this: the bytes that were to go out in front of the next command. */
  readonly takeRiders: Effect.Effect<Buffer> = Effect.suspend(() =>
    Effect.map(this.outbox.idle, () => this.outbox.takeRiders())
  )

  /** A new session on the line. */
  begin(session: Pick<ExchangeOptions, "status" | "database">, charset: string): void {
    this.status = session.status
    this.database = session.database
    this.charset = Charset.named(charset)
    this.stateChanged = false
  }

  /** Sends bytes that have no reply, in front of the next command. */
  ride(bytes: Buffer): void {
    this.outbox.ride(bytes)
  }

  /** Ends when nothing is under way any more: what was abandoned has been read. */
  get settled(): Effect.Effect<void> {
    return this.stopping.stop
  }

  /** Nobody waits for this reply any more. */
  abandon(entry: Entry): Effect.Effect<void> {
    return Effect.suspend(() => {
      // A stream is abandoned by whoever waits for its beginning, and again by its scope: what drains it then goes on.
      if (!entry.abandoned) ask(entry, undefined)
      switch (entry.state) {
        case "done":
          return Effect.void
        case "new":
          entry.state = "done"
          entry.settled?.(false)
          return Effect.void
        case "waiting":
          entry.state = "done"
          entry.settled?.(false)
          this.admission.withdraw(entry)
          this.pump()
          return Effect.void
        case "unsent":
          entry.state = "done"
          entry.settled?.(false)
          if (this.inFlight[0] === entry) this.begun = false
          this.inFlight.splice(this.inFlight.indexOf(entry), 1)
          this.inFlightBytes -= entry.bytes.length
          this.outbox.takeBack(entry)
          this.pump()
          return Effect.void
        case "sent":
          entry.abandoned = true
          entry.reply.discarding = true
          entry.reply.takeRows()
          return this.stopping.stop
      }
    })
  }

  /** Ends the connection because its owner wants that. */
  cut(): void {
    this.lose(failures.lostLine("closed by the one who had it"))
  }

  /** Nothing can be written any more. Why, the server may have said before, and nobody has read it yet. */
  private unwritten(error: MysqlError.MysqlError): void {
    const { runFork, transport } = this.options
    const readOnce = Effect.callback<void>((resume) => {
      this.onRead = () => resume(Effect.void)
      this.readOn()
    })
    runFork(
      Effect.flatMap(transport.idle, (state) =>
        Effect.andThen(
          state === "bytes" ? readOnce : Effect.void,
          Effect.sync(() => this.lose(error))
        )
      )
    )
  }

  /** Marks the connection as lost: whoever waits gets an error that says how far his statement was. */
  lose(error: MysqlError.MysqlError): void {
    if (this.lost !== undefined) return
    this.lost = error
    const { entries: waiting, reservations } = this.admission.dismiss()
    const entries = [...this.inFlight.splice(0), ...waiting]
    this.inFlightBytes = 0
    this.outbox.close()
    for (const entry of entries) {
      entry.failure = lostAs(error, entry)
      entry.state = "done"
    }
    this.options.onLost()
    this.onRead?.()
    for (const { granted } of reservations) granted()
    for (const entry of entries) wake(entry)
  }

  // ---- sending -----------------------------------------------------------------------------------------------------

  private admit(entry: Entry): void {
    const { maxAllowedPacket } = this.options
    if (this.lost !== undefined) {
      entry.failure = lostAs(this.lost, entry)
    } else if (entry.packetBytes >= maxAllowedPacket) {
      entry.failure = failures.tooLong(entry.packetBytes, maxAllowedPacket)
    } else {
      if (this.admission.admit(entry)) this.send(entry)
      return this.readOn()
    }
    entry.state = "done"
    entry.settled?.(false)
    wake(entry)
  }

  private hasRoomFor(entry: Entry): boolean {
    if (this.stopping.isActive || this.inFlight.length >= maxInFlight) return false
    if (this.inFlight.length === 0) return true
    if (entry.exclusive || this.inFlightBytes + entry.bytes.length > maxInFlightBytes) return false
    return this.inFlight.at(-1)!.exclusive !== true
  }

  /** Lets in what may go now. */
  private pump(): void {
    if (!this.admission.isEmpty) {
      const reservations = this.admission.letIn((entry) => this.send(entry))
      for (const { granted } of reservations) granted()
    }
    if (!this.stopping.isActive && this.isForsaken) this.options.runFork(this.stopping.stop)
    this.readOn()
  }

  private send(entry: Entry): void {
    const alone = this.inFlight.length === 0 && !this.outbox.busy
    this.inFlight.push(entry)
    this.inFlightBytes += entry.bytes.length
    this.outbox.send(entry, alone ? "once" : this.isReading ? "flush" : "tick")
  }

  /** Something is under way, and nobody waits for any of it. */
  private get isForsaken(): boolean {
    return this.inFlight.length > 0 && this.inFlight.every((entry) => entry.abandoned)
  }

  // ---- receiving ---------------------------------------------------------------------------------------------------

  /** Somebody wants more of what is to come. */
  private get isAsked(): boolean {
    return this.onRead !== undefined || this.inFlight[0]?.asks === true || this.inFlight.some(({ asks }) => asks)
  }

  /** Reads what has arrived while somebody asks for it, and is called again when more has. */
  private readonly readOn = (): void => {
    if (this.isReading) return
    this.isReading = true
    try {
      while (this.lost === undefined && this.isAsked) {
        const taken = this.line.take(this.readOn)
        if (taken === undefined) break
        if (directLine.isChunks(taken)) this.read(taken)
        else this.lose(taken)
        // What the fibers that were resumed have to say goes out together.
        this.outbox.flush()
      }
    } finally {
      this.isReading = false
    }
  }

  private read(chunks: Chunks): void {
    for (const chunk of chunks) this.options.parser.feed(chunk)
    this.complete()
    const { onRead } = this
    this.onRead = undefined
    onRead?.()
  }

  /** Completes the replies that have arrived, and tells those who wait for them. */
  private complete(): void {
    const { parser } = this.options
    const { completed } = this
    while (this.inFlight.length > 0) {
      const entry = this.inFlight[0]!
      if (!this.begun) {
        this.begun = true
        parser.expect(firstSequence(entry))
      }
      const reply = entry.replies[entry.at]!
      if (!this.consume(reply)) {
        if (reply.localInfile === undefined || !this.refuse(entry, reply.localInfile)) break
        continue
      }
      this.begun = false
      const broken = whyLost(reply, parser.sequence)
      if (broken !== undefined) {
        this.lose(broken)
        break
      }
      this.note(reply)
      if (++entry.at === entry.replies.length) this.probe(entry)
      if (entry.at < entry.replies.length) continue
      this.inFlight.shift()
      this.inFlightBytes -= entry.bytes.length
      entry.state = "done"
      entry.settled?.(true)
      completed.push(entry)
    }
    if (this.inFlight.length === 0 && parser.pendingBytes > 0) this.unasked()
    // Complete packets have become values, and the parser has a copy of the one that is not complete.
    this.options.transport.release()
    const first = this.inFlight[0]
    if (first !== undefined) wake(first)
    if (completed.length === 0) return
    // Before anybody sends more: what nobody waits for may have to be stopped first.
    this.pump()
    for (const entry of completed) wake(entry)
    completed.length = 0
  }

  /** The server asks for a file: `true` where it gets an empty one, since nobody has brought any. */
  private refuse(entry: Entry, fileName: string): boolean {
    if (this.file.isOpen) return false
    this.file.begin(this.options.parser.sequence)
    if (entry.uploads && !entry.abandoned) return false
    if (this.inFlight[1]?.state === "sent" || entry.at < entry.replies.length - 1) {
      // The server takes what was written behind it for the file.
      const got = `a request for the file "${fileName}", and statements have been sent behind it`
      this.lose(failures.protocol(new ProtocolError({ phase: "reply", expected: "a result", got })))
      return false
    }
    entry.refusedFile = fileName
    this.sendEnd()
    return true
  }

  /** Bytes that answer nothing: the server gives up, or is out of step. Read as the next reply they would be a lie. */
  private unasked(): void {
    const reply = pingReply(this.options.capabilities)
    this.options.parser.expect(0)
    this.consume(reply)
    const unexpected = { phase: "idle", expected: "silence", got: "bytes that nobody asked for" }
    this.lose(
      reply.err === undefined
        ? MysqlError.make(new MysqlError.ProtocolError(unexpected))
        : lostBy(reply.err, "idle", reply.product)
    )
  }

  /** Whatever bytes a server sends, they end in an error of the connection and in no defect. */
  private consume(reply: Reply): boolean {
    try {
      return reply.consume(this.options.parser)
    } catch (cause) {
      const got = `bytes on which decoding failed: ${String(cause)}`
      reply.failure = new ProtocolError({ phase: "reply", expected: "a reply that can be read", got })
      return true
    }
  }

  private note(reply: Reply): void {
    if (reply.ok !== undefined) this.status = reply.ok.status
    if (reply.stateChanged) this.stateChanged = true
    if (reply.database !== undefined) this.database = reply.database
    if (reply.charset !== undefined) this.charset = Charset.named(reply.charset)
  }

  /** After an ERR in a transaction only the server knows whether it lives, and errors carry no status: a ping asks. */
  private probe(entry: Entry): void {
    if (!this.inTransaction) return
    const errorAt = entry.replies.findLastIndex((reply) => reply.err !== undefined && reply !== entry.trailer)
    // An OK behind it has told, that of an earlier ping too.
    if (errorAt === -1 || entry.replies.some((reply, at) => at > errorAt && reply.results.length > 0)) return
    // The reply to what was written behind it will tell as well.
    if (this.inFlight[1]?.state === "sent") return
    if (this.stopping.isActive) return this.stopping.askAfterwards()
    entry.replies.push(pingReply(this.options.capabilities))
    this.outbox.sendFirst(Command.ping)
  }

  private pingUnawaited(): Entry {
    const entry = makeEntry({ bytes: Command.ping, reply: pingReply(this.options.capabilities) })
    entry.abandoned = true
    this.send(entry)
    return entry
  }
}

const pingReply = (capabilities: Capabilities): Reply =>
  new Reply({ command: "plain", capabilities, rows: { shape: "array", decoding: {}, offsetMinutes: 0 } })
