/**
 * Rows that stay on the server and come so many at a time. Between two fetches the connection is free for others.
 *
 * Manual: "COM_STMT_EXECUTE" (its cursor flag), "COM_STMT_FETCH".
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import { type Metadata, Reply } from "@effect-mysql/protocol/reply/Reply"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Cursor, CursorOptions, Field } from "../MysqlConnection.ts"
import * as MysqlError from "../MysqlError.ts"
import type { Core } from "./Core.ts"
import { type Entry, failureOf, make as makeEntry } from "./Entry.ts"
import type { Execution } from "./Execution.ts"
import * as queryOptions from "./queryOptions.ts"
import { openCursor, type Rows } from "./Request.ts"
import { fieldsOf } from "./results.ts"
import { Statement } from "./statements.ts"

const defaultFetchSize = 1000
const maxFetchSize = 0xffffffff

/**
 * Prepares the statement for this cursor alone, since another execution of it would close the cursor, and executes it.
 * `database` is that in which its names are looked up.
 */
export const open = <A>(
  core: Core,
  execution: Execution,
  text: Pick<Statement, "sql" | "database">,
  params: ReadonlyArray<unknown>,
  options: CursorOptions<A> | undefined
): Effect.Effect<Cursor<A>, MysqlError.MysqlError, Scope.Scope> =>
  Effect.suspend(() => {
    const fetchSize = options?.fetchSize ?? defaultFetchSize
    const fault = queryOptions.faultOf(options) ?? faultOf(fetchSize)
    if (fault !== undefined) return Effect.fail(fault)
    const statement = new Statement(text.sql, text.database, true)
    const rows = execution.rows(options)
    const executed = execution.runPrepared(statement, params, options, openCursor, Effect.succeed)
    return Effect.acquireRelease(
      execution.bounded(options, executed).pipe(
        Effect.map((entry) => new OpenCursor<A>(core, execution, statement, rows, options, fetchSize, entry)),
        Effect.onError(() => Effect.sync(() => core.statements.discard(statement)))
      ),
      (cursor) => Effect.sync(() => cursor.close()),
      { interruptible: true }
    )
  })

/** Where the rows are that have not been fetched. */
type State =
  | { readonly _tag: "OnServer"; readonly statementId: number; readonly metadata: Metadata }
  /** The server has opened no cursor: it has sent all rows. */
  | { readonly _tag: "Here"; readonly rows: ReadonlyArray<unknown> }
  | { readonly _tag: "Closed" }

class OpenCursor<A> implements Cursor<A> {
  readonly fields: ReadonlyArray<Field>
  private readonly core: Core
  private readonly execution: Execution
  private readonly statement: Statement
  private readonly rows: Rows
  private readonly options: CursorOptions<A> | undefined
  private readonly fetchSize: number
  private readonly oneAtATime = Semaphore.makeUnsafe(1)
  private state: State

  constructor(
    core: Core,
    execution: Execution,
    statement: Statement,
    rows: Rows,
    options: CursorOptions<A> | undefined,
    fetchSize: number,
    { reply }: Entry
  ) {
    this.core = core
    this.execution = execution
    this.statement = statement
    this.rows = rows
    this.options = options
    this.fetchSize = fetchSize
    const { metadata, ok, rows: sent } = reply.results[0]!
    this.fields = metadata === undefined ? [] : fieldsOf(metadata.columns)
    const { prepared } = statement
    this.state =
      metadata !== undefined && prepared !== undefined && (ok.status & ServerStatus.cursorExists) !== 0
        ? { _tag: "OnServer", statementId: prepared.id, metadata }
        : { _tag: "Here", rows: sent }
  }

  fetch(count: number = this.fetchSize): Effect.Effect<ReadonlyArray<A>, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      const fault = faultOf(count)
      return fault === undefined
        ? this.oneAtATime.withPermit(this.execution.bounded(this.options, this.fetchNow(count)))
        : Effect.fail(fault)
    })
  }

  get stream(): Stream.Stream<A, MysqlError.MysqlError> {
    const pull = Effect.flatMap(
      Effect.suspend(() => this.fetch()),
      (rows) => (rows.length > 0 ? Effect.succeed(rows as readonly [A, ...Array<A>]) : Cause.done())
    )
    return Stream.fromPull(Effect.succeed(pull))
  }

  /** The server frees it with the statement, which goes with the next write. */
  close(): void {
    this.state = { _tag: "Closed" }
    this.core.statements.discard(this.statement)
  }

  private fetchNow(count: number): Effect.Effect<ReadonlyArray<A>, MysqlError.MysqlError> {
    return Effect.suspend(() => {
      const { state } = this
      switch (state._tag) {
        case "Closed":
          return Effect.fail(MysqlError.make(new MysqlError.ResultSetClosed({})))
        case "Here":
          this.state = { _tag: "Here", rows: state.rows.slice(count) }
          return Effect.succeed(state.rows.slice(0, count) as ReadonlyArray<A>)
        case "OnServer":
          return this.fromServer(state.statementId, state.metadata, count)
      }
    })
  }

  private fromServer(
    statementId: number,
    metadata: Metadata,
    count: number
  ): Effect.Effect<ReadonlyArray<A>, MysqlError.MysqlError> {
    const { capabilities } = this.core.session
    const entry = makeEntry({
      bytes: Command.fetch(statementId, count),
      reply: new Reply({ command: "fetch", capabilities, rows: this.rows, metadata }),
      owner: this.execution.owner,
      sql: this.statement.sql
    })
    return this.core.exchange.run(entry, ({ reply }) => {
      const [set] = reply.results
      const last = set !== undefined && (set.ok.status & ServerStatus.lastRowSent) !== 0
      // What is asked for behind the last row, the server refuses.
      if (last && this.state._tag === "OnServer") this.state = { _tag: "Here", rows: [] }
      const error = failureOf(entry)
      return error === undefined ? Effect.succeed(set!.rows as ReadonlyArray<A>) : Effect.fail(error)
    })
  }
}

const faultOf = (rows: number): MysqlError.MysqlError | undefined =>
  Number.isInteger(rows) && rows >= 1 && rows <= maxFetchSize
    ? undefined
    : MysqlError.make(
        new MysqlError.ParameterError({
          parameter: "fetchSize",
          message: `${rows} is not a number of rows between 1 and ${maxFetchSize}`
        })
      )
