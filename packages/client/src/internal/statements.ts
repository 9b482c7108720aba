/**
 * What is known about the statements of one connection: the id under which a text is prepared, the columns of its last
 * result with their decoder, and whether it can be prepared at all. The least recently used is forgotten first, and what
 * it holds on the server is freed with the next write.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import type { BoundTypes } from "@effect-mysql/protocol/command/Execute"
import type { Capabilities } from "@effect-mysql/protocol/connect/Capabilities"
import type { Column } from "@effect-mysql/protocol/reply/Column"
import type { Metadata } from "@effect-mysql/protocol/reply/Reply"
import * as RowDecoder from "@effect-mysql/protocol/row/RowDecoder"
import * as Placeholders from "@effect-mysql/protocol/value/Placeholders"
import * as Result from "effect/Result"
import type { Entry } from "./Entry.ts"
import type { Rows } from "./Request.ts"
import { beginsBranch, isKillable, isPlain, mayUpload } from "./sessionEffects.ts"

export type Protocol = RowDecoder.RowOptions["protocol"]

export interface Prepared {
  readonly id: number
  readonly parameterCount: number
  /** As the server has told them last. */
  columns: ReadonlyArray<Column>
  /** The types that the server knows, while nothing is pending. */
  boundTypes: BoundTypes | undefined
  /** The types that the server derives from the executions so far, whether they are over or not. */
  lastTypes: BoundTypes | undefined
  /** Executions that are not over: each of them sends its types, since the one before it may yet be called off. */
  pending: number
  /** The one that left its types out: nothing with other types may be sent before it. */
  untyped: Entry | undefined
  /** Nothing more is executed with it: it is closed when nothing is pending. */
  retired: boolean
}

/** One way to read the rows of a statement. */
interface Slot {
  readonly protocol: Protocol
  readonly rows: Rows
  metadata: Metadata
}

const readsAlike = (a: Rows, b: Rows): boolean =>
  a.shape === b.shape && a.decoding === b.decoding && a.convert === b.convert

/** A longer text is encoded anew each time rather than kept twice. */
const keptCommandBytes = 4096
/** So many ways to read one statement's rows are remembered. */
const maxSlots = 4

/** What hides a placeholder from some servers, or where it depends on the session what hides one. */
const perhapsHidden = /\/\*M?!|\\/

/** A longer text does not go in one flight with its execution. */
const maxFlightBytes = 1024 * 1024

export class Statement {
  readonly sql: string
  /** The current database when it was first used: what its names mean. */
  readonly database: string | undefined
  /** It leaves nothing behind in the session. */
  readonly plain: boolean
  readonly killable: boolean
  /** It may begin a branch of a distributed transaction. */
  readonly beginsBranch: boolean
  /** The server may ask for a file: nothing is written behind it, which would be taken for the file. */
  readonly mayUpload: boolean
  prepared: Prepared | undefined = undefined
  /** It is in the cache. */
  cached = false
  /** When it was used last, as a count of all uses. */
  lastUse = 0
  /** Uses that take several steps and are not over. */
  holds = 0
  /** Kept by somebody else than the cache, who also closes it. */
  readonly pinned: boolean
  /** The statement as a command: what goes as text goes out in the same bytes each time. */
  private command: Buffer | undefined = undefined
  /** The server cannot prepare it: it goes as text from now on. */
  textOnly = false
  private readonly slots: Array<Slot> = []
  private template: { readonly mode: number; readonly parsed: Placeholders.Template } | undefined = undefined

  constructor(sql: string, database: string | undefined, pinned: boolean = false) {
    this.sql = sql
    this.database = database
    this.pinned = pinned
    this.plain = isPlain(sql)
    this.killable = isKillable(sql)
    this.beginsBranch = beginsBranch(sql)
    this.mayUpload = mayUpload(sql)
  }

  /** There is no doubt how many placeholders the server finds in it. */
  get placeholdersAreCertain(): boolean {
    return this.sql.length < maxFlightBytes && !perhapsHidden.test(this.sql)
  }

  get inUse(): boolean {
    return this.holds > 0 || (this.prepared !== undefined && this.prepared.pending > 0)
  }

  asCommand(agreed: Capabilities): Buffer {
    if (this.command !== undefined) return this.command
    const command = Command.query(this.sql, agreed)
    if (command.length <= keptCommandBytes) this.command = command
    return command
  }

  templateFor(mode: Placeholders.SqlMode): Placeholders.Template {
    const key = (mode.ansiQuotes ? 1 : 0) | (mode.noBackslashEscapes ? 2 : 0)
    if (this.template?.mode !== key) this.template = { mode: key, parsed: Placeholders.parse(this.sql, mode) }
    return this.template.parsed
  }

