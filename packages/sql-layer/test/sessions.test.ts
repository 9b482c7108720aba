/** Sessions, and the results of what they run. */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as String from "effect/String"
import type { SqlError } from "effect/sql/SqlError"
import * as Tracer from "effect/Tracer"
import * as MysqlClient from "../src/MysqlClient.ts"
import * as MysqlEngine from "../src/MysqlEngine.ts"
import { engine, engineWithAccounts } from "./engineSupport.ts"
import { balances, bystander, eventually, failures, onEachServer, reasons, runs } from "./support.ts"

const causes = <A>(exit: Exit.Exit<A, unknown>) =>
  failures(exit).map((error) => (error as SqlError).reason.cause as { readonly _tag?: string })

onEachServer((it) => {
  it.effect("has one connection, and what is set in it stays until its scope closes", () =>
    Effect.gen(function* () {
      const session = yield* (yield* engine).connect
      yield* session.execute("SET @mine = 'here'")
      expect(yield* session.scalar("SELECT @mine")).toEqual(Option.some("here"))
      expect(yield* session.scalar("SELECT CONNECTION_ID()")).toEqual(yield* session.scalar("SELECT CONNECTION_ID()"))
    }).pipe(Effect.scoped)
  )

  it.effect("what is open when the scope closes is rolled back, also where a text began it", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const session = yield* Effect.scoped(
        Effect.gen(function* () {
          const session = yield* engine.connect
          yield* session.execute("BEGIN")
          yield* session.execute("UPDATE accounts SET balance = 0")
          expect(yield* session.inTransaction).toBe(true)
          expect(failures(yield* Effect.exit(Effect.scoped(session.begin())))[0]).toMatchObject({
            message: expect.stringContaining("A transaction is open on this session already")
          })
          return session
        })
      )
      yield* sql`SELECT * FROM accounts FOR UPDATE NOWAIT`
      expect(yield* balances(sql)).toEqual([100, 100, 100])
      // Used after its end it reaches nobody else's connection.
      for (const late of [session.execute("SELECT 1"), session.scalar("SELECT 1"), Effect.scoped(session.begin())]) {
        expect(failures(yield* Effect.exit<unknown, SqlError, never>(late))[0]).toMatchObject({
          message: expect.stringContaining("is over")
        })
      }
      expect(reasons(yield* Effect.exit(Stream.runDrain(session.stream("SELECT 1"))))).toEqual(["UnknownError"])
    })
  )

  it.effect("one transaction after another, and while one is open statements of the session run in it", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      const session = yield* engine.connect
      for (const [end, expected] of [
        ["commit", 101],
        ["rollback", 101],
        ["commit", 102]
      ] as const) {
        const tx = yield* session.begin()
        yield* session.execute("UPDATE accounts SET balance = balance + 1 WHERE id = 1")
        expect(reasons(yield* Effect.exit(Effect.scoped(session.begin())))).toEqual(["UnknownError"])
        yield* tx[end]
        expect(yield* session.inTransaction).toBe(false)
        expect((yield* balances(sql))[0]).toBe(expected)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("of two fibers that begin at the same time one is told that there is one", () =>
    Effect.gen(function* () {
      const session = yield* (yield* engine).connect
      const begin = Effect.exit(session.begin())
      const exits = yield* Effect.all([begin, begin], { concurrency: 2 })
      expect(exits.flatMap((exit) => reasons(exit))).toEqual(["UnknownError"])
      expect(yield* session.inTransaction).toBe(true)
    }).pipe(Effect.scoped)
  )

  it.effect("an interrupted statement is stopped on the server and leaves the session usable", () =>
    Effect.gen(function* () {
      const session = yield* (yield* engine).connect
      const other = yield* bystander
      const fiber = yield* Effect.forkChild(session.execute("SELECT SLEEP(60) /* session */"))
      yield* runs(other, "SLEEP(60) /* session")
      yield* Fiber.interrupt(fiber)
      expect(yield* session.scalar("SELECT 1")).toEqual(Option.some(1))
    }).pipe(Effect.scoped)
  )

  it.effect("rows by name, by index and by Schema", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const session = yield* engine.connect
      const rows = yield* session.execute("SELECT id, balance FROM accounts WHERE id > ? ORDER BY id", [1])
      expect(rows.keys).toEqual(["id", "balance"])
      expect(rows.returnsRows).toBe(true)
      expect(rows.all).toEqual([
        { id: 2, balance: 100 },
        { id: 3, balance: 100 }
      ])
      expect(rows.first).toEqual(Option.some({ id: 2, balance: 100 }))
      expect(rows.scalar).toEqual(Option.some(2))
      expect([yield* rows.value(1, "id"), yield* rows.value(1, 1)]).toEqual([3, 100])
      const Account = Schema.Struct({ id: Schema.Int, balance: Schema.Number })
      expect(yield* rows.as(Account)).toEqual(rows.all)
      const wrong = yield* Effect.exit(rows.as(Schema.Struct({ id: Schema.String })))
      expect(failures(wrong)).toMatchObject([{ _tag: "SchemaError" }])
    }).pipe(Effect.scoped)
  )

  it.effect("what a result does not have is a typed error", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const session = yield* engine.connect
      const two = yield* session.execute("SELECT id, balance FROM accounts WHERE id < 3 ORDER BY id")
      const none = yield* session.execute("SELECT id FROM accounts WHERE id = 99")
      const update = yield* session.execute("UPDATE accounts SET balance = 5 WHERE id < 3")
      for (const [tag, effect] of [
        ["NotOneRow", two.one],
        ["NotOneRow", none.one],
        ["NoRows", update.one],
        ["NoSuchRow", two.value(2, "id")],
        ["NoSuchRow", two.value(-1, "id")],
        ["NoSuchColumn", two.value(0, "name")],
        ["NoSuchColumn", two.value(0, "__proto__")],
        ["NoSuchColumn", two.value(0, 2)],
        ["NoSuchColumn", two.value(0, 0.5)],
        ["NoRows", update.value(0, 0)],
        ["NoRows", update.as(Schema.Struct({ id: Schema.Int }))],
        ["NoRows", session.scalar("UPDATE accounts SET balance = 5 WHERE id < 3")]
      ] as const) {
        expect(causes(yield* Effect.exit<unknown, unknown, never>(effect)).map((cause) => cause._tag)).toEqual([tag])
      }
      expect(yield* (yield* session.execute("SELECT 7 AS seven")).one).toEqual({ seven: 7 })
      expect([update.returnsRows, update.affectedRows, update.all]).toEqual([false, 2, []])
      expect([none.returnsRows, none.first, none.scalar, none.keys]).toEqual([
        true,
        Option.none(),
        Option.none(),
        ["id"]
      ])
      expect(yield* session.scalar("SELECT NULL")).toEqual(Option.some(null))
      expect(yield* session.scalar("SELECT id FROM accounts WHERE id = 99")).toEqual(Option.none())
    }).pipe(Effect.scoped)
  )

  it.effect("columns of one name: by name ambiguous, by index each, and as an object none is lost", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const session = yield* engine.connect
      const text =
        "SELECT x.id, y.id, 3 AS id, 4 AS id FROM accounts x JOIN accounts y ON y.id = x.id + 1 WHERE x.id = 1"
      const rows = yield* session.execute(text)
      expect(causes(yield* Effect.exit(rows.value(0, "id")))).toMatchObject([
        { _tag: "AmbiguousColumn", indexes: [0, 1, 2, 3] }
      ])
      expect([yield* rows.value(0, 0), yield* rows.value(0, 1)]).toEqual([1, 2])
      const { client } = engine
      expect(rows.all).toEqual(yield* client.unsafe(text))
    }).pipe(Effect.scoped)
  )

  it.effect("counts and ids are there, and a statement that fails is mapped as everywhere", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      yield* sql`DROP TABLE IF EXISTS notes`
      yield* sql`CREATE TABLE notes (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(20) UNIQUE)`
      const session = yield* engine.connect
      const insert = yield* session.execute("INSERT INTO notes (note) VALUES (?), (?)", ["a", "b"])
      expect(insert).toMatchObject({ affectedRows: 2, insertId: 1, warningCount: 0, returnsRows: false })
      expect(insert.info).toContain("Records: 2")
      expect(reasons(yield* Effect.exit(session.execute("INSERT INTO notes (note) VALUES ('a')")))).toEqual([
        "UniqueViolation"
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("executeMany writes many rows, and fails with the first that fails", () =>
    Effect.gen(function* () {
      const { engine, sql } = yield* engineWithAccounts
      yield* sql`DROP TABLE IF EXISTS notes`
      yield* sql`CREATE TABLE notes (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(20) UNIQUE)`
      const session = yield* engine.connect
      const insert = "INSERT INTO notes (note) VALUES (?)"
      const done = yield* session.executeMany(insert, [["a"], ["b"], ["c"]])
      expect(done.affectedRows).toBe(3)
      expect([[1, 2, 3], []]).toContainEqual(done.insertIds)
      expect(yield* session.executeMany(insert, [])).toMatchObject({ affectedRows: 0, statements: 0 })
      const tx = yield* session.begin()
      expect(reasons(yield* Effect.exit(tx.executeMany(insert, [["d"], ["a"], ["e"]])))).toEqual(["UniqueViolation"])
      yield* tx.rollback
      expect(yield* session.scalar("SELECT COUNT(*) FROM notes")).toEqual(Option.some(3))
    }).pipe(Effect.scoped)
  )

  it.effect("values go by name, in a session and in a transaction", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const session = yield* engine.connect
      const text = "SELECT id, balance + :more AS balance FROM accounts WHERE id = :id OR id = :id + :more ORDER BY id"
      const rows = [
        { id: 1, balance: 101 },
        { id: 2, balance: 101 }
      ]
      expect((yield* session.execute(text, { id: 1, more: 1 })).all).toEqual(rows)
      expect(yield* session.scalar("SELECT :a", { a: "it's" })).toEqual(Option.some("it's"))
      expect(yield* session.scalar("SELECT ':a'", {})).toEqual(Option.some(":a"))
      const tx = yield* session.begin()
      expect(yield* Stream.runCollect(tx.stream(text, { id: 1, more: 1 }))).toEqual(rows)
      const nested = yield* tx.beginNested
      const many = [
        { id: 7, balance: 1 },
        { balance: 2, id: 8 }
      ]
      const done = yield* nested.executeMany("INSERT INTO accounts (id, balance) VALUES (:id, :balance)", many)
      expect(done.affectedRows).toBe(2)
      yield* nested.commit
      expect(yield* tx.scalar("SELECT SUM(balance) FROM accounts WHERE id > :id", { id: 3 })).toEqual(Option.some("3"))
      yield* tx.commit
    }).pipe(Effect.scoped)
  )

  it.effect.each([
    ["a name without a value", "SELECT :a, :b", { a: 1 }, ":b"],
    ["a value without a name", "SELECT :a", { a: 1, b: 2 }, ":b"],
    ["no names at all", "SELECT ?", { a: 1 }, "?"]
  ] as const)("%s is a typed error, and the transaction goes on", ([, sql, params, said]) =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const session = yield* engine.connect
      const tx = yield* session.begin()
      const insert = sql.replace("SELECT", "DO")
      for (const failing of [
        tx.execute(sql, params),
        tx.scalar(sql, params),
        Stream.runDrain(tx.stream(sql, params)),
        tx.executeMany(insert, [params, params])
      ]) {
        const [error] = failures(yield* Effect.exit(failing as Effect.Effect<unknown, SqlError>))
        expect(error?.message).toContain(said)
        expect(error?.reason.cause).toMatchObject({ reason: { _tag: "ParameterError" } })
      }
      expect(yield* tx.scalar("SELECT 1")).toEqual(Option.some(1))
      yield* tx.commit
    }).pipe(Effect.scoped)
  )

  it.effect("executeMany has the span of a statement, with the number of its rows", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const session = yield* engine.connect
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const insert = "INSERT INTO accounts (id, balance) VALUES (?, ?)"
      yield* Effect.gen(function* () {
        yield* session.executeMany(insert, [
          [11, 1],
          [12, 1],
          [13, 1]
        ])
        yield* session.executeMany(insert, [[14, 1]])
        yield* session.executeMany(insert, [])
        yield* Effect.exit(
          session.executeMany(insert, [
            [15, 1],
            [15, 1]
          ])
        )
        yield* session.execute("SELECT 1")
      }).pipe(Effect.withTracer(tracer))
      const { database } = (yield* MysqlClient.MysqlClient).config
      expect(spans.map(({ name, kind }) => [name, kind])).toEqual(spans.map(() => [database, "client"]))
      expect(spans.map(({ attributes }) => attributes.get("db.operation.batch.size"))).toEqual([
        3,
        undefined,
        0,
        2,
        undefined
      ])
      expect(spans.map(({ attributes }) => attributes.get("db.query.text"))).toEqual([
        insert,
        insert,
        insert,
        insert,
        "SELECT 1"
      ])
      expect(spans.map(({ status }) => status._tag === "Ended" && Exit.isSuccess(status.exit))).toEqual([
        true,
        true,
        true,
        false,
        true
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("a stream has the session until it ends, and one that is left early stops", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const session = yield* engine.connect
      const many = "SELECT x.id FROM accounts x JOIN accounts y JOIN accounts z JOIN accounts u"
      expect(yield* Stream.runCollect(Stream.take(session.stream<{ id: number }>(many), 2))).toHaveLength(2)
      expect(yield* session.scalar("SELECT 1")).toEqual(Option.some(1))
      const inside = Stream.runDrain(Stream.mapEffect(session.stream(many), () => session.execute("SELECT 1")))
      expect(failures(yield* Effect.exit(inside))[0]).toMatchObject({
        message: expect.stringContaining("would wait for its own end")
      })
    }).pipe(Effect.scoped)
  )

  it.effect("a scope that closes under an open stream ends it", () =>
    Effect.gen(function* () {
      const { engine } = yield* engineWithAccounts
      const scope = yield* Scope.make()
      const session = yield* Scope.provide(engine.connect, scope)
      const pull = yield* Scope.provide(
        Stream.toPull(session.stream("SELECT x.id FROM accounts x JOIN accounts y")),
        yield* Effect.scope
      )
      yield* pull
      yield* Scope.close(scope, Exit.void)
      yield* eventually(Effect.map(engine.stats, ({ used }) => used === 0))
    }).pipe(Effect.scoped)
  )
})

onEachServer(
  (it) => {
    it.effect("names of columns are those that the client makes of them", () =>
      Effect.gen(function* () {
        const session = yield* (yield* engine).connect
        const rows = yield* session.execute("SELECT 1 AS created_at, 2 AS created_by")
        expect(rows.keys).toEqual(["createdAt", "createdBy"])
        expect(rows.all).toEqual([{ createdAt: 1, createdBy: 2 }])
        expect(yield* rows.value(0, "createdBy")).toBe(2)
      }).pipe(Effect.scoped)
    )

    it.effect("the engine of a configuration has its client with it", () =>
      Effect.gen(function* () {
        const { client } = yield* engine
        const own = yield* Effect.provide(MysqlEngine.make(client.config), Reactivity.layer)
        const session = yield* own.connect
        const id = yield* session.scalar("SELECT CONNECTION_ID()")
        expect(
          yield* own.client`SELECT 1 FROM information_schema.processlist WHERE id = ${Option.getOrThrow(id)}`
        ).toHaveLength(1)
      }).pipe(Effect.scoped)
    )
  },
  { transformResultNames: String.snakeToCamel }
)
