/**
 * The public face of a connection: the open view of it, or that of whoever has reserved it.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as DelimitedText from "@effect-mysql/protocol/value/DelimitedText"
import * as Literal from "@effect-mysql/protocol/value/Literal"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Resolved } from "../MysqlConfig.ts"
import type * as Public from "../MysqlConnection.ts"
import * as MysqlError from "../MysqlError.ts"
import * as batch from "./Batch.ts"
import * as Core from "./Core.ts"
import { call } from "./call.ts"
import type { Canceller } from "./canceller.ts"
import type { Owner } from "./Entry.ts"
import { Execution } from "./Execution.ts"
import * as failures from "./failures.ts"
import * as login from "./login.ts"
import { byName, type Positional } from "./named.ts"
import * as queryOptions from "./queryOptions.ts"
import * as Reading from "./Reading.ts"
import { collectFirst, collectSeveral, type Finish, type Manner } from "./Request.ts"
import * as results from "./results.ts"
import * as ServerCursor from "./ServerCursor.ts"
import * as sessionControl from "./sessionControl.ts"
import { Statement } from "./statements.ts"

/** Connects and logs in, see `Core.open`. */
export const open = (
  config: Resolved,
  canceller: Canceller
): Effect.Effect<Connection, MysqlError.MysqlError, Scope.Scope> =>
  Effect.map(Core.open(config, canceller), (core) => new Connection(core, undefined))

/** A view of a connection: the open one, or that of a reservation. */
export class Connection implements Public.ReservedConnection {
  readonly core: Core.Core
  private readonly owner: Owner | undefined
  private readonly execution: Execution

  constructor(core: Core.Core, owner: Owner | undefined) {
    this.core = core
    this.owner = owner
    this.execution = new Execution(core, owner)
  }

  get info(): Public.Info {
    return this.core.info
  }

