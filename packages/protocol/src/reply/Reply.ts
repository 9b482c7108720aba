/**
 * The reply machine: what a server answers to one command, from the first packet to the last. One machine for text and
 * binary results, several result sets, prepare, fetch and plain OK, for rows that are collected and rows that are streamed.
 *
 * Bytes go in through the packet parser; rows gather in `rows`, from where a stream may take them chunk by chunk. It
 * knows nothing of sockets and time.
 *
 * Manual: "COM_QUERY Response", "COM_STMT_PREPARE Response", "COM_STMT_EXECUTE Response", "COM_STMT_FETCH Response".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { Reader } from "../Bytes.ts"
import { type Capabilities, ExtendedFlag, Flag, has, hasExtended, productOf } from "../connect/Capabilities.ts"
import type { Product } from "../ErrorCode.ts"
import type { Parser } from "../framing/Packet.ts"
import { ProtocolError } from "../ProtocolError.ts"
import * as RowDecoder from "../row/RowDecoder.ts"
import { ServerStatus } from "../ServerStatus.ts"
import { BadValue, type DecodeError } from "../value/DecodeError.ts"
import * as Column from "./Column.ts"
import * as ColumnCount from "./ColumnCount.ts"
import * as Err from "./Err.ts"
import * as LocalInfile from "./LocalInfile.ts"
import * as Ok from "./Ok.ts"
import * as PrepareOk from "./PrepareOk.ts"
import * as Progress from "./Progress.ts"
import * as SessionTrack from "./SessionTrack.ts"

/**
 * Columns, the decoder of their rows, and the bytes that defined them: a server that sends the same bytes again has the
 * same columns, and one comparison replaces parsing them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Metadata {
  readonly columns: ReadonlyArray<Column.Column>
  readonly decoder: RowDecoder.RowDecoder
  /** The definitions with their headers, as they came; empty where they did not come in one chunk. */
  readonly source: Uint8Array
}

/**
 * One result set, or the OK of a statement without rows.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResultSet {
  /** `undefined`: no rows, by the nature of the statement. */
  readonly metadata: Metadata | undefined
  /** Those that nobody has taken before. */
  readonly rows: ReadonlyArray<unknown>
  readonly ok: Ok.Ok
  /** The first of its rows that could not be decoded, or why none could be. */
  readonly decodeError: DecodeError | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ReplyOptions {
  /** `plain`: nothing but OK, EOF or ERR can come. `fetch` needs the `metadata` of the execution that opened the cursor. */
  readonly command: "query" | "execute" | "prepare" | "fetch" | "plain"
  readonly capabilities: Capabilities
  readonly rows: Omit<RowDecoder.RowOptions, "protocol">
  /** What the same statement's first result looked like last time. */
  readonly metadata?: Metadata | undefined
  /** Its columns, where nothing is known of how their rows are read: a server may refer to them. */
  readonly columns?: ReadonlyArray<Column.Column> | undefined
  /** The server may ask for a file. Default `false`: it breaks the protocol then. */
  readonly localInfile?: boolean | undefined
  /** Hears the server's reports of how far it is, where they were agreed on. Must not throw. */
  readonly onProgress?: ((progress: Progress.Progress) => void) | undefined
  /** So many result sets are kept; those behind them are read, however many a server sends. Default: all. */
  readonly maxSets?: number | undefined
}

/** A payload from this size on cannot be the OK that ends the rows. */
const maxTerminatorBytes = 0xffffff

// Most replies have one result and one row, or none: an array that begins empty and grows costs more than they do. These
// stand for nothing, and nobody puts anything in.
const noColumns: Array<Column.Column> = []
const noResults: Array<ResultSet> = []
const noRows: Array<unknown> = []

const clientCharset = "character_set_client"

type State = "first" | "parameters" | "parametersEof" | "columns" | "columnsEof" | "rows" | "localInfile" | "done"

/**
 * The machine that reads one reply. Bytes go into a packet parser, which `consume` is called with until `done`. Nothing
 * that a server sends is thrown: see `failure`, `err` and `decodeError`. Manual: "Command Phase", "Text Resultset",
 * "Multi-Resultset".
 *
 * @since 0.1.0
 * @category models
 */
