/**
 * How a statement runs: as text or prepared, collected or streamed, on top of the exchange.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import * as Execute from "@effect-mysql/protocol/command/Execute"
import { type Metadata, Reply, type ReplyOptions } from "@effect-mysql/protocol/reply/Reply"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as Literal from "@effect-mysql/protocol/value/Literal"
import type { SqlMode } from "@effect-mysql/protocol/value/Placeholders"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Outcome, Params, QueryOptions, QueryResult } from "../MysqlConnection.ts"
import * as MysqlError from "../MysqlError.ts"
import type { Core } from "./Core.ts"
import { type Entry, failureOf, make as makeEntry, type Owner } from "./Entry.ts"
import * as failures from "./failures.ts"
import * as results from "./results.ts"
import type { Prepared, Protocol, Statement } from "./statements.ts"
import * as upload from "./upload.ts"

export type Rows = ReplyOptions["rows"]
/** Reads a complete reply. */
export type Finish<A> = (entry: Entry) => Effect.Effect<A, MysqlError.MysqlError>

/** The server has forgotten the statement, and nothing ran. */
export const needReprepare: ReadonlySet<number> = new Set([1243, 1615])
/** The command does not exist for this statement. */
export const cannotPrepare = 1295
const tooManyPrepared = 1461

/** The statements of one view: of everybody, or of the one who has reserved the connection. */
export class Execution {
  private readonly core: Core
  readonly owner: Owner | undefined

  constructor(core: Core, owner: Owner | undefined) {
    this.core = core
    this.owner = owner
  }

  /** With the bound of the call or of the connection. */
  bounded<A>(
    options: QueryOptions | undefined,
    effect: Effect.Effect<A, MysqlError.MysqlError>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const duration = options?.timeout ?? this.core.config.statementTimeout
    return duration === undefined
      ? effect
      : Effect.timeoutOrElse(effect, {
          duration,
          orElse: () => Effect.fail(MysqlError.make(new MysqlError.StatementTimeout({ by: "client" })))
        })
  }

  rows(options: QueryOptions | undefined): Rows {
    const shape = options?.rows ?? "object"
    return options?.decoding === undefined
      ? this.core.rows[shape]
      : { shape, decoding: options.decoding, offsetMinutes: this.core.config.offsetMinutes }
  }

  get sqlMode(): SqlMode {
    const { status } = this.core.exchange
    return {
      noBackslashEscapes: (status & ServerStatus.noBackslashEscapes) !== 0,
      ansiQuotes: (status & ServerStatus.ansiQuotes) !== 0
    }
  }

  /** Prepared where there are parameters and nothing speaks against it. */
  run<A>(
    statement: Statement,
    params: Params,
    options: QueryOptions | undefined,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    return this.goesAsText(statement, params, options)
      ? this.runText(statement, params, this.rows(options), finish)
      : this.runPrepared(statement, params, this.rows(options), finish)
  }

  private goesAsText(statement: Statement, params: Params, options: QueryOptions | undefined): boolean {
    return params.length === 0 || statement.textOnly || !(options?.prepare ?? this.core.config.prepare)
  }

  /** One or several statements as text; several are allowed for this one time. */
  runScript<A>(
    statement: Statement,
    params: Params,
    options: QueryOptions | undefined,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const rows = this.rows(options)
    const entry = this.textEntry(statement, params, rows, false)
    if (Result.isFailure(entry)) return Effect.fail(entry.failure)
    const single = this.core.config.multiStatements || !statement.templateFor(this.sqlMode).severalStatements
    return this.core.exchange.run(
      single ? entry.success : this.asSeveral(entry.success),
      this.finishing(statement, "text", rows, finish)
    )
  }

  /** Switched on, used and switched off in one piece. */
  private asSeveral(entry: Entry): Entry {
    const { bytes, frames, killable, owner, packetBytes, reply, sql } = entry
    return makeEntry({
      bytes: Buffer.concat([Command.setMultiStatements(true), bytes, Command.setMultiStatements(false)]),
      replies: [this.plainReply(), reply, this.plainReply()],
      reply,
      frames,
      packetBytes,
      killable,
      owner,
      sql
    })
  }

