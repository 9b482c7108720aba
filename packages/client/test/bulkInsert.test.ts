/**
 * Streams of rows into a table: as a sink, as a stream of counts, and by LOAD DATA.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as BulkInsert from "../src/BulkInsert.ts"
import { MysqlConnection } from "../src/MysqlConnection.ts"
import { connect, connectToDatabase, scalar } from "./support/servers.ts"

class Broken extends Data.TaggedError("Broken") {}

const numbered = (count: number) =>
  Stream.map(Stream.range(1, count), (n) => ({ n, name: `name ${n}`, more: "not stored" }))

const table = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT UNIQUE, `na``me` VARCHAR(20))"
const renamed = <R extends { readonly name: string }>(row: R) => ({ ...row, "na`me": row.name })
const columns = ["n", "na`me"]

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`rows of a stream on ${server.name}`, () => {
    const toTable = Effect.gen(function* () {
      const connection = yield* connectToDatabase()
      yield* connection.query(table)
      return connection
    })

    it.live("are stored by a sink, which tells what a batch tells", () =>
      Effect.gen(function* () {
        const connection = yield* toTable
        const sink = BulkInsert.sink({ table: "t", columns, chunkSize: 100 })
        const result = yield* Stream.run(Stream.map(numbered(250), renamed), sink).pipe(
          Effect.provideService(MysqlConnection, connection)
        )
        const { rows } = yield* connection.query<{ readonly id: number }>("SELECT id FROM t ORDER BY n")
        expect(result).toEqual({
          affectedRows: 250,
          warningCount: 0,
          statements: 3,
          insertIds: server.name === "mariadb-10.11" ? [] : rows.map(({ id }) => id)
        })
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t WHERE `na``me` = CONCAT('name ', n)")).toBe(250)
        const none = yield* Stream.run(Stream.empty, sink).pipe(Effect.provideService(MysqlConnection, connection))
        expect(none).toEqual({ affectedRows: 0, warningCount: 0, statements: 0, insertIds: [] })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are counted as they are acknowledged, and no more are stored than somebody waits for", () =>
      Effect.gen(function* () {
        const connection = yield* toTable
        const database = connection.statusUnsafe().database!
        const counting = Stream.map(numbered(1000), renamed).pipe(
          BulkInsert.progress({ table: `${database}.t`, columns, chunkSize: 300 })
        )
        const observer = yield* connect({ database })
        const seen = yield* counting.pipe(
          Stream.mapEffect(({ rows }) =>
            Effect.map(scalar(observer, "SELECT COUNT(*) FROM t"), (stored) => [rows, stored])
          ),
          Stream.runCollect,
          Effect.provideService(MysqlConnection, connection)
        )
        expect(seen).toEqual([
          [300, 300],
          [600, 600],
          [900, 900],
          [1000, 1000]
        ])
        yield* connection.query("DELETE FROM t")
        yield* counting.pipe(Stream.take(2), Stream.runDrain, Effect.provideService(MysqlConnection, connection))
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(600)
      }).pipe(Effect.provide(server.layer))
    )

    it.live.each<
      [onDuplicate: BulkInsert.Options["onDuplicate"], rows: ReadonlyArray<unknown> | number, affected?: number]
    >([
      ["fail", 1062],
      [undefined, 1062],
      [
        "keep",
        [
          [1, "old"],
          [2, "new"]
        ],
        1
      ],
      [
        "update",
        [
          [1, "new"],
          [2, "new"]
        ],
        3
      ],
      [
        ["na`me"],
        [
          [1, "new"],
          [2, "new"]
        ],
        3
      ]
    ])("of a key that is there already: %j", ([onDuplicate, stored, affected]) =>
      Effect.gen(function* () {
        const connection = yield* toTable
        yield* connection.query("INSERT INTO t (n, `na``me`) VALUES (1, 'old')")
        const rows = Stream.map(Stream.make(1, 2), (n) => ({ n, "na`me": "new" }))
        const run = Stream.run(rows, BulkInsert.sink({ table: "t", columns, onDuplicate })).pipe(
          Effect.provideService(MysqlConnection, connection)
        )
        if (typeof stored === "number") {
          expect((yield* Effect.flip(run)).reason).toMatchObject({ errno: stored })
          return
        }
        expect(yield* run).toMatchObject({ affectedRows: affected, warningCount: 0 })
        const { rows: found } = yield* connection.query("SELECT n, `na``me` FROM t ORDER BY n", [], { rows: "array" })
        expect(found).toEqual(stored)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("say which row cannot be sent, and pass on the error of their stream", () =>
      Effect.gen(function* () {
        const connection = yield* toTable
        const sink = BulkInsert.sink({ table: "t", columns, chunkSize: 100 })
        const bad = Stream.map(numbered(500), (row) => (row.n === 251 ? { n: 1 } : renamed(row)))
        const error = yield* Effect.flip(Stream.run(bad, sink)).pipe(Effect.provideService(MysqlConnection, connection))
        expect(error.reason).toMatchObject({ _tag: "ParameterError", row: 250, parameter: 1 })
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(200)
        yield* connection.query("DELETE FROM t")
        const broken = Stream.concat(Stream.map(numbered(10), renamed), Stream.fail(new Broken()))
        const passed = yield* Effect.flip(Stream.run(broken, sink)).pipe(
          Effect.provideService(MysqlConnection, connection)
        )
        expect(passed).toEqual(new Broken())
      }).pipe(Effect.provide(server.layer))
    )
  })

  describe.skipIf(!server.available)(`rows by LOAD DATA on ${server.name}`, () => {
    const day = new Date("2026-02-03T04:05:06.789Z")
    const texts = [
      "",
      "plain",
      "a\tb",
      "a,b",
      "a;b",
      "\"q\" 'q'",
      "back\\slash",
      "\\N",
      "NULL",
      "x\ny\r\nz",
      "a\0b",
      "ü🙂",
      "##"
    ]
    const formats = [
      "",
      "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' LINES TERMINATED BY '\\r\\n'",
      "FIELDS TERMINATED BY ';' ENCLOSED BY '\"' ESCAPED BY ''",
      "COLUMNS TERMINATED BY ',,' ESCAPED BY '#' LINES STARTING BY 'row: ' TERMINATED BY ' end\\n'",
      "FIELDS ENCLOSED BY ''''"
    ]

    it.live.each(formats)("are what they were, in the format %j", (format) =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query(
          "CREATE TABLE t (i INT, s VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, d DOUBLE, n DECIMAL(40, 10), at DATETIME(3), b BIGINT UNSIGNED, y TINYINT)"
        )
        const rows = texts.map((text, index) => [
          index,
          text,
          0.1 * index,
          `${index}.5`,
          day,
          2n ** 64n - 1n,
          index % 2 === 0
        ])
        const sql = `LOAD DATA LOCAL INFILE 'rows' INTO TABLE t CHARACTER SET utf8mb4 ${format}`
        const outcome = yield* connection.loadRows(sql, Stream.fromIterable([...rows, rows[0]!.map(() => null)]))
        expect(outcome).toMatchObject({ affectedRows: rows.length + 1, warningCount: 0 })
        const { rows: stored } = yield* connection.query<ReadonlyArray<unknown>>("SELECT * FROM t ORDER BY i", [], {
          rows: "array"
        })
        expect(stored[0]).toEqual(rows[0]!.map(() => null))
        expect(stored.slice(1)).toEqual(
          rows.map(([i, s, d, n, at, b, y]) => [i, s, d, `${n}000000000`, at, b, y === true ? 1 : 0])
        )
      }).pipe(Effect.provide(server.layer))
    )

    it.live("with bytes are stored byte by byte", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (i INT, b VARBINARY(256), s VARCHAR(10) CHARACTER SET utf8mb4)")
        const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
        for (const format of ["", "FIELDS TERMINATED BY ',' ENCLOSED BY '\"' ESCAPED BY ''"]) {
          const sql = `LOAD DATA LOCAL INFILE 'rows' INTO TABLE t CHARACTER SET binary ${format}`
          yield* connection.loadRows(sql, Stream.make([1, bytes, "ü🙂"], [2, null, "x"]))
          const { rows } = yield* connection.query("SELECT * FROM t ORDER BY i", [], { rows: "array" })
          expect(rows).toEqual([
            [1, bytes, "ü🙂"],
            [2, null, "x"]
          ])
          yield* connection.query("DELETE FROM t")
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that cannot be written are a typed error, and nothing of the statement stays", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (i INT, s VARCHAR(10))")
        const load = "LOAD DATA LOCAL INFILE 'rows' INTO TABLE t CHARACTER SET utf8mb4"
        for (const [format, value] of [
          ["", Number.NaN],
          ["", undefined],
          ["FIELDS ESCAPED BY ''", null],
          ["FIELDS ESCAPED BY ''", "a\tb"]
        ] as const) {
          const rows = Stream.make([1, "a"], [2, "b"], [3, value])
          const error = yield* Effect.flip(connection.loadRows(`${load} ${format}`, rows))
          expect(error.reason).toMatchObject({ _tag: "ParameterError", row: 2, parameter: 1 })
        }
        for (const format of ["FIELDS TERMINATED BY 'n'", "FIELDS TERMINATED BY ''", "LINES TERMINATED BY '\\t'"]) {
          const error = yield* Effect.flip(connection.loadRows(`${load} ${format}`, Stream.make([1, "a"])))
          expect(error.reason._tag).toBe("ConfigurationError")
        }
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(0)
      }).pipe(Effect.provide(server.layer))
    )
  })
}

describe("options that make no sense", () => {
  it.effect("fail with all faults, and nothing is read", () =>
    Effect.gen(function* () {
      const sink = BulkInsert.sink({ table: "", columns: ["a", "a"], chunkSize: 0.5, onDuplicate: ["b"] })
      const error = yield* Effect.flip(Stream.run(Stream.die("read"), sink)).pipe(
        Effect.provideService(MysqlConnection, { info: { product: "mysql" } } as MysqlConnection)
      )
      expect(error.reason).toMatchObject({
        _tag: "ConfigurationError",
        faults: [
          "table is empty",
          'columns has "a" twice',
          "chunkSize is a whole number of rows, at least 1",
          'onDuplicate has "b", which is not among columns'
        ]
      })
    })
  )
})
