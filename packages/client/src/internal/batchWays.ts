/**
 * The ways in which the rows of a batch become messages, and what the replies to those say of the rows. Pure: what is
 * sent, and when, is the business of `Batch`.
 */
import * as BulkExecute from "@effect-mysql/protocol/command/BulkExecute"
import * as Command from "@effect-mysql/protocol/command/Command"
import * as Execute from "@effect-mysql/protocol/command/Execute"
import { ExtendedFlag, hasExtended } from "@effect-mysql/protocol/connect/Capabilities"
import type { Reply } from "@effect-mysql/protocol/reply/Reply"
import * as Charset from "@effect-mysql/protocol/value/Charset"
import type { InsertTemplate } from "@effect-mysql/protocol/value/InsertTemplate"
import * as Literal from "@effect-mysql/protocol/value/Literal"
import { ParameterError } from "@effect-mysql/protocol/value/Parameter"
import type * as Placeholders from "@effect-mysql/protocol/value/Placeholders"
import * as Result from "effect/Result"
import * as MysqlError from "../MysqlError.ts"
import type { Core } from "./Core.ts"
import type { Execution } from "./Execution.ts"
import * as failures from "./failures.ts"
import type { Id } from "./generatedIds.ts"
import { inCharset } from "./Preparing.ts"
import type { Statement } from "./statements.ts"

export type Rows = ReadonlyArray<ReadonlyArray<unknown>>

/** One command, and the rows that it carries. */
export interface Message {
  readonly bytes: Buffer
  readonly rows: Rows
  /** Of an execution: the types of its values. */
  readonly types?: Execute.BoundTypes
  /** It may not go in one piece with the message before it. */
  readonly apart?: boolean
}

/** How rows become messages. */
export interface Way {
  readonly command: "query" | "execute"
  /** By MariaDB's bulk command, which some statements do not have. */
  readonly bulk?: boolean
  /** The reply has a row `(Id, Affected_rows)` for each row that was sent. */
  readonly unitResults?: boolean
  /** One INSERT carries many rows. */
  readonly template?: InsertTemplate
  /** `first` is the number of the first of these rows. Nothing is sent where one of them cannot be. */
  readonly encode: (rows: Rows, first: number) => Result.Result<ReadonlyArray<Message>, MysqlError.MysqlError>
  /** The generated ids of a message's rows, 0 for a row without one; `follow`: only the first, and the others may follow. */
  readonly ids: (message: Message, reply: Reply) => ReadonlyArray<Id> | "unknown" | "follow"
}

export interface Context {
  readonly core: Core
  readonly execution: Execution
  readonly statement: Statement
  /** Rows come back. */
  readonly returning: boolean
  /** The longest message that the server takes, without its header. */
  readonly maxPacketBytes: number
}

