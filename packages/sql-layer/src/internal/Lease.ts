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
import type { Info, ReservedConnection } from "@effect-mysql/client/MysqlConnection"
import * as MysqlError from "@effect-mysql/client/MysqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { DriverConnection, type Request, type RowOptions, type Shapes, type TransformRows } from "./DriverConnection.ts"
import * as errors from "./errors.ts"
import * as statementText from "./statementText.ts"
import { leaseIsOver, provesRollback, type Seen, TransactionState } from "./TransactionState.ts"

/** A stream that has the connection until it ends. */
interface Reading {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** Waits for rows at this moment. */
  pulling: boolean
  /** Ends it, whoever asks first; the connection is free then. */
  readonly end: Effect.Effect<void>
}

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

/** Those of `effect/sql` and those by hand. */
const settingSavepoint = /^SAVEPOINT effect_(?:sql|mysql)_\d+$/

/** The savepoints of `effect/sql`; that these fail would become a defect. */
const cleaningUpSavepoint = /^(?:ROLLBACK TO|RELEASE) SAVEPOINT effect_sql_\d+$/

/** Savepoints by hand: never the same name twice on a lease, and none that `effect/sql` uses. */
const handSavepoint = (count: number): string => `effect_mysql_${count}`

export class Lease extends DriverConnection {
  private readonly reserved: ReservedConnection
  private readonly turn = Semaphore.makeUnsafe(1)
  private readonly state = new TransactionState()
  private reading: Reading | undefined = undefined
  private savepoints = 0
  /** The transaction is a branch of XA. */
  private branch = false

  constructor(connection: ReservedConnection, options: RowOptions) {
    super(connection, options)
    this.reserved = connection
  }

  get info(): Info {
    return this.connection.info
  }

  /** As the server said last. */
  get inTransaction(): boolean {
    return this.seen.inTransaction
  }

  /** The statement that committed what was open before its time. */
  get committedBy(): string | undefined {
    this.state.settle(this.seen)
    return this.state.committedBy
  }

  /** Why nothing more runs in the transaction. */
  get gone(): SqlError | undefined {
    const commitment = this.state.commitment(this.seen)
    return commitment === "send" || commitment === "done" ? undefined : commitment
  }

  /** There is something to roll back, or a rollback would come too late. */
  get wantsRollback(): boolean {
    this.state.settle(this.seen)
    return !this.state.isOver && (this.seen.inTransaction || this.state.committedBy !== undefined)
  }

  /** Commits, unless the transaction is gone. Fails with `UnknownError` where only the server knows whether it has. */
  get commit(): Effect.Effect<void, SqlError> {
    return Effect.suspend(() =>
      this.forgottenStream === undefined
        ? this.turn.withPermit(Effect.suspend(() => this.commitNow()))
        : Effect.fail(errors.make("unknown", "commit", "A stream of the transaction is still open"))
    )
  }

