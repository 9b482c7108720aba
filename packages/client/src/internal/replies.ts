/**
 * What replies are read with: the columns that are known of a statement, and what is remembered of them for its next time.
 */
import { type Metadata, Reply, type ReplyOptions } from "@effect-mysql/protocol/reply/Reply"
import * as Effect from "effect/Effect"
import type { Core } from "./Core.ts"
import { failureOf } from "./Entry.ts"
import { collectFirst, type Finish, type Manner, type Rows } from "./Request.ts"
import type { Prepared, Protocol, Statement } from "./statements.ts"

/** To a statement of a caller's. */
export const ofStatement = (
  { session }: Core,
  command: "query" | "execute",
  rows: Rows,
  statement: Statement,
  prepared: Prepared | undefined,
  manner: Manner
): Reply => new Reply(new ReplyTo(command, session.capabilities, rows, statement, prepared, manner.maxSets))

/** To a command of our own. */
export const ofOwn = ({ rows, session }: Core, command: "plain" | "query" | "prepare"): Reply =>
  new Reply(new ReplyTo(command, session.capabilities, rows.array, undefined, undefined, collectFirst.maxSets))

/** What the columns were is looked up when the reply comes: an earlier one on its way may have brought others. */
class ReplyTo implements ReplyOptions {
  readonly command: ReplyOptions["command"]
  readonly capabilities: ReplyOptions["capabilities"]
  readonly rows: Rows
  readonly maxSets: number
  /** What is done about it the exchange knows. */
  readonly localInfile = true
  private readonly statement: Statement | undefined
  private readonly prepared: Prepared | undefined

  constructor(
    command: ReplyOptions["command"],
    capabilities: ReplyOptions["capabilities"],
    rows: Rows,
    statement: Statement | undefined,
    prepared: Prepared | undefined,
    maxSets: number
  ) {
    this.command = command
    this.capabilities = capabilities
    this.rows = rows
    this.maxSets = maxSets
    this.statement = statement
    this.prepared = prepared
  }

  get metadata(): Metadata | undefined {
    return this.statement?.metadata(protocolOf(this.prepared), this.rows, this.columns)
  }

  get columns(): Prepared["columns"] | undefined {
    return this.prepared?.columns
  }
}

const protocolOf = (prepared: Prepared | undefined): Protocol => (prepared === undefined ? "text" : "binary")

/** Remembers what the rows look like, for the next time. */
export const learn = (statement: Statement, rows: Rows, metadata: Metadata | undefined, prepared?: Prepared): void => {
  const protocol = protocolOf(prepared)
  if (metadata === undefined || statement.knows(protocol, rows, metadata)) return
  statement.forgetColumns(protocol)
  statement.remember(protocol, rows, metadata)
}

export const succeeded: Finish<void> = (entry) => {
  const error = failureOf(entry)
  return error === undefined ? Effect.void : Effect.fail(error)
}
