/**
 * One statement for many rows of values, in as few messages as the server takes.
 *
 * - MariaDB: the statement is prepared, and its bulk command carries the rows.
 * - MySQL, and where nothing is to be prepared: an INSERT or REPLACE of one row becomes one of many.
 * - Everything else is executed once a row, many executions in one write.
 *
 * Rows are taken from their iterable a chunk at a time. All of a chunk is encoded before any of it is sent, and the next
 * chunk is taken when the server has acknowledged this one.
 */
import * as Execute from "@effect-mysql/protocol/command/Execute"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import { Reply } from "@effect-mysql/protocol/reply/Reply"
import * as InsertTemplate from "@effect-mysql/protocol/value/InsertTemplate"
import { ParameterError } from "@effect-mysql/protocol/value/Parameter"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { BatchOptions, BatchResult, Params } from "../MysqlConnection.ts"
import type * as MysqlError from "../MysqlError.ts"
import type { Message, Rows, Way } from "./batchWays.ts"
import * as ways from "./batchWays.ts"
import type { Core } from "./Core.ts"
import { type Entry, failureOf, make as makeEntry } from "./Entry.ts"
import type { Execution } from "./Execution.ts"
import * as failures from "./failures.ts"
import * as generatedIds from "./generatedIds.ts"
import { byName } from "./named.ts"
import { cannotPrepare, needReprepare } from "./Preparing.ts"
import type { Prepared, Statement } from "./statements.ts"

/** Rows of a chunk, unless told otherwise. */
const defaultChunkSize = 1000
/** Messages that go out before the first of them is answered. */
const maxFlight = 128
const maxFlightBytes = 1024 * 1024

/** A statement with `?`, and how the values of a row come into their order. */
interface Text {
  readonly sql: string
  readonly names: ReadonlyArray<string>
  readonly valuesOf: (row: Params, number: number) => Result.Result<ReadonlyArray<unknown>, MysqlError.MysqlError>
}

/** The first row tells whether values are given by position or by name. */
const textOf = (
  core: Core,
  execution: Execution,
  sql: string,
  first: Params,
  firstRow: number
): Result.Result<Text, MysqlError.MysqlError> => {
  if (isPositional(first)) {
    const valuesOf: Text["valuesOf"] = (row, number) =>
      isPositional(row) ? Result.succeed(row) : Result.fail(failures.row(mixed, number))
    return Result.succeed({ sql, names: [], valuesOf })
  }
  const read = (row: Params, number: number) =>
    isPositional(row)
      ? Result.fail(failures.row(mixed, number))
      : Result.mapError(core.namedTexts.positional(sql, row, execution.sqlMode), failures.ofRow(number))
  return Result.map(read(first, firstRow), ({ names, sql: positional }) => ({
    sql: positional,
    names,
    valuesOf: (row, number) => Result.map(read(row, number), ({ values }) => values)
  }))
}

const isPositional = (row: Params): row is ReadonlyArray<unknown> => Array.isArray(row)

const mixed = new ParameterError({ parameter: "row", message: "values by position and by name are mixed" })

/** Takes the rows a chunk at a time; the iterable is closed in any case. */
export const run = (
  core: Core,
  execution: Execution,
  sql: string,
  rows: Iterable<Params>,
  options: BatchOptions | undefined
): Effect.Effect<BatchResult, MysqlError.MysqlError> =>
  Effect.suspend(() => {
    const { chunkSize = defaultChunkSize, firstRow = 0 } = options ?? {}
    if (!Number.isSafeInteger(chunkSize) || chunkSize < 1) {
      return Effect.fail(
        failures.configuration(`chunkSize is a whole number of rows, at least 1, and not ${chunkSize}`)
      )
    }
    const iterator = rows[Symbol.iterator]()
    const started = Effect.suspend(() => {
      const first = iterator.next()
      if (first.done === true)
        return Effect.succeed<BatchResult>({ affectedRows: 0, warningCount: 0, statements: 0, insertIds: [] })
      const text = textOf(core, execution, sql, first.value, firstRow)
      if (Result.isFailure(text)) return Effect.fail(text.failure)
      return new Batch(core, execution, text.success, options).run(first.value, iterator)
    })
    return Effect.ensuring(
      started,
      Effect.sync(() => void iterator.return?.())
    )
  })

class Batch {
  private readonly core: Core
  private readonly execution: Execution
  private readonly text: Text
  private readonly statement: Statement
  private readonly chunkSize: number
  private readonly firstRow: number
  private readonly keepsIds: boolean
  private readonly returning: boolean
  private way: Way | undefined = undefined
  private rule: generatedIds.Rule | "unknown" | undefined = undefined
  private affectedRows = 0
  private warningCount = 0
  private statements = 0
  /** `undefined` as soon as there is a row whose id is not known. */
  private insertIds: Array<generatedIds.Id> | undefined = []