/** A statement is not made longer than this, although servers take more: it would only need memory. */
const maxStatementBytes = 1024 * 1024
/** Statements that MariaDB runs by its bulk command. */
const takesBulk = /^(?:\s|\/\*(?!M?!)[\s\S]*?\*\/|(?:--\s|#)[^\n]*\n)*(?:insert|replace|update|delete)\b/i

/** Many rows in one INSERT. */
export const oneOfMany = (context: Context, template: InsertTemplate): Way => {
  const { maxPacketBytes } = context
  const fixedBytes = Buffer.byteLength(template.prefix) + Buffer.byteLength(template.suffix) + 1
  const command = (tuples: ReadonlyArray<string>) =>
    inCharset(context.core, template.prefix + tuples.join(",") + template.suffix)
  return {
    command: "query",
    encode: (rows, first) => {
      const messages: Array<Message> = []
      let tuples: Array<string> = []
      let from = 0
      let bytes = fixedBytes
      for (const [index, row] of rows.entries()) {
        const tuple = textOf(context, template.tuple, row, first + index)
        if (Result.isFailure(tuple)) return Result.fail(tuple.failure)
        const tupleBytes = Buffer.byteLength(tuple.success) + 1
        if (fixedBytes + tupleBytes > maxPacketBytes) return Result.fail(tooLarge(first + index, maxPacketBytes))
        if (tuples.length > 0 && bytes + tupleBytes > Math.min(maxPacketBytes, maxStatementBytes)) {
          const text = command(tuples)
          if (Result.isFailure(text)) return Result.fail(text.failure)
          messages.push({
            bytes: Command.query(text.success, context.core.session.capabilities),
            rows: rows.slice(from, index)
          })
          tuples = []
          from = index
          bytes = fixedBytes
        }
        tuples.push(tuple.success)
        bytes += tupleBytes
      }
      return Result.map(command(tuples), (text) => {
        messages.push({
          bytes: Command.query(text, context.core.session.capabilities),
          rows: from === 0 ? rows : rows.slice(from)
        })
        return messages
      })
    },
    template,
    ids: ({ rows }, reply) => {
      const ok = reply.results.at(-1)!.ok
      if (rows.length === 1) return [ok.insertId]
      if (ok.insertId === 0) return rows.map(() => 0)
      return template.everyRowIsNew && ok.affectedRows === rows.length ? "follow" : "unknown"
    }
  }
}

/** Of a statement that is prepared. */
export const mayGoInBulk = ({ core, statement }: Context): boolean =>
  hasExtended(core.session.capabilities, ExtendedFlag.STMT_BULK_OPERATIONS) &&
  takesBulk.test(statement.sql) &&
  statement.prepared!.parameterCount > 0

/** Many rows in one bulk command of MariaDB. */
export const bulk = (context: Context): Way => {
  const { core, maxPacketBytes, statement } = context
  const unitResults = hasExtended(core.session.capabilities, ExtendedFlag.BULK_UNIT_RESULTS) && !context.returning
  const parameterCount = statement.prepared!.parameterCount
  return {
    command: "execute",
    encode: (rows, first) => {
      for (const [index, row] of rows.entries()) {
        const arity = Literal.checkArity(parameterCount, row.length)
        if (arity !== undefined) return Result.fail(failures.row(arity, first + index))
      }
      const maxBytes = Math.min(maxPacketBytes, maxStatementBytes)
      const { offsetMinutes } = core.config
      const encoded = BulkExecute.encode({
        statementId: 0,
        rows,
        offsetMinutes,
        charset: core.exchange.charset,
        maxBytes,
        unitResults
      })
      if (Result.isFailure(encoded)) return Result.fail(failures.row(encoded.failure, first))
      const messages: Array<Message> = []
      let from = 0
      for (const message of encoded.success) {
        const until = from + message.rows
        if (!fits(context, message.bytes)) return Result.fail(tooLarge(first + from, maxPacketBytes))
        messages.push({ bytes: message.bytes, rows: rows.slice(from, until) })
        from = until
      }
      return Result.succeed(messages)
    },
    bulk: true,
    unitResults,
    ids: ({ rows }, reply) => {
      if (unitResults) return unitsOf(reply).map(([id, affectedRows]) => (affectedRows === 0 ? 0 : id))
      const { insertId } = reply.results.at(-1)!.ok
      return rows.length === 1 ? [insertId] : insertId === 0 ? rows.map(() => 0) : "unknown"
    }
  }
}

/** A prepared execution for each row. The types go with each, since the one before it may fail. */
export const executions = (context: Context): Way => {
  const { core, statement } = context
  return {
    command: "execute",
    encode: (rows, first) => {
      const { offsetMinutes } = core.config
      const parameterCount = statement.prepared?.parameterCount
      const messages: Array<Message> = []
      let types: Execute.BoundTypes | undefined
      for (const [index, row] of rows.entries()) {
        const arity = parameterCount === undefined ? undefined : Literal.checkArity(parameterCount, row.length)
        if (arity !== undefined) return Result.fail(failures.row(arity, first + index))
        const encoded = Execute.encode({
          statementId: 0,
          parameters: row,
          boundTypes: undefined,
          offsetMinutes,
          charset: core.exchange.charset
        })
        if (Result.isFailure(encoded)) return Result.fail(failures.row(encoded.failure, first + index))
        const { boundTypes, bytes } = encoded.success
        if (!fits(context, bytes)) return Result.fail(tooLarge(first + index, context.maxPacketBytes))
        const apart = core.info.product === "mysql" && Execute.wouldConvert(types, row)
        types = apart ? boundTypes : Execute.remembered(types, boundTypes)
        messages.push({ bytes, rows: [row], types: boundTypes, apart })
      }
      return Result.succeed(messages)
    },
    ids: idOfOne
  }
}

/** The statement as text for each row. */
export const texts = (context: Context): Way => {
  const { execution, statement } = context
  return {
    command: "query",
    encode: (rows, first) => {
      const template = statement.templateFor(execution.sqlMode)
      const messages: Array<Message> = []
      for (const [index, row] of rows.entries()) {
        const text = Result.flatMap(textOf(context, template, row, first + index), (sql) =>
          inCharset(context.core, sql)
        )
        if (Result.isFailure(text)) return Result.fail(text.failure)
        const bytes = Command.query(text.success, context.core.session.capabilities)
        if (!fits(context, bytes)) return Result.fail(tooLarge(first + index, context.maxPacketBytes))
        messages.push({ bytes, rows: [row] })
      }
      return Result.succeed(messages)
    },
    ids: idOfOne
  }
}

/** A row as literals. */
const textOf = (
  { core, execution }: Context,
  template: Placeholders.Template,
  row: Rows[number],
  number: number
): Result.Result<string, MysqlError.MysqlError> => {
  const { charset } = core.exchange
  const { offsetMinutes } = core.config
  const text = Literal.interpolate(template, row, { sqlMode: execution.sqlMode, offsetMinutes })
  if (Result.isFailure(text)) return Result.fail(failures.row(text.failure, number))
  return charset !== undefined && charset.encode(text.success) === undefined
    ? Result.fail(failures.row(new ParameterError({ parameter: 0, message: Charset.unfit(charset) }), number))
    : Result.succeed(text.success)
}

const fits = (context: Context, message: Buffer): boolean => message.length - 4 <= context.maxPacketBytes

/** What the server says of each row. */
export const unitsOf = (reply: Reply): ReadonlyArray<readonly [id: Id, affectedRows: number]> =>
  (reply.results[0]?.rows ?? []) as ReadonlyArray<readonly [Id, number]>

const idOfOne: Way["ids"] = (_, reply) => [reply.results.at(-1)!.ok.insertId]

const tooLarge = (row: number, maxPacketBytes: number): MysqlError.MysqlError =>
  MysqlError.make(
    new MysqlError.ParameterError({
      parameter: 0,
      row,
      message: `Row ${row} does not fit into a packet of ${maxPacketBytes} bytes, which is the server's limit (max_allowed_packet)`
    })
  )
