/**
 * What is to run, and how its reply is waited for: what the ways to run a statement - as text, prepared, again - have in
 * common.
 */
import type { QueryAttributes } from "@effect-mysql/protocol/command/QueryAttributes"
import type { ReplyOptions } from "@effect-mysql/protocol/reply/Reply"
import type * as Effect from "effect/Effect"
import type { MysqlError } from "../MysqlError.ts"
import type { Entry } from "./Entry.ts"
import type { Exchange } from "./Exchange.ts"
import type { Statement } from "./statements.ts"

export type Rows = ReplyOptions["rows"]
/** Reads a reply. */
export type Finish<A> = (entry: Entry) => Effect.Effect<A, MysqlError>

/** How the reply to a statement is read. */
export interface Manner {
  /** So many result sets are kept. */
  readonly maxSets: number
  /** Nothing is written behind it, so that it can be stopped. */
  readonly exclusive: boolean
  /** The rows are to stay on the server, behind a cursor. */
  readonly cursor: boolean
  /** The statement has brought a file. */
  readonly uploads: boolean
  /** Several statements in one text are allowed, for this one time. */
  readonly several: boolean
  /** `next` reads a complete reply or, where rows are read as they come, one that has begun. */
  readonly send: <A>(exchange: Exchange, entry: Entry, next: Finish<A>) => Effect.Effect<A, MysqlError>
  /** What the server refuses is the business of whoever reads the reply. */
  readonly readsErrors: boolean
}

const collecting: Manner = {
  maxSets: 1,
  exclusive: false,
  cursor: false,
  uploads: false,
  several: false,
  send: (exchange, entry, next) => exchange.run(entry, next),
  readsErrors: false
}

/** The first result set, complete. */
export const collectFirst: Manner = collecting

/** A server that goes on without end must not fill the memory. */
export const maxCollectedSets = 65_535

/** All result sets, complete. */
export const collectAll: Manner = { ...collecting, maxSets: maxCollectedSets }

/** The same of several statements. */
export const collectSeveral: Manner = { ...collectAll, several: true }

/** The first result set, behind a file that the server asks for. */
export const uploading: Manner = { ...collecting, exclusive: true, uploads: true }

/** Not the rows, but a cursor on them where the server opens one. */
export const openCursor: Manner = { ...collecting, cursor: true }

/** Result sets as they come; `opened` learns which entry it is, as soon as it may have to be abandoned. */
export const streaming = (maxSets: number, several: boolean, opened: (entry: Entry) => void): Manner => ({
  maxSets,
  exclusive: true,
  cursor: false,
  uploads: false,
  several,
  send: (exchange, entry, next) => {
    opened(entry)
    return exchange.open(entry, next)
  },
  readsErrors: true
})

export class Request<A> {
  readonly statement: Statement
  readonly params: ReadonlyArray<unknown>
  readonly rows: Rows
  readonly manner: Manner
  readonly finish: Finish<A>
  /** Where there are any. */
  readonly attributes: QueryAttributes | undefined

  constructor(
    statement: Statement,
    params: ReadonlyArray<unknown>,
    rows: Rows,
    manner: Manner,
    finish: Finish<A>,
    attributes?: QueryAttributes
  ) {
    this.statement = statement
    this.params = params
    this.rows = rows
    this.manner = manner
    this.finish = finish
    this.attributes = attributes
  }
}