  constructor(core: Core, execution: Execution, text: Text, options: BatchOptions | undefined) {
    const statement = core.statements.get(text.sql)
    this.core = core
    this.execution = execution
    this.text = text
    this.statement = statement
    this.chunkSize = options?.chunkSize ?? defaultChunkSize
    this.firstRow = options?.firstRow ?? 0
    this.keepsIds = options?.insertIds ?? true
    this.returning = /\breturning\b/i.test(statement.sql)
  }

  /** Of the row that was taken already, and of those that follow. */
  run(first: Params, rest: Iterator<Params>): Effect.Effect<BatchResult, MysqlError.MysqlError> {
    let taken: IteratorResult<Params> | undefined = { done: false, value: first }
    let number = this.firstRow
    const next: Effect.Effect<BatchResult, MysqlError.MysqlError> = Effect.suspend(() => {
      const chunk: Array<ReadonlyArray<unknown>> = []
      while (chunk.length < this.chunkSize) {
        const row = taken ?? rest.next()
        taken = undefined
        if (row.done === true) break
        const values = this.text.valuesOf(row.value, number + chunk.length)
        if (Result.isFailure(values)) return Effect.fail(values.failure)
        chunk.push(values.success)
      }
      if (chunk.length === 0) return Effect.succeed(this.result)
      const sent = this.send(chunk, number)
      number += chunk.length
      return Effect.andThen(sent, next)
    })
    return Effect.mapError(this.holding(next), byName(this.text.names))
  }

  private get result(): BatchResult {
    const { affectedRows, insertIds, statements, warningCount } = this
    const generated = insertIds?.some((id) => id !== 0) === true
    return { affectedRows, warningCount, statements, insertIds: generated ? insertIds! : [] }
  }

