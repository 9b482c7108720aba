/**
 * One turn of the conversation: what is sent in one piece, and the replies to it. Usually a command and its reply; a
 * flight of commands that must go together, such as a reset and the statements behind it, is one entry too.
 */
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import type { Reply } from "@effect-mysql/protocol/reply/Reply"
import * as Effect from "effect/Effect"
import * as MysqlError from "../MysqlError.ts"
import * as failures from "./failures.ts"

/** Whoever has the connection to himself; an identity and nothing else. */
export type Owner = object

export interface EntryOptions {
  readonly bytes: Buffer
  readonly reply: Reply
  /** All replies, where there are more than that one. */
  readonly replies?: Array<Reply> | undefined
  /** The one of `replies` that says nothing about the statement, whatever it is. */
  readonly trailer?: Reply | undefined
  readonly frames?: number | undefined
  /** Payload of the longest packet, where there are several commands. */
  readonly packetBytes?: number | undefined
  readonly owner?: Owner | undefined
  readonly exclusive?: boolean | undefined
  readonly uploads?: boolean | undefined
  readonly killable?: boolean | undefined
  readonly sql?: string | undefined
  readonly settled?: ((replied: boolean) => void) | undefined
}

/**
 * A class and not an object literal: entries live as long as their statement, and for a literal whose objects survive V8
 * goes on to make all of them in the old generation.
 */
export class Entry {
  readonly bytes: Buffer
  /** In the order of the commands. A ping may join them, see `Exchange`. */
  readonly replies: Array<Reply>
  /** The one of `replies` that matters to whoever sent it. */
  readonly reply: Reply
  readonly trailer: Reply | undefined
  /** Frames of the command that `reply` answers: its sequence numbers go on from there. */
  readonly frames: number
  /** Payload of its longest packet: the server takes no more than it has said. */
  readonly packetBytes: number
  readonly owner: Owner | undefined
  /** A stream: nothing is written behind it, so that it can be stopped. */
  readonly exclusive: boolean
  /** It has brought a file for the server to ask for. */
  readonly uploads: boolean
  /** COMMIT, ROLLBACK and XA are never killed. */
  readonly killable: boolean
  /** For errors that name the statement. */
  readonly sql: string
  /** Told once when it is over: whether the server has replied to it. */
  readonly settled: ((replied: boolean) => void) | undefined
  /** The one of `replies` that is being read; those before it are complete. */
  at = 0
  state: "new" | "waiting" | "unsent" | "sent" | "done" = "new"
  /** Nobody waits for it any more. */
  abandoned = false
  /** The file that the server asked for and did not get. */
  refusedFile: string | undefined = undefined
  /** Why there will be no reply. */
  failure: MysqlError.MysqlError | undefined = undefined
  /** Somebody waits for more of its reply: it is read on. */
  asks = false
  wake: (() => void) | undefined = undefined

  constructor(options: EntryOptions) {
    this.bytes = options.bytes
    this.replies = options.replies ?? [options.reply]
    this.reply = options.reply
    this.trailer = options.trailer
    this.frames = options.frames ?? Packet.frameCountOf(options.bytes)
    this.packetBytes = options.packetBytes ?? options.bytes.length - 4 * this.frames
    this.owner = options.owner
    this.exclusive = options.exclusive ?? false
    this.uploads = options.uploads ?? false
    this.killable = options.killable ?? true
    this.sql = options.sql ?? ""
    this.settled = options.settled
  }
}

export const make = (options: EntryOptions): Entry => new Entry(options)

/** Somebody waits for more of its reply, or nobody any longer. `onMore` is called once. */
export const ask = (entry: Entry, onMore: (() => void) | undefined): void => {
  entry.asks = onMore !== undefined
  entry.wake = onMore
}

/** There is more of its reply, or an end. */
export const wake = (entry: Entry): void => {
  const { wake } = entry
  ask(entry, undefined)
  wake?.()
}

/** It is over. */
export const isDone = (entry: Entry): boolean => entry.state === "done"

/** Its reply has begun, and not with a refusal, or it is over. */
export const hasBegun = (entry: Entry): boolean =>
  isDone(entry) || (entry.reply.started && entry.reply.err === undefined)

/** Reads its reply. What the reader makes of it is no fault of the line's, whose callback this runs in. */
export const resultOf = <A>(
  entry: Entry,
  finish: (entry: Entry) => Effect.Effect<A, MysqlError.MysqlError>
): Effect.Effect<A, MysqlError.MysqlError> => {
  try {
    return finish(entry)
  } catch (defect) {
    return Effect.die(defect)
  }
}

/** The sequence number that the reply under way begins with. */
export const firstSequence = (entry: Entry): number => (entry.replies[entry.at] === entry.reply ? entry.frames : 1)

/** The loss of the line as it concerns this entry. */
export const lostAs = (error: MysqlError.MysqlError, entry: Entry): MysqlError.MysqlError => {
  const { reason } = error
  if (entry.state !== "sent") return lost("notSent", reason)
  if (reason._tag !== "ConnectionLost") return error
  if (reason.phase === "notSent") return lost("notSent", reason)
  return lost(entry.replies[0]!.started ? "replyStarted" : "sent", reason)
}

const lost = (phase: MysqlError.ConnectionLost["phase"], reason: MysqlError.Reason): MysqlError.MysqlError =>
  MysqlError.make(
    new MysqlError.ConnectionLost(
      reason._tag === "ConnectionLost"
        ? { phase, problem: reason.problem, cause: reason.cause ?? reason }
        : { phase, problem: reason.message, cause: reason }
    )
  )

/**
 * Why the entry failed, if it did. What the server has said about it goes before a loss that came later. `server`: rows
 * that cannot be decoded are no failure.
 */
export const failureOf = (
  entry: Entry,
  of: "everything" | "server" = "everything"
): MysqlError.MysqlError | undefined => {
  if (entry.refusedFile !== undefined) return refused(entry, entry.refusedFile)
  for (let index = 0; index < entry.at; index++) {
    const reply = entry.replies[index]!
    if (reply === entry.trailer) continue
    if (reply.err !== undefined) return failures.server(reply.err, entry.sql, reply.product)
    if (reply.decodeError !== undefined && of === "everything") return failures.decode(reply.decodeError)
  }
  return entry.failure
}

const refused = (entry: Entry, fileName: string): MysqlError.MysqlError => {
  const { err } = entry.reply
  return MysqlError.make(
    new MysqlError.LocalInfileError({
      fileName,
      problem: "the server asked for it, and the statement has brought no stream",
      ...(err === undefined ? {} : { cause: failures.server(err, entry.sql, entry.reply.product) })
    })
  )
}
