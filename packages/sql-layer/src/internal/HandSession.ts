/** A session by hand: one lease, and the one transaction that may be open on it. */
import type { TransactionOptions } from "@effect-mysql/client/MysqlConnection"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type { Session } from "../Session.ts"
import type { Transaction } from "../Transaction.ts"
import type { TwoPhaseTransaction, Xid } from "../TwoPhaseTransaction.ts"
import * as beginning from "./beginning.ts"
import * as errors from "./errors.ts"
import * as HandTransaction from "./HandTransaction.ts"
import * as HandTwoPhase from "./HandTwoPhase.ts"
import { LeaseExecutor } from "./LeaseExecutor.ts"
import * as xa from "./xa.ts"

type Open = HandTransaction.HandTransaction | HandTwoPhase.HandTwoPhase

export class HandSession extends LeaseExecutor implements Session {
  private open: Open | "beginning" | undefined = undefined
  private readonly closed = Effect.sync(() => {
    this.open = undefined
  })

  get inTransaction(): Effect.Effect<boolean> {
    return Effect.sync(() => this.lease.inTransaction)
  }

  begin(options?: TransactionOptions): Effect.Effect<Transaction, SqlError, Scope.Scope> {
    return this.opening("begin", beginning.faultOf(options), () =>
      HandTransaction.begin(this.around, this.lease, options, this.closed)
    )
  }

  twoPhase(xid: Xid = xa.random()): Effect.Effect<TwoPhaseTransaction, SqlError, Scope.Scope> {
    return this.opening("xa", xa.faultOf(xid), () => HandTwoPhase.begin(this.around, this.lease, xid, this.closed))
  }

  protected override refusal(operation: string): SqlError | undefined {
    return this.open instanceof HandTwoPhase.HandTwoPhase && this.open.isPrepared
      ? errors.make("unknown", operation, "A branch is prepared on this session: it has to be resolved first")
      : undefined
  }

  private opening<A extends Open>(
    operation: string,
    fault: SqlError | undefined,
    begin: () => Effect.Effect<A, SqlError, Scope.Scope>
  ): Effect.Effect<A, SqlError, Scope.Scope> {
    return Effect.suspend(() => {
      if (fault !== undefined) return Effect.fail(fault)
      if (this.open !== undefined || this.lease.inTransaction) {
        return Effect.fail(errors.make("unknown", operation, "A transaction is open on this session already"))
      }
      this.open = "beginning"
      return Effect.onExit(Effect.uninterruptible(begin()), (exit) =>
        Effect.sync(() => {
          this.open = Exit.isSuccess(exit) ? exit.value : undefined
        })
      )
    })
  }
}
