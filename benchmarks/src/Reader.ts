/**
 * What stands for the user's code: it reads every cell of every row, in the timed part, the same way for all
 * contestants. The sum is what the parent process compares with what the rows must add up to; with `inspect` set, each
 * row is also compared cell by cell, outside of the timed rounds.
 */
import type { BenchRow } from "./Dataset.ts"

const int = (value: number | bigint): number => (typeof value === "bigint" ? Number(value) : value)

/** Of a long integer the low bits: sums stay exact however long a run is. */
const long = (value: number | bigint): number => (typeof value === "bigint" ? Number(value) : value) & 0xfffff

const text = (value: string): number => value.length + value.charCodeAt(0) + value.charCodeAt(value.length - 1)

const bytes = (value: Uint8Array): number => value.length + value[0]! + value[value.length - 1]!

export class Reader {
  sum: number = 0
  rows: number = 0
  readonly inspect: ((row: object) => void) | undefined

  constructor(inspect?: (row: object) => void) {
    this.inspect = inspect
  }

  row(row: BenchRow): void {
    if (this.inspect !== undefined) this.inspect(row)
    this.rows++
    this.sum +=
      int(row.id) +
      long(row.account) +
      text(row.code) +
      text(row.title) +
      row.score * 8 +
      text(row.amount) +
      (row.created_at.getTime() % 1_000_003) +
      row.level +
      (row.note === null ? 7 : text(row.note)) +
      bytes(row.token)
  }

  allRows(rows: ReadonlyArray<BenchRow>): void {
    for (let index = 0; index < rows.length; index++) this.row(rows[index]!)
  }

  /** The row of `SELECT 1`. */
  one(row: { readonly 1: number | bigint }): void {
    if (this.inspect !== undefined) this.inspect(row)
    this.rows++
    this.sum += int(row[1])
  }

  /** What a transaction read and what its update reported. */
  transaction(row: { readonly balance: number | bigint }, affectedRows: number): void {
    if (this.inspect !== undefined) this.inspect(row)
    this.rows++
    this.sum += int(row.balance) + affectedRows
  }

  /** A row of a contestant that decodes nothing. */
  undecoded(rows: number): void {
    this.rows += rows
  }
}
