/**
 * Several result sets on real servers: of several statements in one text, and of CALL.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ResultSet } from "../src/MysqlConnection.ts"
import { lineWithBackPressure } from "./support/runtimes.ts"
import { reasonOf } from "./support/script.ts"
import { collectSets, connect, connectToDatabase, scalar } from "./support/servers.ts"
import { standstill } from "./support/standstill.ts"
import { counting } from "./support/watching.ts"

const rowsOf = (sets: ReadonlyArray<{ readonly rows: ReadonlyArray<unknown> }>) => sets.map(({ rows }) => rows)

const thousand = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`result sets of ${server.name}`, () => {
    it.live("come one after the other, with what surrounds them", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const sets = yield* collectSets(
          connection.results("CREATE TABLE t (n INT); INSERT INTO t VALUES (?), (?); SELECT n FROM t", [1, 2])
        )
        expect(sets).toMatchObject([{ rows: [] }, { affectedRows: 2 }, { rows: [{ n: 1 }, { n: 2 }] }])
        expect(sets.map(({ fields }) => fields.map(({ name }) => name))).toEqual([[], [], ["n"]])
        const arrays = connection.results("SELECT 1; SELECT 2 UNION SELECT 3", [], { rows: "array" })
        expect(rowsOf(yield* collectSets(arrays))).toEqual([[[1]], [[2], [3]]])
        const one = connection.results("SELECT n FROM t WHERE n > :least", { least: 1 })
        expect(rowsOf(yield* collectSets(one))).toEqual([[{ n: 2 }]])
        // Elsewhere several statements are refused, also right after this.
        expect(reasonOf(yield* Effect.exit(connection.query("SELECT 1; SELECT 2")))).toMatchObject({ errno: 1064 })
        const allowed = yield* connect({ multiStatements: true })
        expect((yield* allowed.query("SELECT 1 AS a; SELECT 2 AS b")).rows).toEqual([{ a: 1 }])
        expect(rowsOf(yield* collectSets(allowed.results("SELECT 1 AS a; SELECT 2 AS b")))).toEqual([
          [{ a: 1 }],
          [{ b: 2 }]
        ])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("come all at once, as far as they ran", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const sets = yield* connection.queryAll(
          "CREATE TABLE t (n INT); INSERT INTO t VALUES (?), (?); SELECT n FROM t",
          [1, 2]
        )
        expect(sets).toMatchObject([{ rows: [] }, { affectedRows: 2 }, { rows: [{ n: 1 }, { n: 2 }] }])
        expect(sets.map(({ fields }) => fields.map(({ name }) => name))).toEqual([[], [], ["n"]])
        const arrays = { rows: "array" } as const
        expect(rowsOf(yield* connection.queryAll("SELECT 1; SELECT :two", { two: 2 }, arrays))).toEqual([[[1]], [[2]]])
        const failing = connection.queryAll("INSERT INTO t VALUES (3); SELECT nope; INSERT INTO t VALUES (4)")
        expect(reasonOf(yield* Effect.exit(failing))).toMatchObject({ errno: 1054 })
        expect(rowsOf(yield* connection.queryAll("SELECT MAX(n) FROM t", [], arrays))).toEqual([[[3]]])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("tell their outcome once their rows have ended", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT)")
        const seen: Array<unknown> = []
        yield* connection.results("INSERT INTO t (n) VALUES (1), (2), (3); SELECT 'abc' + 0; UPDATE t SET n = 0").pipe(
          Stream.runForEach((set) => {
            const outcome = () => [set.affectedRows, set.insertId, set.warningCount, set.info]
            const before = set.fields.length === 0 ? outcome() : undefined
            return Effect.map(Stream.runDrain(set.rows), () => void seen.push([before, outcome()]))
          })
        )
        const inserted = [3, 1, 0, "Records: 3  Duplicates: 0  Warnings: 0"]
        const updated = [3, 0, 0, "Rows matched: 3  Changed: 3  Warnings: 0"]
        expect(seen).toEqual([
          [inserted, inserted],
          [undefined, [0, 0, 1, ""]],
          [updated, updated]
        ])
      }).pipe(Effect.provide(server.layer))
    )

    it.live("before an error are delivered; the error comes in the place of its statement", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const got: Array<unknown> = []
        const failed = yield* connection.results("SELECT 1 AS a; xyzzy; SELECT 2 AS b").pipe(
          Stream.runForEach((set) => Effect.map(Stream.runCollect(set.rows), (rows) => void got.push(rows))),
          Effect.exit
        )
        expect(got).toEqual([[{ a: 1 }]])
        expect(reasonOf(failed)).toMatchObject({ _tag: "ServerError", errno: 1064 })
        expect(yield* scalar(connection, "SELECT 7")).toBe(7)
        yield* connection.query("CREATE TABLE t (n INT)")
        yield* Effect.exit(
          collectSets(connection.results("INSERT INTO t VALUES (3); SELECT x; INSERT INTO t VALUES (4)"))
        )
        expect(yield* scalar(connection, "SELECT GROUP_CONCAT(n) FROM t")).toBe("3")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("in a transaction keep it, and an error among them does too", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (n INT PRIMARY KEY)")
        const reserved = yield* connection.reserve
        yield* reserved.begin()
        yield* collectSets(reserved.results("INSERT INTO t VALUES (1); SELECT n FROM t"))
        const failed = yield* Effect.exit(
          collectSets(reserved.results("SELECT n FROM t; INSERT INTO t VALUES (1); SELECT 1"))
        )
        expect(reasonOf(failed)).toMatchObject({ errno: 1062 })
        expect((yield* reserved.status).inTransaction).toBe(true)
        yield* reserved.commit
        expect(yield* scalar(reserved, "SELECT COUNT(*) FROM t")).toBe(1)
      }).pipe(Effect.scoped, Effect.provide(server.layer))
    )

    it.live("that are left are read away, and their rows cannot be had any more", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const kept: Array<ResultSet> = []
        yield* connection.results(`${thousand} SELECT i FROM n; SELECT 2 AS b`).pipe(
          Stream.runForEach((set) => {
            kept.push(set)
            return kept.length === 1 ? Stream.runDrain(Stream.take(set.rows, 1)) : Effect.void
          })
        )
        expect(kept.map(({ fields }) => fields.map(({ name }) => name))).toEqual([["i"], ["b"]])
        for (const set of kept) {
          expect(reasonOf(yield* Effect.exit(Stream.runCollect(set.rows)))).toMatchObject({ _tag: "ResultSetClosed" })
        }
        const twice = yield* connection.results("SELECT 1 AS a").pipe(
          Stream.mapEffect((set) =>
            Effect.all([Effect.exit(Stream.runCollect(set.rows)), Effect.exit(Stream.runCollect(set.rows))])
          ),
          Stream.runCollect
        )
        expect(twice[0]![0]).toMatchObject({ value: [{ a: 1 }] })
        expect(reasonOf(twice[0]![1]!)).toMatchObject({ _tag: "ResultSetClosed" })
        // The next set was asked for while this one was being read.
        const overtaken = yield* connection.results(`${thousand} SELECT i FROM n; SELECT 2 AS b`).pipe(
          Stream.flatMap((set) => set.rows.pipe(Stream.rechunk(1), Stream.take(3)), { concurrency: 2 }),
          Stream.runCollect,
          Effect.exit
        )
        if (overtaken._tag === "Failure") expect(reasonOf(overtaken)).toMatchObject({ _tag: "ResultSetClosed" })
        expect(yield* scalar(connection, "SELECT 9")).toBe(9)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are not read ahead: the server waits for whoever does not pull, in each set", () =>
      Effect.gen(function* () {
        const { port } = yield* MysqlServer.MysqlServer
        const { connect: watched, counts } = counting(connect)
        const connection = yield* watched(lineWithBackPressure)
        const observer = yield* connect()
        const large = `${thousand} SELECT a.i, REPEAT('x', 1000) AS x FROM n a, n b LIMIT 20000`
        let pauses = 0
        yield* connection.results(`SELECT 1 AS a; ${large}; ${large}; SELECT 2 AS b`).pipe(
          Stream.runForEach((set) => {
            const before = counts().pulled
            let paused = set.fields.length === 1
            return Stream.runForEach(Stream.chunks(set.rows), () => {
              if (paused) return Effect.void
              paused = true
              return Effect.map(standstill(observer, connection.info.connectionId, port), () => {
                pauses++
                expect(counts().pulled - before).toBeLessThan(4 * 1024 * 1024)
              })
            })
          })
        )
        expect(pauses).toBe(2)
        expect(counts().pulled).toBeGreaterThan(40_000_000)
        expect(yield* scalar(connection, "SELECT 9")).toBe(9)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("whose stream ends early leave the connection clean, and the statements behind do not run", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (n INT)")
        const first = yield* connection
          .results(`SELECT 1 AS a; ${thousand} SELECT COUNT(*) FROM n a, n b, n c; INSERT INTO t VALUES (1)`)
          .pipe(
            Stream.take(1),
            Stream.mapEffect((set) => Stream.runCollect(set.rows)),
            Stream.runCollect
          )
        expect(first).toEqual([[{ a: 1 }]])
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(0)
        expect(reasonOf(yield* Effect.exit(connection.query("SELECT 1; SELECT 2")))).toMatchObject({ errno: 1064 })
      }).pipe(Effect.provide(server.layer))
    )

    it.live("of a procedure are its own and the end of the call", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE PROCEDURE myinc(p1 INT) BEGIN SELECT p1 + 1 AS n; END")
        for (const [sql, params] of [
          ["CALL myinc(1)", []],
          ["CALL myinc(?)", [1]],
          ["CALL myinc(?)", [1]]
        ] as const) {
          const sets = yield* collectSets(connection.results(sql, params))
          expect(rowsOf(sets)).toEqual([[{ n: 2 }], []])
          expect(sets[1]).toMatchObject({ affectedRows: 0, fields: [] })
        }
        yield* connection.query("CREATE PROCEDURE fails() BEGIN SELECT 1 AS a; SELECT * FROM nope; END")
        const got: Array<unknown> = []
        const failed = yield* connection.results("CALL fails()").pipe(
          Stream.runForEach((set) => Effect.map(Stream.runCollect(set.rows), (rows) => void got.push(rows))),
          Effect.exit
        )
        expect(got).toEqual([[{ a: 1 }]])
        expect(reasonOf(failed)).toMatchObject({ _tag: "ServerError", errno: 1146 })
        // Half of it read, and then something else.
        yield* Stream.runDrain(Stream.take(connection.results("CALL myinc(?)", [5]), 1))
        expect(yield* scalar(connection, "SELECT 1")).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("may be hundreds, and each has its own columns", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const sql = Arr.range(1, 300).map((n) => `SELECT ${n} AS c${n}`)
        expect(rowsOf(yield* collectSets(connection.results(sql.join(";"))))).toEqual(
          Arr.range(1, 300).map((n) => [{ [`c${n}`]: n }])
        )
      }).pipe(Effect.provide(server.layer))
    )
  })

  describe.skipIf(!server.available)(`procedures on ${server.name}`, () => {
    const create = `CREATE PROCEDURE \`odd name\` (IN factor INT, INOUT total DECIMAL(10,2), OUT label VARCHAR(20),
        OUT old VARCHAR(20) CHARACTER SET latin1, OUT bytes VARBINARY(9), OUT at DATETIME(3), OUT day DATE, OUT lasts TIME)
      BEGIN
        SELECT factor AS factor;
        SET total = total * factor, label = 'it''s 🙂', old = 'é', bytes = x'00ff', at = '2024-02-29 01:02:03.5',
          day = '2024-02-29', lasts = '-01:02:03';
      END`

    it.live("give the values of their parameters back, in both protocols", () =>
      Effect.gen(function* () {
        for (const prepare of [true, false]) {
          const connection = yield* connectToDatabase({ prepare })
          yield* connection.query(create)
          const database = yield* scalar(connection, "SELECT DATABASE()")
          for (const procedure of ["odd name", `${database}.odd name`]) {
            const { out, sets } = yield* connection.call(procedure, [3, "1.50", null, null, null, null, null, null])
            expect(out).toEqual({
              total: "4.50",
              label: "it's 🙂",
              // MySQL sends the bytes of the parameter's character set, and does not say which that is.
              old: prepare && server.flavour === "mysql-9.7" ? Uint8Array.of(0xe9) : "é",
              bytes: Uint8Array.of(0, 255),
              at: new Date("2024-02-29T01:02:03.500Z"),
              day: "2024-02-29",
              lasts: "-01:02:03"
            })
            expect(rowsOf(sets)).toEqual([[{ factor: 3 }]])
          }
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("without such parameters, without any, and with rows only", () =>
      Effect.gen(function* () {
        for (const prepare of [true, false]) {
          const connection = yield* connectToDatabase({ prepare })
          yield* connection.query("CREATE TABLE t (n INT)")
          yield* connection.query("CREATE PROCEDURE fill(n INT) BEGIN INSERT INTO t VALUES (n), (n); END")
          yield* connection.query("CREATE PROCEDURE two() BEGIN SELECT n FROM t; SELECT COUNT(*) AS c FROM t; END")
          expect(yield* connection.call("fill", [7])).toMatchObject({ affectedRows: 2, out: {}, sets: [] })
          const { sets } = yield* connection.call("two")
          expect(rowsOf(sets)).toEqual([[{ n: 7 }, { n: 7 }], [{ c: 2 }]])
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("fail typed, and the connection goes on", () =>
      Effect.gen(function* () {
        for (const prepare of [true, false]) {
          const connection = yield* connectToDatabase({ prepare })
          yield* connection.query("CREATE PROCEDURE p(OUT x INT) BEGIN SELECT 1; SELECT * FROM nope; END")
          const failed = yield* Effect.exit(connection.call("p", [null]))
          expect(reasonOf(failed)).toMatchObject({ _tag: "ServerError", errno: 1146 })
          const missing = yield* Effect.exit(connection.call("nowhere", [1]))
          expect(reasonOf(missing)).toMatchObject({ _tag: "ServerError", errno: 1305 })
          const few = yield* Effect.exit(connection.call("p", []))
          expect(reasonOf(few)).toMatchObject({ _tag: "ServerError", errno: 1318 })
          for (const name of ["", "a.b.c", ".p"]) {
            expect(reasonOf(yield* Effect.exit(connection.call(name)))).toMatchObject({ _tag: "ParameterError" })
          }
          expect(yield* scalar(connection, "SELECT 1")).toBe(1)
        }
      }).pipe(Effect.provide(server.layer))
    )
  })
}
