/**
 * The connection behind `MysqlConnection`: statements on top of the exchange. What several views of one connection share
 * - the open one and those of its reservations - is the `Core`.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import * as Execute from "@effect-mysql/protocol/command/Execute"
import { Reply, type ReplyOptions } from "@effect-mysql/protocol/reply/Reply"
import type { DecodingOptions } from "@effect-mysql/protocol/row/Decoding"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as Literal from "@effect-mysql/protocol/value/Literal"
import type { SqlMode } from "@effect-mysql/protocol/value/Placeholders"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Public from "../MysqlConnection.ts"
import type { Resolved } from "../MysqlConfig.ts"
import * as MysqlError from "../MysqlError.ts"
import type { Canceller } from "./canceller.ts"
import { type Entry, failureOf, make as makeEntry, type Owner } from "./Entry.ts"
import { Exchange } from "./Exchange.ts"
import * as failures from "./failures.ts"
import * as login from "./login.ts"
import * as results from "./results.ts"
import { type Protocol, type Shape, type Statement, StatementCache } from "./statements.ts"
import { addressOf } from "./target.ts"

type Rows = ReplyOptions["rows"]

const needReprepare: ReadonlySet<number> = new Set([1243, 1615])
const cannotPrepare = 1295
const tooManyPrepared = 1461
const quitBound = Duration.seconds(1)

/** What all views of one connection share. */
export interface Core {
  readonly config: Resolved
  readonly session: login.Session
  readonly exchange: Exchange
  readonly statements: StatementCache
  readonly info: Public.Info
  /** Since the last reset a statement ran that may have left something behind in the session. */
  touched: boolean
}

/**
 * Connects, logs in, and gives the connection to the scope: when it closes the session is ended politely where it is
 * idle, and cut otherwise.
 */
export const open = (
  config: Resolved,
  canceller: Canceller
): Effect.Effect<Connection, MysqlError.MysqlError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const services = yield* Effect.context<never>()
      const runFork = Effect.runForkWith(services)
      const session = yield* restore(Scope.provide(login.connect(config), scope)).pipe(
        Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))
      )
      const exchange: Exchange = new Exchange({
        transport: session.transport,
        parser: session.parser,
        capabilities: session.capabilities,
        status: session.status,
        database: config.database,
        cancellation: config.cancellation,
        kill: (request) => canceller.kill(config, session, request),
        runFork,
        onLost: () => runFork(Scope.close(scope, Exit.void))
      })
      const core: Core = {
        config,
        session,
        exchange,
        statements: new StatementCache(config.statementCacheSize, (id) => exchange.ride(Command.closeStatement(id))),
        info: describe(config, session),
        touched: false
      }
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          exchange.lost === undefined && exchange.quiet ? quit(session) : Effect.void,
          Scope.close(scope, Exit.void)
        )
      )
      return new Connection(core, undefined)
    })
  )

const quit = (session: login.Session): Effect.Effect<void> =>
  session.transport.write(Command.quit).pipe(Effect.ignore, Effect.timeoutOption(quitBound), Effect.asVoid)

const describe = (config: Resolved, session: login.Session): Public.Info => {
  const { greeting, transport } = session
  return {
    product: greeting.product,
    version: greeting.version,
    connectionId: greeting.connectionId,
    host: addressOf(transport.target),
    authPlugin: session.authPlugin,
    tls: transport.tls === undefined ? undefined : { ...transport.tls, verified: transport.secure === "verified" },
    collation: config.collation
  }
}

/** A view of a connection: the open one, or that of a reservation. */
export class Connection implements Public.ReservedConnection {
  readonly core: Core
  private readonly owner: Owner | undefined
  private readonly defaults: { readonly object: Rows; readonly array: Rows }

  constructor(core: Core, owner: Owner | undefined) {
    this.core = core
    this.owner = owner
    const { decoding, offsetMinutes } = core.config
    this.defaults = {
      object: { shape: "object", decoding, offsetMinutes },
      array: { shape: "array", decoding, offsetMinutes }
    }
  }

  get info(): Public.Info {
    return this.core.info
  }

  readonly status: Effect.Effect<Public.Status> = Effect.sync(() => this.statusUnsafe())

  statusUnsafe(): Public.Status {
    const { database, lost, status } = this.core.exchange
    return {
      inTransaction: lost === undefined && this.core.exchange.inTransaction,
      autocommit: (status & ServerStatus.autocommit) !== 0,
      noBackslashEscapes: (status & ServerStatus.noBackslashEscapes) !== 0,
      database,
      closed: lost !== undefined
    }
  }

