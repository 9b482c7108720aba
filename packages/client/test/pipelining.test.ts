/**
 * Several fibers on one connection: who goes when, and that each gets what is his.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { reasonOf } from "./support/script.ts"
import { awaitRunning, connect, connectToDatabase, scalar } from "./support/servers.ts"
import * as Simulation from "./support/simulation.ts"

/** Runs up to its first wait before the next line of the test. */
const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const echoed = (x: string) => ({ rows: [{ x }] })

describe("the order on a connection", () => {
  it.effect("statements go out before earlier ones are answered, and are answered in their order", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const slow = yield* fork(connection.query("HOLD slow"))
      const quick = yield* Effect.forEach(["a", "b", "c"], (x) => fork(connection.query(`ECHO ${x}`)))
      yield* server.running("HOLD slow")
      yield* Effect.yieldNow
      expect(server.unread()).toBe(3)
      expect(quick.map((fiber) => fiber.pollUnsafe())).toEqual([undefined, undefined, undefined])
      server.release("slow")
      expect(yield* Fiber.join(slow)).toMatchObject(echoed("slow"))
      expect(yield* Effect.forEach(quick, Fiber.join)).toMatchObject([echoed("a"), echoed("b"), echoed("c")])
      expect(server.ran).toEqual(["HOLD slow", "ECHO a", "ECHO b", "ECHO c"])
    })
  )

  it.effect("statements of one tick go out in one write", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const writes = server.writes()
      yield* Effect.forEach(Arr.range(1, 50), (n) => connection.query(`ECHO ${n}`), { concurrency: "unbounded" })
      // The first goes at once, since nothing is under way; the others go together.
      expect(server.writes() - writes).toBe(2)
    })
  )

  it.effect("of more statements than may be under way, the rest waits its turn", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const fibers = yield* Effect.forEach(Arr.range(1, 300), (n) => fork(connection.query(`HOLD ${n}`)))
      yield* server.running("HOLD 1")
      yield* Effect.yieldNow
      expect(server.unread()).toBeLessThan(128)
      for (let n = 1; n <= 300; n++) server.release(`${n}`)
      const results = yield* Effect.forEach(fibers, Fiber.join)
      expect(results.map(({ rows }) => rows[0]!.x)).toEqual(Arr.range(1, 300).map(String))
    })
  )

  it.effect("of more bytes than may be under way, the rest waits its turn; what is longer goes alone", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const texts = [300_000, 300_000, 300_000, 300_000, 3_000_000, 10].map(
        (bytes, index) => `HOLD ${index} ${"-".repeat(bytes)}`
      )
      const fibers = yield* Effect.forEach(texts, (text) => fork(connection.query(text)))
      const unread: Array<number> = []
      for (const [index, text] of texts.entries()) {
        yield* server.running(text)
        yield* Effect.yieldNow
        unread.push(server.unread())
        server.release(`${index}`)
      }
      yield* Effect.forEach(fibers, Fiber.join)
      // Three of them are a mebibyte but for a little; the long one has the line to itself.
      expect(unread).toEqual([2, 2, 1, 0, 0, 0])
    })
  )

  it.effect("one that is interrupted in the middle leaves its neighbours alone", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const first = yield* fork(connection.query("HOLD first"))
      const middle = yield* fork(connection.query("HOLD middle"))
      const last = yield* fork(connection.query("ECHO last"))
      yield* server.running("HOLD first")
      yield* Effect.yieldNow
      yield* Fiber.interrupt(middle)
      server.release("first")
      server.release("middle")
      expect(yield* Fiber.join(first)).toMatchObject(echoed("first"))
      expect(yield* Fiber.join(last)).toMatchObject(echoed("last"))
      expect(server.killed).toEqual([])
    })
  )

  it.effect("one that is interrupted before it is written is never written", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const slow = yield* fork(connection.query("HOLD slow"))
      yield* server.running("HOLD slow")
      // Commands that are alike: the right one of them has to be taken back.
      const ping = yield* fork(connection.ping)
      const echo = yield* fork(connection.query("ECHO x"))
      const unwanted = yield* fork(connection.ping)
      unwanted.interruptUnsafe()
      server.release("slow")
      yield* Fiber.join(slow)
      yield* Fiber.join(ping)
      expect(yield* Fiber.join(echo)).toMatchObject(echoed("x"))
      expect(Exit.isSuccess(yield* Fiber.await(unwanted))).toBe(false)
    })
  )

  it.effect("nothing is written behind a stream, and what waited goes when it ends", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const pulled = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const stream = yield* connection.stream("FEED s 3").pipe(
        Stream.tap(() => Effect.andThen(Deferred.succeed(pulled, undefined), Deferred.await(goOn))),
        Stream.runCollect,
        fork
      )
      yield* Deferred.await(pulled)
      const next = yield* fork(connection.query("ECHO next"))
      yield* Effect.yieldNow
      expect(server.ran).toEqual(["FEED s 3"])
      expect(server.unread()).toBe(0)
      server.release("s")
      yield* Deferred.succeed(goOn, undefined)
      expect(yield* Fiber.join(stream)).toEqual([{ x: "s" }, { x: "s" }, { x: "s" }])
      expect(yield* Fiber.join(next)).toMatchObject(echoed("next"))
    })
  )

  it.effect("a stream waits until what was written before it is answered", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const slow = yield* fork(connection.query("HOLD slow"))
      const stream = yield* fork(Stream.runCollect(connection.stream("ROWS s 2")))
      yield* server.running("HOLD slow")
      yield* Effect.yieldNow
      expect(server.unread()).toBe(0)
      server.release("slow")
      yield* Fiber.join(slow)
      expect((yield* Fiber.join(stream)).length).toBe(2)
    })
  )
})

