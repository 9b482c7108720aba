/**
 * Which ids a batch has generated: those that are told are those that the rows have, and where they are not certain
 * there are none.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { connect, connectToDatabase, scalar } from "./support/servers.ts"

interface Case {
  readonly what: string
  readonly table?: string
  readonly before?: ReadonlyArray<string>
  readonly sql: string
  readonly rows: ReadonlyArray<ReadonlyArray<unknown>>
  /** In the order of the rows, where a server can tell them. */
  readonly ids: ReadonlyArray<number | bigint>
  /** MySQL tells them as well, for rows that went in one statement. */
  readonly followed: boolean
}

const plain = "CREATE TABLE t (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, n INT UNIQUE)"
const abc = [[7], [5], [6]]

const cases: ReadonlyArray<Case> = [
  {
    what: "rows that leave the id out",
    sql: "INSERT INTO t (n) VALUES (?)",
    rows: abc,
    ids: [1, 2, 3],
    followed: true
  },
  {
    what: "NULL for an id",
    sql: "INSERT INTO t VALUES (?, ?)",
    rows: [
      [null, 7],
      [null, 5]
    ],
    ids: [1, 2],
    followed: true
  },
  { what: "DEFAULT for an id", sql: "INSERT INTO t VALUES (DEFAULT, ?)", rows: abc, ids: [1, 2, 3], followed: true },
  { what: "NULL in the text", sql: "insert t (n, ID) values (?, null)", rows: abc, ids: [1, 2, 3], followed: true },
  {
    what: "steps other than 1",
    before: ["SET SESSION auto_increment_increment = 10", "SET SESSION auto_increment_offset = 3"],
    sql: "INSERT INTO t (n) VALUES (?)",
    rows: abc,
    ids: [3, 13, 23],
    followed: true
  },
  {
    what: "ids beyond 2^53",
    before: ["INSERT INTO t VALUES (9007199254740989, 1)"],
    sql: "INSERT INTO t (n) VALUES (?)",
    rows: abc,
    ids: [9007199254740990, 9007199254740991, 9007199254740992n],
    followed: true
  },
  {
    what: "ids of its own, and of the server's for some",
    sql: "INSERT INTO t (id, n) VALUES (?, ?)",
    rows: [
      [null, 7],
      [50, 5],
      [null, 6]
    ],
    ids: [1, 0, 51],
    followed: false
  },
  {
    what: "a duplicate that is updated",
    before: ["INSERT INTO t (n) VALUES (5)"],
    sql: "INSERT INTO t (n) VALUES (?) ON DUPLICATE KEY UPDATE n = n + 10",
    rows: [[7], [5], [6]],
    ids: [],
    followed: false
  },
  {
    what: "a duplicate that is ignored",
    before: ["INSERT INTO t (n) VALUES (5)"],
    sql: "INSERT IGNORE INTO t (n) VALUES (?)",
    rows: [[7], [5], [6]],
    ids: [],
    followed: false
  },
  {
    what: "an expression for an id",
    sql: "INSERT INTO t VALUES (NULLIF(?, 0), ?)",
    rows: [
      [0, 7],
      [0, 5]
    ],
    ids: [1, 2],
    followed: false
  },
  {
    what: "a table without any",
    table: "CREATE TABLE t (n INT)",
    sql: "INSERT INTO t VALUES (?)",
    rows: abc,
    ids: [],
    followed: true
  }
]

for (const server of SharedServers.all) {
  /** Ids of rows in one bulk message: MariaDB from 11.5 on. */
  const unitResults = server.name === "mariadb-11.8"
  describe.skipIf(!server.available)(`the ids of a batch on ${server.name}`, () => {
    it.live.each(cases)("of $what", ({ before, followed, ids, rows, sql, table }) =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query(table ?? plain)
        for (const statement of before ?? []) yield* connection.query(statement)
        const { insertIds } = yield* connection.batch(sql, rows)
        if (ids.length > 0) {
          const told = server.name === "mysql-9.7" ? followed : unitResults
          expect(insertIds).toEqual(told ? ids : [])
        }
        // Whatever is told is true.
        for (const [index, id] of insertIds.entries()) {
          if (id !== 0)
            expect(yield* scalar(connection, "SELECT n FROM t WHERE id = ?", [id])).toBe(rows[index]!.at(-1))
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are told in the order of the rows over many chunks, also beside others who insert", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const database = connection.statusUnsafe().database!
        yield* connection.query(plain)
        const others = yield* Effect.forEach(Arr.range(0, 3), () => connect({ database }))
        const results = yield* Effect.forEach(
          others,
          (other, index) => {
            const rows = Arr.makeBy(500, (row) => [index * 1000 + row])
            return Effect.map(other.batch("INSERT INTO t (n) VALUES (?)", rows, { chunkSize: 50 }), (result) => ({
              ...result,
              rows
            }))
          },
          { concurrency: "unbounded" }
        )
        for (const { affectedRows, insertIds, rows } of results) {
          expect(affectedRows).toBe(500)
          if (server.name === "mariadb-10.11") {
            expect(insertIds).toEqual([])
            continue
          }
          expect(insertIds).toHaveLength(500)
          const stored = yield* connection.query<{ readonly id: number; readonly n: number }>(
            "SELECT id, n FROM t WHERE n BETWEEN ? AND ? ORDER BY n",
            [rows[0]![0], rows[499]![0]]
          )
          expect(stored.rows.map(({ id }) => id)).toEqual(insertIds)
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are those of the server for a row a statement, on every server", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query(plain)
        expect((yield* connection.batch("INSERT INTO t SET n = ?", abc)).insertIds).toEqual(
          server.name === "mariadb-10.11" ? [] : [1, 2, 3]
        )
        expect(
          (yield* connection.batch("INSERT INTO t (n) VALUES (?)", [[1], [2]], { chunkSize: 1 })).insertIds
        ).toEqual([4, 5])
        expect(
          (yield* connection.batch("INSERT INTO t (n) VALUES (?)", [[3], [4]], { insertIds: false })).insertIds
        ).toEqual([])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are found without beginning the snapshot of the transaction", () =>
      Effect.gen(function* () {
        // Where rows of many go in one INSERT, the table is looked up.
        const connection = yield* connectToDatabase({ prepare: false })
        const database = connection.statusUnsafe().database!
        const other = yield* connect({ database })
        yield* connection.query(plain)
        yield* connection.query("CREATE TABLE u (n INT)")
        const own = yield* connection.reserve
        yield* own.begin({ isolation: "repeatable read" })
        expect((yield* own.batch("INSERT INTO t (n) VALUES (?)", abc)).insertIds).toEqual([1, 2, 3])
        yield* other.query("INSERT INTO u VALUES (1)")
        expect(yield* scalar(own, "SELECT COUNT(*) FROM u")).toBe(1)
        expect(yield* scalar(own, "SELECT COUNT(*) FROM t")).toBe(3)
        yield* own.rollback
      }).pipe(Effect.provide(server.layer))
    )
  })
}
