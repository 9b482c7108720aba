/**
 * One connection for somebody who needs it to himself, and what has become of the transaction on it.
 *
 * Statements run one after another: one that was already on its way when the transaction before it was rolled back
 * would run, and be committed, by itself. After each of them the server's status says whether the transaction lives.
 * When it is gone, everything else that is asked of it fails at once with the error that ended it, and COMMIT is not
 * sent. When a statement committed it (DDL does that, and says nothing), statements go on, a commit has nothing left to
 * do, and a rollback logs a warning: what it should undo is done.
 *
 * What `effect/sql` runs to clean up must not fail, since it would become a defect: a ROLLBACK on a lost line succeeds,
 * because the server rolls back what belongs to it, and a savepoint that cannot be rolled back dooms the transaction.
 */
import type { ReservedConnection } from "@effect-mysql/client/MysqlConnection"
import * as MysqlError from "@effect-mysql/client/MysqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { SqlError } from "effect/sql/SqlError"
import { DriverConnection, type Request, type RowOptions, type TransformRows } from "./DriverConnection.ts"
import * as errors from "./errors.ts"
import * as statementText from "./statementText.ts"

/** What has become of the transaction. */
type State =
  | { readonly _tag: "None" }
  | { readonly _tag: "Open" }
  /** By a statement inside it. */
  | { readonly _tag: "RolledBack"; readonly by: string }
  /** It is lost, or must not be committed. */
  | { readonly _tag: "Gone"; readonly error: SqlError }
  /** The lease is over; the connection may be with somebody else. */
  | { readonly _tag: "Over" }

const none: State = { _tag: "None" }
const open: State = { _tag: "Open" }
const over: State = { _tag: "Over" }

/** A rollback may take as long as the work that it undoes; longer than this it is left to the server. */
const cleanUpBound = Duration.seconds(30)

/** What `effect/sql` runs. `WORK` means nothing, and tells its ROLLBACK from that of a user. */
export const controls = {
  begin: "START TRANSACTION",
  rollback: "ROLLBACK WORK",
  savepoint: (name: string): string => `SAVEPOINT ${name}`,
  rollbackTo: (name: string): string => `ROLLBACK TO SAVEPOINT ${name}`,
  release: (name: string): string => `RELEASE SAVEPOINT ${name}`
}

/** The savepoints of `effect/sql`; that these fail would become a defect. */
const cleaningUpSavepoint = /^(?:ROLLBACK TO|RELEASE) SAVEPOINT effect_sql_\d+$/

export class Lease extends DriverConnection {
  private readonly reserved: ReservedConnection
  private readonly turn = Semaphore.makeUnsafe(1)
  private state: State = none
  /** A statement that committed what was open, or may have. */
  private committedBy: string | undefined = undefined
  /** The statement that ran last, for when it ended without anybody having seen how. */
  private last = ""
  /** Who reads a stream of this lease. */
  private reader: Fiber.Fiber<unknown, unknown> | undefined = undefined

  constructor(connection: ReservedConnection, options: RowOptions) {
    super(connection, options)
    this.reserved = connection
  }

  /** There is something to roll back, or a rollback would come too late. */
  get wantsRollback(): boolean {
    this.settle()
    return this.state._tag !== "Over" && (this.inTransaction || this.committedBy !== undefined)
  }

  /** Commits, unless the transaction is gone. Fails with `UnknownError` where only the server knows whether it has. */
  readonly commit: Effect.Effect<void, SqlError> = this.turn.withPermit(
    Effect.suspend(() => {
      this.settle()
      switch (this.state._tag) {
        case "Gone":
          return Effect.fail(errors.gone(this.state.error, "commit"))
        case "RolledBack":
          return Effect.fail(errors.make("unknown", "commit", `The transaction was rolled back by: ${this.state.by}`))
        case "Over":
          return Effect.fail(leaseIsOver("commit"))
        default:
          return this.committedBy !== undefined && !this.inTransaction
            ? Effect.sync(() => this.forget())
            : this.sendCommit
      }
    })
  )