export class Reply {
  /** Complete result sets. Whoever streams takes them out as they come. */
  results: Array<ResultSet> = noResults
  /** Result sets that are complete, whether they were kept or not. */
  setCount = 0
  /** The end of the last complete one: what the server says about the session. */
  ok: Ok.Ok | undefined = undefined
  /** The session's tracking has reported a change that outlives the transaction. */
  stateChanged = false
  /** The database that became the current one. */
  database: string | undefined = undefined
  /** The character set in which the server takes statements from now on. */
  charset: string | undefined = undefined
  /** Rows of the set under way that nobody has taken. */
  rows: Array<unknown> = noRows
  metadata: Metadata | undefined = undefined
  /** That of the first result. */
  firstMetadata: Metadata | undefined = undefined
  /** The columns of the first result, where the server has sent their definitions. */
  definitions: ReadonlyArray<Column.Column> | undefined = undefined
  prepared: PrepareOk.PrepareOk | undefined = undefined
  /** The server's refusal; what came before it stays. */
  err: Err.Err | undefined = undefined
  /** The first row that could not be decoded. The reply was read on to its end, without the other rows of that set. */
  decodeError: DecodeError | undefined = undefined
  /** The same of the result set under way. */
  setError: DecodeError | undefined = undefined
  /** The reply broke the protocol: the connection is lost. */
  failure: ProtocolError | undefined = undefined
  /**
   * The name of the file that the server asks for. The machine reads no further until `uploaded` is called, and the
   * server says nothing more before it has the file, however short.
   */
  localInfile: string | undefined = undefined
  /** Rows are stepped over: nobody waits for them any more. */
  discarding = false
  /** Anything of the reply has been read. */
  started = false

  private readonly options: ReplyOptions
  private state: State = "first"
  private columnsLeft = 0
  private parametersLeft = 0
  private columns: Array<Column.Column> = noColumns
  /** Where the definitions began, while they lie in one chunk. */
  private sourceBytes: Buffer | undefined = undefined
  private sourceStart = 0
  private skipping = false

  constructor(options: ReplyOptions) {
    this.options = options
    if (options.command === "fetch") {
      this.metadata = options.metadata
      this.state = "rows"
    }
  }

  get done(): boolean {
    return this.state === "done"
  }

  /** Who replies: what an error's number means depends on it. */
  get product(): Product {
    return productOf(this.options.capabilities)
  }

  /** The columns of a result set were read, and its end was not. */
  get inRows(): boolean {
    return this.state === "rows"
  }

  /**
   * Reads on, as far as the bytes reach; `true` when the reply is complete or has failed. When it returns `false` with
   * `localInfile` set, the server waits for the file.
   */
  consume(parser: Parser): boolean {
    try {
      while (this.state !== "done" && this.state !== "localInfile" && parser.next()) {
        if (this.state === "rows") this.row(parser.bytes, parser.start, parser.end)
        else this.packet(parser)
      }
      if (parser.error !== undefined) throw parser.error
    } catch (error) {
      /* v8 ignore if -- @preserve no bytes do it: only a caller's own function could throw anything else */
      if (!(error instanceof ProtocolError)) throw error
      this.failure = error
      this.state = "done"
    }
    return this.state === "done"
  }

  /** The file was sent, all of it or as much as there was: goes on with the server's answer to it. */
  uploaded(parser: Parser, upload: LocalInfile.Upload): void {
    if (this.state !== "localInfile") return
    parser.expect(upload.sequence)
    this.localInfile = undefined
    this.state = "first"
  }

  /** Hands over the rows that were decoded since the last time. */
  takeRows(): Array<unknown> {
    const { rows } = this
    if (rows.length === 0) return []
    this.rows = noRows
    return rows
  }

  /** Steps over what is left of the result set under way. */
  skipSet(): void {
    this.skipping = true
    this.takeRows()
  }

  private row(bytes: Buffer, start: number, end: number): void {
    if (end === start) noPacketIsEmpty("a row")
    const first = bytes[start]
    if (first === 0xfe && this.isTerminator(end - start)) return this.terminator(bytes, start, end)
    if (first === 0xff) return this.refusal(bytes, start, end)
    if (this.discarding || this.skipping || this.setError !== undefined || this.isExtra) return
    const { decoder } = this.metadata!
    try {
      const row = decoder.decode(bytes, start, end)
      if (this.rows.length === 0) this.rows = [row]
      else this.rows.push(row)
    } catch (error) {
      if (error instanceof BadValue) this.fault(decoder.explain(bytes, start, end))
      else if (isDecodeError(error)) this.fault(error)
      else throw error
    }
  }