  /**
   * Undoes what is open. It does not fail: what cannot be rolled back in time ends with the session, and until then
   * nobody else gets the connection.
   */
  get rollback(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.state.isOver) return Effect.void
      const { committedBy } = this.state
      const undo = this.afterStream(
        Effect.suspend(() => {
          this.state.forget()
          return this.seen.inTransaction ? this.reserved.rollback : Effect.void
        })
      )
      return Effect.andThen(committedBy === undefined ? Effect.void : tooLate(committedBy), quietly(undo))
    })
  }

  /** The lease ends: nothing runs on the connection through it any more. What is open is rolled back if asked to. */
  end(andRollBack: boolean): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.state.end()
      const undo = Effect.suspend(() =>
        andRollBack && this.seen.inTransaction ? quietly(this.reserved.rollback) : Effect.void
      )
      return Effect.andThen(this.forgottenStream?.end ?? Effect.void, undo)
    })
  }

  /** Sets a savepoint whose name no other has, and tells it. */
  get setSavepoint(): Effect.Effect<string, SqlError> {
    return Effect.suspend(() => {
      const name = handSavepoint(++this.savepoints)
      return Effect.as(this.executeUnprepared(controls.savepoint(name), [], undefined), name)
    })
  }

  /** Rolls back to a savepoint and releases it. It does not fail: where it cannot, the transaction is doomed. */
  undoTo(savepoint: string): Effect.Effect<void> {
    return Effect.andThen(
      this.cleanUpSavepoint(controls.rollbackTo(savepoint)),
      this.cleanUpSavepoint(controls.release(savepoint))
    )
  }

  /**
   * A statement of XA, whose state is not that of an ordinary transaction; `phase` says what the loss of the line means.
   * A stream that was left open is ended before.
   */
  xa(sql: string, phase: errors.Place["phase"]): Effect.Effect<void, SqlError> {
    return this.afterStream(
      Effect.suspend(() =>
        this.state.isOver
          ? Effect.fail(leaseIsOver("xa"))
          : Effect.mapError(Effect.asVoid(this.connection.query(sql)), (error) =>
              this.sqlError(phase === "commit" ? this.unknownIfLost(error) : error, "xa", phase)
            )
      )
    )
  }

  /** Rolls a branch back that is not prepared. It does not fail: where it cannot in time, the session ends. */
  undoBranch(end: string, rollback: string): Effect.Effect<void> {
    const undo = Effect.andThen(
      Effect.ignore(this.connection.query(end)),
      Effect.suspend(() => this.connection.query(rollback))
    )
    return Effect.andThen(
      Effect.catch(bounded(this.afterStream(undo)), () => (this.inTransaction ? this.reserved.close : Effect.void)),
      Effect.sync(() => this.forgetBranch())
    )
  }

  beginBranch(start: string): Effect.Effect<void, SqlError> {
    return Effect.andThen(
      this.xa(start, "transaction"),
      Effect.sync(() => {
        this.branch = true
      })
    )
  }

  /** A branch of XA is prepared, or ended: what ran in it is nothing to this lease any more. */
  forgetBranch(): void {
    this.branch = false
    this.state.forget()
  }

  /** Ends the session at once. */
  get close(): Effect.Effect<void> {
    return this.reserved.close
  }

  override executeUnprepared(
    sql: string,
    params: ReadonlyArray<unknown>,
    transformRows: TransformRows
  ): Effect.Effect<ReadonlyArray<any>, SqlError> {
    if (sql === controls.rollback) return Effect.as(this.rollback, [])
    if (cleaningUpSavepoint.test(sql)) return Effect.as(this.cleanUpSavepoint(sql), [])
    return sql === controls.begin || settingSavepoint.test(sql)
      ? this.single({ operation: "executeUnprepared", sql, params })
      : super.executeUnprepared(sql, params, transformRows)
  }

  // ---- how a statement runs ----------------------------------------------------------------------------------------

  protected override run<A, B>(
    request: Request,
    send: (options: Shapes) => Effect.Effect<A, MysqlError.MysqlError>,
    read: (result: A) => B
  ): Effect.Effect<B, SqlError> {
    return Effect.withFiber((fiber) => {
      if (this.reading?.fiber === fiber) return Effect.fail(waitsForItself(request.operation))
      return this.turn.withPermit(
        Effect.suspend(() => {
          const refusal = this.refusal(request)
          if (refusal !== undefined) return Effect.fail(refusal)
          const inTransaction = this.start(request)
          return Effect.matchEffect(send(this.optionsFor(fiber)), {
            onFailure: (error) => {
              const failure = this.inPlace(request, inTransaction, error)
              this.failed(request, failure)
              return Effect.fail(failure)
            },
            onSuccess: (result) => {
              this.state.succeeded(request.sql, this.seen)
              return Effect.succeed(read(result))
            }
          })
        })
      )
    })
  }

  protected override runStream<A>(
    request: Request,
    send: (options: Shapes) => Stream.Stream<A, MysqlError.MysqlError>
  ): Stream.Stream<A, SqlError> {
    return Stream.unwrap(
      Effect.uninterruptibleMask((restore) =>
        Effect.gen({ self: this }, function* () {
          const fiber = yield* currentFiber
          if (this.reading?.fiber === fiber) return yield* waitsForItself(request.operation)
          yield* restore(this.turn.take(1))
          const refusal = this.refusal(request)
          if (refusal !== undefined) {
            yield* this.turn.release(1)
            return yield* refusal
          }
          return yield* this.read(fiber, request, send(this.optionsFor(fiber)))
        })
      )
    )
  }

  /** The stream of somebody who has the turn, which is given back when it ends. */
  private read<A>(
    fiber: Fiber.Fiber<unknown, unknown>,
    request: Request,
    stream: Stream.Stream<A, MysqlError.MysqlError>
  ): Effect.Effect<Stream.Stream<A, SqlError>, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const inTransaction = this.start(request)
      const scope = yield* Scope.make()
      let failure: SqlError | undefined
      const reading: Reading = {
        fiber,
        pulling: false,
        end: Effect.suspend(() => {
          if (this.reading !== reading) return Effect.void
          this.reading = undefined
          return Effect.andThen(
            Scope.close(scope, Exit.void),
            Effect.suspend(() => {
              if (failure === undefined) this.state.succeeded(request.sql, this.seen)
              else this.failed(request, failure)
              return this.turn.release(1)
            })
          )
        })
      }
      this.reading = reading
      yield* Effect.addFinalizer(() => reading.end)
      const pull = yield* Scope.provide(Stream.toPull(stream), scope)
      const guarded = Effect.suspend((): Pull.Pull<readonly [A, ...Array<A>], SqlError | MysqlError.MysqlError> => {
        if (this.reading !== reading) return Effect.fail(leaseIsOver(request.operation))
        reading.pulling = true
        return Effect.onExit(pull, () =>
          Effect.sync(() => {
            reading.pulling = false
          })
        )
      })
      return Stream.mapError(Stream.fromPull(Effect.succeed(guarded)), (error) => {
        failure = isSqlError(error) ? error : this.inPlace(request, inTransaction, error)
        return failure
      })
    })
  }

  protected override refusal(request: Request): SqlError | undefined {
    return this.state.refusal(request.operation, request.sql, this.seen) ?? super.refusal(request)
  }

  private unknownIfLost(error: MysqlError.MysqlError): MysqlError.MysqlError {
    const { reason } = error
    const lost = reason._tag === "ConnectionLost" && (reason.phase === "sent" || reason.phase === "replyStarted")
    if (!lost) return error
    const { connectionId } = this.info
    return MysqlError.make(new MysqlError.CommitOutcomeUnknown({ connectionId, cause: reason }))
  }

  private get seen(): Seen {
    return this.connection.statusUnsafe()
  }

  /** Whether the statement runs in a transaction. */
  private start({ sql }: Request): boolean {
    this.state.started(sql)
    return this.seen.inTransaction
  }

  private failed({ sql }: Request, failure: SqlError): void {
    this.state.failed(sql, this.seen, failure)
    // What is rolled back of a branch is still open for MariaDB, to be rolled back by name.
    if (this.branch && provesRollback.has(failure.reason._tag)) this.state.doom(failure)
  }

  private inPlace({ operation, sql }: Request, inTransaction: boolean, error: MysqlError.MysqlError): SqlError {
    const nothingLeft = inTransaction ? statementText.neverCommits(sql) : statementText.begins(sql)
    return this.sqlError(error, operation, nothingLeft ? "transaction" : "statement")
  }

  // ---- beginning and end of transactions ---------------------------------------------------------------------------

  /** A stream that was opened in the transaction and left alone. */
  private get forgottenStream(): Reading | undefined {
    return this.reading?.pulling === false ? this.reading : undefined
  }

  /** When its turn comes, which a stream that nobody pulls would not give back. */
  private afterStream<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => Effect.andThen(this.forgottenStream?.end ?? Effect.void, this.turn.withPermit(effect)))
  }

  private commitNow(): Effect.Effect<void, SqlError> {
    const commitment = this.state.commitment(this.seen)
    if (commitment === "done") return Effect.sync(() => this.state.forget())
    if (commitment !== "send") return Effect.fail(commitment)
    return Effect.matchEffect(this.reserved.commit, {
      onFailure: (error) => {
        const failure = this.sqlError(error, "commit", "commit")
        this.state.doom(failure)
        return Effect.fail(failure)
      },
      onSuccess: () => Effect.sync(() => this.state.forget())
    })
  }

  private cleanUpSavepoint(sql: string): Effect.Effect<void> {
    const send = Effect.suspend(() => {
      this.state.settle(this.seen)
      if (!this.state.mayHaveSavepoints) return Effect.void
      this.state.started(sql)
      return Effect.asVoid(this.connection.query(sql))
    })
    return Effect.matchEffect(bounded(this.afterStream(send)), {
      onFailure: (error) => Effect.sync(() => this.savepointFailed(sql, error)),
      onSuccess: () => Effect.void
    })
  }

  private savepointFailed(sql: string, error: MysqlError.MysqlError): void {
    const { committedBy } = this.state
    if (committedBy === undefined) {
      this.state.doom(this.sqlError(error, "savepoint", "transaction"))
    } else if (sql.startsWith("ROLLBACK")) {
      // It went with the transaction that was committed, and so did what it should have undone.
      const message = `A nested transaction is not rolled back: a statement inside had committed it: ${committedBy}`
      this.state.doom(errors.make("unknown", "savepoint", message))
    }
  }
}

const currentFiber: Effect.Effect<Fiber.Fiber<unknown, unknown>> = Effect.withFiber((fiber) => Effect.succeed(fiber))

const bounded = <A>(effect: Effect.Effect<A, MysqlError.MysqlError>): Effect.Effect<A, MysqlError.MysqlError> =>
  Effect.timeoutOrElse(effect, {
    duration: cleanUpBound,
    orElse: () => Effect.fail(MysqlError.make(new MysqlError.StatementTimeout({ by: "client" })))
  })

const quietly = (undo: Effect.Effect<void, MysqlError.MysqlError>): Effect.Effect<void> =>
  Effect.catch(bounded(undo), (error) =>
    Effect.logDebug("ROLLBACK failed; the transaction ends with its session", error)
  )

const tooLate = (sql: string): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logWarning("Not all of the transaction is rolled back: a statement inside it had committed what ran before"),
    { "db.query.text": sql }
  )

const waitsForItself = (operation: string): SqlError =>
  errors.make(
    "unknown",
    operation,
    "A stream on this connection is still being read by the same fiber: the statement would wait for its own end"
  )
