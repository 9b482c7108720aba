/**
 * Commands out, replies in, in order: what the fibers that share one connection have to agree on.
 *
 * A fiber writes its command and waits for its turn to read. Whoever has the turn pulls from the socket and completes
 * replies, its own and those before and behind it that lie in the same bytes, then hands the turn on. There is no reader
 * fiber. Commands are written without waiting for replies; those of one tick go out in one write.
 *
 * An entry that nobody waits for any more is abandoned: it stays in its place, and its reply is read and thrown away.
 * When only abandoned entries are left, the fiber that abandoned last (or one that is forked for it) stops them on the
 * server and reads what they still say; until then nothing is written, because a KILL names a connection and not a
 * statement.
 *
 * All state is changed synchronously and is consistent whenever a fiber is resumed.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import type { Capabilities } from "@effect-mysql/protocol/connect/Capabilities"
import type { Parser } from "@effect-mysql/protocol/framing/Packet"
import { ProtocolError } from "@effect-mysql/protocol/ProtocolError"
import * as LocalInfile from "@effect-mysql/protocol/reply/LocalInfile"
import { Reply } from "@effect-mysql/protocol/reply/Reply"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as Charset from "@effect-mysql/protocol/value/Charset"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as MysqlError from "../MysqlError.ts"
import type { TransportConnection } from "../Transport.ts"
import { type Entry, firstSequence, lostAs, make as makeEntry, type Owner } from "./Entry.ts"
import { endOf, lostBy } from "./ending.ts"
import * as failures from "./failures.ts"
import { Outbox } from "./Outbox.ts"

/** Someone who wants the connection to himself, in the same queue as the commands. */
interface Reservation {
  readonly owner: Owner
  /** Who has the connection to himself and wants it for one thing at a time. */
  readonly within: Owner | undefined
  readonly granted: () => void
}

/** Between the one who wants a statement stopped and the one who does it. */
export interface KillRequest {
  /** The statement still runs. */
  wanted: boolean
  /** The KILL is on its way: until the server has answered, it could hit whatever runs then. */
  pending: boolean
}

