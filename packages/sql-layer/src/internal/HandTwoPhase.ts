/** A branch of a distributed transaction by hand: the states of XA, one lease long. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type { TwoPhaseTransaction, Xid } from "../TwoPhaseTransaction.ts"
import * as errors from "./errors.ts"
import type { Lease } from "./Lease.ts"
import { LeaseExecutor, type Surroundings } from "./LeaseExecutor.ts"
import * as xa from "./xa.ts"

type State = "active" | "prepared" | "committed" | "rolled back" | "left prepared"

export class HandTwoPhase extends LeaseExecutor implements TwoPhaseTransaction {
  readonly xid: Xid
  private readonly name: string
  private readonly onOver: Effect.Effect<void>
  private state: State = "active"

  constructor(around: Surroundings, lease: Lease, xid: Xid, onOver: Effect.Effect<void>) {
    super(around, lease)
    this.xid = xid
    this.name = xa.encode(xid)
    this.onOver = onOver
  }

  get isPrepared(): boolean {
    return this.state === "prepared"
  }

  get prepare(): Effect.Effect<void, SqlError> {
    return this.step("prepare", ["active"], () =>
      this.orUndone(
        Effect.andThen(
          this.end,
          // Nobody commits by this: where its reply is lost, the list of prepared branches has the answer.
          Effect.andThen(
            this.lease.xa(`XA PREPARE ${this.name}`, "statement"),
            Effect.sync(() => {
              this.lease.forgetBranch()
              this.state = "prepared"
            })
          )
        )
      )
    )
  }

  get commit(): Effect.Effect<void, SqlError> {
    return this.step("commit", ["active", "prepared"], () => {
      const commit = `XA COMMIT ${this.name}`
      return this.state === "prepared"
        ? Effect.andThen(this.lease.xa(commit, "commit"), this.over("committed"))
        : this.orUndone(
            Effect.andThen(
              this.end,
              Effect.andThen(this.lease.xa(`${commit} ONE PHASE`, "commit"), this.over("committed"))
            )
          )
    })
  }

  get rollback(): Effect.Effect<void, SqlError> {
    return Effect.uninterruptible(
      Effect.suspend(() => {
        switch (this.state) {
          case "active":
            return this.undo
          case "prepared":
            return Effect.andThen(this.lease.xa(`XA ROLLBACK ${this.name}`, "transaction"), this.over("rolled back"))
          default:
            return Effect.void
        }
      })
    )
  }

  /** What the end of the scope does: a prepared branch is left for whoever resolves it. */
  get abandon(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.state === "active") return this.undo
      if (this.state !== "prepared") return Effect.void
      // As long as a session has the branch, nobody else can resolve it.
      return Effect.andThen(this.lease.inTransaction ? this.lease.close : Effect.void, this.over("left prepared"))
    })
  }

  protected override refusal(operation: string): SqlError | undefined {
    switch (this.state) {
      case "active":
        return undefined
      case "prepared":
        return errors.make("unknown", operation, "The branch is prepared: it can only be committed or rolled back")
      default:
        return errors.make("unknown", operation, `The branch is over: it was ${this.state}`)
    }
  }

  // ---- steps -------------------------------------------------------------------------------------------------------

  private step(
    operation: string,
    from: ReadonlyArray<State>,
    take: () => Effect.Effect<void, SqlError>
  ): Effect.Effect<void, SqlError> {
    return Effect.uninterruptible(
      Effect.suspend(() => {
        const refusal = from.includes(this.state) ? undefined : this.refusal(operation)
        return refusal === undefined ? take() : Effect.fail(refusal)
      })
    )
  }

  private get end(): Effect.Effect<void, SqlError> {
    return Effect.suspend(() => {
      const { gone } = this.lease
      return gone === undefined ? this.lease.xa(`XA END ${this.name}`, "transaction") : Effect.fail(gone)
    })
  }

  /** A branch that could not be prepared or committed is rolled back, as far as its session still exists. */
  private orUndone(effect: Effect.Effect<void, SqlError>): Effect.Effect<void, SqlError> {
    return Effect.onError(effect, () => this.undo)
  }

  private get undo(): Effect.Effect<void> {
    return Effect.andThen(
      this.lease.undoBranch(`XA END ${this.name}`, `XA ROLLBACK ${this.name}`),
      this.over("rolled back")
    )
  }

  private over(state: State): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.state = state
      this.lease.forgetBranch()
      return this.onOver
    })
  }
}

/** Begins a branch on a lease that has no transaction. `onOver` runs when it is over, at the latest with the scope. */
export const begin = (
  around: Surroundings,
  lease: Lease,
  xid: Xid,
  onOver: Effect.Effect<void>
): Effect.Effect<HandTwoPhase, SqlError, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      yield* lease.beginBranch(`XA START ${xa.encode(xid)}`)
      const branch = new HandTwoPhase(around, lease, xid, onOver)
      yield* Effect.addFinalizer(() => branch.abandon)
      return branch
    })
  )
