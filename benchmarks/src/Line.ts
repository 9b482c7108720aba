/**
 * What is measured: the statements of each line, and what a right answer adds up to. The statements are the same text
 * for all contestants; how they are run is each contestant's business.
 */
import { accountCount, accountId, columns, pointId, rowAt, rowCount } from "./Dataset.ts"
import { Reader } from "./Reader.ts"

export const names = [
  "select1",
  "point",
  "rows-text",
  "rows-binary",
  "stream-text",
  "stream-binary",
  "concurrent",
  "transaction"
] as const

export type Name = (typeof names)[number]

export const isName = (name: string): name is Name => names.some((known) => known === name)

export const concurrency = 100

const rowsOfPage = 1_000

const select = `SELECT ${columns.join(", ")} FROM bench_rows`

export const sql = {
  one: "SELECT 1",
  point: `${select} WHERE id = ?`,
  pageText: `${select} WHERE id <= ${rowsOfPage} ORDER BY id`,
  pageBinary: `${select} WHERE id <= ? ORDER BY id`,
  allText: `${select} ORDER BY id`,
  allBinary: `${select} WHERE id <= ? ORDER BY id`,
  balance: "SELECT balance FROM bench_accounts WHERE id = ?",
  deposit: "UPDATE bench_accounts SET balance = balance + 1 WHERE id = ?"
} as const

export const pageParameters: ReadonlyArray<number> = [rowsOfPage]

export const allParameters: ReadonlyArray<number> = [rowCount]

export interface Line {
  readonly title: string
  /** What is counted as one operation, so many of them in one call of a runner's loop. */
  readonly operationsPerTurn: number
  /** Rows that a turn reads. */
  readonly rowsPerTurn: number
}

export const lines: { readonly [N in Name]: Line } = {
  select1: { title: "SELECT 1, one after the other", operationsPerTurn: 1, rowsPerTurn: 1 },
  point: { title: "select by key, prepared, 10 columns, one after the other", operationsPerTurn: 1, rowsPerTurn: 1 },
  "rows-text": { title: "1,000 rows of 10 columns as objects, text", operationsPerTurn: 1, rowsPerTurn: rowsOfPage },
  "rows-binary": {
    title: "1,000 rows of 10 columns as objects, prepared (binary)",
    operationsPerTurn: 1,
    rowsPerTurn: rowsOfPage
  },
  "stream-text": { title: "stream of 100,000 such rows, text", operationsPerTurn: 1, rowsPerTurn: rowCount },
  "stream-binary": {
    title: "stream of 100,000 such rows, prepared (binary)",
    operationsPerTurn: 1,
    rowsPerTurn: rowCount
  },
  concurrent: {
    title: "100 concurrent SELECT 1 on one connection (an operation is one of them)",
    operationsPerTurn: concurrency,
    rowsPerTurn: concurrency
  },
  transaction: { title: "begin, select, update, commit, prepared", operationsPerTurn: 1, rowsPerTurn: 1 }
}

/** The balances that the server must hold by now, since only the transactions of this benchmark change them. */
export class Ledger {
  readonly balances: Array<number> = new Array<number>(accountCount + 1).fill(0)
}

const sumOfRows = (last: number): number => {
  const reader = new Reader()
  for (let id = 1; id <= last; id++) reader.row(rowAt(id))
  return reader.sum
}

/** Sums over the first so many point selects, as far as they were asked for. */
const sumsOfPoints: Array<number> = [0]

const sumOfPoints = (count: number): number => {
  for (let index = sumsOfPoints.length - 1; index < count; index++) {
    const reader = new Reader()
    reader.row(rowAt(pointId(index)))
    sumsOfPoints.push(sumsOfPoints[index]! + reader.sum)
  }
  return sumsOfPoints[count]!
}

const once = <A>(compute: () => A): (() => A) => {
  let value: A | undefined
  return () => {
    value ??= compute()
    return value
  }
}

const sumOfPage = once(() => sumOfRows(rowsOfPage))
const sumOfAll = once(() => sumOfRows(rowCount))

/** What `Reader.sum` must be after that many turns. Books the transactions in the ledger. */
export const expectedSum = (name: Name, turns: number, ledger: Ledger): number => {
  switch (name) {
    case "select1":
    case "concurrent":
      return turns * lines[name].operationsPerTurn
    case "point":
      return sumOfPoints(turns)
    case "rows-text":
    case "rows-binary":
      return turns * sumOfPage()
    case "stream-text":
    case "stream-binary":
      return turns * sumOfAll()
    case "transaction": {
      let sum = 0
      for (let turn = 0; turn < turns; turn++) sum += ledger.balances[accountId(turn)]!++ + 1
      return sum
    }
  }
}