  /** Undoes what is open. It does not fail: what cannot be rolled back on a live line ends with the line. */
  readonly rollback: Effect.Effect<void> = this.turn.withPermit(
    Effect.suspend(() => {
      const { committedBy } = this
      if (this.state._tag === "Over") return Effect.void
      this.forget()
      const undo = this.inTransaction ? this.undo : Effect.void
      return committedBy === undefined ? undo : Effect.andThen(tooLate(committedBy), undo)
    })
  )

  /** The lease ends: nothing runs on the connection through it any more. What is open is rolled back if asked to. */
  end(andRollBack: boolean): Effect.Effect<void> {
    return Effect.suspend(() => {
      const undo = andRollBack && this.inTransaction ? this.undo : Effect.void
      this.state = over
      return undo
    })
  }

  override executeUnprepared(
    sql: string,
    params: ReadonlyArray<unknown>,
    transformRows: TransformRows
  ): Effect.Effect<ReadonlyArray<any>, SqlError> {
    if (sql === controls.rollback) return Effect.as(this.rollback, [])
    return cleaningUpSavepoint.test(sql)
      ? Effect.as(this.cleanUpSavepoint(sql), [])
      : super.executeUnprepared(sql, params, transformRows)
  }

  // ---- how a statement runs ----------------------------------------------------------------------------------------

  protected override run<A, B>(
    request: Request,
    send: (options: RowOptions["usual"]) => Effect.Effect<A, MysqlError.MysqlError>,
    read: (result: A) => B
  ): Effect.Effect<B, SqlError> {
    return Effect.withFiber((fiber) => {
      if (this.reader === fiber) return Effect.fail(waitsForItself(request.operation))
      return this.turn.withPermit(
        Effect.suspend(() => {
          const refusal = this.refusal(request)
          if (refusal !== undefined) return Effect.fail(refusal)
          const inTransaction = this.begin(request)
          return Effect.matchEffect(send(this.optionsFor(fiber)), {
            onFailure: (error) => Effect.fail(this.failed(request, this.inPlace(request, inTransaction, error))),
            onSuccess: (result) => {
              this.succeeded(request)
              return Effect.succeed(read(result))
            }
          })
        })
      )
    })
  }