type Waiter = { readonly _tag: "command"; readonly entry: Entry } | ({ readonly _tag: "reservation" } & Reservation)

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
/** How long stopping a statement may take before the line is cut. */
const cancelBound = Duration.seconds(5)
/** A KILL that came before its statement did has no effect: it is repeated after this time. */
const killInterval = Duration.millis(100)

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
  private readonly waiting: Array<Waiter> = []
  private readonly outbox: Outbox
  /** Whose turn it is to read. */
  private turn: Entry | undefined = undefined
  /** The server has asked for a file and waits for its end: the first of `inFlight` goes on after that. */
  private upload: LocalInfile.Upload | undefined = undefined
  /**
   * The last part of the file is sent with its end: a server looks whether it has been killed before it reads a row, and
   * not at the end.
   */
  private heldPart: Buffer | undefined = undefined
  /** Reading has begun for the first of `inFlight`. */
  private begun = false
  private reservedBy: Owner | undefined = undefined
  /** Who has it again after that one. */
  private reservedAround: Owner | undefined = undefined
  /** A statement is being stopped: nothing is written until that is over. */
  private stopping = false
  private afterStop: Array<() => void> = []
  /** An ERR came in a transaction while a statement was being stopped: whether the transaction lives is open. */
  private uncertain = false
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
      (error) => this.lose(error ?? lostLine("the write ended without a result"))
    )
    this.step = this.pull((finished) => (finished || this.turn === undefined ? Effect.void : this.step))
    this.pullOnce = this.pull(() => Effect.void)
  }

  /** As the server said last. */
  get inTransaction(): boolean {
    return (this.status & ServerStatus.inTransaction) !== 0
  }

  /** Nothing is under way, and nobody waits. */
  get quiet(): boolean {
    return this.inFlight.length === 0 && this.waiting.length === 0 && !this.stopping && !this.outbox.busy
  }

  /** Something runs on the server, and all of it can be stopped without harm. */
  get stoppable(): boolean {
    return this.inFlight.length > 0 && this.inFlight.every((entry) => entry.killable)
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
    return Effect.onInterrupt(
      Effect.flatMap(
        Effect.suspend(() => this.start(entry)),
        () => finish(entry)
      ),
      () => this.abandon(entry)
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
    return Effect.onInterrupt(
      Effect.flatMap(opened, () => this.whenBegun(entry, next)),
      () => this.abandon(entry)
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
      const held = this.heldPart
      this.heldPart = this.upload?.part(bytes)
      if (held !== undefined) this.outbox.sendFirst(held)
      return Effect.flatMap(this.outbox.idle, () =>
        entry.failure === undefined ? Effect.void : Effect.fail(entry.failure)
      )
    })
  }

  /** The whole file has been sent: the server answers then. */
  sendEnd(): void {
    const { heldPart, upload } = this
    if (upload === undefined || this.lost !== undefined) return
    this.upload = undefined
    this.heldPart = undefined
    const entry = this.inFlight[0]!
    this.outbox.sendFirst(heldPart === undefined ? upload.end() : Buffer.concat([heldPart, upload.end()]))
    entry.replies[entry.at]!.uploaded(this.options.parser, upload)
  }

  /**
   * Waits for the connection to be free, in the order of asking, and keeps it for `owner`; `within` is the one who has it
   * already and gets it back.
   */
  reserve(owner: Owner, within?: Owner): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const waiter: Waiter = { _tag: "reservation", owner, within, granted: () => resume(Effect.void) }
      this.waiting.push(waiter)
      this.pump()
      return Effect.sync(() => {
        const index = this.waiting.indexOf(waiter)
        if (index < 0) return this.unreserve(owner)
        this.waiting.splice(index, 1)
        this.pump()
      })
    })
  }

  unreserve(owner: Owner): void {
    if (this.reservedAround === owner) this.reservedAround = undefined
    if (this.reservedBy !== owner) return
    this.reservedBy = this.reservedAround
    this.reservedAround = undefined
    this.pump()
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
              if (Exit.isFailure(exit)) this.lose(lostLine("given up because a conversation with the server broke off"))
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
    return Effect.suspend(() =>
      this.stopping
        ? Effect.callback<void>((resume) => {
            // The fiber may have been suspended since.
            if (!this.stopping) return resume(Effect.void)
            this.afterStop.push(() => resume(Effect.void))
          })
        : this.stop
    )
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
          this.waiting.splice(
            this.waiting.findIndex((waiter) => waiter._tag === "command" && waiter.entry === entry),
            1
          )
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
          return this.turn !== undefined || this.passTurn() ? Effect.void : this.stop
      }
    })
  }

  /** Ends the connection because its owner wants that. */
  cut(): void {
    this.lose(lostLine("closed by the one who had it"))
  }

  /** Marks the connection as lost: whoever waits gets an error that says how far his statement was. */
  lose(error: MysqlError.MysqlError): void {
    if (this.lost !== undefined) return
    this.lost = error
    const entries = this.inFlight.splice(0)
    this.inFlightBytes = 0
    const waiting = this.waiting.splice(0)
    this.outbox.close()
    this.turn = undefined
    const reservations: Array<() => void> = []
    for (const waiter of waiting) {
      if (waiter._tag === "command") entries.push(waiter.entry)
      else reservations.push(waiter.granted)
    }
    for (const entry of entries) {
      entry.failure = lostAs(error, entry)
      entry.state = "done"
    }
    this.options.onLost()
    for (const granted of reservations) granted()
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
    const ahead = this.waiting.some((waiter) =>
      waiter._tag === "reservation"
        ? entry.owner === undefined || entry.owner === waiter.within
        : waiter.entry.owner === entry.owner
    )
    if (ahead || !this.maySend(entry)) {
      entry.state = "waiting"
      this.waiting.push({ _tag: "command", entry })
      return
    }
    this.send(entry)
    if (this.turn === undefined) this.turn = entry
  }

  private maySend(entry: Entry): boolean {
    if (this.stopping || this.inFlight.length >= maxInFlight) return false
    if (this.reservedBy !== undefined && this.reservedBy !== entry.owner) return false
    if (this.inFlight.length === 0) return true
    if (entry.exclusive || this.inFlightBytes + entry.bytes.length > maxInFlightBytes) return false
    return this.inFlight.at(-1)!.exclusive !== true
  }

  /** Lets in what may go now, first come, first served; behind a reservation only its owner's commands go. */
  private pump(): void {
    if (this.waiting.length === 0) return this.assignTurn()
    const wakes: Array<() => void> = []
    let index = 0
    while (index < this.waiting.length) {
      const waiter = this.waiting[index]!
      const mine =
        this.reservedBy === undefined ||
        this.reservedBy === (waiter._tag === "command" ? waiter.entry.owner : waiter.within)
      if (!mine) {
        index++
        continue
      }
      if (waiter._tag === "command") {
        if (!this.maySend(waiter.entry)) break
        this.waiting.splice(index, 1)
        this.send(waiter.entry)
      } else {
        if (this.inFlight.length > 0 || this.stopping) break
        this.waiting.splice(index, 1)
        this.reservedAround = this.reservedBy
        this.reservedBy = waiter.owner
        wakes.push(waiter.granted)
      }
    }
    this.assignTurn()
    for (const wake of wakes) wake()
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
    if (this.upload !== undefined) return false
    this.upload = new LocalInfile.Upload(this.options.parser.sequence)
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
    if (this.stopping) {
      this.uncertain = true
      return
    }
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
    if (this.turn !== undefined || this.stopping) return
    if (!this.passTurn()) this.options.runFork(this.stop)
  }

  private resume(entry: Entry, turn: boolean): void {
    const { wake } = entry
    entry.wake = undefined
    wake?.(turn && entry.state !== "done")
  }

  // ---- stopping ----------------------------------------------------------------------------------------------------

  /**
   * Stops the abandoned statements that are left and reads their replies; the line is cut when that takes too long. It
   * runs in a fiber of its own, so that the deadline can interrupt the reading and nothing else can.
   */
  private readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    // Somebody may have sent a command since this was decided: then its reader comes by here again.
    const wanted = this.inFlight.length > 0 && this.inFlight.every((entry) => entry.abandoned)
    if (this.lost !== undefined || this.stopping || !wanted) return Effect.void
    if (this.options.cancellation === "close") {
      this.lose(lostLine("cut because a statement was interrupted"))
      return Effect.void
    }
    this.stopping = true
    return Effect.asVoid(Fiber.await(this.options.runFork(this.stopBounded())))
  })

  private stopBounded(): Effect.Effect<void> {
    const { cancellation } = this.options
    if (cancellation === "wait") this.sendEnd()
    const killable = cancellation === "kill" && this.stoppable
    const stopped = Effect.andThen(
      killable ? this.killAndDrain : Effect.suspend(() => this.drain(this.inFlight.at(-1))),
      Effect.suspend(() => (this.uncertain ? this.probeAfterStop() : Effect.void))
    )
    const bounded =
      cancellation === "wait"
        ? stopped
        : Effect.timeoutOrElse(stopped, {
            duration: cancelBound,
            orElse: () => Effect.sync(() => this.lose(lostLine("cut because a statement could not be stopped in time")))
          })
    return Effect.ensuring(
      bounded,
      Effect.sync(() => {
        this.stopping = false
        this.uncertain = false
        this.pump()
        for (const resume of this.afterStop.splice(0)) resume()
      })
    )
  }

  /**
   * KILLs until everything that was abandoned has been read away: one KILL stops one statement, and none that has not
   * arrived yet. What is on its way is awaited like the reply itself, since a late one would hit the next statement.
   */
  private readonly killAndDrain: Effect.Effect<void> = Effect.suspend(() => {
    const target = this.inFlight[0]
    if (target === undefined || this.lost !== undefined) return Effect.void
    const request: KillRequest = { wanted: true, pending: false }
    return Effect.forkChild(this.killing(request)).pipe(
      Effect.flatMap((killing) =>
        Effect.flatMap(this.drain(target), () => {
          request.wanted = false
          return request.pending ? Fiber.await(killing) : Fiber.interrupt(killing)
        })
      ),
      // Its reply may come with the deadline that interrupts all this.
      Effect.onInterrupt(() => Effect.sync(() => void (request.wanted = false))),
      Effect.andThen(this.killAndDrain)
    )
  })

  private killing(request: KillRequest): Effect.Effect<void> {
    const attempt: Effect.Effect<void> = Effect.flatMap(Effect.ignore(this.options.kill(request)), () => {
      if (request.pending) return Effect.sync(() => this.lose(lostLine("cut because a KILL was not confirmed")))
      // What the server has of the file is undone only where the KILL came before the end.
      this.sendEnd()
      return request.wanted ? Effect.delay(attempt, killInterval) : Effect.void
    })
    // A server that asks for a file runs the statement already, and need not take what is being written.
    return this.upload === undefined ? Effect.andThen(this.outbox.idle, attempt) : attempt
  }

  /** The ping that could not be sent while a statement was being stopped. */
  private probeAfterStop(): Effect.Effect<void> {
    if (this.lost !== undefined) return Effect.void
    const entry = makeEntry({ bytes: Command.ping, reply: pingReply(this.options.capabilities) })
    entry.abandoned = true
    this.send(entry)
    return this.drain(entry)
  }

  /** Reads until this entry is over. */
  private drain(entry: Entry | undefined): Effect.Effect<void> {
    return entry === undefined || entry.state === "done" ? Effect.void : this.pull(() => this.drain(entry))
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

const lostLine = (problem: string): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ConnectionLost({ phase: "sent", problem }))
