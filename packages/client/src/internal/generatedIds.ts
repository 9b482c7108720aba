/**
 * The ids that one INSERT of many rows has generated. The server tells the first one. InnoDB takes the ids of a plain
 * INSERT in one piece, so the others follow at the distance of `auto_increment_increment`: where each row is stored as a
 * new one, and each leaves the id to the server. Where that is not certain there are no ids, rather than wrong ones.
 */

import { ColumnFlag } from "@effect-mysql/protocol/ColumnType"
import * as Command from "@effect-mysql/protocol/command/Command"
import type { Column } from "@effect-mysql/protocol/reply/Column"
import type { Reply } from "@effect-mysql/protocol/reply/Reply"
import type { Element, InsertTemplate } from "@effect-mysql/protocol/value/InsertTemplate"
import * as Effect from "effect/Effect"
import type { MysqlError } from "../MysqlError.ts"
import type { Core } from "./Core.ts"
import { make as makeEntry, type Owner } from "./Entry.ts"

export type Id = number | bigint

/** How the ids of one table follow from the first one. */
export interface Rule {
  readonly step: number
  /** What the statement has for the column; `undefined` where it does not name the column. */
  readonly element: Element | undefined
}

/** `undefined`: nothing is certain. Nothing of this is told by an error: whoever may insert need not be allowed to read. */
export const lookUp = (
  core: Core,
  owner: Owner | undefined,
  template: InsertTemplate,
  reply: () => Reply
): Effect.Effect<Rule | undefined, MysqlError> =>
  Effect.suspend(() => {
    const columns = reply()
    const step = reply()
    // No row is read, which in a transaction would begin its snapshot.
    const sql = `SELECT * FROM ${template.table} LIMIT 0`
    const entry = makeEntry({
      bytes: Buffer.concat([
        Command.query(sql, core.session.capabilities),
        Command.query("SELECT @@auto_increment_increment", core.session.capabilities)
      ]),
      reply: columns,
      replies: [columns, step],
      frames: 1,
      owner,
      sql
    })
    return core.exchange.run(entry, () => {
      if (entry.failure !== undefined) return Effect.fail(entry.failure)
      const row = step.results[0]?.rows[0] as ReadonlyArray<unknown> | undefined
      return Effect.succeed(
        columns.definitions === undefined || row === undefined
          ? undefined
          : ruleOf(template, columns.definitions, Number(row[0]))
      )
    })
  })

const ruleOf = (template: InsertTemplate, columns: ReadonlyArray<Column>, step: number): Rule | undefined => {
  const sameName = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()
  const listed = template.columns ?? columns.map(({ name }) => name)
  if (listed.length !== template.elements.length) return undefined
  const generated = columns.find(({ flags }) => (flags & ColumnFlag.AUTO_INCREMENT) !== 0)
  // A column that `*` leaves out has generated them: it must not be among those that the statement names.
  if (generated === undefined) {
    const visible = listed.every((name) => columns.some((column) => sameName(column.name, name)))
    return visible ? { step, element: undefined } : undefined
  }
  const index = listed.findIndex((name) => sameName(name, generated.name))
  return { step, element: index === -1 ? undefined : template.elements[index] }
}

/** The ids of these rows, `first` being that of the first one; `undefined` where that is not certain. */
export const follow = (
  rule: Rule,
  rows: ReadonlyArray<ReadonlyArray<unknown>>,
  first: Id
): ReadonlyArray<Id> | undefined => {
  const { element, step } = rule
  if (element?._tag === "other") return undefined
  if (element?._tag === "placeholder" && rows.some((row) => row[element.index] !== null)) return undefined
  return rows.map((_, index) => shifted(first, index * step))
}

const shifted = (id: Id, by: number): Id => {
  const sum = BigInt(id) + BigInt(by)
  return sum <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(sum) : sum
}