  protected override runStream<A>(
    request: Request,
    send: (options: RowOptions["usual"]) => Stream.Stream<A, MysqlError.MysqlError>
  ): Stream.Stream<A, SqlError> {
    return Stream.unwrap(
      Effect.gen({ self: this }, function* () {
        const fiber = yield* currentFiber
        if (this.reader === fiber) return yield* waitsForItself(request.operation)
        yield* this.turn.takeScoped(1)
        const refusal = this.refusal(request)
        if (refusal !== undefined) return yield* refusal
        const inTransaction = this.begin(request)
        let failure: SqlError | undefined
        this.reader = fiber
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            this.reader = undefined
            if (failure === undefined) this.succeeded(request)
            else this.failed(request, failure)
          })
        )
        return Stream.mapError(send(this.optionsFor(fiber)), (error) => {
          failure = this.inPlace(request, inTransaction, error)
          return failure
        })
      })
    )
  }

  protected override refusal(request: Request): SqlError | undefined {
    this.settle()
    const { operation, sql } = request
    switch (this.state._tag) {
      case "Over":
        return leaseIsOver(operation)
      case "Gone":
        // Whoever rolls back by hand what is gone has understood.
        return statementText.rollsBack(sql) ? undefined : errors.gone(this.state.error, operation)
      default:
        return super.refusal(request)
    }
  }

  // ---- what has become of the transaction --------------------------------------------------------------------------

  private get inTransaction(): boolean {
    return this.connection.statusUnsafe().inTransaction
  }

  private begin({ sql }: Request): boolean {
    this.last = sql
    return this.inTransaction
  }

  private succeeded({ sql }: Request): void {
    const { inTransaction, state } = this
    switch (state._tag) {
      case "Open":
        if (inTransaction) {
          // A transaction that is begun inside another one commits that.
          if (statementText.begins(sql)) this.committedBy ??= sql
        } else if (statementText.rollsBack(sql)) {
          this.state = { _tag: "RolledBack", by: sql }
        } else {
          this.state = none
          this.committedBy ??= sql
        }
        return
      case "Gone":
        if (!inTransaction) this.state = { _tag: "RolledBack", by: sql }
        return
      case "RolledBack":
        if (inTransaction && statementText.begins(sql)) this.state = open
        return
      case "None":
        if (inTransaction) this.state = open
    }
  }

  private failed({ sql }: Request, error: SqlError): SqlError {
    if (this.state._tag === "Open" && !this.inTransaction) {
      this.state = { _tag: "Gone", error }
      const { closed } = this.connection.statusUnsafe()
      // DDL commits before it fails.
      if (!closed && !provesRollback.has(error.reason._tag) && !statementText.neverCommits(sql))
        this.committedBy ??= sql
    }
    return error
  }

  /** A statement that was interrupted has told nobody how it ended. */
  private settle(): void {
    if (this.state._tag !== "Open" || this.inTransaction) return
    const message = "The transaction ended with a statement that was interrupted"
    const kind = statementText.neverCommits(this.last) ? "connection" : "unknown"
    this.failed({ operation: "execute", sql: this.last, params: [] }, errors.make(kind, "execute", message))
  }

  private forget(): void {
    this.state = none
    this.committedBy = undefined
  }

  // ---- errors ------------------------------------------------------------------------------------------------------

  private inPlace({ operation, sql }: Request, inTransaction: boolean, error: MysqlError.MysqlError): SqlError {
    const nothingLeft = inTransaction ? statementText.neverCommits(sql) : statementText.begins(sql)
    return this.sqlError(error, operation, nothingLeft ? "transaction" : "statement")
  }

  // ---- beginning and end of transactions ---------------------------------------------------------------------------

  private readonly sendCommit: Effect.Effect<void, SqlError> = Effect.suspend(() =>
    Effect.matchEffect(this.reserved.commit, {
      onFailure: (error) => {
        const failure = this.sqlError(error, "commit", "commit")
        this.state = { _tag: "Gone", error: failure }
        return Effect.fail(failure)
      },
      onSuccess: () => Effect.sync(() => this.forget())
    })
  )

  private readonly undo: Effect.Effect<void> = Effect.suspend(() =>
    Effect.catch(bounded(this.reserved.rollback), (error) =>
      Effect.logDebug("ROLLBACK failed; the transaction ends with its session", error)
    )
  )

  private cleanUpSavepoint(sql: string): Effect.Effect<void> {
    return this.turn.withPermit(
      Effect.suspend(() => {
        this.settle()
        if (this.state._tag !== "Open" && this.state._tag !== "None") return Effect.void
        this.last = sql
        return Effect.matchEffect(bounded(this.connection.query(sql)), {
          onFailure: (error) => Effect.sync(() => this.savepointFailed(sql, error)),
          onSuccess: () => Effect.void
        })
      })
    )
  }

  private savepointFailed(sql: string, error: MysqlError.MysqlError): void {
    if (this.committedBy === undefined) {
      this.state = { _tag: "Gone", error: this.sqlError(error, "savepoint", "transaction") }
    } else if (sql.startsWith("ROLLBACK")) {
      // It went with the transaction that was committed, and so did what it should have undone.
      const message = `A nested transaction is not rolled back: a statement inside had committed it: ${this.committedBy}`
      this.state = { _tag: "Gone", error: errors.make("unknown", "savepoint", message) }
    }
  }
}

const provesRollback: ReadonlySet<string> = new Set(["DeadlockError", "SerializationError"])

const currentFiber: Effect.Effect<Fiber.Fiber<unknown, unknown>> = Effect.withFiber((fiber) => Effect.succeed(fiber))

const bounded = <A>(effect: Effect.Effect<A, MysqlError.MysqlError>): Effect.Effect<A, MysqlError.MysqlError> =>
  Effect.timeoutOrElse(effect, {
    duration: cleanUpBound,
    orElse: () => Effect.fail(MysqlError.make(new MysqlError.StatementTimeout({ by: "client" })))
  })

const tooLate = (sql: string): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logWarning("Not all of the transaction is rolled back: a statement inside it had committed what ran before"),
    { "db.query.text": sql }
  )

const leaseIsOver = (operation: string): SqlError =>
  errors.make("unknown", operation, "The transaction, or the use of this connection, is over")

const waitsForItself = (operation: string): SqlError =>
  errors.make(
    "unknown",
    operation,
    "A stream on this connection is still being read by the same fiber: the statement would wait for its own end"
  )
