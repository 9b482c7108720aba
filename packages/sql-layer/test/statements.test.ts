/** What `effect/sql` asks of a driver's statements, on real servers. */
import { describe, expect } from "@effect/vitest"
import { MysqlTypes } from "@effect-mysql/client"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Str from "effect/String"
import { BeginTransaction, SafeIntegers } from "effect/sql/SqlClient"
import * as MysqlClient from "../src/MysqlClient.ts"
import { bystander, onEachServer, runsNoMore } from "./support.ts"

const reasonOf = <A, R>(effect: Effect.Effect<A, any, R>): Effect.Effect<any, A, R> =>
  Effect.map(Effect.flip(effect), (error) => error.reason)

const people = Effect.gen(function* () {
  const sql = yield* MysqlClient.MysqlClient
  yield* sql`DROP TABLE IF EXISTS people`
  yield* sql`CREATE TABLE people (
    id INT AUTO_INCREMENT PRIMARY KEY, first_name VARCHAR(20) UNIQUE, age INT, big BIGINT, doc JSON
  )`
  yield* sql`INSERT INTO people ${sql.insert([
    { first_name: "Ada", age: 36, big: 1, doc: sql.json({ inKey: 1 }) },
    { first_name: "Bob", age: 41, big: BigInt("9007199254740993"), doc: null }
  ])}`
  return sql
})

