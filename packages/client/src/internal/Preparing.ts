/**
 * Prepares statements, and keeps what the server has prepared: what it is prepared for, in which database, and what happens
 * to it where nobody waits for it any more.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import type { Reply } from "@effect-mysql/protocol/reply/Reply"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as MysqlError from "../MysqlError.ts"
import type { Core } from "./Core.ts"
import { type Entry, make as makeEntry, type Owner } from "./Entry.ts"
import * as failures from "./failures.ts"
import { prepareNothing } from "./lastPrepared.ts"
import * as replies from "./replies.ts"
import type { Prepared, Statement } from "./statements.ts"

/** The server has forgotten the statement, and nothing ran. */
export const needReprepare: ReadonlySet<number> = new Set([1243, 1615])
/** The command does not exist for this statement. */
export const cannotPrepare = 1295
export const tooManyPrepared = 1461

/** Before anything else: an error in the midst of several results says nothing about those that ran. */
export const hasForgotten = ({ err, setCount }: Reply): boolean =>
  err !== undefined && setCount === 0 && needReprepare.has(err.errno)

/** A command of several that go in one piece. */
interface Part {
  readonly bytes: Buffer
  readonly reply: Reply
}

export class Preparing {
  private readonly core: Core
  private readonly owner: Owner | undefined

  constructor(core: Core, owner: Owner | undefined) {
    this.core = core
    this.owner = owner
  }

  prepare(statement: Statement): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      const { exchange, info, lastPrepared } = this.core
      const text = inCharset(this.core, statement.sql)
      if (Result.isFailure(text)) return Effect.fail(text.failure)
      const bytes = Command.prepare(text.success)
      const reply = replies.ofOwn(this.core, "prepare")
      const nothing = info.product === "mariadb" ? replies.ofOwn(this.core, "prepare") : undefined
      const detour = this.detour(statement)
      const parts = [
        ...(detour === undefined ? [] : [detour.there]),
        { bytes, reply },
        ...(nothing === undefined ? [] : [{ bytes: prepareNothing, reply: nothing }]),
        ...(detour === undefined ? [] : [detour.back])
      ]
      const entry: Entry = makeEntry({
        bytes: parts.length === 1 ? bytes : Buffer.concat(parts.map((part) => part.bytes)),
        reply,
        replies: parts.map((part) => part.reply),
        trailer: nothing,
        frames: Packet.frameCountOf(bytes),
        packetBytes: payloadBytes(bytes),
        owner: this.owner,
        sql: statement.sql,
        settled: (replied) => {
          lastPrepared.end(replied ? nothing : undefined)
          this.adopt(statement, reply, entry.abandoned || detour?.there.reply.err !== undefined)
        }
      })
      lastPrepared.begin()
      return exchange.run(entry, replies.succeeded)
    })
  }

  /** The names of a statement mean what they meant when it was prepared first, whatever the current database is now. */
  private detour({ database }: Statement): { readonly there: Part; readonly back: Part } | undefined {
    const current = this.core.exchange.database
    return database === undefined || current === undefined || database === current
      ? undefined
      : {
          there: { bytes: Command.initDatabase(database), reply: replies.ofOwn(this.core, "plain") },
          back: { bytes: Command.initDatabase(current), reply: replies.ofOwn(this.core, "plain") }
        }
  }

  /** Keeps what the server has prepared, or frees it where nobody would. */
  adopt(statement: Statement, reply: Reply, unwanted: boolean): Prepared | undefined {
    if (!reply.done || reply.prepared === undefined || reply.err !== undefined) return undefined
    const { parameterCount, statementId } = reply.prepared
    const { exchange } = this.core
    // Two fibers may have prepared the same text at once: the first one is kept.
    if (statement.prepared !== undefined || (unwanted && !statement.cached)) {
      exchange.ride(Command.closeStatement(statementId))
      return undefined
    }
    statement.forgetColumns("binary")
    statement.prepared = {
      id: statementId,
      parameterCount,
      columns: reply.definitions ?? [],
      boundTypes: undefined,
      lastTypes: undefined,
      pending: 0,
      untyped: undefined,
      retired: false
    }
    return statement.prepared
  }
}

/** A text as it is sent: as it is where the session is in UTF-8. */
export const inCharset = (core: Core, text: string): Result.Result<string | Uint8Array, MysqlError.MysqlError> => {
  const { charset } = core.exchange
  if (charset === undefined) return Result.succeed(text)
  const bytes = charset.encode(text)
  return bytes === undefined ? Result.fail(failures.unfit(charset)) : Result.succeed(bytes)
}

/** Of one packet. */
export const payloadBytes = (sealed: Buffer): number => sealed.length - 4 * Packet.frameCountOf(sealed)
