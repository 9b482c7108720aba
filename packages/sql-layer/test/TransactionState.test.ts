import { describe, expect, it } from "@effect/vitest"
import * as SqlError from "effect/sql/SqlError"
import * as errors from "../src/internal/errors.ts"
import { type Seen, TransactionState } from "../src/internal/TransactionState.ts"

const idle: Seen = { inTransaction: false, closed: false }
const inside: Seen = { inTransaction: true, closed: false }
const lost: Seen = { inTransaction: false, closed: true }

const deadlock = new SqlError.SqlError({ reason: new SqlError.DeadlockError({ cause: new Error("x"), message: "x" }) })
const unknown = errors.make("unknown", "execute", "x")

type Step =
  | readonly [sql: string, after: Seen]
  | readonly [sql: string, after: Seen, error: SqlError.SqlError]
  | readonly [sql: string, after: Seen, end: "interrupted"]

const run = (steps: ReadonlyArray<Step>): { readonly state: TransactionState; readonly seen: Seen } => {
  const state = new TransactionState()
  let seen = idle
  for (const [sql, after, end] of steps) {
    state.started(sql)
    seen = after
    if (end === undefined) state.succeeded(sql, after)
    else if (end !== "interrupted") state.failed(sql, after, end)
  }
  return { state, seen }
}

const begun: Step = ["START TRANSACTION", inside]

/** What is done for a commit, what the next statement is told, and whether a rollback would come too late. */
const cases: ReadonlyArray<
  readonly [steps: ReadonlyArray<Step>, commit: string, next: string | undefined, committedBy: string | undefined]
> = [
  [[], "send", undefined, undefined],
  [[begun], "send", undefined, undefined],
  [[begun, ["UPDATE t SET a = 1", inside]], "send", undefined, undefined],
  [[begun, ["UPDATE t SET a = 1", inside, unknown]], "send", undefined, undefined],
  [[begun, ["UPDATE t SET a = 1", idle, deadlock]], "DeadlockError", "DeadlockError", undefined],
  [[begun, ["CALL p()", idle, deadlock]], "DeadlockError", "DeadlockError", undefined],
  [[begun, ["UPDATE t SET a = 1", lost, unknown]], "UnknownError", "UnknownError", undefined],
  [[begun, ["UPDATE t SET a = 1", lost, "interrupted"]], "ConnectionError", "ConnectionError", undefined],
  [[begun, ["UPDATE t SET a = 1", inside, "interrupted"]], "send", undefined, undefined],
  [[begun, ["DROP TABLE t", idle]], "done", undefined, "DROP TABLE t"],
  [[begun, ["DROP TABLE t", idle], ["UPDATE u SET a = 1", inside]], "send", undefined, "DROP TABLE t"],
  [[begun, ["DROP TABLE t", idle, unknown]], "UnknownError", "UnknownError", "DROP TABLE t"],
  [[begun, ["DROP TABLE t", idle, "interrupted"]], "UnknownError", "UnknownError", "DROP TABLE t"],
  [[begun, ["DROP TABLE t", lost, unknown]], "UnknownError", "UnknownError", undefined],
  [[begun, ["COMMIT", idle]], "done", undefined, "COMMIT"],
  [[begun, ["BEGIN", inside]], "send", undefined, "BEGIN"],
  [[begun, ["ROLLBACK", idle]], "UnknownError", undefined, undefined],
  [[begun, ["ROLLBACK", idle], ["SELECT 1", idle]], "UnknownError", undefined, undefined],
  [[begun, ["ROLLBACK", idle], begun], "send", undefined, undefined],
  [[begun, ["UPDATE t SET a = 1", idle, deadlock], ["ROLLBACK", idle]], "UnknownError", undefined, undefined]
]

describe("what has become of a transaction", () => {
  it.each(cases)("%j", (steps, commit, next, committedBy) => {
    const { seen, state } = run(steps)
    const told = state.refusal("execute", "SELECT 1", seen)
    expect(told?.reason._tag).toBe(next)
    const commitment = state.commitment(seen)
    expect(typeof commitment === "string" ? commitment : commitment.reason._tag).toBe(commit)
    expect(state.committedBy).toBe(committedBy)
  })

  it("a full rollback is let through when the transaction is gone", () => {
    const { seen, state } = run([begun, ["UPDATE t SET a = 1", idle, deadlock]])
    expect(state.refusal("execute", "ROLLBACK", seen)).toBeUndefined()
    expect(state.refusal("execute", "ROLLBACK TO a", seen)).toBeDefined()
  })

  it("is doomed by who says so, and starts anew after its end", () => {
    const { seen, state } = run([begun])
    state.doom(deadlock)
    expect(state.mayHaveSavepoints).toBe(false)
    expect(state.refusal("execute", "SELECT 1", seen)?.reason).toMatchObject({ _tag: "DeadlockError", cause: deadlock })
    state.forget()
    expect(state.refusal("execute", "SELECT 1", idle)).toBeUndefined()
  })

  it("is over for good", () => {
    const { seen, state } = run([begun])
    state.end()
    state.doom(deadlock)
    expect(state.isOver).toBe(true)
    expect(state.refusal("execute", "ROLLBACK", seen)?.message).toContain("is over")
    expect(state.commitment(seen)).toMatchObject({ reason: { operation: "commit" } })
  })
})
