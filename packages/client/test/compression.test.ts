/**
 * Lines that are compressed: everything that goes over one goes over the other.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import { Transport, type TransportConnection } from "../src/Transport.ts"
import { reasonOf } from "./support/script.ts"
import { awaitRunning, connect, connectToDatabase, scalar } from "./support/servers.ts"

/** Counts what goes over the line below the compression. */
const counted = Effect.map(Transport, (transport) => {
  const bytes = { written: 0, read: 0 }
  const counting: Transport = {
    connect: (target, options) =>
      Effect.map(transport.connect(target, options), (line): TransportConnection => {
        const write: TransportConnection["write"] = (sent) => {
          bytes.written += sent.length
          return line.write(sent)
        }
        const pull = Effect.tap(
          Effect.suspend(() => line.pull),
          (chunks) =>
            Effect.sync(() => {
              for (const chunk of chunks) bytes.read += chunk.length
            })
        )
        const own = new Map<string | symbol, unknown>([
          ["write", write],
          ["pull", pull],
          ["direct", undefined]
        ])
        return new Proxy(line, { get: (of, name) => (own.has(name) ? own.get(name) : Reflect.get(of, name, of)) })
      })
  }
  return { bytes, counting }
})

for (const server of SharedServers.all) {
  const algorithms = server.name.startsWith("mysql") ? (["zlib", "zstd"] as const) : (["zlib"] as const)

  describe.skipIf(!server.available)(`compressed lines to ${server.name}`, () => {
    describe.each(algorithms)("%s", (compression) => {
      const config: MysqlConfig = { compression }

      it.live("are told of, and known to the server", () =>
        Effect.gen(function* () {
          const connection = yield* connect(config)
          expect(connection.info.compression).toBe(compression)
          const { rows } = yield* connection.query<ReadonlyArray<string>>(
            "SHOW SESSION STATUS LIKE 'Compression'",
            [],
            {
              rows: "array"
            }
          )
          expect(rows[0]?.[1]).toBe("ON")
        }).pipe(Effect.provide(server.layer))
      )

      it.live("text, prepared, several results, refusals, and a ping", () =>
        Effect.gen(function* () {
          const connection = yield* connect({ ...config, multiStatements: true })
          expect(yield* scalar(connection, "SELECT ?", ["ü"])).toBe("ü")
          const long = "x".repeat(100_000)
          expect(yield* scalar(connection, "SELECT ?", [long])).toBe(long)
          expect((yield* connection.query(`SELECT '${long}' AS v`, [], { prepare: false })).rows).toEqual([{ v: long }])
          const several = yield* connection.query("SELECT 1 AS a; SELECT REPEAT('b', 2000) AS b; SELECT 3 AS c", [], {
            prepare: false
          })
          expect(several.rows).toEqual([{ a: 1 }])
          expect(yield* Effect.flip(connection.query("SELECT * FROM missing.missing"))).toMatchObject({
            reason: { _tag: "ServerError" }
          })
          yield* connection.ping
          expect(yield* scalar(connection, "SELECT 7")).toBe(7)
        }).pipe(Effect.provide(server.layer))
      )

      it.live("statements that are on their way together", () =>
        Effect.gen(function* () {
          const connection = yield* connect(config)
          const numbers = Array.from({ length: 300 }, (_, index) => index)
          const answers = yield* Effect.forEach(
            numbers,
            (number) => scalar(connection, "SELECT CONCAT(?, REPEAT('y', 1000))", [number]),
            { concurrency: "unbounded" }
          )
          expect(answers).toEqual(numbers.map((number) => `${number}${"y".repeat(1000)}`))
        }).pipe(Effect.provide(server.layer))
      )

      it.live("rows that are streamed, to their end and not", () =>
        Effect.gen(function* () {
          const connection = yield* connectToDatabase(config)
          yield* connection.query("CREATE TABLE digits (d INT)")
          yield* connection.query("INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
          const sql =
            "SELECT a.d + 10*b.d + 100*c.d + 1000*e.d AS n, REPEAT('z', 50) AS z FROM digits a, digits b, digits c, digits e"
          const sum = yield* connection.stream<{ readonly n: number }>(sql).pipe(
            Stream.runFold(
              () => 0,
              (total, { n }) => total + n
            )
          )
          expect(sum).toBe((9999 * 10_000) / 2)
          expect(yield* connection.stream(sql).pipe(Stream.take(3), Stream.runCount)).toBe(3)
          expect(yield* scalar(connection, "SELECT 1")).toBe(1)
        }).pipe(Effect.provide(server.layer))
      )

      it.live("a file that is sent", () =>
        Effect.gen(function* () {
          const root = yield* connect()
          yield* root.query("SET GLOBAL local_infile = 1")
          const connection = yield* connectToDatabase(config)
          yield* connection.query("CREATE TABLE l (a INT, b VARCHAR(100))")
          const lines = Array.from({ length: 1000 }, (_, index) => Buffer.from(`${index},${"text ".repeat(10)}\n`))
          const outcome = yield* connection.loadData(
            "LOAD DATA LOCAL INFILE 'made up' INTO TABLE l FIELDS TERMINATED BY ','",
            () => Stream.fromIterable(lines)
          )
          expect(outcome.affectedRows).toBe(1000)
          expect(yield* scalar(connection, "SELECT SUM(a) FROM l")).toBe("499500")
        }).pipe(Effect.provide(server.layer))
      )

      it.live("a statement that is stopped, and the next", () =>
        Effect.gen(function* () {
          const observer = yield* connect()
          const connection = yield* connect(config)
          const fiber = yield* Effect.forkChild(connection.query("SELECT SLEEP(60)"))
          yield* awaitRunning(observer, connection.info.connectionId, "SLEEP(60)")
          yield* Fiber.interrupt(fiber)
          expect(yield* scalar(connection, "SELECT 1")).toBe(1)
        }).pipe(Effect.provide(server.layer))
      )

      it.live("are shorter, also within TLS", () =>
        Effect.gen(function* () {
          const { bytes, counting } = yield* counted
          const { certificates } = yield* MysqlServer.MysqlServer
          for (const mode of certificates === undefined
            ? (["disabled"] as const)
            : (["disabled", "required"] as const)) {
            const connection = yield* Effect.provideService(connect({ ...config, tls: { mode } }), Transport, counting)
            const before = { ...bytes }
            const value = "as before, ".repeat(20_000)
            expect(yield* scalar(connection, "SELECT ?", [value])).toBe(value)
            expect(bytes.written - before.written).toBeLessThan(value.length / 20)
            expect(bytes.read - before.read).toBeLessThan(value.length / 20)
          }
        }).pipe(Effect.provide(server.layer))
      )
    })

    if (!server.name.startsWith("mysql")) {
      it.live("of an algorithm that the server does not have are refused before the user is named", () =>
        Effect.gen(function* () {
          const { bytes, counting } = yield* counted
          const reason = reasonOf(
            yield* Effect.exit(
              Effect.provideService(Effect.scoped(connect({ compression: "zstd" })), Transport, counting)
            )
          )
          expect(reason).toMatchObject({ _tag: "ConfigurationError", faults: [expect.stringContaining("zstd")] })
          expect(bytes.written).toBe(0)
        }).pipe(Effect.provide(server.layer))
      )
    }
  })

  describe.skipIf(!server.available || !server.canOwn)(`long values over compressed lines to ${server.name}`, () => {
    it.live(
      "around the lengths where frames and packets end, both ways",
      () =>
        Effect.gen(function* () {
          for (const compression of algorithms) {
            const connection = yield* connect({ compression })
            for (const length of [16_777_190, 16_777_210, 16_777_211, 16_777_215, 16_777_216, 33_554_430]) {
              const value = "ab".repeat(length / 2) + (length % 2 === 0 ? "" : "c")
              const back = yield* scalar(connection, "SELECT ?", [value])
              expect(back === value).toBe(true)
            }
          }
        }).pipe(Effect.provide(server.own({ settings: { max_allowed_packet: 64 * 1024 * 1024 } }))),
      120_000
    )
  })
}