  // ---- statements --------------------------------------------------------------------------------------------------

  query<A = Public.Row>(
    sql: string,
    params: Public.Params = [],
    options?: Public.QueryOptions
  ): Effect.Effect<Public.QueryResult<A>, MysqlError.MysqlError> {
    return this.bounded(
      options,
      Effect.suspend(() => this.dispatch(this.core.statements.get(sql), params, options, this.collectFirst<A>))
    )
  }

  stream<A = Public.Row>(
    sql: string,
    params: Public.Params = [],
    options?: Public.QueryOptions
  ): Stream.Stream<A, MysqlError.MysqlError> {
    return this.streamed(() => this.core.statements.get(sql), params, options)
  }

  script<A = Public.Row>(
    sql: string,
    params: Public.Params = [],
    options?: Public.QueryOptions
  ): Effect.Effect<ReadonlyArray<Public.QueryResult<A>>, MysqlError.MysqlError> {
    return this.bounded(
      options,
      Effect.suspend(() => {
        const statement = this.core.statements.get(sql)
        const rows = this.rows(options)
        return Effect.flatMap(Effect.fromResult(this.textEntry(statement, params, rows, false)), (entry) =>
          this.core.exchange.run(
            this.core.config.multiStatements || !statement.templateFor(this.sqlMode).severalStatements
              ? entry
              : this.asSeveral(entry),
            this.finishing(statement, "text", rows, this.collectAll<A>)
          ))
      })
    )
  }

  /** Several statements are allowed for one text: switched on, used and switched off in one piece. */
  private asSeveral(entry: Entry): Entry {
    const on = this.plainReply()
    const off = this.plainReply()
    return makeEntry({
      ...entry,
      bytes: Buffer.concat([Command.setMultiStatements(true), entry.bytes, Command.setMultiStatements(false)]),
      replies: [on, entry.reply, off]
    })
  }

  readonly prepare = Effect.fnUntraced({ self: this }, function*(this: Connection, sql: string) {
    const { exchange } = this.core
    // Kept apart from the cache: nobody else closes it.
    const statement = new StatementCache(1, () => {}).get(sql)
    yield* Effect.acquireRelease(this.prepareStatement(statement), () =>
      Effect.sync(() => {
        if (statement.prepared !== undefined) exchange.ride(Command.closeStatement(statement.prepared.id))
      }))
    const { columns, parameterCount } = statement.prepared!
    const self = this
    return {
      parameterCount,
      fields: results.fieldsOf(columns),
      query<A = Public.Row>(params: Public.Params = [], options?: Public.QueryOptions) {
        return self.bounded(
          options,
          Effect.suspend(() => self.runPrepared(statement, params, self.rows(options), self.collectFirst<A>))
        )
      },
      stream: <A = Public.Row>(params: Public.Params = [], options?: Public.QueryOptions) =>
        self.streamed<A>(() => statement, params, { ...options, prepare: true }, true)
    } satisfies Public.PreparedStatement
  })

  // ---- the session -------------------------------------------------------------------------------------------------

  get reserve(): Effect.Effect<Public.ReservedConnection, MysqlError.MysqlError, Scope.Scope> {
    return Effect.suspend(() => {
      const { core, owner } = this
      if (owner !== undefined) return Effect.succeed(this)
      const own: Owner = {}
      return Effect.as(
        Effect.acquireRelease(
          core.exchange.reserve(own),
          () => Effect.andThen(core.exchange.settled, Effect.sync(() => core.exchange.unreserve(own))),
          { interruptible: true }
        ),
        new Connection(core, own)
      )
    })
  }

  get ping(): Effect.Effect<void, MysqlError.MysqlError> {
    return this.plain(Command.ping)
  }

  begin(options?: Public.TransactionOptions): Effect.Effect<void, MysqlError.MysqlError> {
    const characteristics = [
      ...(options?.consistentSnapshot === true ? ["WITH CONSISTENT SNAPSHOT"] : []),
      ...(options?.accessMode === undefined ? [] : [options.accessMode.toUpperCase()])
    ]
    const start = this.command(`START TRANSACTION ${characteristics.join(", ")}`.trim())
    return options?.isolation === undefined
      ? start
      : Effect.andThen(this.command(`SET TRANSACTION ISOLATION LEVEL ${options.isolation.toUpperCase()}`), start)
  }

  get commit(): Effect.Effect<void, MysqlError.MysqlError> {
    return this.command("COMMIT").pipe(
      Effect.catchReason("MysqlError", "ConnectionLost", (reason, error) =>
        reason.phase === "notSent" || reason.phase === "idle"
          ? Effect.fail(error)
          : Effect.fail(
            MysqlError.make(
              new MysqlError.CommitOutcomeUnknown({ connectionId: this.info.connectionId, cause: reason })
            )
          ))
    )
  }