  /**
   * What the rows looked like last time. `told`: the columns of the prepared statement that is executed, which need not
   * be the one that is executed next.
   */
  metadata(protocol: Protocol, rows: Rows, told: Prepared["columns"] | undefined): Metadata | undefined {
    let sameColumns: Metadata | undefined
    for (const slot of this.slots) {
      if (slot.protocol !== protocol || (told !== undefined && slot.metadata.columns !== told)) continue
      if (readsAlike(slot.rows, rows)) return slot.metadata
      sameColumns = slot.metadata
    }
    if (sameColumns === undefined) return undefined
    const { columns, source } = sameColumns
    const decoder = RowDecoder.make(columns, { ...rows, protocol })
    if (Result.isFailure(decoder)) return undefined
    const metadata = { columns, decoder: decoder.success, source }
    this.remember(protocol, rows, metadata)
    return metadata
  }

  /** It is what is remembered. */
  knows(protocol: Protocol, rows: Rows, metadata: Metadata): boolean {
    return this.slots.some(
      (slot) => slot.metadata === metadata && slot.protocol === protocol && readsAlike(slot.rows, rows)
    )
  }

  remember(protocol: Protocol, rows: Rows, metadata: Metadata): void {
    const known = this.slots.find((slot) => slot.protocol === protocol && readsAlike(slot.rows, rows))
    if (known !== undefined) {
      known.metadata = metadata
      return
    }
    if (this.slots.length === maxSlots) this.slots.shift()
    this.slots.push({ protocol, rows, metadata })
  }

  /** The columns may be others from now on. */
  forgetColumns(protocol: Protocol): void {
    for (let index = this.slots.length - 1; index >= 0; index--) {
      if (this.slots[index]!.protocol === protocol) this.slots.splice(index, 1)
    }
  }
}

/**
 * Statements by their text and the database that it is read in. What is in use is kept, even if there are too many of
 * them for the moment.
 */
export class StatementCache {
  private readonly databases = new Map<string | undefined, Map<string, Statement>>()
  /** Those of the database that was asked for last. */
  private current: Map<string, Statement> = new Map()
  private database: string | undefined = undefined
  private size = 0
  private readonly capacity: number
  private readonly currentDatabase: () => string | undefined
  private readonly close: (id: number) => void
  private uses = 0

  /** `close` frees a prepared statement on the server. */
  constructor(capacity: number, currentDatabase: () => string | undefined, close: (id: number) => void) {
    this.capacity = capacity
    this.currentDatabase = currentDatabase
    this.close = close
    this.databases.set(undefined, this.current)
  }

  get(sql: string): Statement {
    const database = this.currentDatabase()
    if (database !== this.database) this.turnTo(database)
    let statement = this.current.get(sql)
    if (statement === undefined) {
      if (this.size >= this.capacity) this.forgetOldest()
      statement = new Statement(sql, database)
      statement.cached = true
      this.current.set(sql, statement)
      this.size++
    }
    statement.lastUse = ++this.uses
    return statement
  }

  /** A use of it is over. What was only kept because it was in use can go. */
  used(statement: Statement, prepared?: Prepared): void {
    if (prepared?.retired === true) this.close(prepared.id)
    if (statement.inUse || statement.pinned) return
    if (!statement.cached) this.discard(statement)
    while (this.size > this.capacity && this.forgetOldest());
  }

  /** The server has freed all prepared statements. */
  forgetPrepared(): void {
    for (const statement of this.all()) statement.prepared = undefined
  }

  /** Frees all prepared statements, because the server has no room for more. */
  closePrepared(): void {
    for (const statement of this.all()) this.discard(statement)
  }

  /** The next execution prepares it anew; those that are pending still find it. */
  discard(statement: Statement): void {
    const { prepared } = statement
    statement.prepared = undefined
    if (prepared === undefined) return
    if (prepared.pending > 0) prepared.retired = true
    else this.close(prepared.id)
  }

  private turnTo(database: string | undefined): void {
    if (this.current.size === 0) this.databases.delete(this.database)
    const known = this.databases.get(database)
    this.current = known ?? new Map()
    if (known === undefined) this.databases.set(database, this.current)
    this.database = database
  }

  private *all(): Generator<Statement> {
    for (const statements of this.databases.values()) yield* statements.values()
  }

  /** `false` where all are in use. */
  private forgetOldest(): boolean {
    let oldest: Statement | undefined
    for (const statement of this.all()) {
      if (!statement.inUse && (oldest === undefined || statement.lastUse < oldest.lastUse)) oldest = statement
    }
    if (oldest === undefined) return false
    const statements = this.databases.get(oldest.database)!
    statements.delete(oldest.sql)
    oldest.cached = false
    this.size--
    if (statements.size === 0 && statements !== this.current) this.databases.delete(oldest.database)
    this.discard(oldest)
    return true
  }
}