  private fault(error: DecodeError): void {
    this.setError ??= error
    this.decodeError ??= error
  }

  /** One of those that are not kept. */
  private get isExtra(): boolean {
    return this.setCount >= (this.options.maxSets ?? Number.POSITIVE_INFINITY)
  }

  private isTerminator(length: number): boolean {
    return has(this.options.capabilities, Flag.DEPRECATE_EOF) ? length < maxTerminatorBytes : length < 9
  }

  private packet(parser: Parser): void {
    this.started = true
    const { bytes, end, start } = parser
    // Nothing else begins so, and a server may give up at any point.
    if (end > start && bytes[start] === 0xff) return this.refusal(bytes, start, end)
    switch (this.state) {
      case "first":
        return this.first(parser)
      case "parameters":
        Column.read(new Reader("parameter definition", bytes, start, end), this.options.capabilities)
        if (--this.parametersLeft === 0) this.afterParameters()
        return
      case "columns":
        return this.column(parser)
      default:
        return this.definitionsEnd(parser)
    }
  }

  private first(parser: Parser): void {
    const { bytes, end, start } = parser
    if (end === start) noPacketIsEmpty("an answer to the command")
    const header = bytes[start]!
    if (this.options.command === "prepare") {
      const reader = new Reader("prepare reply", bytes, start, end)
      if (header !== 0x00) reader.fail("0x00 or ERR", `0x${header.toString(16)}`)
      reader.skip(1)
      this.prepared = PrepareOk.read(reader, this.options.capabilities)
      this.parametersLeft = this.prepared.follows ? this.prepared.parameterCount : 0
      this.columnsLeft = this.prepared.follows ? this.prepared.columnCount : 0
      if (this.parametersLeft > 0) this.state = "parameters"
      else this.beginColumns()
      return
    }
    if (header === 0xfe && this.options.command === "plain") return this.terminator(bytes, start, end)
    if (header === 0x00) {
      return this.endOfSet(undefined, Ok.read(new Reader("OK", bytes, start + 1, end), this.options.capabilities))
    }
    if (this.options.command === "plain") {
      new Reader("reply", bytes, start, end).fail("OK or ERR", `0x${header.toString(16)}`)
    }
    if (header === 0xfb) return this.fileRequest(bytes, start, end)
    const { count, follows } = ColumnCount.read(
      new Reader("column count", bytes, start, end),
      this.options.capabilities
    )
    this.columnsLeft = count
    const known = this.setCount === 0 ? this.options.metadata : undefined
    if (!follows) {
      // The server says that the columns are those of the prepare or of the last execution.
      const columns = known?.columns ?? this.options.columns
      if (columns === undefined || columns.length !== count) {
        throw new ProtocolError({
          phase: "column count",
          expected: "column definitions",
          got: "none, and none are known"
        })
      }
      if (known === undefined) this.describe(columns, new Uint8Array(0))
      else this.metadata = known
      return this.afterColumns()
    }
    if (known !== undefined && known.columns.length === count && known.source.length > 0) {
      const eof = this.hasEof() ? 1 : 0
      if (parser.skip(known.source, count + eof)) {
        this.metadata = known
        this.afterColumns()
        // The last two bytes are the status of the EOF.
        if (eof === 1 && (known.source.at(-2)! & ServerStatus.cursorExists) !== 0) {
          this.endOfSet(known, Ok.readEof(new Reader("EOF", known.source, known.source.length - 4)))
        }
        return
      }
    }
    this.beginColumns()
  }

  private hasEof(): boolean {
    return !has(this.options.capabilities, Flag.DEPRECATE_EOF)
  }

  private afterParameters(): void {
    if (this.hasEof()) this.state = "parametersEof"
    else this.beginColumns()
  }

  private beginColumns(): void {
    this.columns = []
    this.sourceBytes = undefined
    if (this.columnsLeft > 0) this.state = "columns"
    else this.state = "done"
  }

