/**
 * What has become of a transaction, from what its statements and the server's status flags told: a pure state machine,
 * asked by `Lease` before each statement and told of its end.
 *
 * Only the status says whether a transaction is open. The text of a statement is asked for what it does not say: whether
 * one that is not open any more was committed or rolled back.
 */
import type { SqlError } from "effect/sql/SqlError"
import * as errors from "./errors.ts"
import * as statementText from "./statementText.ts"

/** What the server said last. */
export interface Seen {
  readonly inTransaction: boolean
  readonly closed: boolean
}

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

/** Errors after which nothing of a transaction is left, whatever the statement was. */
export const provesRollback: ReadonlySet<string> = new Set(["DeadlockError", "SerializationError"])

export class TransactionState {
  private state: State = none
  /** The statement that runs or ran last, for when it ended without anybody having seen how. */
  private last = ""
  private committed: string | undefined = undefined

  /** The first statement that committed what was open, or may have: a rollback comes too late for what ran before it. */
  get committedBy(): string | undefined {
    return this.committed
  }

  get isOver(): boolean {
    return this.state._tag === "Over"
  }

  /** A savepoint may exist. */
  get mayHaveSavepoints(): boolean {
    return this.state._tag === "Open" || this.state._tag === "None"
  }

  /** Why a statement is not to be sent. */
  refusal(operation: string, sql: string, seen: Seen): SqlError | undefined {
    this.settle(seen)
    switch (this.state._tag) {
      case "Over":
        return leaseIsOver(operation)
      case "Gone":
        // Whoever rolls back by hand what is gone has understood.
        return statementText.rollsBack(sql) ? undefined : errors.gone(this.state.error, operation)
      default:
        return undefined
    }
  }

  /** What is to be done for a commit: send it, nothing, or fail. */
  commitment(seen: Seen): "send" | "done" | SqlError {
    this.settle(seen)
    switch (this.state._tag) {
      case "Over":
        return leaseIsOver("commit")
      case "Gone":
        return errors.gone(this.state.error, "commit")
      case "RolledBack":
        return errors.make("unknown", "commit", `The transaction was rolled back by: ${this.state.by}`)
      default:
        return this.committed !== undefined && !seen.inTransaction ? "done" : "send"
    }
  }

  started(sql: string): void {
    this.last = sql
  }

  succeeded(sql: string, { inTransaction }: Seen): void {
    switch (this.state._tag) {
      case "Open":
        if (inTransaction) {
          // A transaction that is begun inside another one commits that.
          if (statementText.begins(sql)) this.committed ??= sql
        } else if (statementText.rollsBack(sql)) {
          this.state = { _tag: "RolledBack", by: sql }
        } else {
          this.state = none
          this.committed ??= sql
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

  failed(sql: string, { closed, inTransaction }: Seen, error: SqlError): void {
    if (this.state._tag !== "Open" || inTransaction) return
    this.state = { _tag: "Gone", error }
    // DDL commits before it fails.
    if (!closed && !provesRollback.has(error.reason._tag) && !statementText.neverCommits(sql)) this.committed ??= sql
  }

  /** A statement that was interrupted has told nobody how it ended. */
  settle(seen: Seen): void {
    if (this.state._tag !== "Open" || seen.inTransaction) return
    const message = "The transaction ended with a statement that was interrupted"
    const kind = statementText.neverCommits(this.last) ? "connection" : "unknown"
    this.failed(this.last, seen, errors.make(kind, "execute", message))
  }

  /** It must not be committed any more. */
  doom(error: SqlError): void {
    if (this.state._tag !== "Over") this.state = { _tag: "Gone", error }
  }

  /** It is committed or rolled back, as it was wanted. */
  forget(): void {
    this.state = none
    this.committed = undefined
  }

  end(): void {
    this.state = over
  }
}

export const leaseIsOver = (operation: string): SqlError =>
  errors.make("unknown", operation, "The transaction, or the use of this connection, is over")