  /** Commands that answer OK, or rows that nobody wants, sent in one piece. */
  plain(commands: ReadonlyArray<Buffer>, sql: string = ""): Effect.Effect<void, MysqlError.MysqlError> {
    return this.flight(commands, sql, succeeded)
  }

  /** The same with a query at the end: ends with the first value of its first row. */
  asking(
    commands: ReadonlyArray<Buffer>,
    question: string,
    sql: string
  ): Effect.Effect<unknown, MysqlError.MysqlError> {
    return this.flight([...commands, Command.query(question)], sql, (entry) => {
      return Effect.map(succeeded(entry), () => rowsOfLast(entry)[0]?.[0])
    })
  }

  /** The rows of a statement of our own, which changes nothing. */
  rowsOf(sql: string): Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, MysqlError.MysqlError> {
    return this.flight([Command.query(sql)], sql, (entry) => Effect.map(succeeded(entry), () => rowsOfLast(entry)))
  }

  private flight<A>(
    commands: ReadonlyArray<Buffer>,
    sql: string,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      const replies = commands.map((command) => (isQuery(command) ? this.queryReply() : this.plainReply()))
      const entry = makeEntry({
        bytes: commands.length === 1 ? commands[0]! : Buffer.concat(commands),
        reply: replies[0]!,
        replies,
        frames: 1,
        owner: this.owner,
        sql
      })
      return this.core.exchange.run(entry, finish)
    })
  }

  runText<A>(
    statement: Statement,
    params: Params,
    rows: Rows,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const entry = this.textEntry(statement, params, rows, false)
    return Result.isFailure(entry)
      ? Effect.fail(entry.failure)
      : this.core.exchange.run(entry.success, this.finishing(statement, "text", rows, finish))
  }

  /** A statement, and the file that the server may ask for: see `upload`. */
  load<E, R>(
    sql: string,
    bytes: (fileName: string) => Stream.Stream<Uint8Array, E, R>
  ): Effect.Effect<Outcome, MysqlError.MysqlError | E, R> {
    return Effect.suspend(() => {
      const statement = this.core.statements.get(sql)
      const entry = this.textEntry(statement, [], this.core.rows.array, true, true)
      return Result.isFailure(entry) ? Effect.fail(entry.failure) : upload.run(this.core, entry.success, bytes)
    })
  }

  private textEntry(
    statement: Statement,
    params: Params,
    rows: Rows,
    exclusive: boolean,
    uploads: boolean = false
  ): Result.Result<Entry, MysqlError.MysqlError> {
    let bytes: Buffer
    if (params.length === 0 && this.core.exchange.charset === undefined) {
      bytes = statement.asCommand
    } else {
      const { sqlMode } = this
      const { offsetMinutes } = this.core.config
      const text = Literal.interpolate(statement.templateFor(sqlMode), params, { sqlMode, offsetMinutes })
      if (Result.isFailure(text)) return Result.fail(failures.parameter(text.failure))
      const sent = this.inCharset(text.success)
      if (Result.isFailure(sent)) return Result.fail(sent.failure)
      bytes = Command.query(sent.success)
    }
    if (!statement.plain) this.core.touched = true
    if (statement.beginsBranch) this.core.branched = true
    return Result.succeed(
      makeEntry({
        bytes,
        reply: this.reply("query", statement, rows),
        owner: this.owner,
        exclusive: exclusive || statement.mayUpload,
        uploads,
        killable: statement.killable,
        sql: statement.sql
      })
    )
  }

  /** Prepares the statement first where that has not been done, or where the server has forgotten it. */
  runPrepared<A>(
    statement: Statement,
    params: Params,
    rows: Rows,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const prepared = this.usable(statement, params)
    if (prepared === undefined) {
      return this.afterPrepare(statement, params, {
        onSuccess: () => this.runPrepared(statement, params, rows, finish),
        onFailure: (error) => this.asTextAfter(error, statement, params, rows, finish)
      })
    }
    const entry = this.executeEntry(statement, params, rows, false)
    if (Result.isFailure(entry)) return Effect.fail(entry.failure)
    const finishing = this.finishing(statement, "binary", rows, finish)
    return this.core.exchange.run(entry.success, (completed) => {
      const { err } = completed.reply
      if (err === undefined || !needReprepare.has(err.errno)) return finishing(completed)
      // Nothing ran. Another execution may have prepared it again already.
      if (statement.prepared === prepared) statement.prepared = undefined
      return this.rerun(statement, params, rows, finish)
    })
  }

  /**
   * The prepared statement, unless the server would take these values, or those of an execution that this one overtakes,
   * for something else.
   */
  usable(statement: Statement, params: Params): Prepared | undefined {
    const { prepared } = statement
    if (prepared === undefined) return undefined
    const bends = this.core.info.product === "mysql" && Execute.wouldConvert(prepared.lastTypes, params)
    const { untyped } = prepared
    const overtakes = untyped !== undefined && (untyped.state === "new" || untyped.state === "waiting")
    if (!bends && !overtakes) return prepared
    this.core.statements.discard(statement)
    return undefined
  }

  /** Once more, and this time whatever the server says is the result. */
  private rerun<A>(
    statement: Statement,
    params: Params,
    rows: Rows,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const execute = (): Effect.Effect<A, MysqlError.MysqlError> => {
      const entry = this.executeEntry(statement, params, rows, false)
      return Result.isFailure(entry)
        ? Effect.fail(entry.failure)
        : this.core.exchange.run(entry.success, this.finishing(statement, "binary", rows, finish))
    }
    return this.usable(statement, params) === undefined
      ? this.afterPrepare(statement, params, { onSuccess: execute, onFailure: Effect.fail })
      : execute()
  }

  /**
   * Prepares the statement and goes on; it stays in the cache meanwhile. Values that cannot be sent are found before: a
   * mistake of the caller costs no round trip.
   */
  private afterPrepare<A>(
    statement: Statement,
    params: Params,
    next: {
      readonly onSuccess: () => Effect.Effect<A, MysqlError.MysqlError>
      readonly onFailure: (error: MysqlError.MysqlError) => Effect.Effect<A, MysqlError.MysqlError>
    }
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const fault = this.faultOf(statement, params)
    if (fault !== undefined) return Effect.fail(fault)
    const { statements } = this.core
    return Effect.acquireUseRelease(
      Effect.sync(() => statement.holds++),
      () => Effect.matchEffect(this.prepareStatement(statement), next),
      () =>
        Effect.sync(() => {
          statement.holds--
          statements.used(statement)
        })
    )
  }

  private faultOf(statement: Statement, params: Params): MysqlError.MysqlError | undefined {
    const placeholders = statement.templateFor(this.sqlMode).parts.length - 1
    const arity = Literal.checkArity(placeholders, params.length)
    if (arity !== undefined) return failures.parameter(arity)
    const { offsetMinutes } = this.core.config
    const { charset } = this.core.exchange
    const encoded = Execute.encode({
      statementId: 0,
      parameters: params,
      boundTypes: undefined,
      offsetMinutes,
      charset
    })
    return Result.isFailure(encoded) ? failures.parameter(encoded.failure) : undefined
  }

  /** Some statements cannot be prepared, and a server has room for so many: then nothing has run, and text does it. */
  private asTextAfter<A>(
    error: MysqlError.MysqlError,
    statement: Statement,
    params: Params,
    rows: Rows,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    return this.recoverable(error, statement) ? this.runText(statement, params, rows, finish) : Effect.fail(error)
  }

  recoverable(error: MysqlError.MysqlError, statement: Statement): boolean {
    const { reason } = error
    if (reason._tag !== "ServerError") return false
    if (reason.errno === cannotPrepare) statement.textOnly = true
    else if (reason.errno === tooManyPrepared) this.core.statements.closePrepared()
    else return false
    return true
  }

  private executeEntry(
    statement: Statement,
    params: Params,
    rows: Rows,
    exclusive: boolean
  ): Result.Result<Entry, MysqlError.MysqlError> {
    const prepared = statement.prepared!
    const arity = Literal.checkArity(prepared.parameterCount, params.length)
    if (arity !== undefined) return Result.fail(failures.parameter(arity))
    const encoded = Execute.encode({
      statementId: prepared.id,
      parameters: params,
      boundTypes: prepared.pending === 0 ? prepared.boundTypes : undefined,
      offsetMinutes: this.core.config.offsetMinutes,
      charset: this.core.exchange.charset
    })
    if (Result.isFailure(encoded)) return Result.fail(failures.parameter(encoded.failure))
    const { boundTypes, bytes } = encoded.success
    const reply = this.reply("execute", statement, rows)
    if (!statement.plain) this.core.touched = true
    const entry = makeEntry({
      bytes,
      reply,
      owner: this.owner,
      exclusive: exclusive || statement.mayUpload,
      killable: statement.killable,
      sql: statement.sql,
      settled: (replied) => {
        prepared.pending--
        if (prepared.untyped === entry) prepared.untyped = undefined
        prepared.boundTypes = replied && reply.err === undefined ? boundTypes : undefined
        // Also of a reply that nobody waits for: the server may not send the same columns again.
        if (reply.definitions !== undefined) prepared.columns = reply.definitions
        const metadata = reply.results[0]?.metadata ?? reply.metadata
        if (metadata !== undefined) learn(statement, "binary", rows, metadata)
        if (prepared.pending === 0) this.core.statements.used(statement, prepared)
      }
    })
    if (boundTypes === prepared.boundTypes) prepared.untyped = entry
    prepared.pending++
    prepared.lastTypes = Execute.remembered(prepared.lastTypes, boundTypes)
    return Result.succeed(entry)
  }

  prepareStatement(statement: Statement): Effect.Effect<void, MysqlError.MysqlError> {
    const text = this.inCharset(statement.sql)
    if (Result.isFailure(text)) return Effect.fail(text.failure)
    const reply = this.reply("prepare", undefined, this.core.rows.array)
    const entry: Entry = makeEntry({
      bytes: Command.prepare(text.success),
      reply,
      owner: this.owner,
      sql: statement.sql,
      settled: () => this.adopt(statement, reply, entry.abandoned)
    })
    return this.core.exchange.run(entry, succeeded)
  }

  /** Keeps what the server has prepared, or frees it where nobody would. */
  private adopt(statement: Statement, reply: Reply, abandoned: boolean): void {
    if (!reply.done || reply.prepared === undefined || reply.err !== undefined) return
    const { parameterCount, statementId } = reply.prepared
    const { exchange, statements } = this.core
    // Two fibers may have prepared the same text at once: the first one is kept.
    if (statement.prepared !== undefined || (abandoned && !statements.has(statement))) {
      exchange.ride(Command.closeStatement(statementId))
      return
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
  }

  private reply(command: ReplyOptions["command"], statement: Statement | undefined, rows: Rows): Reply {
    return new Reply(new ReplyTo(command, this.core.session.capabilities, rows, statement))
  }

  /** A text as it is sent: as it is where the session is in UTF-8. */
  inCharset(text: string): Result.Result<string | Uint8Array, MysqlError.MysqlError> {
    const { charset } = this.core.exchange
    if (charset === undefined) return Result.succeed(text)
    const bytes = charset.encode(text)
    return bytes === undefined ? Result.fail(failures.unfit(charset)) : Result.succeed(bytes)
  }

  private queryReply(): Reply {
    return this.reply("query", undefined, this.core.rows.array)
  }

  private plainReply(): Reply {
    return this.reply("plain", undefined, this.core.rows.array)
  }

  private finishing<A>(statement: Statement, protocol: Protocol, rows: Rows, finish: Finish<A>): Finish<A> {
    return (entry) => {
      const metadata = entry.reply.results[0]?.metadata
      if (metadata !== undefined && protocol === "text") learn(statement, protocol, rows, metadata)
      const error = failureOf(entry)
      return error === undefined ? finish(entry) : Effect.fail(error)
    }
  }

  // ---- streams -----------------------------------------------------------------------------------------------------

  stream<A>(
    find: () => Statement,
    params: Params,
    options: QueryOptions | undefined,
    pinned: boolean = false
  ): Stream.Stream<A, MysqlError.MysqlError> {
    return Stream.scoped(
      Stream.fromPull(
        Effect.gen({ self: this }, function* () {
          const { exchange } = this.core
          const statement = find()
          const rows = this.rows(options)
          let entry: Entry | undefined
          yield* Effect.addFinalizer(() => (entry === undefined ? Effect.void : exchange.abandon(entry)))
          const begin = Effect.flatMap(
            Effect.suspend(() => this.streamEntry(statement, params, rows, options, pinned)),
            (made) => {
              entry = made
              return exchange.open(made)
            }
          )
          yield* begin
          let first = true
          let ended = false
          const pull: Effect.Effect<readonly [A, ...Array<A>], MysqlError.MysqlError | Cause.Done<void>> =
            Effect.suspend(() => {
              const current = entry!
              const { reply } = current
              const [set] = reply.results
              if (set === undefined) {
                if (reply.rows.length > 0) return Effect.succeed(reply.takeRows() as [A, ...Array<A>])
              } else if (!ended) {
                ended = true
                // Of several results the first is returned.
                reply.discarding = true
                if (set.rows.length > 0) return Effect.succeed(set.rows as unknown as [A, ...Array<A>])
              }
              if (first && reply.err !== undefined && needReprepare.has(reply.err.errno)) {
                first = false
                statement.prepared = undefined
                return Effect.flatMap(begin, () => pull)
              }
              const error = failureOf(current) ?? (reply.decodeError && failures.decode(reply.decodeError))
              if (error !== undefined) return Effect.fail(error)
              if (current.state === "done") {
                if (set?.metadata !== undefined && !isExecute(current)) learn(statement, "text", rows, set.metadata)
                return Cause.done()
              }
              return Effect.flatMap(exchange.advance(current), () => pull)
            })
          return pull
        })
      )
    )
  }

  private streamEntry(
    statement: Statement,
    params: Params,
    rows: Rows,
    options: QueryOptions | undefined,
    pinned: boolean
  ): Effect.Effect<Entry, MysqlError.MysqlError> {
    if (!pinned && this.goesAsText(statement, params, options))
      return Effect.fromResult(this.textEntry(statement, params, rows, true))
    const execute = () => Effect.fromResult(this.executeEntry(statement, params, rows, true))
    if (this.usable(statement, params) !== undefined) return execute()
    return this.afterPrepare(statement, params, {
      onSuccess: execute,
      onFailure: (error) =>
        this.recoverable(error, statement)
          ? Effect.fromResult(this.textEntry(statement, params, rows, true))
          : Effect.fail(error)
    })
  }
}