const suite: Parameters<typeof onEachServer>[0] = (it, product) => {
  it.effect("a statement gives rows as plain objects", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const rows = yield* sql`SELECT id, first_name FROM people WHERE age > ${40}`
      expect(rows).toEqual([{ id: 2, first_name: "Bob" }])
      expect(Object.getPrototypeOf(rows[0])).toBe(Object.prototype)
    })
  )

  it.effect(".values gives rows as arrays, in the order of the columns", () =>
    Effect.gen(function* () {
      const sql = yield* people
      expect(yield* sql`SELECT first_name, id, id FROM people ORDER BY id`.values).toEqual([
        ["Ada", 1, 1],
        ["Bob", 2, 2]
      ])
    })
  )

  it.effect(".raw gives the result with a numeric affectedRows", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const inserted =
        yield* sql`INSERT IGNORE INTO people ${sql.insert([{ first_name: "Ada" }, { first_name: "Cy" }])}`.raw
      expect(inserted).toMatchObject({ affectedRows: 1, warningCount: 1, rows: [], fields: [] })
      expect((inserted as { readonly insertId: unknown }).insertId).toBeTypeOf("number")
      expect((inserted as { readonly info: string }).info).toContain("Duplicates: 1")
      const selected = yield* sql`SELECT id FROM people WHERE id = ${1}`.raw
      expect(selected).toMatchObject({ rows: [{ id: 1 }], fields: [{ name: "id", table: "people" }] })
    })
  )

  it.effect(".stream gives the rows of `execute`, as they come", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const statement = sql`SELECT * FROM people WHERE age > ${1} ORDER BY id`
      expect(yield* Stream.runCollect(statement.stream)).toEqual(yield* statement)
    })
  )

  it.effect("a stream that is ended early stops its statement and frees its connection", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const onlooker = yield* bystander
      const numbers = sql`WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        SELECT a.i + b.i AS early_end FROM n a, n b, n c`
      expect(yield* numbers.stream.pipe(Stream.take(3), Stream.runCollect)).toHaveLength(3)
      yield* runsNoMore(onlooker, "early_end")
      expect(yield* sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
    })
  )

  it.effect(".unprepared gives the rows of one statement, values as literals", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const text = "it's \\ \" \0 é 🙂 %_; -- /* */"
      expect(yield* sql`SELECT ${text} AS t, ${null} AS n, ${true} AS b, ${1.5} AS d`.unprepared).toMatchObject([
        { t: text, n: null, b: 1 }
      ])
      expect(yield* sql`UPDATE people SET age = ${1} WHERE id = ${1}`.unprepared).toEqual([])
    })
  )

  it.effect(".unprepared of several statements gives one element each, rows at their statement's index", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const results = yield* sql`INSERT INTO people ${sql.insert({ first_name: "Cy;'", age: 7 })};
        SELECT id, first_name FROM people WHERE id = LAST_INSERT_ID();
        UPDATE people SET age = ${8} WHERE first_name = ${"Cy;'"};`.unprepared
      expect(results).toEqual([
        { affectedRows: 1, insertId: 3, warningCount: 0, info: "" },
        [{ id: 3, first_name: "Cy;'" }],
        { affectedRows: 1, insertId: 0, warningCount: 0, info: "Rows matched: 1  Changed: 1  Warnings: 0" }
      ])
    })
  )

  it.effect(".valuesUnprepared gives the same with rows as arrays", () =>
    Effect.gen(function* () {
      const sql = yield* people
      expect(yield* sql`SELECT ${1}, ${"b"}`.valuesUnprepared).toEqual([[1, "b"]])
      expect(yield* sql`SELECT ${1}; SELECT ${"b"}`.valuesUnprepared).toEqual([[[1]], [["b"]]])
    })
  )

  it.effect("several statements are allowed for `.unprepared` only, and not from then on", () =>
    Effect.gen(function* () {
      const sql = yield* people
      yield* sql`SELECT 1; SELECT 2`.unprepared
      const reason = yield* reasonOf(sql.unsafe("SELECT 1; SELECT 2"))
      expect(reason._tag).toBe("SqlSyntaxError")
    })
  )

  it.effect("the first statement that fails ends a text of several", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const reason = yield* reasonOf(
        sql`INSERT INTO people (first_name) VALUES ('Dee'); INSERT INTO people (first_name) VALUES ('Dee'); DELETE FROM people`
          .unprepared
      )
      expect(reason._tag).toBe("UniqueViolation")
      expect(yield* sql`SELECT COUNT(*) AS n FROM people`).toEqual([{ n: 3 }])
      expect(yield* sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
    })
  )

  it.effect("with NO_BACKSLASH_ESCAPES a literal is still a literal", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      const evil = ["\\' UNION SELECT user() -- ", "' UNION SELECT user() -- ", "\\\\'", "a\\nb\0"]
      const reserved = yield* sql.reserve
      for (const mode of ["NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", ""]) {
        yield* reserved.executeUnprepared(`SET SESSION sql_mode = '${mode}'`, [], undefined)
        for (const value of evil) {
          expect(yield* reserved.executeUnprepared("SELECT ? AS v", [value], undefined)).toEqual([{ v: value }])
        }
      }
    })
  )

  it.effect("SafeIntegers: BIGINT as bigint, in all methods; without it as number where that is exact", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const big = sql`SELECT big FROM people WHERE age > ${1} ORDER BY id`
      const exact = [BigInt(1), BigInt("9007199254740993")]
      const usual = [1, BigInt("9007199254740993")]
      const firsts = Effect.gen(function* () {
        const objects = [
          yield* big,
          yield* big.unprepared,
          yield* Stream.runCollect(big.stream),
          ((yield* big.raw) as { readonly rows: ReadonlyArray<any> }).rows
        ].map((rows) => rows.map((row: any) => row.big))
        return [...objects, (yield* big.values).flat(), (yield* big.valuesUnprepared).flat()]
      })
      expect(yield* firsts).toEqual(Array.from({ length: 6 }, () => usual))
      expect(yield* Effect.provideService(firsts, SafeIntegers, true)).toEqual(Array.from({ length: 6 }, () => exact))
    })
  )

  it.effect("`undefined` and what has no SQL value are typed errors, and nothing is sent", () =>
    Effect.gen(function* () {
      const sql = yield* people
      for (const value of [undefined, Number.NaN, { a: 1 }, [1, 2], () => 1]) {
        for (const statement of [sql`SELECT ${value}`, sql`SELECT ${value}`.unprepared, sql`SELECT ${value}`.stream]) {
          const reason = yield* reasonOf(
            Stream.isStream(statement) ? Stream.runDrain(statement) : (statement as Effect.Effect<unknown, any>)
          )
          expect(reason).toMatchObject({ _tag: "UnknownError", cause: { reason: { _tag: "ParameterError" } } })
        }
      }
    })
  )

  it.effect("json goes in as a document and comes out as a value", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const doc = { text: "it's", list: [1, null, { deep: true }], big: BigInt("9007199254740993") }
      yield* sql`UPDATE people SET ${sql.update({ doc: sql.json(doc) })} WHERE id = ${1}`
      expect(yield* sql`SELECT doc FROM people WHERE id = ${1}`).toEqual([{ doc }])
      yield* sql`UPDATE people SET doc = ${sql.json([doc])} WHERE id = ${1}`.unprepared
      expect(yield* sql`SELECT doc FROM people WHERE id = ${1}`.unprepared).toEqual([{ doc: [doc] }])
      const circular: Record<string, unknown> = {}
      circular.self = circular
      const reason = yield* reasonOf(sql`SELECT ${sql.json(circular)}`)
      expect(reason).toMatchObject({ _tag: "UnknownError", cause: { reason: { _tag: "ParameterError" } } })
    })
  )

  it.effect("parameters with a type are parameters everywhere: in a text, in lists and in all helpers", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      yield* sql`DROP TABLE IF EXISTS typed`
      yield* sql`CREATE TABLE typed (id BIGINT PRIMARY KEY, n DECIMAL(20, 5), t DATETIME(6), d JSON, b VARBINARY(9))`
      const { bigint, binary, datetime, decimal, json } = MysqlTypes
      const row = {
        id: bigint("9007199254740993"),
        n: decimal("0.10000"),
        t: datetime("2026-01-02 03:04:05.123456"),
        d: json([{ a: 1 }]),
        b: binary(new Uint8Array([0, 255]))
      }
      yield* sql`INSERT INTO typed ${sql.insert(row)}`
      const stored = sql`SELECT id, n, CAST(t AS CHAR) AS t, d, b FROM typed WHERE id IN ${sql.in([row.id])} AND n = ${row.n}`
      const expected = {
        id: BigInt("9007199254740993"),
        n: "0.10000",
        t: "2026-01-02 03:04:05.123456",
        d: [{ a: 1 }],
        b: new Uint8Array([0, 255])
      }
      expect(yield* stored).toEqual([expected])
      yield* sql`UPDATE typed SET ${sql.update({ n: decimal("1.5"), d: json("text") })}`
      expect(yield* sql`SELECT n, d FROM typed`.unprepared).toEqual([{ n: "1.50000", d: "text" }])
      const { b, id, n } = row
      yield* sql`UPDATE typed JOIN ${sql.updateValues([{ id, n, b }] as any, "v")} ON typed.id = v.id SET typed.n = v.n`
      expect(yield* stored).toEqual([{ ...expected, d: "text" }])
      const reason = yield* reasonOf(sql`SELECT ${decimal("x")}`)
      expect(reason).toMatchObject({ _tag: "UnknownError", cause: { reason: { _tag: "ParameterError" } } })
    })
  )

  it.effect("onDuplicateKeyUpdate: new values, expressions and values of one's own", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const rows = [
        { first_name: "Ada", age: 37, big: 5 },
        { first_name: "Cy", age: 1, big: 6 }
      ]
      const upsert = sql`INSERT INTO people ${sql.insert(rows as any)}
        ${sql.onDuplicateKeyUpdate(["age"], { big: sql`people.big + 1`, doc: sql.json({ again: true }) })}`
      yield* upsert
      expect(
        yield* sql`SELECT first_name, age, big, doc FROM people WHERE first_name IN ('Ada', 'Cy') ORDER BY id`
      ).toEqual([
        { first_name: "Ada", age: 37, big: 2, doc: { again: true } },
        { first_name: "Cy", age: 1, big: 6, doc: null }
      ])
      yield* upsert.unprepared
      expect(yield* sql`SELECT big FROM people WHERE first_name = 'Cy'`).toEqual([{ big: 7 }])
    })
  )

  it.effect("an empty list matches nothing", () =>
    Effect.gen(function* () {
      const sql = yield* people
      expect(yield* sql`SELECT id FROM people WHERE id IN ${sql.in([])}`).toEqual([])
      expect(yield* sql`SELECT id FROM people WHERE ${sql.in("id", [])}`).toEqual([])
      expect(yield* sql`SELECT id FROM people WHERE ${sql.in("id", [1, 2])} ORDER BY id`).toEqual([
        { id: 1 },
        { id: 2 }
      ])
    })
  )

  it.effect("updateValues updates many rows, and values keep their types", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      yield* sql`DROP TABLE IF EXISTS many`
      yield* sql`CREATE TABLE many (
        id BIGINT UNSIGNED PRIMARY KEY, s VARCHAR(20), d DOUBLE, n DECIMAL(30, 10), b VARBINARY(20), t DATETIME(3), j JSON
      )`
      const ids = [BigInt("18446744073709551615"), BigInt("18446744073709551614"), 1]
      yield* sql`INSERT INTO many ${sql.insert(ids.map((id) => ({ id })) as any)}`
      const at = new Date("2026-01-02T03:04:05.678Z")
      const rows = ids.map((id, index) => ({
        id,
        s: `é'${index}`,
        d: index === 0 ? 1e300 : index,
        n: "12345678901234567890.0123456789",
        b: index === 1 ? null : new Uint8Array([0, 255, index]),
        t: at,
        j: sql.json({ index })
      }))
      const set = sql.literal("many.s = v.s, many.d = v.d, many.n = v.n, many.b = v.b, many.t = v.t, many.j = v.j")
      const updated = yield* sql`UPDATE many JOIN ${sql.updateValues(rows as any, "v")} ON many.id = v.id SET ${set}`
        .raw
      expect(updated).toMatchObject({ affectedRows: 3 })
      const stored = yield* sql`SELECT * FROM many ORDER BY id DESC`
      expect(stored).toEqual(rows.map((row, index) => ({ ...row, b: row.b, j: { index } })))
    })
  )

  it.effect("RETURNING works where the server has it, and is refused before anything is sent where not", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const insert = sql`INSERT INTO people ${sql.insert({ first_name: "Eve" }).returning("id, first_name")}`
      const several = sql`DELETE FROM people; INSERT INTO people ${sql.insert({ first_name: "Eve" }).returning("*")}`
      if (product === "mariadb") {
        expect(yield* insert).toEqual([{ id: 3, first_name: "Eve" }])
      } else {
        const reason = yield* reasonOf(insert)
        expect(reason._tag).toBe("SqlSyntaxError")
        expect(reason.message).toContain("RETURNING")
        expect((yield* reasonOf(several.unprepared))._tag).toBe("SqlSyntaxError")
        expect(yield* sql`SELECT COUNT(*) AS n FROM people`).toEqual([{ n: 2 }])
      }
      const update = sql`UPDATE people SET ${sql.update({ age: 1 }).returning("*")}`
      expect((yield* reasonOf(update))._tag).toBe("SqlSyntaxError")
      expect((yield* reasonOf(Stream.runDrain(update.stream)))._tag).toBe("SqlSyntaxError")
      expect(yield* sql`SELECT COUNT(*) AS n FROM people WHERE age = 1`).toEqual([{ n: 0 }])
    })
  )

  it.effect("a statement needs no scope, and more statements than connections wait for one another", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      const many = Effect.forEach(
        Array.from({ length: 40 }, (_, index) => index),
        (index) => sql`SELECT ${index} AS i`,
        {
          concurrency: "unbounded"
        }
      )
      expect((yield* many).flat()).toEqual(Array.from({ length: 40 }, (_, i) => ({ i })))
    })
  )

  it.effect("`reserve` keeps the session, and what it left behind is gone for the next", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      const id = yield* Effect.scoped(
        Effect.gen(function* () {
          const reserved = yield* sql.reserve
          yield* reserved.execute("SET @x = 5", [], undefined)
          expect(yield* reserved.executeValues("SELECT @x", [])).toEqual([[5]])
          expect(yield* reserved.executeValues("SELECT GET_LOCK('effect_mysql_reserve', 0)", [])).toEqual([[1]])
          return (yield* reserved.executeValues("SELECT CONNECTION_ID()", []))[0]![0]
        })
      )
      for (let index = 0; index < 8; index++) {
        const rows = yield* sql`SELECT CONNECTION_ID() AS id, @x AS x`
        if (rows[0]!.id === id) expect(rows[0]!.x).toBeNull()
      }
      // The session is reset off the path of whoever comes next.
      yield* Effect.repeat(sql`SELECT IS_FREE_LOCK('effect_mysql_reserve') AS free`, {
        until: ([row]) => row?.free === 1
      })
    })
  )

  it.effect("`execute` then ROW_COUNT() on a reserved connection: no statement between them", () =>
    Effect.gen(function* () {
      const sql = yield* people
      const reserved = yield* sql.reserve
      yield* reserved.execute("DELETE FROM people WHERE id > ?", [0], undefined)
      expect(yield* reserved.executeValues("SELECT ROW_COUNT()", [])).toEqual([[2]])
    })
  )

  it.effect("the driver and its references are there", () =>
    Effect.gen(function* () {
      const sql = yield* MysqlClient.MysqlClient
      expect(sql.driver).toBe("mysql")
      expect(sql.onDialectOrElse({ mysql: () => 1, orElse: () => 2 })).toBe(1)
      expect(yield* BeginTransaction).toBeUndefined()
    })
  )
}

