/**
 * Commands out, replies in, in order: what the fibers that share one connection have to agree on.
 *
 * A fiber writes its command and waits for its turn to read. Whoever has the turn pulls from the socket and completes
 * replies, its own and those before and behind it that lie in the same bytes, then hands the turn on. There is no reader
 * fiber. Commands are written without waiting for replies; those of one tick go out in one write.
 *
 * An entry that nobody waits for any more is abandoned: it stays in its place, and its reply is read and thrown away.
 * When only abandoned entries are left, the fiber that abandoned last (or one that is forked for it) has them stopped on
 * the server (`Stopping`). Who may send when is the business of `Admission`, what goes out together that of `Outbox`.
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
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as MysqlError from "../MysqlError.ts"
import type { TransportConnection } from "../Transport.ts"
import { Admission } from "./Admission.ts"
import { type Entry, firstSequence, lostAs, make as makeEntry, type Owner } from "./Entry.ts"
import { endOf, lostBy } from "./ending.ts"
import { FileTransfer } from "./FileTransfer.ts"
import * as failures from "./failures.ts"
import { Outbox } from "./Outbox.ts"
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
  /** Whose turn it is to read. */
  private turn: Entry | undefined = undefined
  /** While it is open the first of `inFlight` does not go on. */
  private readonly file: FileTransfer
  /** Reading has begun for the first of `inFlight`. */
  private begun = false
  private readonly stopping: Stopping
  /** One pull by whoever has the turn, and on to `continueTurn`. Made once: it is the hot path. */
  private readonly step: Effect.Effect<void>
  private readonly pullOnce: Effect.Effect<void>

  constructor(options: ExchangeOptions) {
    this.options = options
    this.status = options.status
    this.database = options.database
    this.charset = options.charset
    this.outbox = new Outbox(
      (bytes) => options.transport.write(bytes),
      (error) => this.unwritten(error ?? failures.lostLine("the write ended without a result"))
    )
    this.admission = new Admission({
      hasRoomFor: (entry) => this.hasRoomFor(entry),
      isFree: () => this.inFlight.length === 0 && !this.stopping.isActive
    })
    this.file = new FileTransfer((bytes) => this.outbox.sendFirst(bytes))
    this.step = this.pull((finished) => (finished || this.turn === undefined ? Effect.void : this.step))
    this.pullOnce = this.pull(() => Effect.void)
    this.stopping = new Stopping({
      cancellation: options.cancellation,
      kill: options.kill,
      runFork: options.runFork,
      inFlight: this.inFlight,
      isLost: () => this.lost !== undefined,
      lose: (error) => this.lose(error),
      written: this.outbox.idle,
      read: this.pullOnce,
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
  run<A>(
    entry: Entry,
    finish: (entry: Entry) => Effect.Effect<A, MysqlError.MysqlError>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    return this.abandoning(
      entry,
      Effect.flatMap(
        Effect.suspend(() => this.start(entry)),
        () => finish(entry)
      )
    )
  }

  /** Interruption abandons the entry. The primitive, since `onInterrupt` takes an Effect step more where all goes well. */
  private abandoning<A>(
    entry: Entry,
    effect: Effect.Effect<A, MysqlError.MysqlError>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    return Effect.onExitPrimitive(effect, (exit) =>
      exit._tag === "Failure" && Cause.hasInterrupts(exit.cause) ? this.abandon(entry) : undefined
    )
  }

  /**
   * For rows that are read as they come: sends a command, and `next` runs when the reply has begun. A refusal is read to
   * its end before. `advance` and `abandon` do the rest.
   */
  open<A>(
    entry: Entry,
    next: (entry: Entry) => Effect.Effect<A, MysqlError.MysqlError>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const opened = Effect.suspend(() => {
      this.admit(entry)
      return this.turn === entry || entry.state === "done" ? Effect.void : this.awaitTurn(entry)
    })
    return this.abandoning(
      entry,
      Effect.flatMap(opened, () => this.whenBegun(entry, next))
    )
  }

  private whenBegun<A>(
    entry: Entry,
    next: (entry: Entry) => Effect.Effect<A, MysqlError.MysqlError>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    return entry.state === "done" || (entry.reply.started && entry.reply.err === undefined)
      ? next(entry)
      : Effect.flatMap(this.pullOnce, () => this.whenBegun(entry, next))
  }

  /** For a stream: one pull from the socket. */
  advance(entry: Entry): Effect.Effect<void> {
    return Effect.suspend(() => (entry.state === "done" ? Effect.void : this.pullOnce))
  }

  /**
   * For an upload that the server has asked for: sends a part of the file. Ends when there is room for more.
   * Interruption ends the wait and not the sending.
   */
  sendPart(entry: Entry, bytes: Uint8Array): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      this.file.part(bytes)
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

  /**
   * A conversation that is not one of commands and replies: `use` has the line to itself, and gets the bytes that were to
   * go out in front of the next command. One that fails or is interrupted leaves the line in a state that nobody knows:
   * it is given up.
   */
  converse<A>(
    owner: Owner | undefined,
    use: (riders: Buffer) => Effect.Effect<A, MysqlError.MysqlError>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const own: Owner = {}
    const release = (): void => this.unreserve(own)
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(Effect.onInterrupt(this.reserve(own, owner), () => Effect.sync(release))), () =>
        Effect.onExit(
          restore(
            Effect.flatMap(this.outbox.idle, () =>
              this.lost === undefined ? use(this.outbox.takeRiders()) : Effect.fail(lostIdle(this.lost))
            )
          ),
          (exit) =>
            Effect.sync(() => {
              if (Exit.isFailure(exit))
                this.lose(failures.lostLine("given up because a conversation with the server broke off"))
              release()
            })
        )
      )
    )
  }

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
    return this.stopping.settled
  }

  /** Nobody waits for this reply any more. */
  abandon(entry: Entry): Effect.Effect<void> {
    return Effect.suspend(() => {
      entry.wake = undefined
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
          if (this.turn === entry) this.turn = undefined
          this.inFlight.splice(this.inFlight.indexOf(entry), 1)
          this.inFlightBytes -= entry.bytes.length
          this.outbox.takeBack(entry)
          this.pump()
          return Effect.void
        case "sent":
          entry.abandoned = true
          entry.reply.discarding = true
          entry.reply.takeRows()
          if (this.turn === entry) this.turn = undefined
          return this.turn !== undefined || this.passTurn() ? Effect.void : this.stopping.stop
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
    const lastWords = Effect.flatMap(transport.idle, (state) => (state === "bytes" ? this.pullOnce : Effect.void))
    runFork(
      Effect.andThen(
        lastWords,
        Effect.sync(() => this.lose(error))
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
    this.turn = undefined
    for (const entry of entries) {
      entry.failure = lostAs(error, entry)
      entry.state = "done"
    }
    this.options.onLost()
    for (const { granted } of reservations) granted()
    for (const entry of entries) this.resume(entry, false)
  }

  // ---- sending -----------------------------------------------------------------------------------------------------

  private start(entry: Entry): Effect.Effect<void> {
    this.admit(entry)
    if (this.turn === entry) return this.continueTurn()
    if (entry.state === "done") return Effect.void
    return Effect.flatMap(this.awaitTurn(entry), (turn) => (turn ? this.continueTurn() : Effect.void))
  }

  /** `true`: it is this entry's turn to read; `false`: somebody else has completed it, or the line is lost. */
  private awaitTurn(entry: Entry): Effect.Effect<boolean> {
    return Effect.callback<boolean>((resume) => {
      // The fiber may have been suspended since its command was admitted.
      if (entry.state === "done") return resume(Effect.succeed(false))
      if (this.turn === entry) return resume(Effect.succeed(true))
      entry.wake = (turn) => resume(Effect.succeed(turn))
    })
  }

  private admit(entry: Entry): void {
    if (this.lost !== undefined) {
      entry.failure = lostAs(this.lost, entry)
      entry.state = "done"
      return
    }
    const { maxAllowedPacket } = this.options
    if (entry.packetBytes >= maxAllowedPacket) {
      entry.failure = failures.tooLong(entry.packetBytes, maxAllowedPacket)
      entry.state = "done"
      entry.settled?.(false)
      return
    }
    if (!this.admission.admit(entry)) return
    this.send(entry)
    if (this.turn === undefined) this.turn = entry
  }

  private hasRoomFor(entry: Entry): boolean {
    if (this.stopping.isActive || this.inFlight.length >= maxInFlight) return false
    if (this.inFlight.length === 0) return true
    if (entry.exclusive || this.inFlightBytes + entry.bytes.length > maxInFlightBytes) return false
    return this.inFlight.at(-1)!.exclusive !== true
  }

  /** Lets in what may go now. */
  private pump(): void {
    if (this.admission.isEmpty) return this.assignTurn()
    const reservations = this.admission.letIn((entry) => this.send(entry))
    this.assignTurn()
    for (const { granted } of reservations) granted()
  }

  private send(entry: Entry): void {
    const alone = this.inFlight.length === 0 && !this.outbox.busy
    this.inFlight.push(entry)
    this.inFlightBytes += entry.bytes.length
    this.outbox.send(entry, alone ? "once" : "tick")
  }

  // ---- receiving ---------------------------------------------------------------------------------------------------

  /** The reader's loop: completes what has arrived, and pulls until its own reply is complete. */
  private continueTurn(): Effect.Effect<void> {
    return this.turn === undefined || this.readOnce() ? Effect.void : this.step
  }

  /** What has been pulled is read at once: until it is, a pull would give it again. */
  private pull(next: (finished: boolean) => Effect.Effect<void>): Effect.Effect<void> {
    const { parser, transport } = this.options
    return Effect.matchEffect(transport.pull, {
      onSuccess: (chunks) => {
        for (const chunk of chunks) parser.feed(chunk)
        return next(this.readOnce())
      },
      onFailure: (error) => {
        this.lose(error)
        return Effect.void
      }
    })
  }

  /**
   * Completes the replies that have arrived. `true` when that of the reader is among them; the turn is with somebody
   * else then.
   */
  private readOnce(): boolean {
    const { parser } = this.options
    const reader = this.turn
    let completed: Array<Entry> | undefined
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
      if (entry !== reader) (completed ??= []).push(entry)
    }
    if (this.inFlight.length === 0 && parser.pendingBytes > 0) this.unasked()
    // Complete packets have become values, and the parser has a copy of the one that is not complete.
    this.options.transport.release()
    const finished = reader?.state === "done"
    if (finished) this.turn = undefined
    if (finished || completed !== undefined) {
      this.assignTurn()
      if (completed !== undefined) for (const entry of completed) this.resume(entry, false)
      this.pump()
    }
    return finished
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

  /** Gives the turn to the first that waits; `false` when there is nobody, and replies are still to be read. */
  private passTurn(): boolean {
    if (this.inFlight.length === 0) {
      this.turn = undefined
      return true
    }
    const next = this.inFlight.find((entry) => !entry.abandoned)
    this.turn = next
    // In a microtask: resumed directly, a hundred waiters would nest a hundred deep.
    if (next?.wake !== undefined) queueMicrotask(() => this.resume(next, true))
    return next !== undefined
  }

  private assignTurn(): void {
    if (this.turn !== undefined || this.stopping.isActive) return
    if (!this.passTurn()) this.options.runFork(this.stopping.stop)
  }

  private resume(entry: Entry, turn: boolean): void {
    const { wake } = entry
    entry.wake = undefined
    wake?.(turn && entry.state !== "done")
  }

  private pingUnawaited(): Entry {
    const entry = makeEntry({ bytes: Command.ping, reply: pingReply(this.options.capabilities) })
    entry.abandoned = true
    this.send(entry)
    return entry
  }
}

/** The connection cannot be used after this reply. */
const whyLost = (reply: Reply, sequence: number): MysqlError.MysqlError | undefined => {
  if (reply.failure !== undefined) return failures.protocol(reply.failure)
  return reply.err === undefined ? undefined : endOf(reply.err, sequence, reply.product)
}

const pingReply = (capabilities: Capabilities): Reply =>
  new Reply({ command: "plain", capabilities, rows: { shape: "array", decoding: {}, offsetMinutes: 0 } })

/** For what was not even begun when the line was lost. */
const lostIdle = ({ reason }: MysqlError.MysqlError): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ConnectionLost({ phase: "notSent", problem: reason.message, cause: reason }))