/** What the columns were is looked up when the reply comes: an earlier one on its way may have brought others. */
class ReplyTo implements ReplyOptions {
  readonly command: ReplyOptions["command"]
  readonly capabilities: ReplyOptions["capabilities"]
  readonly rows: Rows
  /** What is done about it the exchange knows. */
  readonly localInfile = true
  private readonly statement: Statement | undefined

  constructor(
    command: ReplyOptions["command"],
    capabilities: ReplyOptions["capabilities"],
    rows: Rows,
    statement: Statement | undefined
  ) {
    this.command = command
    this.capabilities = capabilities
    this.rows = rows
    this.statement = statement
  }

  get metadata(): Metadata | undefined {
    return this.statement?.metadata(this.command === "execute" ? "binary" : "text", this.rows)
  }

  get columns(): ReplyOptions["columns"] {
    return this.statement?.prepared?.columns
  }
}

/** Remembers what the rows look like, for the next time. */
const learn = (statement: Statement, protocol: Protocol, rows: Rows, metadata: Metadata): void => {
  if (statement.metadata(protocol, rows) === metadata) return
  statement.forgetColumns(protocol)
  statement.remember(protocol, rows, metadata)
}

const rowsOfLast = (entry: Entry): ReadonlyArray<ReadonlyArray<unknown>> =>
  (entry.replies.at(-1)!.results[0]?.rows ?? []) as ReadonlyArray<ReadonlyArray<unknown>>

/** COM_QUERY is 0x03; the first byte behind the header tells the command. */
const isQuery = (bytes: Buffer): boolean => bytes[4] === 0x03

/** COM_STMT_EXECUTE is 0x17; the first byte behind the header tells the command. */
const isExecute = (entry: Entry): boolean => entry.bytes[4] === 0x17

/** The first result. */
export const collectFirst = <A>(entry: Entry): Effect.Effect<QueryResult<A>> =>
  Effect.succeed(results.collect<A>(entry.reply.results[0]!))

export const collectAll = <A>(entry: Entry): Effect.Effect<ReadonlyArray<QueryResult<A>>> =>
  Effect.succeed(entry.reply.results.map((set) => results.collect<A>(set)))

const succeeded: Finish<void> = (entry) => {
  const error = failureOf(entry)
  return error === undefined ? Effect.void : Effect.fail(error)
}
