/**
 * How a statement runs on top of the exchange: as text or prepared, and what is done where the server cannot prepare it
 * or has forgotten it. Nothing runs twice: only what has certainly not run is tried again.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import * as Execute from "@effect-mysql/protocol/command/Execute"
import * as QueryAttributes from "@effect-mysql/protocol/command/QueryAttributes"
import { Flag, has } from "@effect-mysql/protocol/connect/Capabilities"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import { Reply } from "@effect-mysql/protocol/reply/Reply"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as Literal from "@effect-mysql/protocol/value/Literal"
import type { SqlMode } from "@effect-mysql/protocol/value/Placeholders"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Stream from "effect/Stream"
import type { Outcome, QueryOptions } from "../MysqlConnection.ts"
import * as MysqlError from "../MysqlError.ts"
import type { Core } from "./Core.ts"
import { type Entry, failureOf, make as makeEntry, type Owner } from "./Entry.ts"
import * as failures from "./failures.ts"
import { lastPreparedId, prepareNothing } from "./lastPrepared.ts"
import { cannotPrepare, hasForgotten, inCharset, Preparing, payloadBytes, tooManyPrepared } from "./Preparing.ts"
import * as queryOptions from "./queryOptions.ts"
import { collectFirst, type Finish, type Manner, Request, type Rows, uploading } from "./Request.ts"
import * as replies from "./replies.ts"
import * as results from "./results.ts"
import { custom } from "./rowShapes.ts"
import type { Prepared, Protocol, Statement } from "./statements.ts"
import * as upload from "./upload.ts"

type Values = ReadonlyArray<unknown>

const noAttributes: Effect.Effect<never, MysqlError.MysqlError> = Effect.fail(
  failures.configuration("attributes need the option queryAttributes, and a server that takes them: MySQL")
)

/** The statements of one view: of everybody, or of the one who has reserved the connection. */
export class Execution {
  private readonly core: Core
  readonly owner: Owner | undefined
  readonly preparing: Preparing

  constructor(core: Core, owner: Owner | undefined) {
    this.core = core
    this.owner = owner
    this.preparing = new Preparing(core, owner)
  }

  /** With the bound of the call or of the connection. */
  bounded<A>(
    options: QueryOptions<unknown> | undefined,
    effect: Effect.Effect<A, MysqlError.MysqlError>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const fault = queryOptions.faultOf(options)
    if (fault !== undefined) return Effect.fail(fault)
    const duration = options?.timeout ?? this.core.config.statementTimeout
    return duration === undefined
      ? effect
      : Effect.timeoutOrElse(effect, {
          duration,
          orElse: () => Effect.fail(MysqlError.make(new MysqlError.StatementTimeout({ by: "client" })))
        })
  }

  rows(options: QueryOptions<unknown> | undefined): Rows {
    const wanted = options?.rows ?? "object"
    const decoding = options?.decoding
    if (typeof wanted === "string") {
      return decoding === undefined
        ? this.core.rows[wanted]
        : { shape: wanted, decoding, offsetMinutes: this.core.config.offsetMinutes }
    }
    return {
      ...custom(wanted),
      decoding: decoding ?? this.core.config.decoding,
      offsetMinutes: this.core.config.offsetMinutes
    }
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
    params: Values,
    options: QueryOptions<unknown> | undefined,
    manner: Manner,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const fault = queryOptions.faultOf(options)
    if (fault !== undefined) return Effect.fail(fault)
    const attributes = options?.attributes
    if (attributes !== undefined && !this.saysAttributes) return noAttributes
    const request = new Request(statement, params, this.rows(options), manner, finish, attributes)
    const asText = params.length === 0 || statement.textOnly || !(options?.prepare ?? this.core.config.prepare)
    return asText || this.isSeveral(request) ? this.text(request) : this.prepared(request)
  }

  /** COM_QUERY of a statement of our own. */
  command(sql: string): Buffer {
    return Command.query(sql, this.core.session.capabilities)
  }

