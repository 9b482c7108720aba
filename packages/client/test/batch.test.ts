/**
 * One statement for many rows, on real servers: what is stored, what is counted, which ids were generated, and what is
 * not sent.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { MysqlConnection } from "../src/MysqlConnection.ts"
import { connectToDatabase, scalar } from "./support/servers.ts"
import { counting } from "./support/watching.ts"

const all = (connection: MysqlConnection, sql: string) =>
  Effect.map(connection.query<ReadonlyArray<unknown>>(sql, [], { rows: "array" }), ({ rows }) => rows)

/** How many statements of this kind the server has counted for the session, prepared or not. */
const counted = (connection: MysqlConnection, name: string) =>
  Effect.map(
    connection.query<readonly [string, string]>(`SHOW SESSION STATUS LIKE '${name}'`, [], { rows: "array" }),
    ({ rows }) => Number(rows[0]![1])
  )

const people = [
  [0, "bob", 21, 123],
  [1, "jim", 56, 45],
  [2, "fred", 100, 180]
]

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a batch on ${server.name}`, () => {
    it.live("stores all rows with one statement", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), age INT, height INT)")
        const result = yield* connection.batch("INSERT INTO t (id, name, age, height) VALUES (?,?,?,?)", people)
        expect(result).toEqual({ affectedRows: 3, warningCount: 0, insertIds: [], statements: 1 })
        expect(yield* all(connection, "SELECT * FROM t ORDER BY id")).toEqual(people)
      }).pipe(Effect.provide(server.layer))
    )

    it.live.each<[sql: string, rows: ReadonlyArray<ReadonlyArray<unknown>>, stored: ReadonlyArray<unknown>]>([
      ["insert into t (a,\nb)\nvalues (?,\n ? )", [[1, "x"]], [[1, "x"]]],
      [
        "INSERT INTO t VALUES(?, UPPER(?))",
        [
          [1, "x"],
          [2, "y"]
        ],
        [
          [1, "X"],
          [2, "Y"]
        ]
      ],
      [
        "INSERT INTO t VALUE (?, 'k')",
        [[1], [2]],
        [
          [1, "k"],
          [2, "k"]
        ]
      ],
      [
        "INSERT INTO t VALUES (?, ?)",
        [
          [1, "100%"],
          [2, "%s"],
          [3, "it's \\ \"\n?"]
        ],
        [
          [1, "100%"],
          [2, "%s"],
          [3, "it's \\ \"\n?"]
        ]
      ],
      [
        "INSERT INTO t VALUES (?, ?)",
        [
          [1, null],
          [2, "b"],
          [null, "c"]
        ],
        [
          [null, "c"],
          [1, null],
          [2, "b"]
        ]
      ],
      [
        "INSERT INTO t VALUES (?, ?)",
        [
          [1, 5],
          [2, "b"],
          [3, 0.5],
          [4, 10n ** 30n]
        ],
        [
          [1, "5"],
          [2, "b"],
          [3, "0.5"],
          [4, `1${"0".repeat(30)}`]
        ]
      ],
      [
        "INSERT INTO t SELECT x, y FROM (SELECT ? AS x, ? AS y) AS d",
        [
          [1, 5],
          [2, "b"],
          [3, 0.5],
          [4, 10n ** 19n],
          [5, null],
          [6, "c"]
        ],
        [
          [1, "5"],
          [2, "b"],
          [3, "0.5"],
          [4, `1${"0".repeat(19)}`],
          [5, null],
          [6, "c"]
        ]
      ],
      [
        "INSERT INTO t SET a = ?, b = ?",
        [
          [1, "x"],
          [2, "y"]
        ],
        [
          [1, "x"],
          [2, "y"]
        ]
      ],
      [
        "INSERT INTO t SELECT ?, ?",
        [
          [1, "x"],
          [2, "y"]
        ],
        [
          [1, "x"],
          [2, "y"]
        ]
      ],
      [
        "INSERT INTO t VALUES (?, ?) -- done",
        [
          [1, "x"],
          [2, "y"]
        ],
        [
          [1, "x"],
          [2, "y"]
        ]
      ],
      [
        "INSERT INTO t VALUES (?, ?), (9, '-')",
        [[1, "x"]],
        [
          [1, "x"],
          [9, "-"]
        ]
      ]
    ])("%j stores what it says", ([sql, rows, stored]) =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (a INT, b VARCHAR(50))")
        const result = yield* connection.batch(sql, rows)
        expect(result.affectedRows).toBe(stored.length)
        expect(yield* all(connection, "SELECT * FROM t ORDER BY a")).toEqual(stored)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("replaces and updates duplicates, also with values for the update", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), n INT DEFAULT 0)")
        const replaced = yield* connection.batch("REPLACE INTO t (id, name) VALUES (?, ?)", [
          [0, "bob"],
          [0, "jim"]
        ])
        expect(replaced.affectedRows).toBe(3)
        expect(yield* all(connection, "SELECT id, name FROM t")).toEqual([[0, "jim"]])
        const updated = yield* connection.batch(
          "INSERT INTO t (id, name) VALUES (?, ?) ON DUPLICATE KEY UPDATE n = n + 1",
          [
            [0, "x"],
            [0, "y"],
            [1, "z"]
          ]
        )
        expect(updated.affectedRows).toBe(5)
        const given = yield* connection.batch(
          "INSERT INTO t (id, name) VALUES (?, ?) ON DUPLICATE KEY UPDATE n = ?, name = CONCAT(name, '!')",
          [
            [0, "x", 7],
            [1, "y", 8]
          ]
        )
        expect(given.affectedRows).toBe(4)
        expect(yield* all(connection, "SELECT * FROM t ORDER BY id")).toEqual([
          [0, "jim!", 7],
          [1, "z!", 8]
        ])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("updates duplicates by the name of the new row, where the server knows such names", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
        const sql = "INSERT INTO t (id, n) VALUES (?, ?) AS new ON DUPLICATE KEY UPDATE n = t.n + new.n"
        const rows = [
          [1, 2],
          [1, 40],
          [2, 3]
        ]
        if (server.flavour === "mysql-9.7") {
          expect(yield* connection.batch(sql, rows)).toMatchObject({ affectedRows: 4, statements: 1 })
          expect(yield* all(connection, "SELECT * FROM t ORDER BY id")).toEqual([
            [1, 42],
            [2, 3]
          ])
        } else {
          expect((yield* Effect.flip(connection.batch(sql, rows))).reason).toMatchObject({ errno: 1064 })
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("updates, deletes, calls and selects row by row, in the order of the rows", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(200) DEFAULT '')")
        yield* connection.query("CREATE PROCEDURE p (IN a INT) SELECT a")
        yield* connection.batch("INSERT INTO t (id) VALUES (?)", [[1], [2]])
        const updated = yield* connection.batch(
          "UPDATE t SET s = CONCAT(s, ?) WHERE id = ?",
          Arr.makeBy(300, (index) => [`${index % 10}`, 1 + (index % 2)])
        )
        expect(updated.affectedRows).toBe(300)
        expect(yield* scalar(connection, "SELECT s FROM t WHERE id = 1")).toBe("02468".repeat(30))
        expect(yield* connection.batch("SELECT * FROM t WHERE id = ?", [[1], [2], [3]])).toMatchObject({
          statements: 3
        })
        expect(yield* connection.batch("CALL p(?)", [[1], [2], [3]])).toMatchObject({ statements: 3 })
        expect((yield* connection.batch("DELETE FROM t WHERE id = ?", [[1], [5], [2]])).affectedRows).toBe(2)
        expect(yield* scalar(connection, "SELECT 'usable'")).toBe("usable")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("goes as text where nothing is to be prepared, or cannot be", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase({ prepare: false })
        yield* connection.query("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(20))")
        const inserted = yield* connection.batch("INSERT INTO t (s) VALUES (?)", [["a"], ["b"], ["c"]])
        expect(inserted).toEqual({ affectedRows: 3, warningCount: 0, insertIds: [1, 2, 3], statements: 1 })
        const updated = yield* connection.batch("UPDATE t SET s = ? WHERE id = ?", [
          ["x", 1],
          ["y", 3]
        ])
        expect(updated).toMatchObject({ affectedRows: 2, statements: 2 })
        expect(yield* all(connection, "SELECT s FROM t ORDER BY id")).toEqual([["x"], ["b"], ["y"]])
        expect(yield* counted(connection, "Com_stmt_prepare")).toBe(0)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("takes the rows a chunk at a time, and no more of them than are needed", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (id INT PRIMARY KEY)")
        const taken: Array<number> = []
        let closed = false
        function* rows() {
          try {
            for (const id of [1, 2, 3, 4, 1, 5, 6, 7, 8]) {
              taken.push(id)
              yield [id]
            }
          } finally {
            closed = true
          }
        }
        const error = yield* Effect.flip(connection.batch("INSERT INTO t VALUES (?)", rows(), { chunkSize: 2 }))
        expect(error.reason).toMatchObject({ _tag: "ServerError", errno: 1062 })
        expect(taken).toEqual([1, 2, 3, 4, 1, 5])
        expect(closed).toBe(true)
        // InnoDB undoes the statement that failed; what was acknowledged before it stays.
        expect(yield* scalar(connection, "SELECT GROUP_CONCAT(id ORDER BY id) FROM t")).toBe("1,2,3,4")
        expect((yield* connection.batch("INSERT INTO t VALUES (?)", new Set([[11], [12], [13]]))).affectedRows).toBe(3)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("sends nothing of a chunk with a row that cannot be sent, and says which", () =>
      Effect.gen(function* () {
        const { connect, counts } = counting(connectToDatabase)
        const connection = yield* connect()
        yield* connection.query("CREATE TABLE t (a INT, b VARCHAR(20))")
        for (const [sql, first] of [
          ["INSERT INTO t VALUES (?, ?)", [1, "x"]],
          ["UPDATE t SET a = ? WHERE b = ?", [1, "x"]]
        ] as const) {
          yield* connection.batch(sql, [first])
          for (const [bad, parameter] of [
            [[1], 1],
            [[1, "x", 2], 2],
            [[1, undefined], 1],
            [[Number.NaN, "x"], 0],
            [[1, {}], 1]
          ] as const) {
            const before = counts().written
            const error = yield* Effect.flip(connection.batch(sql, [first, first, bad, first]))
            expect(error.reason).toMatchObject({ _tag: "ParameterError", row: 2, parameter })
            expect(error.message).toContain("Row 2")
            expect(counts().written).toBe(before)
            const later = yield* Effect.flip(connection.batch(sql, [first, first, first, bad], { chunkSize: 2 }))
            expect(later.reason).toMatchObject({ _tag: "ParameterError", row: 3 })
          }
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live.skipIf(!server.canOwn)(
      "makes no statement longer than the server takes, and refuses a row that does not fit",
      () =>
        Effect.gen(function* () {
          const connection = yield* connectToDatabase()
          yield* connection.query("CREATE TABLE t (id INT PRIMARY KEY, s LONGTEXT)")
          const rows = Arr.makeBy(20, (index) => [index, "x".repeat(10_000)])
          const result = yield* connection.batch("INSERT INTO t VALUES (?, ?)", rows)
          expect(result).toMatchObject({ affectedRows: 20, statements: 4 })
          expect(yield* scalar(connection, "SELECT SUM(LENGTH(s)) FROM t")).toBe("200000")
          const fits = yield* connection.batch("INSERT INTO t VALUES (?, ?)", [[20, "x".repeat(65_000)]])
          expect(fits.affectedRows).toBe(1)
          for (const sql of ["INSERT INTO t VALUES (?, ?)", "UPDATE t SET id = ?, s = ? WHERE id = 1"]) {
            const error = yield* Effect.flip(
              connection.batch(sql, [
                [30, "y"],
                [31, "y".repeat(70_000)]
              ])
            )
            expect(error.reason).toMatchObject({ _tag: "ParameterError", row: 1 })
            expect(error.message).toContain("max_allowed_packet")
          }
          expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(21)
        }).pipe(Effect.provide(server.own({ settings: { max_allowed_packet: 65_536 } })))
    )

    it.live("of rows that are long, few go together", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (s LONGTEXT)")
        const rows = Arr.makeBy(6, (index) => [`${index}`.repeat(400_000)])
        expect(yield* connection.batch("INSERT INTO t VALUES (?)", rows)).toMatchObject({
          affectedRows: 6,
          statements: 3
        })
        const long = [["a".repeat(3_000_000)], ["b".repeat(3_000_000)]]
        expect(yield* connection.batch("INSERT INTO t VALUES (?)", long)).toMatchObject({
          affectedRows: 2,
          statements: 2
        })
        expect(yield* scalar(connection, "SELECT SUM(LENGTH(s)) FROM t")).toBe("8400000")
      }).pipe(Effect.provide(server.layer))
    )

    it.live.skipIf(server.name === "mysql-9.7")("counts the rows that are returned", () =>
      Effect.gen(function* () {
        for (const prepare of [true, false]) {
          const connection = yield* connectToDatabase({ prepare })
          yield* connection.query("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT)")
          expect(
            yield* connection.batch("INSERT INTO t (n) VALUES (?) RETURNING id, n", [[1], [2], [3]])
          ).toMatchObject({
            affectedRows: 3,
            statements: 1
          })
          expect(yield* scalar(connection, "SELECT GROUP_CONCAT(n) FROM t")).toBe("1,2,3")
          expect(yield* connection.batch("DELETE FROM t WHERE n = ? RETURNING id", [[1], [7], [3]])).toMatchObject({
            affectedRows: 2
          })
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("prepares once for all batches of a text, and anew when the server has forgotten it", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (n INT)")
        const before = yield* counted(connection, "Com_stmt_prepare")
        for (const n of [1, 2, 3]) yield* connection.batch("INSERT INTO t SET n = ?", [[n], [n]])
        // MariaDB is sent one that does nothing behind it, see `lastPrepared.ts`.
        const once = connection.info.product === "mariadb" ? 2 : 1
        expect((yield* counted(connection, "Com_stmt_prepare")) - before).toBe(once)
        const statement = yield* scalar(connection, "SELECT COUNT(*) FROM t")
        expect(statement).toBe(6)
        const own = yield* connection.reserve
        // Behind the back of the client: it still believes that it is prepared.
        yield* own.query("ALTER TABLE t ADD COLUMN m INT")
        expect((yield* own.batch("INSERT INTO t SET n = ?", [[4], [5]])).affectedRows).toBe(2)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("runs beside statements of others on the same connection", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (n INT)")
        const batches = Arr.makeBy(4, (index) =>
          connection.batch(
            index % 2 === 0 ? "INSERT INTO t VALUES (?)" : "INSERT INTO t SET n = ?",
            Arr.makeBy(400, (row) => [index * 1000 + row]),
            { chunkSize: 40 }
          )
        )
        const queries = Arr.makeBy(100, (index) => scalar(connection, "SELECT ?", [index]))
        const [counts, values] = yield* Effect.all(
          [
            Effect.all(batches, { concurrency: "unbounded" }),
            Effect.all(queries, { concurrency: "unbounded" })
          ] as const,
          { concurrency: "unbounded" }
        )
        expect(counts.map(({ affectedRows }) => affectedRows)).toEqual([400, 400, 400, 400])
        expect(values).toEqual(Arr.range(0, 99))
        expect(yield* scalar(connection, "SELECT COUNT(DISTINCT n) FROM t")).toBe(1600)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("takes values by name, and says which name of which row has none", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (a INT, b VARCHAR(20))")
        const named = [
          { a: 1, b: "x" },
          { b: "y", a: 2 }
        ]
        const result = yield* connection.batch("INSERT INTO t VALUES (:a, UPPER(:b))", named)
        expect(result).toMatchObject({ affectedRows: 2, statements: 1 })
        yield* connection.batch("UPDATE t SET b = CONCAT(b, :b, :b) WHERE a = :a", named)
        expect(yield* all(connection, "SELECT * FROM t ORDER BY a")).toEqual([
          [1, "Xxx"],
          [2, "Yyy"]
        ])
        for (const [bad, parameter] of [
          [{ a: 3 }, "b"],
          [{ a: 3, b: Number.NaN }, "b"],
          [{ a: 3, b: "z", c: 1 }, "c"],
          [[3, "z"], "row"]
        ] as const) {
          const error = yield* Effect.flip(connection.batch("INSERT INTO t VALUES (:a, :b)", [...named, bad]))
          expect(error.reason).toMatchObject({ _tag: "ParameterError", row: 2, parameter })
        }
        const mixed = yield* Effect.flip(connection.batch("INSERT INTO t VALUES (?, ?)", [[1, "x"], { a: 1, b: "x" }]))
        expect(mixed.reason).toMatchObject({ _tag: "ParameterError", row: 1 })
        for (const chunkSize of [0, -1, 0.5, Number.NaN]) {
          const error = yield* Effect.flip(connection.batch("DO ?", [[1]], { chunkSize }))
          expect(error.reason._tag).toBe("ConfigurationError")
        }
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(2)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("of no rows nothing is sent", () =>
      Effect.gen(function* () {
        const { connect, counts } = counting(connectToDatabase)
        const connection = yield* connect()
        const before = counts().written
        const result = yield* connection.batch("INSERT INTO missing VALUES (?)", [])
        expect(result).toEqual({ affectedRows: 0, warningCount: 0, insertIds: [], statements: 0 })
        expect(counts().written).toBe(before)
      }).pipe(Effect.provide(server.layer))
    )
  })
}
