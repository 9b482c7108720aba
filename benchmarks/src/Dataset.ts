/**
 * The tables that every contestant reads, and their content as a pure function of the row's number: the server is
 * filled from it, and answers are compared with it. No random source, so that two runs read the same bytes.
 */

/** A row of `bench_rows`, in the values that our driver gives by default. Others may give `bigint` or `Buffer`. */
export interface BenchRow {
  readonly id: number
  readonly account: number | bigint
  readonly code: string
  readonly title: string
  readonly score: number
  readonly amount: string
  readonly created_at: Date
  readonly level: number
  readonly note: string | null
  readonly token: Uint8Array
}

export const rowCount = 100_000

export const accountCount = 1_000

export const columns: ReadonlyArray<keyof BenchRow> = [
  "id",
  "account",
  "code",
  "title",
  "score",
  "amount",
  "created_at",
  "level",
  "note",
  "token"
]

export const createTables: ReadonlyArray<string> = [
  `CREATE TABLE bench_rows (
    id INT NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    code VARCHAR(32) NOT NULL,
    title VARCHAR(100) NOT NULL,
    score DOUBLE NOT NULL,
    amount DECIMAL(12,2) NOT NULL,
    created_at DATETIME NOT NULL,
    level TINYINT NOT NULL,
    note TEXT NULL,
    token VARBINARY(16) NOT NULL
  ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4`,
  `CREATE TABLE bench_accounts (
    id INT NOT NULL PRIMARY KEY,
    balance BIGINT NOT NULL
  ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4`
]

/** The n-th word of 32 bits that belongs to a row (the finalizer of MurmurHash3 over row and n). */
const bits = (id: number, n: number): number => {
  let hash = Math.imul(id, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

const asciiWords = ["harbour", "lantern", "copper", "meadow", "signal", "orchard", "granite", "violet", "summit"]
const otherWords = ["Zürich", "São Paulo", "naïve", "東京タワー", "Łódź", "Ελλάδα", "café", "🚀 launch", "Ås"]

/** One title in four holds letters beyond ASCII, as names of people and places do. */
const title = (id: number): string => {
  const words: Array<string> = []
  const count = 3 + (bits(id, 1) % 5)
  for (let index = 0; index < count; index++) words.push(asciiWords[bits(id, 10 + index) % asciiWords.length]!)
  if (bits(id, 2) % 4 === 0) words[count >> 1] = otherWords[bits(id, 3) % otherWords.length]!
  return words.join(" ")
}

/** About 100 characters; one in five is NULL. */
const note = (id: number): string | null => {
  if (bits(id, 4) % 5 === 0) return null
  let text = `Entry ${id}:`
  for (let index = 0; text.length < 80 + (bits(id, 5) % 40); index++) {
    text += ` ${asciiWords[bits(id, 20 + index) % asciiWords.length]!}`
  }
  return text
}

const firstMoment = Date.UTC(2026, 0, 1)

/** Row `id` of `bench_rows`, from 1 to `rowCount`. */
export const rowAt = (id: number): BenchRow => {
  const token = Buffer.alloc(16)
  for (let index = 0; index < 4; index++) token.writeUInt32LE(bits(id, 30 + index), index * 4)
  const cents = bits(id, 6) % 1_000_000_000
  return {
    id,
    // Up to 2^52: safe as a number, too long for 32 bits.
    account: bits(id, 7) * 2 ** 20 + (bits(id, 8) >>> 12),
    code: `${bits(id, 9).toString(16).padStart(8, "0")}-${bits(id, 40).toString(36).toUpperCase()}`,
    title: title(id),
    // Eighths: exact in binary and short in decimal, so that sums do not depend on the order.
    score: (bits(id, 41) % 8_000_000) / 8,
    amount: `${bits(id, 42) % 8 === 0 ? "-" : ""}${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`,
    // A row a minute, in the order of the keys, as a table grows.
    created_at: new Date(firstMoment + (id * 60 + (bits(id, 43) % 60)) * 1000),
    level: (bits(id, 44) % 7) - 2,
    note: note(id),
    token
  }
}

/** The key that the `index`-th point select asks for: all over the table, each key once before any comes again. */
export const pointId = (index: number): number => 1 + ((index * 7_919) % rowCount)

/** The account that the `index`-th transaction of a round changes. */
export const accountId = (index: number): number => 1 + (index % accountCount)

const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`

const tuple = (row: BenchRow): string =>
  `(${[
    row.id,
    row.account,
    quoted(row.code),
    quoted(row.title),
    row.score,
    row.amount,
    quoted(row.created_at.toISOString().slice(0, 19).replace("T", " ")),
    row.level,
    row.note === null ? "NULL" : quoted(row.note),
    `0x${Buffer.from(row.token).toString("hex")}`
  ].join(",")})`

/** The statements that fill both tables. */
export const fillTables = function* (): Generator<string> {
  const batch = 1_000
  for (let first = 1; first <= rowCount; first += batch) {
    const tuples: Array<string> = []
    for (let id = first; id < first + batch; id++) tuples.push(tuple(rowAt(id)))
    yield `INSERT INTO bench_rows (${columns.join(",")}) VALUES ${tuples.join(",")}`
  }
  const accounts: Array<string> = []
  for (let id = 1; id <= accountCount; id++) accounts.push(`(${id},0)`)
  yield `INSERT INTO bench_accounts (id,balance) VALUES ${accounts.join(",")}`
}