  get rollback(): Effect.Effect<void, MysqlError.MysqlError> {
    return this.command("ROLLBACK")
  }

  savepoint(name: string): Effect.Effect<void, MysqlError.MysqlError> {
    return this.command(`SAVEPOINT ${Literal.identifier(name)}`)
  }

  rollbackTo(name: string): Effect.Effect<void, MysqlError.MysqlError> {
    return this.command(`ROLLBACK TO SAVEPOINT ${Literal.identifier(name)}`)
  }

  release(name: string): Effect.Effect<void, MysqlError.MysqlError> {
    return this.command(`RELEASE SAVEPOINT ${Literal.identifier(name)}`)
  }

  useDatabase(name: string): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      this.core.touched = true
      return Effect.map(this.plain(Command.initDatabase(name)), () => {
        this.core.exchange.database = name
      })
    })
  }

  get reset(): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      const { config, exchange, session, statements } = this.core
      const database = config.database ?? exchange.database
      const back = config.database !== undefined && exchange.database !== config.database
        ? [Command.initDatabase(config.database)]
        : []
      // MySQL's reset falls back to the server's global settings, so the session is set up again in the same flight.
      const setUp = login.setUpStatements(config, session.greeting.product).slice(0, -1)
      const flight = [Command.resetConnection, ...back, ...setUp.map(Command.query)]
      const replies = flight.map(() => this.plainReply())
      const entry = makeEntry({
        bytes: Buffer.concat(flight),
        reply: replies[0]!,
        replies,
        frames: 1,
        owner: this.owner,
        sql: setUp.join(";")
      })
      statements.forgetPrepared()
      return exchange.run(entry, (completed) =>
        Effect.map(succeeded(completed), () => {
          exchange.database = database
          exchange.stateChanged = false
          this.core.touched = false
        }))
    })
  }

  // ---- how a statement runs ----------------------------------------------------------------------------------------

  private bounded<A>(
    options: Public.QueryOptions | undefined,
    effect: Effect.Effect<A, MysqlError.MysqlError>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const duration = options?.timeout ?? this.core.config.statementTimeout
    return duration === undefined ? effect : Effect.timeoutOrElse(effect, {
      duration,
      orElse: () => Effect.fail(MysqlError.make(new MysqlError.StatementTimeout({ by: "client" })))
    })
  }

  private rows(options: Public.QueryOptions | undefined): Rows {
    const shape: Shape = options?.rows ?? "object"
    const decoding: DecodingOptions | undefined = options?.decoding
    return decoding === undefined
      ? this.defaults[shape]
      : { shape, decoding, offsetMinutes: this.core.config.offsetMinutes }
  }

  private get sqlMode(): SqlMode {
    const { status } = this.core.exchange
    return {
      noBackslashEscapes: (status & ServerStatus.noBackslashEscapes) !== 0,
      ansiQuotes: (status & ServerStatus.ansiQuotes) !== 0
    }
  }

  private dispatch<A>(
    statement: Statement,
    params: Public.Params,
    options: Public.QueryOptions | undefined,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const asText = params.length === 0 || statement.textOnly || !(options?.prepare ?? this.core.config.prepare)
    return asText
      ? this.runText(statement, params, this.rows(options), finish)
      : this.runPrepared(statement, params, this.rows(options), finish)
  }

  private runText<A>(
    statement: Statement,
    params: Public.Params,
    rows: Rows,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const entry = this.textEntry(statement, params, rows, false)
    return Result.isFailure(entry)
      ? Effect.fail(entry.failure)
      : this.core.exchange.run(entry.success, this.finishing(statement, "text", rows, finish))
  }

  private textEntry(
    statement: Statement,
    params: Public.Params,
    rows: Rows,
    exclusive: boolean
  ): Result.Result<Entry, MysqlError.MysqlError> {
    let bytes: Buffer
    if (params.length === 0) {
      bytes = statement.asCommand
    } else {
      const { sqlMode } = this
      const { offsetMinutes } = this.core.config
      const text = Literal.interpolate(statement.templateFor(sqlMode), params, { sqlMode, offsetMinutes })
      if (Result.isFailure(text)) return Result.fail(failures.parameter(text.failure))
      bytes = Command.query(text.success)
    }
    if (!statement.plain) this.core.touched = true
    return Result.succeed(
      makeEntry({
        bytes,
        reply: this.reply("query", statement, rows),
        owner: this.owner,
        exclusive,
        killable: statement.killable,
        sql: statement.sql
      })
    )
  }

  /** Prepares the statement first where that has not been done, or where the server has forgotten it. */
  private runPrepared<A>(
    statement: Statement,
    params: Public.Params,
    rows: Rows,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const { prepared } = statement
    if (prepared === undefined) {
      return Effect.matchEffect(this.prepareStatement(statement), {
        onSuccess: () => this.runPrepared(statement, params, rows, finish),
        onFailure: (error) => this.asTextAfter(error, statement, params, rows, finish)
      })
    }
    const entry = this.executeEntry(statement, params, rows, false)
    if (Result.isFailure(entry)) return Effect.fail(entry.failure)
    const finishing = this.finishing(statement, "binary", rows, finish)
    return this.core.exchange.run(entry.success, (completed) => {
      const { err } = completed.reply
      if (err === undefined) return finishing(completed)
      prepared.boundTypes = undefined
      if (!needReprepare.has(err.errno)) return finishing(completed)
      // Nothing ran. Another execution may have prepared it again already.
      if (statement.prepared === prepared) statement.prepared = undefined
      return this.rerun(statement, params, rows, finish)
    })
  }

  /** Once more, and this time whatever the server says is the result. */
  private rerun<A>(
    statement: Statement,
    params: Public.Params,
    rows: Rows,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    return Effect.flatMap(statement.prepared === undefined ? this.prepareStatement(statement) : Effect.void, () => {
      const entry = this.executeEntry(statement, params, rows, false)
      return Result.isFailure(entry)
        ? Effect.fail(entry.failure)
        : this.core.exchange.run(entry.success, this.finishing(statement, "binary", rows, finish))
    })
  }

  /** Some statements cannot be prepared, and a server has room for so many: then nothing has run, and text does it. */
  private asTextAfter<A>(
    error: MysqlError.MysqlError,
    statement: Statement,
    params: Public.Params,
    rows: Rows,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    return this.recoverable(error, statement)
      ? this.runText(statement, params, rows, finish)
      : Effect.fail(error)
  }

  private recoverable(error: MysqlError.MysqlError, statement: Statement): boolean {
    const { reason } = error
    if (reason._tag !== "ServerError") return false
    if (reason.errno === cannotPrepare) statement.textOnly = true
    else if (reason.errno === tooManyPrepared) this.core.statements.closePrepared()
    else return false
    return true
  }

  private executeEntry(
    statement: Statement,
    params: Public.Params,
    rows: Rows,
    exclusive: boolean
  ): Result.Result<Entry, MysqlError.MysqlError> {
    const prepared = statement.prepared!
    const arity = Literal.checkArity(prepared.parameterCount, params.length)
    if (arity !== undefined) return Result.fail(failures.parameter(arity))
    const encoded = Execute.encode({
      statementId: prepared.id,
      parameters: params,
      boundTypes: prepared.boundTypes,
      offsetMinutes: this.core.config.offsetMinutes
    })
    if (Result.isFailure(encoded)) return Result.fail(failures.parameter(encoded.failure))
    prepared.boundTypes = encoded.success.boundTypes
    if (!statement.plain) this.core.touched = true
    return Result.succeed(
      makeEntry({
        bytes: encoded.success.bytes,
        reply: this.reply("execute", statement, rows),
        owner: this.owner,
        exclusive,
        killable: statement.killable,
        sql: statement.sql
      })
    )
  }

  private prepareStatement(statement: Statement): Effect.Effect<void, MysqlError.MysqlError> {
    const reply = this.reply("prepare", statement, this.defaults.object)
    const entry = makeEntry({ bytes: Command.prepare(statement.sql), reply, owner: this.owner, sql: statement.sql })
    return this.core.exchange.run(entry, (completed) => {
      const error = failureOf(completed)
      if (error !== undefined) return Effect.fail(error)
      const { parameterCount, statementId } = reply.prepared!
      // Two fibers may have prepared the same text at once: the first one is kept.
      if (statement.prepared !== undefined) {
        this.core.exchange.ride(Command.closeStatement(statementId))
      } else {
        statement.forgetColumns("binary")
        statement.prepared = {
          id: statementId,
          parameterCount,
          columns: reply.metadata?.columns ?? [],
          boundTypes: undefined
        }
      }
      return Effect.void
    })
  }

  private reply(command: ReplyOptions["command"], statement: Statement | undefined, rows: Rows): Reply {
    const protocol: Protocol = command === "execute" ? "binary" : "text"
    return new Reply({
      command,
      capabilities: this.core.session.capabilities,
      rows,
      metadata: command === "prepare" || command === "plain" ? undefined : statement?.metadata(protocol, rows)
    })
  }

  private plainReply(): Reply {
    return this.reply("plain", undefined, this.defaults.array)
  }

  /** A command that answers OK and nothing else. */
  private plain(bytes: Buffer): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      const entry = makeEntry({ bytes, reply: this.plainReply(), owner: this.owner })
      return this.core.exchange.run(entry, succeeded)
    })
  }

  /** A statement of our own that returns nothing. */
  private command(sql: string): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.asVoid(this.query(sql))
  }

  private finishing<A>(statement: Statement, protocol: Protocol, rows: Rows, finish: Finish<A>): Finish<A> {
    return (entry) => {
      const metadata = entry.reply.results[0]?.metadata
      if (metadata !== undefined) learn(statement, protocol, rows, metadata)
      const error = failureOf(entry)
      return error === undefined ? finish(entry) : Effect.fail(error)
    }
  }

  private readonly collectFirst = <A>(entry: Entry): Effect.Effect<Public.QueryResult<A>> =>
    Effect.succeed(results.collect<A>(entry.reply.results[0]!))

  private readonly collectAll = <A>(entry: Entry): Effect.Effect<ReadonlyArray<Public.QueryResult<A>>> =>
    Effect.succeed(entry.reply.results.map((set) => results.collect<A>(set)))

  // ---- streams -----------------------------------------------------------------------------------------------------

  private streamed<A>(
    find: () => Statement,
    params: Public.Params,
    options: Public.QueryOptions | undefined,
    pinned: boolean = false
  ): Stream.Stream<A, MysqlError.MysqlError> {
    return Stream.scoped(Stream.fromPull(
      Effect.gen({ self: this }, function*() {
        const statement = find()
        const rows = this.rows(options)
        const entry = yield* this.streamEntry(statement, params, rows, options, pinned)
        const { exchange } = this.core
        yield* Effect.addFinalizer(() => exchange.abandon(entry))
        yield* exchange.open(entry)
        const { reply } = entry
        const pull: Effect.Effect<readonly [A, ...Array<A>], MysqlError.MysqlError | Cause.Done<void>> = Effect.suspend(
          () => {
            if (reply.rows.length > 0) return Effect.succeed(reply.takeRows() as [A, ...Array<A>])
            // Rows of a set that ended in the same bytes were moved there.
            const ended = reply.results[0]
            if (ended !== undefined && ended.rows.length > 0 && !taken) {
              taken = true
              return Effect.succeed(ended.rows as unknown as [A, ...Array<A>])
            }
            const error = failureOf(entry)
            if (error !== undefined) return Effect.fail(error)
            if (entry.state === "done") {
              if (ended?.metadata !== undefined) learn(statement, protocolOf(entry), rows, ended.metadata)
              return Cause.done()
            }
            return Effect.flatMap(exchange.advance(entry), () => pull)
          }
        )
        let taken = false
        return pull
      })
    ))
  }

  private streamEntry(
    statement: Statement,
    params: Public.Params,
    rows: Rows,
    options: Public.QueryOptions | undefined,
    pinned: boolean
  ): Effect.Effect<Entry, MysqlError.MysqlError> {
    const asText = !pinned &&
      (params.length === 0 || statement.textOnly || !(options?.prepare ?? this.core.config.prepare))
    if (asText) return Effect.fromResult(this.textEntry(statement, params, rows, true))
    const execute = Effect.suspend(() => Effect.fromResult(this.executeEntry(statement, params, rows, true)))
    if (statement.prepared !== undefined) return execute
    return Effect.matchEffect(this.prepareStatement(statement), {
      onSuccess: () => execute,
      onFailure: (error) =>
        this.recoverable(error, statement)
          ? Effect.fromResult(this.textEntry(statement, params, rows, true))
          : Effect.fail(error)
    })
  }
}

type Finish<A> = (entry: Entry) => Effect.Effect<A, MysqlError.MysqlError>

const learn = (statement: Statement, protocol: Protocol, rows: Rows, metadata: NonNullable<Reply["metadata"]>): void => {
  if (statement.metadata(protocol, rows) === metadata) return
  statement.forgetColumns(protocol)
  statement.remember(protocol, rows, metadata)
}

/** COM_STMT_EXECUTE is 0x17; the first byte behind the header tells the command. */
const protocolOf = (entry: Entry): Protocol => entry.bytes[4] === 0x17 ? "binary" : "text"

const succeeded: Finish<void> = (entry) => {
  const error = failureOf(entry)
  return error === undefined ? Effect.void : Effect.fail(error)
}