  /** The statement stays in the cache while it is used. */
  private holding<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.statement.holds++),
      () => effect,
      () =>
        Effect.sync(() => {
          this.statement.holds--
          this.core.statements.used(this.statement)
        })
    )
  }

  private send(rows: Rows, first: number): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.flatMap(this.findWay, (way) => {
      const messages = way.encode(rows, first)
      if (Result.isFailure(messages)) return Effect.fail(messages.failure)
      const sent = Effect.forEach(flightsOf(messages.success), (flight) => this.fly(way, flight), { discard: true })
      if (way.bulk !== true) return sent
      return Effect.catchIf(sent, isNoBulk, () => {
        // Nothing ran: of INSERT … SELECT, for one, there is no bulk command.
        this.way = ways.executions(this.context)
        return this.send(rows, first)
      })
    })
  }

  // ---- ways --------------------------------------------------------------------------------------------------------

  private get findWay(): Effect.Effect<Way, MysqlError.MysqlError> {
    return Effect.suspend(() =>
      this.way === undefined
        ? Effect.tap(this.choose, (way) => Effect.sync(() => void (this.way = way)))
        : Effect.succeed(this.way)
    )
  }

  private readonly choose: Effect.Effect<Way, MysqlError.MysqlError> = Effect.suspend(() => {
    const { context, core, execution, statement } = this
    const preparing = core.config.prepare && !statement.textOnly
    const rewriting = core.info.product === "mysql" || !preparing
    const template = rewriting ? InsertTemplate.parse(statement.sql, execution.sqlMode) : undefined
    if (template !== undefined) return Effect.succeed(ways.oneOfMany(context, template))
    if (!preparing) return Effect.succeed(ways.texts(context))
    return Effect.matchEffect(this.prepare, {
      onSuccess: () => Effect.succeed(ways.mayGoInBulk(context) ? ways.bulk(context) : ways.executions(context)),
      onFailure: (error) =>
        execution.recoverable(error, statement) ? Effect.succeed(ways.texts(context)) : Effect.fail(error)
    })
  })

  private get context(): ways.Context {
    const { core, execution, returning, statement } = this
    return { core, execution, returning, statement, maxPacketBytes: core.session.maxAllowedPacket - 1 }
  }

  private get prepare(): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.suspend(() =>
      this.statement.prepared === undefined ? this.execution.preparing.prepare(this.statement) : Effect.void
    )
  }

  private ruleOf(
    template: InsertTemplate.InsertTemplate
  ): Effect.Effect<generatedIds.Rule | "unknown", MysqlError.MysqlError> {
    const { core, execution } = this
    if (this.rule !== undefined) return Effect.succeed(this.rule)
    const looked = generatedIds.lookUp(core, execution.owner, template, () => this.reply("query"))
    return Effect.map(looked, (rule) => (this.rule = rule ?? "unknown"))
  }

  // ---- sending -----------------------------------------------------------------------------------------------------

  /** Sends messages in one piece, and counts what the server says to them. */
  private fly(
    way: Way,
    messages: ReadonlyArray<Message>,
    again: boolean = false
  ): Effect.Effect<void, MysqlError.MysqlError> {
    const { core, execution, statement } = this
    const prepared = way.command === "execute" ? this.usable(messages) : undefined
    if (way.command === "execute" && prepared === undefined) {
      return Effect.andThen(
        this.prepare,
        Effect.suspend(() => this.fly(way, messages, again))
      )
    }
    if (!statement.plain) core.touched = true
    const replies = messages.map(() => this.reply(way.command))
    if (way.unitResults !== true && !this.returning) for (const reply of replies) reply.discarding = true
    const entry: Entry = makeEntry({
      bytes: this.joined(messages, prepared),
      reply: replies[0]!,
      replies,
      packetBytes: messages.reduce((most, { bytes }) => Math.max(most, bytes.length - 4), 0),
      frames: messages.length === 1 ? Packet.frameCountOf(messages[0]!.bytes) : 1,
      owner: execution.owner,
      killable: statement.killable,
      sql: statement.sql,
      settled: () => {
        if (prepared === undefined) return
        prepared.pending--
        prepared.boundTypes = undefined
        if (prepared.pending === 0) core.statements.used(statement, prepared)
      }
    })
    if (prepared !== undefined) {
      prepared.pending++
      prepared.lastTypes = messages.reduce(
        (types, { types: own }) => (own === undefined ? types : Execute.remembered(types, own)),
        prepared.lastTypes
      )
    }
    const sent = execution.bounded(
      undefined,
      core.exchange.run(entry, () => Effect.void)
    )
    return Effect.andThen(
      sent,
      Effect.suspend(() => {
        const forgotten =
          prepared !== undefined && replies.every(({ err }) => err !== undefined && needReprepare.has(err.errno))
        if (forgotten && !again) {
          // Nothing ran.
          if (statement.prepared === prepared) statement.prepared = undefined
          return this.fly(way, messages, true)
        }
        const error = failureOf(entry)
        if (error !== undefined) return Effect.fail(error)
        return Effect.forEach(messages, (message, index) => this.count(way, message, replies[index]!), {
          discard: true
        })
      })
    )
  }

  private usable(messages: ReadonlyArray<Message>): Prepared | undefined {
    const { core, execution, statement } = this
    const one = core.info.product === "mysql" ? messages : messages.slice(0, 1)
    for (const { rows } of one) if (execution.usable(statement, rows[0]!) === undefined) return undefined
    return statement.prepared
  }

  private joined(messages: ReadonlyArray<Message>, prepared: Prepared | undefined): Buffer {
    if (prepared !== undefined) {
      // Behind the header and the command's code.
      for (const { bytes } of messages) bytes.writeUInt32LE(prepared.id, 5)
    }
    return messages.length === 1 ? messages[0]!.bytes : Buffer.concat(messages.map(({ bytes }) => bytes))
  }

  private reply(command: "query" | "execute"): Reply {
    const { core, statement } = this
    return new Reply({
      command,
      capabilities: core.session.capabilities,
      rows: core.rows.array,
      get columns() {
        return statement.prepared?.columns
      }
    })
  }

  private count(way: Way, message: Message, reply: Reply): Effect.Effect<void, MysqlError.MysqlError> {
    this.statements++
    if (way.unitResults === true) for (const [, affectedRows] of ways.unitsOf(reply)) this.affectedRows += affectedRows
    for (const { ok, rows } of reply.results) {
      // Where rows are returned, the server counts none as affected.
      this.affectedRows += this.returning ? rows.length : Number(ok.affectedRows)
      this.warningCount += ok.warningCount
    }
    if (!this.keepsIds || this.insertIds === undefined) return Effect.void
    const ids = way.ids(message, reply)
    if (ids !== "follow") return Effect.sync(() => this.keep(ids))
    const { insertId } = reply.results.at(-1)!.ok
    return Effect.map(this.ruleOf(way.template!), (rule) =>
      this.keep(rule === "unknown" ? rule : (generatedIds.follow(rule, message.rows, insertId) ?? "unknown"))
    )
  }

  private keep(ids: ReadonlyArray<generatedIds.Id> | "unknown"): void {
    if (ids === "unknown") this.insertIds = undefined
    else for (const id of ids) this.insertIds?.push(id)
  }
}

/** In pieces that go out at once. */
const flightsOf = (messages: ReadonlyArray<Message>): ReadonlyArray<ReadonlyArray<Message>> => {
  const flights: Array<Array<Message>> = []
  let bytes = 0
  for (const message of messages) {
    const { length } = message.bytes
    const flight = flights.at(-1)
    if (
      flight === undefined ||
      flight.length === maxFlight ||
      bytes + length > maxFlightBytes ||
      message.apart === true
    ) {
      flights.push([message])
      bytes = length
    } else {
      flight.push(message)
      bytes += length
    }
  }
  return flights
}

const isNoBulk = ({ reason }: MysqlError.MysqlError): boolean =>
  reason._tag === "ServerError" && reason.errno === cannotPrepare
