/**
 * Transactions by hand: the outermost level on a lease, and the savepoints inside it.
 *
 * A level is active until it or one around it is committed or rolled back. Of the levels of a lease only the innermost
 * runs statements: what an outer one ran would be undone with the savepoint.
 */
import type { TransactionOptions } from "@effect-mysql/client/MysqlConnection"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { SqlError } from "effect/sql/SqlError"
import type { Transaction } from "../Transaction.ts"
import * as beginning from "./beginning.ts"
import * as errors from "./errors.ts"
import { controls, type Lease } from "./Lease.ts"
import { LeaseExecutor, type Surroundings } from "./LeaseExecutor.ts"

type State = "active" | "committed" | "rolled back"

/** The level that is open inside another one. */
interface Nested {
  readonly level: HandTransaction
  readonly fiber: Fiber.Fiber<unknown, unknown>
}

export class HandTransaction extends LeaseExecutor implements Transaction {
  private state: State = "active"
  private nested: Nested | undefined = undefined
  private readonly nesting = Semaphore.makeUnsafe(1)
  /** `undefined` for the outermost level. */
  private readonly savepoint: string | undefined
  /** Runs when the level is over, however that came. */
  private readonly onOver: Effect.Effect<void>

  constructor(around: Surroundings, lease: Lease, savepoint: string | undefined, onOver: Effect.Effect<void>) {
    super(around, lease)
    this.savepoint = savepoint
    this.onOver = onOver
  }

  get isActive(): Effect.Effect<boolean> {
    return Effect.sync(() => this.state === "active" && this.lease.gone === undefined)
  }

  get commit(): Effect.Effect<void, SqlError> {
    return this.ending("commit", (refusal) => {
      if (refusal !== undefined) return Effect.fail(refusal)
      return this.savepoint === undefined ? this.commitAll : this.releaseSavepoint(this.savepoint)
    })
  }

  get rollback(): Effect.Effect<void, SqlError> {
    return this.ending("rollback", (refusal) => {
      if (refusal !== undefined) return Effect.void
      const { committedBy } = this.lease
      return Effect.andThen(this.undo, committedBy === undefined ? Effect.void : Effect.fail(tooLate(committedBy)))
    })
  }

  /** What the end of a scope does: as `rollback`, and where that would fail it has logged a warning. */
  get abandon(): Effect.Effect<void> {
    return this.ending("rollback", (refusal) => (refusal === undefined ? this.undo : Effect.void))
  }

  get beginNested(): Effect.Effect<Transaction, SqlError, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.withFiber((fiber) => {
        if (this.nested?.fiber === fiber) return Effect.fail(waitsForItself())
        return Effect.andThen(
          restore(this.nesting.take(1)),
          Effect.suspend(() => {
            const refusal = this.refusal("savepoint")
            const set = refusal === undefined ? this.lease.setSavepoint : Effect.fail(refusal)
            return Effect.tap(
              Effect.onError(
                Effect.map(set, (savepoint) => this.nest(savepoint, fiber)),
                () => this.nesting.release(1)
              ),
              (level) => Effect.addFinalizer(() => level.abandon)
            )
          })
        )
      })
    )
  }

  protected override refusal(operation: string): SqlError | undefined {
    if (this.state !== "active") {
      return errors.make("unknown", operation, `This transaction is over: it was ${this.state}`)
    }
    if (this.nested !== undefined) {
      return errors.make("unknown", operation, "A nested transaction is open: statements are its own until it is over")
    }
    return undefined
  }

  // ---- endings -----------------------------------------------------------------------------------------------------

  /** The level is over afterwards, and so are those inside it. `refusal`: it was over before. */
  private ending<E>(
    operation: "commit" | "rollback",
    end: (refusal: SqlError | undefined) => Effect.Effect<void, E>
  ): Effect.Effect<void, E> {
    return Effect.uninterruptible(
      Effect.suspend(() => {
        if (this.state !== "active") return end(this.refusal(operation))
        return Effect.onExit(end(undefined), (exit) =>
          this.over(operation === "commit" && Exit.isSuccess(exit) ? "committed" : "rolled back")
        )
      })
    )
  }

  private over(state: State): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.state !== "active") return Effect.void
      this.state = state
      return Effect.andThen(this.nested?.level.over(state) ?? Effect.void, this.onOver)
    })
  }

  private get commitAll(): Effect.Effect<void, SqlError> {
    return Effect.suspend(() => {
      const { committedBy } = this.lease
      const commit = Effect.onError(this.lease.commit, () => this.lease.rollback)
      return committedBy === undefined ? commit : Effect.andThen(commit, committedEarly(committedBy))
    })
  }

  private releaseSavepoint(name: string): Effect.Effect<void, SqlError> {
    // The savepoint went with the transaction that was committed, and what it should keep is kept.
    if (this.lease.committedBy !== undefined) return Effect.void
    return Effect.onError(
      Effect.asVoid(this.lease.executeUnprepared(controls.release(name), [], undefined)),
      () => this.undo
    )
  }

  private get undo(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.savepoint === undefined ? this.lease.rollback : this.lease.undoTo(this.savepoint)
    )
  }

  private nest(savepoint: string, fiber: Fiber.Fiber<unknown, unknown>): HandTransaction {
    const onOver = Effect.suspend(() => {
      this.nested = undefined
      return this.nesting.release(1)
    })
    const level = new HandTransaction(this.around, this.lease, savepoint, onOver)
    this.nested = { level, fiber }
    return level
  }
}

/**
 * Begins a transaction on a lease that has none. `onOver` runs when it is over, at the latest with the scope.
 */
export const begin = (
  around: Surroundings,
  lease: Lease,
  options: TransactionOptions | undefined,
  onOver: Effect.Effect<void>
): Effect.Effect<HandTransaction, SqlError, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      yield* lease.executeUnprepared(beginning.textOf(options), [], undefined)
      const level = new HandTransaction(around, lease, undefined, onOver)
      yield* Effect.addFinalizer(() => level.abandon)
      return level
    })
  )

export const committedEarly = (sql: string): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWarning("The transaction was committed before its end, by a statement inside it"), {
    "db.query.text": sql
  })

const tooLate = (sql: string): SqlError =>
  errors.make("unknown", "rollback", `Not all is rolled back: a statement inside had committed what ran before: ${sql}`)

const waitsForItself = (): SqlError =>
  errors.make(
    "unknown",
    "savepoint",
    "This fiber has a nested transaction open already: begin the next one in it, or end it before"
  )