describe("statements", () => onEachServer(suite))
describe("statements as text only", () => onEachServer(suite, { prepare: false }))

onEachServer(
  (it) => {
    it.effect("names are transformed both ways, also inside JSON, and not without transforms", () =>
      Effect.gen(function* () {
        const sql = yield* MysqlClient.MysqlClient
        yield* sql`CREATE TABLE names (id INT AUTO_INCREMENT PRIMARY KEY, first_name VARCHAR(20), some_doc JSON)`
        yield* sql`INSERT INTO names ${sql.insert({ firstName: "Ada", someDoc: sql.json({ innerKey: [{ deepKey: 1 }] }) })}`
        const plain = { id: 1, first_name: "Ada", some_doc: { inner_key: [{ deep_key: 1 }] } }
        const camel = { id: 1, firstName: "Ada", someDoc: { innerKey: [{ deepKey: 1 }] } }
        const all = sql`SELECT * FROM names WHERE ${sql("firstName")} = ${"Ada"}`
        yield* sql`INSERT INTO names ${sql.insert({ id: 1, firstName: "Eve" })} ${sql.onDuplicateKeyUpdate(["firstName"])}`
        expect(yield* sql`SELECT first_name FROM names`).toEqual([{ firstName: "Eve" }])
        yield* sql`UPDATE names SET ${sql.update({ firstName: "Ada" })}`
        expect(yield* all).toEqual([camel])
        expect(yield* Stream.runCollect(all.stream)).toEqual([camel])
        expect(yield* sql`SELECT * FROM names; UPDATE names SET id = 1`.unprepared).toEqual([
          [camel],
          { affectedRows: 0, insertId: 0, warningCount: 0, info: "Rows matched: 1  Changed: 0  Warnings: 0" }
        ])
        expect(yield* sql`SELECT * FROM names`.withoutTransform).toEqual([plain])
        const without = sql.withoutTransforms()
        expect(yield* without`SELECT * FROM names WHERE ${without("first_name")} = ${"Ada"}`).toEqual([plain])
      })
    )
  },
  { transformQueryNames: Str.camelToSnake, transformResultNames: Str.snakeToCamel }
)