  /** Commands that answer OK, or rows that nobody wants, sent in one piece. */
  plain(commands: ReadonlyArray<Buffer>, sql: string = ""): Effect.Effect<void, MysqlError.MysqlError> {
    return this.flight(commands, sql, replies.succeeded)
  }

  /** The same with a query at the end: ends with the first value of its first row. */
  asking(
    commands: ReadonlyArray<Buffer>,
    question: string,
    sql: string
  ): Effect.Effect<unknown, MysqlError.MysqlError> {
    return this.flight([...commands, this.command(question)], sql, (entry) => {
      return Effect.map(replies.succeeded(entry), () => rowsOfLast(entry)[0]?.[0])
    })
  }

  /** The rows of a statement of our own, which changes nothing. */
  rowsOf(sql: string): Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, MysqlError.MysqlError> {
    return this.flight([this.command(sql)], sql, (entry) =>
      Effect.map(replies.succeeded(entry), () => rowsOfLast(entry))
    )
  }

  private flight<A>(
    commands: ReadonlyArray<Buffer>,
    sql: string,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      const expected = commands.map((command) => replies.ofOwn(this.core, isQuery(command) ? "query" : "plain"))
      const entry = makeEntry({
        bytes: commands.length === 1 ? commands[0]! : Buffer.concat(commands),
        reply: expected[0]!,
        replies: expected,
        frames: 1,
        owner: this.owner,
        sql
      })
      return this.core.exchange.run(entry, finish)
    })
  }

  // ---- as text -----------------------------------------------------------------------------------------------------

  runText<A>(
    statement: Statement,
    params: Values,
    rows: Rows,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    return this.text(new Request(statement, params, rows, collectFirst, finish))
  }

  private text<A>(request: Request<A>): Effect.Effect<A, MysqlError.MysqlError> {
    const entry = this.textEntry(request)
    return Result.isFailure(entry) ? Effect.fail(entry.failure) : this.send(request, entry.success, "text")
  }

  /** A statement, and the file that the server may ask for: see `upload`. */
  load<E, R>(
    sql: string,
    bytes: (fileName: string) => Stream.Stream<Uint8Array, E, R>
  ): Effect.Effect<Outcome, MysqlError.MysqlError | E, R> {
    return Effect.suspend(() => {
      const { rows, statements } = this.core
      const request = new Request(statements.get(sql), [], rows.array, uploading, results.first)
      const entry = this.textEntry(request)
      return Result.isFailure(entry) ? Effect.fail(entry.failure) : upload.run(this.core, entry.success, bytes)
    })
  }

  private textEntry<A>(request: Request<A>): Result.Result<Entry, MysqlError.MysqlError> {
    const { attributes, manner, params, rows, statement } = request
    const { capabilities } = this.core.session
    let bytes: Buffer
    if (params.length === 0 && attributes === undefined && this.core.exchange.charset === undefined) {
      bytes = statement.asCommand(capabilities)
    } else {
      const { sqlMode } = this
      const { offsetMinutes } = this.core.config
      const text = Literal.interpolate(statement.templateFor(sqlMode), params, { sqlMode, offsetMinutes })
      if (Result.isFailure(text)) return Result.fail(failures.parameter(text.failure))
      const sent = inCharset(this.core, text.success)
      if (Result.isFailure(sent)) return Result.fail(sent.failure)
      const command = this.withAttributes(sent.success, attributes)
      if (Result.isFailure(command)) return Result.fail(command.failure)
      bytes = command.success
    }
    if (!statement.plain) this.core.touched = true
    if (statement.beginsBranch) this.core.branched = true
    const reply = replies.ofStatement(this.core, "query", rows, statement, undefined, manner)
    const entry = {
      bytes,
      reply,
      owner: this.owner,
      exclusive: manner.exclusive || statement.mayUpload,
      uploads: manner.uploads,
      killable: statement.killable,
      sql: statement.sql,
      settled: manner.exclusive ? () => replies.learn(statement, rows, reply.firstMetadata) : undefined
    }
    const one = makeEntry(entry)
    if (!this.isSeveral(request)) return Result.succeed(one)
    return Result.succeed(
      makeEntry({
        ...entry,
        // Allowed, used and forbidden again in one piece.
        bytes: Buffer.concat([Command.setMultiStatements(true), bytes, Command.setMultiStatements(false)]),
        replies: [replies.ofOwn(this.core, "plain"), reply, replies.ofOwn(this.core, "plain")],
        frames: one.frames,
        packetBytes: one.packetBytes
      })
    )
  }

  private withAttributes(
    sql: string | Uint8Array,
    attributes: QueryAttributes.QueryAttributes | undefined
  ): Result.Result<Buffer, MysqlError.MysqlError> {
    const { config, exchange, session } = this.core
    if (attributes === undefined) return Result.succeed(Command.query(sql, session.capabilities))
    const { offsetMinutes } = config
    return Result.mapError(
      QueryAttributes.query(sql, attributes, { offsetMinutes, charset: exchange.charset }),
      failures.parameter
    )
  }

  /** Whether every statement has to say which attributes it has, be it none. */
  private get saysAttributes(): boolean {
    return has(this.core.session.capabilities, Flag.QUERY_ATTRIBUTES)
  }

  private isSeveral<A>({ manner, statement }: Request<A>): boolean {
    return manner.several && !this.core.config.multiStatements && statement.templateFor(this.sqlMode).severalStatements
  }

  // ---- prepared ----------------------------------------------------------------------------------------------------

  runPrepared<A>(
    statement: Statement,
    params: Values,
    options: QueryOptions<unknown> | undefined,
    manner: Manner,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const fault = queryOptions.faultOf(options)
    if (fault !== undefined) return Effect.fail(fault)
    const attributes = options?.attributes
    if (attributes !== undefined && !this.saysAttributes) return noAttributes
    return this.prepared(new Request(statement, params, this.rows(options), manner, finish, attributes))
  }

  /** Prepares the statement first where that has not been done, or where the server has forgotten it. */
  private prepared<A>(request: Request<A>): Effect.Effect<A, MysqlError.MysqlError> {
    const { params, statement } = request
    const prepared = this.usable(statement, params)
    if (prepared === undefined) {
      const onFailure = (error: MysqlError.MysqlError) =>
        this.recoverable(error, statement) ? this.text(request) : Effect.fail(error)
      return this.mayFly(statement)
        ? this.prepareAndExecute(request, onFailure)
        : this.afterPrepare(request, { onSuccess: () => this.prepared(request), onFailure })
    }
    const entry = this.executeEntry(request)
    return Result.isFailure(entry)
      ? Effect.fail(entry.failure)
      : this.send(request, entry.success, "binary", (reply) => {
          if (!hasForgotten(reply)) return undefined
          // Another execution may have prepared it again already.
          if (statement.prepared === prepared) statement.prepared = undefined
          return this.rerun(request)
        })
  }

  /**
   * The prepared statement, unless the server would take these values, or those of an execution that this one overtakes,
   * for something else.
   */
  usable(statement: Statement, params: Values): Prepared | undefined {
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
  private rerun<A>(request: Request<A>): Effect.Effect<A, MysqlError.MysqlError> {
    const execute = (): Effect.Effect<A, MysqlError.MysqlError> => {
      const entry = this.executeEntry(request)
      return Result.isFailure(entry) ? Effect.fail(entry.failure) : this.send(request, entry.success, "binary")
    }
    return this.usable(request.statement, request.params) === undefined
      ? this.afterPrepare(request, { onSuccess: execute, onFailure: Effect.fail })
      : execute()
  }

  /**
   * Prepares the statement and goes on; it stays in the cache meanwhile. Values that cannot be sent are found before: a
   * mistake of the caller costs no round trip.
   */
  private afterPrepare<A>(
    request: Request<A>,
    next: {
      readonly onSuccess: () => Effect.Effect<A, MysqlError.MysqlError>
      readonly onFailure: (error: MysqlError.MysqlError) => Effect.Effect<A, MysqlError.MysqlError>
    }
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const { params, statement } = request
    const fault = this.faultOf(statement, params)
    if (fault !== undefined) return Effect.fail(fault)
    return Effect.acquireUseRelease(
      Effect.sync(() => statement.holds++),
      () => Effect.matchEffect(this.preparing.prepare(statement), next),
      () => Effect.sync(() => this.release(statement))
    )
  }

  private release(statement: Statement): void {
    statement.holds--
    this.core.statements.used(statement)
  }

  private faultOf(statement: Statement, params: Values): MysqlError.MysqlError | undefined {
    const placeholders = statement.templateFor(this.sqlMode).parts.length - 1
    const arity = Literal.checkArity(placeholders, params.length)
    if (arity !== undefined) return failures.parameter(arity)
    const encoded = this.encode(0, params, undefined)
    return Result.isFailure(encoded) ? failures.parameter(encoded.failure) : undefined
  }

  /** Some statements cannot be prepared, and a server has room for so many: then nothing has run, and text does it. */
  recoverable(error: MysqlError.MysqlError, statement: Statement): boolean {
    const { reason } = error
    if (reason._tag !== "ServerError") return false
    if (reason.errno === cannotPrepare) statement.textOnly = true
    else if (reason.errno === tooManyPrepared) this.core.statements.closePrepared()
    else return false
    return true
  }

  private executeEntry<A>(request: Request<A>): Result.Result<Entry, MysqlError.MysqlError> {
    const { manner, params, rows, statement } = request
    const prepared = statement.prepared!
    const arity = Literal.checkArity(prepared.parameterCount, params.length)
    if (arity !== undefined) return Result.fail(failures.parameter(arity))
    const known = prepared.pending === 0 ? prepared.boundTypes : undefined
    const encoded = this.encode(prepared.id, params, known, request)
    if (Result.isFailure(encoded)) return Result.fail(failures.parameter(encoded.failure))
    const { boundTypes, bytes } = encoded.success
    const reply = replies.ofStatement(this.core, "execute", rows, statement, prepared, manner)
    if (!statement.plain) this.core.touched = true
    const entry = makeEntry({
      bytes,
      reply,
      owner: this.owner,
      exclusive: manner.exclusive || statement.mayUpload,
      killable: statement.killable,
      sql: statement.sql,
      settled: (replied) => {
        prepared.pending--
        if (prepared.untyped === entry) prepared.untyped = undefined
        this.executed(request, prepared, reply, replied ? boundTypes : undefined)
        if (prepared.pending === 0) this.core.statements.used(statement, prepared)
      }
    })
    if (boundTypes === prepared.boundTypes) prepared.untyped = entry
    prepared.pending++
    prepared.lastTypes = Execute.remembered(prepared.lastTypes, boundTypes)
    return Result.succeed(entry)
  }

  private encode(
    statementId: number,
    parameters: Values,
    boundTypes: Execute.BoundTypes | undefined,
    request?: Request<unknown>
  ): ReturnType<typeof Execute.encode> {
    const { offsetMinutes } = this.core.config
    const { charset } = this.core.exchange
    const cursor = request?.manner.cursor
    const attributes = this.saysAttributes ? (request?.attributes ?? QueryAttributes.none) : undefined
    return Execute.encode({ statementId, parameters, boundTypes, offsetMinutes, charset, cursor, attributes })
  }

  /** What an execution has told, also one that nobody waited for: the server may not send the same columns again. */
  private executed<A>(
    { rows, statement }: Request<A>,
    prepared: Prepared,
    reply: Reply,
    boundTypes: Execute.BoundTypes | undefined
  ): void {
    prepared.boundTypes = reply.err === undefined ? boundTypes : undefined
    if (reply.definitions !== undefined) prepared.columns = reply.definitions
    replies.learn(statement, rows, reply.setCount === 0 ? reply.metadata : reply.firstMetadata, prepared)
  }

  // ---- both in one flight ------------------------------------------------------------------------------------------

  private mayFly(statement: Statement): boolean {
    const { exchange, info, lastPrepared } = this.core
    const here = statement.database === exchange.database
    return info.product === "mariadb" && here && lastPrepared.none && statement.placeholdersAreCertain
  }

  /** MariaDB executes what it has just prepared without being told the id: one round trip for both. */
  private prepareAndExecute<A>(
    request: Request<A>,
    onPrepareFailure: (error: MysqlError.MysqlError) => Effect.Effect<A, MysqlError.MysqlError>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const { manner, params, rows, statement } = request
    const { lastPrepared } = this.core
    const arity = Literal.checkArity(statement.templateFor(this.sqlMode).parts.length - 1, params.length)
    if (arity !== undefined) return Effect.fail(failures.parameter(arity))
    const text = inCharset(this.core, statement.sql)
    if (Result.isFailure(text)) return Effect.fail(text.failure)
    const encoded = this.encode(lastPreparedId, params, undefined, request)
    if (Result.isFailure(encoded)) return Effect.fail(failures.parameter(encoded.failure))
    const { boundTypes, bytes } = encoded.success
    const prepare = replies.ofOwn(this.core, "prepare")
    const { capabilities } = this.core.session
    const reply = new Reply({
      command: "execute",
      capabilities,
      rows,
      maxSets: manner.maxSets,
      localInfile: true,
      // The server does not send them twice.
      get columns() {
        return prepare.definitions
      }
    })
    const nothing = replies.ofOwn(this.core, "prepare")
    if (!statement.plain) this.core.touched = true
    const prepareBytes = Command.prepare(text.success)
    const entry: Entry = makeEntry({
      bytes: Buffer.concat([prepareBytes, bytes, prepareNothing]),
      packetBytes: Math.max(payloadBytes(prepareBytes), payloadBytes(bytes)),
      reply,
      replies: [prepare, reply, nothing],
      trailer: nothing,
      frames: Packet.frameCountOf(bytes),
      owner: this.owner,
      exclusive: manner.exclusive || statement.mayUpload,
      killable: statement.killable,
      sql: statement.sql,
      settled: (replied) => {
        lastPrepared.end(replied ? nothing : undefined)
        const prepared = this.preparing.adopt(statement, prepare, entry.abandoned)
        if (prepared !== undefined) {
          prepared.lastTypes = boundTypes
          this.executed(request, prepared, reply, replied ? boundTypes : undefined)
        }
        this.release(statement)
      }
    })
    lastPrepared.begin()
    statement.holds++
    return this.send(request, entry, "binary", () => {
      if (prepare.err !== undefined)
        return onPrepareFailure(failures.server(prepare.err, statement.sql, prepare.product))
      return hasForgotten(reply) ? this.rerun(request) : undefined
    })
  }

  // ---- replies -----------------------------------------------------------------------------------------------------

  /** `again` looks at the reply first: where it proves that nothing ran, it does something else instead. */
  private send<A>(
    request: Request<A>,
    entry: Entry,
    protocol: Protocol,
    again?: (reply: Reply) => Effect.Effect<A, MysqlError.MysqlError> | undefined
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const { finish, manner, rows, statement } = request
    return manner.send(this.core.exchange, entry, (replied) => {
      const { reply } = replied
      if (protocol === "text") replies.learn(statement, rows, reply.firstMetadata)
      const instead = again?.(reply)
      if (instead !== undefined) return instead
      const error = manner.readsErrors ? undefined : failureOf(replied)
      return error === undefined ? finish(replied) : Effect.fail(error)
    })
  }
}

const rowsOfLast = (entry: Entry): ReadonlyArray<ReadonlyArray<unknown>> =>
  (entry.replies.at(-1)!.results[0]?.rows ?? []) as ReadonlyArray<ReadonlyArray<unknown>>

/** COM_QUERY is 0x03; the first byte behind the header tells the command. */
const isQuery = (bytes: Buffer): boolean => bytes[4] === 0x03
