/**
 * LOAD DATA LOCAL: the file is the stream that came with the statement, and whatever becomes of it, the connection is
 * used on.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import { Transport } from "../src/Transport.ts"
import { commandOf, inMemory, type Line, listen, logIn, reasonOf } from "./support/script.ts"
import { awaitIdle, awaitRunning, connect, connectToDatabase, scalar } from "./support/servers.ts"
import * as wire from "./support/wire.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const utf8 = new TextEncoder()
const file = (...texts: ReadonlyArray<string>) => Stream.fromIterable(texts.map((text) => utf8.encode(text)))

const load = "LOAD DATA LOCAL INFILE 'F' INTO TABLE t FIELDS TERMINATED BY ','"

/** Each text is a chunk of its own, and overwrites the one before. */
const inTheSameMemory = (texts: ReadonlyArray<string>): Stream.Stream<Uint8Array> => {
  const memory = Buffer.alloc(Math.max(...texts.map((text) => text.length)))
  return Stream.fromIterable(texts).pipe(
    Stream.rechunk(1),
    Stream.map((text) => memory.subarray(0, memory.write(text)))
  )
}

class Broken extends Data.TaggedError("Broken")<{ readonly at: number }> {}

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a local file for ${server.name}`, () => {
    it.live("is the stream that the statement has brought, under the name that the server asks for", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (a INT, b INT)")
        const names: Array<string> = []
        const lines = Arr.makeBy(22_749, (index) => `${(index % 4) * 2 + 1},${(index % 4) * 2 + 2},\n`)
        const outcome = yield* connection.loadData(load, (name) => {
          names.push(name)
          return file(...lines)
        })
        expect(names).toEqual(["F"])
        expect(outcome).toMatchObject({ affectedRows: 22_749 })
        expect(outcome.info).toBe(`Records: 22749  Deleted: 0  Skipped: 0  Warnings: ${outcome.warningCount}`)
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(22_749)
        expect(yield* scalar(connection, "SELECT SUM(a * b) FROM t WHERE a IN (1, 7)")).toBe("329848")
      }).pipe(Effect.provide(server.layer))
    )

    it.live.each<[what: string, bytes: Stream.Stream<Uint8Array>, rows: number]>([
      ["no chunk at all", Stream.empty, 0],
      ["empty chunks", file("", "1,2\n", "", "", "3,4\n", ""), 2],
      ["a chunk longer than a packet", file("5,6\n".repeat(1_000_000)), 1_000_000]
    ])("of $0", ([, bytes, rows]) =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (a INT, b INT)")
        expect((yield* connection.loadData(load, () => bytes)).affectedRows).toBe(rows)
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(rows)
      }).pipe(Effect.provide(server.layer))
    )

    it.live.each<MysqlConfig>([{}, { tls: { mode: "disabled" } }, { compression: "zlib" }])(
      "comes in the same memory again and again, with %o",
      (config) =>
        Effect.gen(function* () {
          const connection = yield* connectToDatabase(config)
          yield* connection.query("CREATE TABLE t (a INT, b INT)")
          const chunks = Arr.makeBy(2000, (chunk) =>
            Arr.makeBy(1 + (chunk % 200), (line) => `${chunk * 200 + line},${(chunk * 200 + line) * 3}\n`).join("")
          )
          expect((yield* connection.loadData(load, () => inTheSameMemory(chunks))).affectedRows).toBe(201_000)
          expect(yield* scalar(connection, "SELECT COUNT(DISTINCT a) FROM t WHERE b = a * 3")).toBe(201_000)
        }).pipe(Effect.provide(server.layer))
    )

    it.live("is not pulled when the server refuses the statement, or asks for no file", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        let pulled = false
        const bytes = () => {
          pulled = true
          return file("1,2\n")
        }
        const missing = yield* Effect.exit(connection.loadData(load, bytes))
        expect(reasonOf(missing)).toMatchObject({ _tag: "ServerError", errno: 1146 })
        expect(yield* connection.loadData("DO 1", bytes)).toMatchObject({ affectedRows: 0 })
        expect(pulled).toBe(false)
        expect(yield* scalar(connection, "SELECT 'usable'")).toBe("usable")
      }).pipe(Effect.provide(server.layer))
    )

    it.live.skipIf(!server.canOwn)("is refused by a server that forbids it", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (a INT, b INT)")
        const refused = yield* Effect.exit(connection.loadData(load, () => file("1,2\n")))
        expect(reasonOf(refused)).toMatchObject({
          _tag: "ServerError",
          errno: server.name === "mysql-9.7" ? 3948 : 4166
        })
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(0)
      }).pipe(Effect.provide(server.own({ settings: { "local-infile": false } })))
    )

    it.live("that fails half-way ends the statement with its own error, and nothing of it stays", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (a INT, b INT)")
        for (const lines of [0, 1, 2, 3, 100, 100_000]) {
          const bytes = Stream.concat(file(...Arr.makeBy(lines, () => "1,2\n")), Stream.fail(new Broken({ at: lines })))
          const error = yield* Effect.flip(connection.loadData(load, () => bytes))
          expect(error).toEqual(new Broken({ at: lines }))
          expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(0)
        }
        expect((yield* connection.loadData(load, () => file("1,2\n"))).affectedRows).toBe(1)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("that breaks with a defect leaves the connection in use", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (a INT, b INT)")
        const exit = yield* Effect.exit(connection.loadData(load, () => Stream.die("bug")))
        expect(exit).toEqual(Exit.die("bug"))
        const thrown = yield* Effect.exit(
          connection.loadData(load, () => {
            throw new Error("bug")
          })
        )
        expect(Exit.hasDies(thrown)).toBe(true)
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(0)
      }).pipe(Effect.provide(server.layer))
    )

    it.live("is interrupted in the middle: the statement is undone, its stream closed, its connection used on", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        const { connectionId } = connection.info
        const observer = yield* connect()
        yield* connection.query("CREATE TABLE t (a INT, b INT)")
        for (const lines of ["", "1,2\n", "1,2\n3,4\n5,", "1,2\n".repeat(200_000)]) {
          const waiting = yield* Deferred.make<void>()
          const closed = yield* Deferred.make<void>()
          const bytes = Stream.concat(
            file(lines),
            Stream.fromEffect(Effect.andThen(Deferred.succeed(waiting, undefined), Effect.never))
          ).pipe(Stream.ensuring(Deferred.succeed(closed, undefined)))
          const fiber = yield* fork(connection.loadData(load, () => bytes))
          yield* Deferred.await(waiting)
          yield* Fiber.interrupt(fiber)
          yield* Deferred.await(closed)
          yield* awaitIdle(observer, connectionId)
          expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(0)
          expect(yield* scalar(connection, "SELECT CONNECTION_ID()")).toBe(connectionId)
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("is pulled no faster than the server takes it", () =>
      Effect.gen(function* () {
        const holder = yield* connectToDatabase()
        const database = holder.statusUnsafe().database!
        yield* holder.query("CREATE TABLE t (a INT PRIMARY KEY, b INT)")
        const own = yield* holder.reserve
        yield* own.begin()
        yield* own.query("INSERT INTO t VALUES (0, 0)")
        const connection = yield* connect({ database })
        const observer = yield* connect()
        let pulled = 0
        const chunk = utf8.encode("0,0\n".repeat(250_000))
        const bytes = Stream.range(1, 100).pipe(
          Stream.rechunk(1),
          Stream.map(() => {
            pulled++
            return chunk
          })
        )
        const fiber = yield* fork(connection.loadData(load, () => bytes))
        yield* awaitRunning(observer, connection.info.connectionId, "LOAD DATA")
        // It waits for the row that the other transaction has inserted. What the socket holds is less than 100 MB.
        yield* Effect.yieldNow.pipe(
          Effect.andThen(scalar(observer, "SELECT COUNT(*) FROM information_schema.tables")),
          Effect.andThen(Effect.sync(() => pulled)),
          Effect.repeat({ times: 50 })
        )
        expect(pulled).toBeLessThan(50)
        yield* Fiber.interrupt(fiber)
        expect(yield* scalar(connection, "SELECT 'usable'")).toBe("usable")
        yield* own.rollback
      }).pipe(Effect.provide(server.layer))
    )

    it.live("has the connection to itself", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (a INT, b INT)")
        const go = yield* Deferred.make<void>()
        const asked = yield* Deferred.make<void>()
        const bytes = Stream.concat(
          file("1,2\n"),
          Stream.drain(Stream.fromEffect(Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(go))))
        )
        const before = yield* fork(scalar(connection, "SELECT 'before'"))
        const loading = yield* fork(connection.loadData(load, () => bytes))
        const behind = yield* fork(Effect.forEach(Arr.range(1, 20), (n) => scalar(connection, "SELECT ?", [n])))
        yield* Deferred.await(asked)
        yield* Deferred.succeed(go, undefined)
        expect(yield* Fiber.join(before)).toBe("before")
        expect(yield* Fiber.join(loading)).toMatchObject({ affectedRows: 1 })
        expect(yield* Fiber.join(behind)).toEqual(Arr.range(1, 20))
      }).pipe(Effect.provide(server.layer))
    )

    it.live("is not given to a statement that has brought none: it fails, and the connection is used on", () =>
      Effect.gen(function* () {
        const connection = yield* connectToDatabase()
        yield* connection.query("CREATE TABLE t (a INT, b INT)")
        const text = "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t FIELDS TERMINATED BY ','"
        for (const attempt of [
          Effect.asVoid(connection.query(text)),
          Stream.runDrain(connection.stream(text)),
          Effect.asVoid(connection.query(text.replace("LOAD", "/* a */ LOAD /* b */")))
        ]) {
          const beside = yield* fork(Effect.forEach(Arr.range(1, 5), (n) => scalar(connection, "SELECT ?", [n])))
          const exit = yield* Effect.exit(attempt)
          expect(reasonOf(exit)).toMatchObject({ _tag: "LocalInfileError", fileName: "/etc/passwd" })
          expect(yield* Fiber.join(beside)).toEqual([1, 2, 3, 4, 5])
        }
        expect(yield* scalar(connection, "SELECT COUNT(*) FROM t")).toBe(0)
      }).pipe(Effect.provide(server.layer))
    )
  })
}

/** A server that wants a file. */
const asking = (name: string): Uint8Array => Buffer.concat([Buffer.from([0xfb]), Buffer.from(name)])

const scripted = (script: (line: Line) => Effect.Effect<void>) =>
  Effect.provideService(
    MysqlConnection.make({}),
    Transport,
    inMemory((line) => Effect.andThen(logIn(line), script(line)))
  )

describe("a server that asks unasked", () => {
  it.effect("gets an empty packet and nothing else, and the statement fails", () =>
    Effect.gen(function* () {
      const got: Array<string> = []
      const connection = yield* scripted(
        Effect.fnUntraced(function* (line) {
          yield* line.receive
          yield* line.reply(asking("/etc/passwd"))
          const answer = yield* line.receive
          got.push(`${answer.sequence}: ${answer.payload.toString("hex")}`)
          yield* line.send(wire.packets([wire.ok()], 3))
          yield* line.receive
          yield* line.reply(...wire.texts("x", ["usable"]))
        })
      )
      const exit = yield* Effect.exit(connection.query("SELECT 1"))
      expect(reasonOf(exit)).toMatchObject({ _tag: "LocalInfileError", fileName: "/etc/passwd" })
      expect(got).toEqual(["2: "])
      expect((yield* connection.query("SELECT 2")).rows).toEqual([{ x: "usable" }])
    })
  )

  it.effect("while others have been sent behind it, loses the connection: they would be the file", () =>
    Effect.gen(function* () {
      const commands: Array<number> = []
      const connection = yield* scripted(
        Effect.fnUntraced(function* (line) {
          commands.push(commandOf(yield* line.receive), commandOf(yield* line.receive))
          yield* line.reply(asking("/etc/passwd"))
          yield* line.closed
        })
      )
      const fibers = yield* Effect.forEach(["SELECT 1", "SELECT 2"], (sql) => fork(connection.query(sql)))
      const [first, second] = yield* Effect.forEach(fibers, Fiber.await)
      expect(reasonOf(first!)).toMatchObject({ _tag: "ProtocolError" })
      expect(reasonOf(second!)?._tag).toMatch(/ProtocolError|ConnectionLost/)
      expect(commands).toEqual([wire.Code.QUERY, wire.Code.QUERY])
      expect(connection.statusUnsafe().closed).toBe(true)
    })
  )
})

/** Asks for a file, gives its parts to `take` and says that all is well. */
const loading = (line: Line, take: (part: Buffer) => void) =>
  Effect.gen(function* () {
    yield* line.receive
    yield* line.reply(asking("F"))
    let part = yield* line.receive
    for (; part.payload.length > 0; part = yield* line.receive) take(part.payload)
    yield* line.send(wire.packets([wire.ok()], (part.sequence + 1) & 0xff))
  })

describe("the memory of a file", () => {
  /** Of different lengths, and more than there are sequence numbers. */
  const texts = Arr.makeBy(1000, (index) => `${index} `.repeat(1 + ((index * 7) % 100)))

  it.effect("is the stream's again with the next pull, and the line's until it has been written", () =>
    Effect.gen(function* () {
      const got: Array<string> = []
      const connection = yield* scripted((line) => loading(line, (part) => got.push(part.toString())))
      yield* connection.loadData(load, () => inTheSameMemory(texts))
      expect(got).toEqual(texts)
    })
  )

  it.live("is not written to while it waits for a server that reads slowly", () =>
    Effect.gen(function* () {
      const parts = Arr.makeBy(4000, (index) => `${index} `.repeat(500 + (index % 1000)))
      let got = 0
      const address = yield* listen(
        (line) =>
          Effect.andThen(
            logIn(line),
            loading(line, (part) => {
              if (part.toString() === parts[got]) got++
            })
          ),
        "slowly"
      )
      const connection = yield* MysqlConnection.make(address)
      yield* connection.loadData(load, () => inTheSameMemory(parts))
      expect(got).toBe(parts.length)
    })
  )

  it.live("does not matter any more when the line breaks under it", () =>
    Effect.gen(function* () {
      const address = yield* listen(
        Effect.fnUntraced(function* (line) {
          yield* logIn(line)
          yield* line.receive
          yield* line.reply(asking("F"))
          yield* line.receive
          yield* line.reset
        }),
        "slowly"
      )
      const connection = yield* MysqlConnection.make(address)
      const endless = Stream.forever(inTheSameMemory(texts))
      const exit = yield* Effect.exit(connection.loadData(load, () => endless))
      expect(reasonOf(exit)).toMatchObject({ _tag: "ConnectionLost" })
    })
  )
})