describe("a reservation", () => {
  it.effect("is exclusive: the statements of others wait, those of its owner go", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const scope = yield* Scope.make()
      const own = yield* Scope.provide(connection.reserve, scope)
      const other = yield* fork(connection.query("ECHO other"))
      expect(yield* own.query("ECHO own")).toMatchObject(echoed("own"))
      expect(server.ran).toEqual(["ECHO own"])
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(other)).toMatchObject(echoed("other"))
    })
  )

  it.effect("is granted in the order of asking, statements and reservations alike", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const reserved = (x: string) => Effect.scoped(Effect.flatMap(connection.reserve, (own) => own.query(`ECHO ${x}`)))
      const slow = yield* fork(connection.query("HOLD slow"))
      const fibers = [
        yield* fork(reserved("1")),
        yield* fork(connection.query("ECHO 2")),
        yield* fork(reserved("3")),
        yield* fork(connection.query("ECHO 4"))
      ]
      server.release("slow")
      yield* Fiber.joinAll([slow, ...fibers])
      expect(server.ran).toEqual(["HOLD slow", "ECHO 1", "ECHO 2", "ECHO 3", "ECHO 4"])
    })
  )

  it.effect("of what is reserved already gives the same again", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const own = yield* connection.reserve
      expect(yield* Effect.scoped(own.reserve)).toBe(own)
      // The inner scope has closed, and the connection is still reserved.
      const other = yield* fork(connection.query("ECHO other"))
      yield* own.query("ECHO own")
      expect(server.ran).toEqual(["ECHO own"])
      yield* Fiber.interrupt(other)
    })
  )

  it.effect("that is given up while waiting leaves no trace", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const slow = yield* fork(connection.query("HOLD slow"))
      const waiting = yield* fork(Effect.scoped(connection.reserve))
      const behind = yield* fork(connection.query("ECHO behind"))
      yield* server.running("HOLD slow")
      yield* Fiber.interrupt(waiting)
      yield* Effect.yieldNow
      // Nothing stands in its way any more: it is written behind the slow one.
      expect(server.unread()).toBe(1)
      server.release("slow")
      yield* Fiber.joinAll([slow, behind])
    })
  )

  it.effect("ends only when what its owner left under way has been stopped", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const scope = yield* Scope.make()
      const own = yield* Scope.provide(connection.reserve, scope)
      const quick = yield* fork(own.query("HOLD quick"))
      const left = yield* fork(own.query("HOLD left"))
      yield* server.running("HOLD quick")
      yield* Effect.yieldNow
      yield* Fiber.interrupt(left)
      server.release("quick")
      yield* Fiber.join(quick)
      yield* Scope.close(scope, Exit.void)
      expect(server.killed).toEqual(["HOLD left"])
      expect(yield* connection.query("ECHO next")).toMatchObject(echoed("next"))
    })
  )

  it.effect("does not let a statement run with the parameter types of one that overtook it", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      yield* connection.query("ECHO ?", ["one"])
      const scope = yield* Scope.make()
      const own = yield* Scope.provide(connection.reserve, scope)
      const waiting = yield* fork(connection.query("ECHO ?", ["two"]))
      expect(yield* own.query("ECHO ?", [3])).toMatchObject(echoed("3"))
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(waiting)).toMatchObject(echoed("two"))
    })
  )
})

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`pipelining on ${server.name}`, () => {
    it.live("each of 300 statements of many fibers gets its own rows", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const results = yield* Effect.forEach(
          Arr.range(1, 300),
          (n) => (n % 2 === 0 ? scalar(connection, `SELECT ${n}`) : scalar(connection, "SELECT ?", [n])),
          { concurrency: "unbounded" }
        )
        expect(results).toEqual(Arr.range(1, 300))
      }).pipe(Effect.provide(server.layer))
    )

    it.live("errors in the middle are those of their own statements", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const exits = yield* Effect.forEach(
          Arr.range(1, 60),
          (n) =>
            Effect.exit(
              n % 3 === 0
                ? connection.query(`SELECT ${n} FROM no_such_schema.no_such_table`)
                : n % 3 === 1
                  ? scalar(connection, `SELECT ${n}`)
                  : scalar(connection, "SELECT ? AS n", [n])
            ),
          { concurrency: "unbounded" }
        )
        for (const [index, exit] of exits.entries()) {
          const n = index + 1
          if (n % 3 === 0) {
            expect(reasonOf(exit)).toMatchObject({ _tag: "ServerError", sql: expect.stringContaining(`SELECT ${n} `) })
          } else {
            expect(exit).toEqual(Exit.succeed(n))
          }
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("an interrupted statement in the middle does not disturb 100 others", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const { connectionId } = connection.info
        const observer = yield* connect()
        const lock = `'effect_mysql_pipelining_${connectionId}'`
        yield* observer.query(`SELECT GET_LOCK(${lock}, 0)`)
        const first = yield* fork(scalar(connection, `SELECT GET_LOCK(${lock}, 60) + 6`))
        const before = yield* Effect.forEach(Arr.range(1, 50), (n) => fork(scalar(connection, `SELECT ${n}`)))
        const middle = yield* fork(connection.query("INSERT INTO no_such_schema.t SELECT SLEEP(10)"))
        const after = yield* Effect.forEach(Arr.range(51, 100), (n) => fork(scalar(connection, "SELECT ?", [n])))
        yield* awaitRunning(observer, connectionId, "GET_LOCK")
        yield* Fiber.interrupt(middle)
        yield* observer.query(`SELECT RELEASE_LOCK(${lock})`)
        expect(yield* Fiber.join(first)).toBe(7)
        expect(yield* Effect.forEach([...before, ...after], Fiber.join)).toEqual(Arr.range(1, 100))
        expect(yield* scalar(connection, "SELECT CONNECTION_ID()")).toBe(connectionId)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("a reservation has the session to itself", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (n INT)")
        const seen = yield* fork(
          Effect.scoped(
            Effect.gen(function* () {
              const own = yield* connection.reserve
              yield* own.begin()
              yield* own.query("INSERT INTO t VALUES (1)")
              const other = yield* fork(scalar(connection, "SELECT COUNT(*) FROM t"))
              yield* own.rollback
              return other
            })
          ).pipe(Effect.flatMap(Fiber.join))
        )
        expect(yield* Fiber.join(seen)).toBe(0)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("a statement that waited keeps its values when another with other types overtakes it", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const sql = "SELECT CONCAT('<', ?, '>')"
        expect(yield* scalar(connection, sql, [1])).toBe("<1>")
        const scope = yield* Scope.make()
        const own = yield* Scope.provide(connection.reserve, scope)
        const waiting = yield* fork(scalar(connection, sql, [2]))
        expect(yield* scalar(own, sql, ["three"])).toBe("<three>")
        yield* Scope.close(scope, Exit.void)
        expect(yield* Fiber.join(waiting)).toBe("<2>")
      }).pipe(Effect.provide(server.layer))
    )

    it.live("large statements and large replies at the same time do not block one another", () =>
      Effect.gen(function* () {
        const { url } = yield* MysqlServer.MysqlServer
        const connection = yield* connect({ url })
        const mebibyte = "x".repeat(1 << 20)
        const lengths = yield* Effect.forEach(
          Arr.range(1, 24),
          (n) =>
            Effect.map(
              scalar(connection, "SELECT CONCAT(?, REPEAT('y', ?))", [mebibyte, n]),
              (value) => String(value).length
            ),
          { concurrency: "unbounded" }
        )
        expect(lengths).toEqual(Arr.range(1, 24).map((n) => (1 << 20) + n))
      }).pipe(Effect.provide(server.layer))
    )
  })
}
