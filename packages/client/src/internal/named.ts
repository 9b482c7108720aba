/**
 * Values by name: what a record of them and a text with `:name` come to, as a text with `?` and values in their order.
 * Nothing is sent where a name has no value or a value no name.
 */
import type { ParameterError } from "@effect-mysql/protocol/value/Parameter"
import * as Placeholders from "@effect-mysql/protocol/value/Placeholders"
import * as Result from "effect/Result"
import * as MysqlError from "../MysqlError.ts"
import * as failures from "./failures.ts"

interface Known {
  readonly mode: Placeholders.SqlMode
  readonly template: Placeholders.NamedTemplate
  /** A name that stands in several places counts once. */
  readonly names: ReadonlySet<string>
}

export interface Positional {
  readonly sql: string
  readonly names: ReadonlyArray<string>
  readonly values: ReadonlyArray<unknown>
}

/** The texts with names that were used last, so that each is read once. */
export class NamedTexts {
  private readonly known = new Map<string, Known>()
  private readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  positional(
    sql: string,
    params: Readonly<Record<string, unknown>>,
    mode: Placeholders.SqlMode
  ): Result.Result<Positional, MysqlError.MysqlError> {
    return Result.mapError(
      Result.flatMap(this.read(sql, mode), ({ names, template }) =>
        Result.flatMap(Placeholders.valuesOf(template.names, params), (values) => {
          const spare = Object.keys(params).find((name) => !names.has(name))
          return spare === undefined
            ? Result.succeed({ sql: template.sql, names: template.names, values })
            : Result.fail({ parameter: spare, message: `The statement has no placeholder :${spare}` })
        })
      ),
      failures.parameter
    )
  }

  private read(sql: string, mode: Placeholders.SqlMode): Result.Result<Known, ParameterError> {
    const known = this.known.get(sql)
    if (known?.mode.ansiQuotes === mode.ansiQuotes && known.mode.noBackslashEscapes === mode.noBackslashEscapes) {
      return Result.succeed(known)
    }
    return Result.map(Placeholders.named(sql, mode), (template) => {
      const read = { mode, template, names: new Set(template.names) }
      if (this.known.size >= this.capacity) this.known.delete(this.known.keys().next().value!)
      this.known.set(sql, read)
      return read
    })
  }
}

/** An error about a position, said of the name that stands there. */
export const byName =
  (names: ReadonlyArray<string>) =>
  (error: MysqlError.MysqlError): MysqlError.MysqlError => {
    const { reason } = error
    if (reason._tag !== "ParameterError" || typeof reason.parameter !== "number") return error
    const name = names[reason.parameter]
    if (name === undefined) return error
    const message = reason.message.replace(`Parameter ${reason.parameter}`, `Parameter :${name}`)
    return MysqlError.make(
      new MysqlError.ParameterError({ parameter: name, row: reason.row, message, cause: reason.cause })
    )
  }