  get status(): Effect.Effect<Public.Status> {
    return Effect.sync(() => this.statusUnsafe())
  }

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
    params: Public.Params = none,
    options?: Public.QueryOptions<A>
  ): Effect.Effect<Public.QueryResult<A>, MysqlError.MysqlError> {
    return this.execution.bounded(
      options,
      Effect.suspend(() => this.run(sql, params, options, collectFirst, results.first<A>))
    )
  }

  stream<A = Public.Row>(
    sql: string,
    params: Public.Params = none,
    options?: Public.QueryOptions<A>
  ): Stream.Stream<A, MysqlError.MysqlError> {
    return Reading.rows(this.core, (manner, finish) => this.run(sql, params, options, manner, finish))
  }

  results<A = Public.Row>(
    sql: string,
    params: Public.Params = none,
    options?: Public.QueryOptions<A>
  ): Stream.Stream<Public.ResultSet<A>, MysqlError.MysqlError> {
    return Reading.sets(this.core, (manner, finish) => this.run(sql, params, options, manner, finish))
  }

  queryAll<A = Public.Row>(
    sql: string,
    params: Public.Params = none,
    options?: Public.QueryOptions<A>
  ): Effect.Effect<ReadonlyArray<Public.QueryResult<A>>, MysqlError.MysqlError> {
    return this.execution.bounded(
      options,
      Effect.suspend(() => this.run(sql, params, options, collectSeveral, results.all<A>))
    )
  }

  cursor<A = Public.Row>(
    sql: string,
    params: Public.Params = none,
    options?: Public.CursorOptions<A>
  ): Effect.Effect<Public.Cursor<A>, MysqlError.MysqlError, Scope.Scope> {
    return Effect.suspend(() => {
      const given = this.inOrder(sql, params)
      if (Result.isFailure(given)) return Effect.fail(given.failure)
      const { names, sql: text, values } = given.success
      const { database } = this.core.exchange
      const cursor = ServerCursor.open(this.core, this.execution, { sql: text, database }, values, options)
      return Effect.mapError(cursor, byName(names))
    })
  }

  call(
    procedure: string,
    params: ReadonlyArray<unknown> = none
  ): Effect.Effect<Public.CallResult, MysqlError.MysqlError> {
    return this.execution.bounded(undefined, call(this.core, this.execution, procedure, params))
  }

  private inOrder(sql: string, params: Public.Params): Result.Result<Positional, MysqlError.MysqlError> {
    const { core, execution } = this
    return isPositional(params)
      ? Result.succeed({ sql, names: [], values: params })
      : core.namedTexts.positional(sql, params, execution.sqlMode)
  }

  private run<A>(
    sql: string,
    params: Public.Params,
    options: Public.QueryOptions<unknown> | undefined,
    manner: Manner,
    finish: Finish<A>
  ): Effect.Effect<A, MysqlError.MysqlError> {
    const { core, execution } = this
    if (isPositional(params)) return execution.run(core.statements.get(sql), params, options, manner, finish)
    const given = this.inOrder(sql, params)
    if (Result.isFailure(given)) return Effect.fail(given.failure)
    const { names, sql: positional, values } = given.success
    return Effect.mapError(
      execution.run(core.statements.get(positional), values, options, manner, finish),
      byName(names)
    )
  }

  batch(
    sql: string,
    rows: Iterable<Public.Params>,
    options?: Public.BatchOptions
  ): Effect.Effect<Public.BatchResult, MysqlError.MysqlError> {
    return batch.run(this.core, this.execution, sql, rows, options)
  }

  loadData<E, R>(
    sql: string,
    bytes: (fileName: string) => Stream.Stream<Uint8Array, E, R>
  ): Effect.Effect<Public.Outcome, MysqlError.MysqlError | E, R> {
    return this.execution.load(sql, bytes)
  }

  loadRows<E, R>(
    sql: string,
    rows: Stream.Stream<ReadonlyArray<unknown>, E, R>
  ): Effect.Effect<Public.Outcome, MysqlError.MysqlError | E, R> {
    return Effect.suspend(() => {
      const format = DelimitedText.formatOf(sql, this.execution.sqlMode)
      if (Result.isFailure(format)) return Effect.fail(failures.configuration(`LOAD DATA from rows: ${format.failure}`))
      const encode = DelimitedText.makeEncoder(format.success, this.core.config.offsetMinutes)
      const bytes = Stream.mapArrayEffect(rows, (chunk) => {
        const encoded = encode(chunk)
        return Result.isFailure(encoded)
          ? Effect.fail(failures.row(encoded.failure))
          : Effect.succeed([encoded.success] as const)
      })
      return this.execution.load(sql, () => bytes)
    })
  }

  prepare(sql: string): Effect.Effect<Public.PreparedStatement, MysqlError.MysqlError, Scope.Scope> {
    const { core, execution } = this
    return Effect.suspend(() => {
      // Not from the cache: nobody else closes it.
      const statement = new Statement(sql, core.exchange.database, true)
      const prepared = Effect.acquireRelease(
        execution.preparing.prepare(statement),
        () => Effect.sync(() => core.statements.discard(statement)),
        { interruptible: true }
      )
      return Effect.map(
        prepared,
        (): Public.PreparedStatement => ({
          parameterCount: statement.prepared!.parameterCount,
          fields: results.fieldsOf(statement.prepared!.columns),
          query: <A = Public.Row>(params: ReadonlyArray<unknown> = none, options?: Public.QueryOptions<A>) =>
            execution.bounded(
              options,
              Effect.suspend(() => execution.runPrepared(statement, params, options, collectFirst, results.first<A>))
            ),
          stream: <A = Public.Row>(params: ReadonlyArray<unknown> = none, options?: Public.QueryOptions<A>) =>
            Reading.rows<A>(core, (manner, finish) =>
              execution.runPrepared(statement, params, options, manner, finish)
            ),
          cursor: <A = Public.Row>(params: ReadonlyArray<unknown> = none, options?: Public.CursorOptions<A>) =>
            ServerCursor.open(core, execution, statement, params, options)
        })
      )
    })
  }

  // ---- the session -------------------------------------------------------------------------------------------------

  get reserve(): Effect.Effect<Public.ReservedConnection, MysqlError.MysqlError, Scope.Scope> {
    return Effect.suspend(() => {
      const { core, owner } = this
      if (owner !== undefined) return Effect.succeed(this)
      const own: Owner = {}
      const unreserve = Effect.sync(() => core.exchange.unreserve(own))
      // The way back comes first: whenever this is interrupted, the connection is not kept.
      return Effect.addFinalizer(() => Effect.andThen(core.exchange.settled, unreserve)).pipe(
        Effect.andThen(Effect.onInterrupt(core.exchange.reserve(own), () => unreserve)),
        Effect.as(new Connection(core, own))
      )
    })
  }

  kill(connectionId: number, what: "QUERY" | "CONNECTION"): Effect.Effect<void, MysqlError.MysqlError> {
    return sessionControl.kill(this.execution, connectionId, what)
  }

  escape(value: unknown): Effect.Effect<string, MysqlError.MysqlError> {
    return sessionControl.escape(this.core, this.execution, value)
  }

  setCharset(charset: string, collation?: string): Effect.Effect<void, MysqlError.MysqlError> {
    return sessionControl.setCharset(this.core, this.execution, charset, collation)
  }

  changeUser(options: Public.UserOptions): Effect.Effect<void, MysqlError.MysqlError> {
    return sessionControl.changeUser(this.core, this.owner, options)
  }

  setAutocommit(on: boolean): Effect.Effect<void, MysqlError.MysqlError> {
    return sessionControl.setAutocommit(this.core, this.execution, on)
  }

  get warnings(): Effect.Effect<ReadonlyArray<Public.Warning>, MysqlError.MysqlError> {
    return sessionControl.warnings(this.execution)
  }

  get ping(): Effect.Effect<void, MysqlError.MysqlError> {
    return this.execution.plain([Command.ping])
  }

  begin(options?: Public.TransactionOptions): Effect.Effect<void, MysqlError.MysqlError> {
    if (options === undefined) return this.command("START TRANSACTION")
    const fault = queryOptions.transactionFaultOf(options)
    if (fault !== undefined) return Effect.fail(fault)
    const characteristics = [
      ...(options.consistentSnapshot === true ? ["WITH CONSISTENT SNAPSHOT"] : []),
      ...(options.accessMode === undefined ? [] : [options.accessMode.toUpperCase()])
    ]
    const start = this.command(`START TRANSACTION ${characteristics.join(", ")}`.trim())
    return options.isolation === undefined
      ? start
      : Effect.andThen(this.command(`SET TRANSACTION ISOLATION LEVEL ${options.isolation.toUpperCase()}`), start)
  }

  get commit(): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      const statement = this.core.statements.get("COMMIT")
      return Effect.mapError(this.execution.runText(statement, [], this.core.rows.array, done), (error) => {
        const { reason } = error
        const unknown =
          reason._tag === "ProtocolError" ||
          (reason._tag === "ConnectionLost" && (reason.phase === "sent" || reason.phase === "replyStarted"))
        if (!unknown) return error
        const { connectionId } = this.info
        return MysqlError.make(new MysqlError.CommitOutcomeUnknown({ connectionId, cause: reason }))
      })
    })
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
      return Effect.map(this.execution.plain([Command.initDatabase(name)]), () => {
        this.core.exchange.database = name
      })
    })
  }

  get reset(): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      const { config, exchange, session, statements } = this.core
      // Whatever the server told of the database: somebody may have told it not to.
      const back = config.database === undefined ? [] : [Command.initDatabase(config.database)]
      // MySQL's reset falls back to the server's global settings, so the session is set up again in the same flight.
      const setUp = login.setUpCommands(config, session)
      const flight = [Command.resetConnection, ...back, ...setUp]
      statements.forgetPrepared()
      const sql = login.setUpStatements(config, session).join(";")
      const database =
        config.database === undefined
          ? this.execution.asking(flight, "SELECT DATABASE()", sql)
          : Effect.as(this.execution.plain(flight, sql), config.database)
      return Effect.map(database, (name) => {
        exchange.database = typeof name === "string" ? name : undefined
        this.core.info = Core.describe(config, this.core.session)
        exchange.stateChanged = false
        this.core.touched = false
        this.core.branched = false
      })
    })
  }

  get close(): Effect.Effect<void> {
    return this.core.close
  }

  /** A statement of our own that returns nothing; no bound of the user's statements applies to it. */
  private command(sql: string): Effect.Effect<void, MysqlError.MysqlError> {
    return Effect.suspend(() => this.execution.runText(this.core.statements.get(sql), [], this.core.rows.array, done))
  }
}

const isPositional = (params: Public.Params): params is ReadonlyArray<unknown> => Array.isArray(params)

const none: ReadonlyArray<unknown> = []

const done: Finish<void> = () => Effect.void