  private column(parser: Parser): void {
    const { bytes, end, start } = parser
    if (this.columns.length === 0) {
      this.sourceBytes = bytes
      this.sourceStart = start - 4
    } else if (this.sourceBytes !== bytes) {
      this.sourceBytes = undefined
    }
    this.columns.push(Column.read(new Reader("column definition", bytes, start, end), this.options.capabilities))
    if (--this.columnsLeft > 0) return
    if (this.hasEof()) this.state = "columnsEof"
    else this.columnsComplete(parser)
  }

  private columnsComplete(parser: Parser): void {
    const source =
      this.sourceBytes === parser.bytes && this.sourceStart >= 0
        ? new Uint8Array(parser.bytes.subarray(this.sourceStart, parser.end))
        : new Uint8Array(0)
    if (this.setCount === 0) this.definitions = this.columns
    this.describe(this.columns, source)
    this.afterColumns()
  }

  private describe(columns: ReadonlyArray<Column.Column>, source: Uint8Array): void {
    if (this.isExtra) return
    const decoder = RowDecoder.make(columns, {
      ...this.options.rows,
      protocol: this.options.command === "query" ? "text" : "binary"
    })
    if (Result.isSuccess(decoder)) {
      this.metadata = { columns, decoder: decoder.success, source }
    } else {
      this.fault(decoder.failure)
      this.metadata = undefined
    }
  }

  private afterColumns(): void {
    this.columnsLeft = 0
    this.state = this.options.command === "prepare" ? "done" : "rows"
  }

  /** The EOF behind the definitions of parameters or columns. */
  private definitionsEnd(parser: Parser): void {
    const reader = new Reader("EOF", parser.bytes, parser.start, parser.end)
    const header = reader.u8()
    if (header !== 0xfe) reader.fail("0xfe", `0x${header.toString(16)}`)
    const ok = Ok.readEof(reader)
    if (this.state !== "columnsEof") return this.beginColumns()
    this.columnsComplete(parser)
    // The rows wait to be fetched.
    if (this.options.command === "execute" && (ok.status & ServerStatus.cursorExists) !== 0)
      this.endOfSet(this.metadata, ok)
  }

  private fileRequest(bytes: Buffer, start: number, end: number): void {
    if (this.options.localInfile !== true) {
      throw new ProtocolError({
        phase: "reply",
        expected: "a result",
        got: "a request for a local file, which nobody offered"
      })
    }
    this.localInfile = LocalInfile.read(new Reader("LOCAL INFILE request", bytes, start + 1, end))
    this.state = "localInfile"
  }

  private terminator(bytes: Buffer, start: number, end: number): void {
    const reader = new Reader("end of rows", bytes, start + 1, end)
    const ok = this.hasEof() ? Ok.readEof(reader) : Ok.read(reader, this.options.capabilities)
    this.endOfSet(this.metadata, ok)
  }

  private endOfSet(metadata: Metadata | undefined, ok: Ok.Ok): void {
    if (!this.isExtra) {
      const set = { metadata, rows: this.takeRows(), ok, decodeError: this.setError }
      if (this.results.length === 0) this.results = [set]
      else this.results.push(set)
    }
    if (this.setCount++ === 0) this.firstMetadata = metadata
    this.setError = undefined
    this.skipping = false
    this.ok = ok
    for (const change of ok.changes) {
      if (SessionTrack.outlivesTransaction(change)) this.stateChanged = true
      if (change._tag === "Database") this.database = change.name
      else if (change._tag === "SystemVariable" && change.name === clientCharset) this.charset = change.value
    }
    this.state = (ok.status & ServerStatus.moreResultsExist) !== 0 ? "first" : "done"
  }

  private refusal(bytes: Buffer, start: number, end: number): void {
    const err = Err.read(new Reader("reply", bytes, start + 1, end))
    if (err.errno === Progress.errno && hasExtended(this.options.capabilities, ExtendedFlag.PROGRESS)) {
      this.options.onProgress?.(Progress.read(new Reader("progress report", bytes, start + 3, end)))
      return
    }
    this.err = err
    this.state = "done"
  }
}

const noPacketIsEmpty = (expected: string): never => {
  throw new ProtocolError({ phase: "reply", expected, got: "an empty packet" })
}

const isDecodeError = (error: unknown): error is DecodeError =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "DecodeError"
