/**
 * Replies that no honest server sends: each ends in a typed error, the connection is closed, and no byte of it is taken
 * for something else.
 */
import { describe, expect, it } from "@effect/vitest"
import { ColumnFlag, ColumnType } from "@effect-mysql/protocol/ColumnType"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import type * as MysqlError from "../src/MysqlError.ts"
import { Transport } from "../src/Transport.ts"
import { commandOf, inMemory, type Line, listen, logIn, reasonOf, type Script } from "./support/script.ts"
import * as wire from "./support/wire.ts"
import { Code } from "./support/wire.ts"

const bytes = (...values: ReadonlyArray<number>): Uint8Array => Uint8Array.from(values)

/** Says this to the first command, in place of an answer. */
const says =
  (reply: Uint8Array, after: (line: Line) => Effect.Effect<unknown> = () => Effect.never): Script =>
  (line) =>
    Effect.gen(function* () {
      yield* logIn(line)
      yield* line.receive
      yield* line.send(reply)
      yield* after(line)
    })

const connectTo = (script: Script, config?: MysqlConfig) =>
  Effect.provideService(MysqlConnection.make(config ?? {}), Transport, inMemory(script))

/** The connection is closed, and says so to whoever comes next: his statement has not been sent. */
const expectClosed = (connection: MysqlConnection.MysqlConnection) =>
  Effect.gen(function* () {
    expect(connection.statusUnsafe().closed).toBe(true)
    for (const next of [
      connection.query("SELECT 1"),
      connection.ping,
      Stream.runDrain(connection.stream("SELECT 1"))
    ]) {
      expect(reasonOf(yield* Effect.exit<unknown, MysqlError.MysqlError, never>(next))).toMatchObject({
        _tag: "ConnectionLost",
        phase: "notSent"
      })
    }
  })

const integer = wire.column("n", { type: ColumnType.LONG, collation: 63, flags: ColumnFlag.NOT_NULL, length: 11 })
const binaryRow = (...values: ReadonlyArray<number>) => bytes(0, 0, ...values)

interface Hostile {
  readonly what: string
  readonly reply: Uint8Array
  readonly reason: object
}

const broken = (phase: string): object => ({ _tag: "ProtocolError", phase })

const text: ReadonlyArray<Hostile> = [
  { what: "an empty packet", reply: wire.packets([bytes()]), reason: broken("reply") },
  { what: "a wrong sequence number", reply: wire.packets([wire.ok()], 2), reason: broken("packet header") },
  {
    what: "the sequence number of an unasked OK",
    reply: wire.packets([wire.ok()], 0),
    reason: broken("packet header")
  },
  {
    what: "a gap in the sequence",
    reply: Buffer.concat([wire.packets([wire.count(1)]), wire.packets([integer], 3)]),
    reason: broken("packet header")
  },
  { what: "an OK that is cut off", reply: wire.packets([wire.ok().subarray(0, 3)]), reason: broken("OK") },
  { what: "an ERR without a number", reply: wire.packets([bytes(0xff)]), reason: broken("reply") },
  { what: "an ERR with half a number", reply: wire.packets([bytes(0xff, 1)]), reason: broken("reply") },
  { what: "no columns", reply: wire.packets([bytes(0xfc, 0, 0)]), reason: broken("column count") },
  { what: "65,536 columns", reply: wire.packets([bytes(0xfd, 0, 0, 1)]), reason: broken("column count") },
  { what: "2^48 columns", reply: wire.packets([bytes(0xfe, 0, 0, 0, 0, 0, 0, 1, 0)]), reason: broken("column count") },
  {
    what: "2^64-1 columns",
    reply: wire.packets([bytes(0xfe, 255, 255, 255, 255, 255, 255, 255, 255)]),
    reason: broken("column count")
  },
  { what: "bytes behind the column count", reply: wire.packets([bytes(1, 2)]), reason: broken("column count") },
  {
    what: "a column definition that is cut off",
    reply: wire.packets([wire.count(1), integer.subarray(0, 10)]),
    reason: broken("column definition")
  },
  {
    what: "bytes behind a column definition",
    reply: wire.packets([wire.count(1), Buffer.concat([integer, bytes(1)])]),
    reason: broken("column definition")
  },
  {
    what: "fewer definitions than announced",
    reply: wire.packets([wire.count(2), integer, wire.textRow("1"), wire.endOfRows()]),
    reason: broken("column definition")
  },
  {
    what: "a row in place of its columns",
    reply: wire.packets([wire.count(1), wire.textRow("1")]),
    reason: broken("column definition")
  },
  {
    what: "a value that is longer than its packet",
    reply: wire.packets([wire.count(1), integer, bytes(5, 0x31), wire.endOfRows()]),
    reason: broken("row")
  },
  {
    what: "a value of 2^64-1 bytes",
    reply: wire.packets([wire.count(1), integer, bytes(0xfe, 255, 255, 255, 255, 255, 255, 255, 255)]),
    reason: broken("end of rows")
  },
  {
    what: "a length that is cut off",
    reply: wire.packets([wire.count(1), integer, bytes(0xfc, 1)]),
    reason: broken("row")
  },
  {
    what: "too few values",
    reply: wire.packets([wire.count(2), integer, integer, wire.textRow("1"), wire.textRow("2")]),
    reason: broken("row")
  },
  {
    what: "too many values",
    reply: wire.packets([wire.count(1), integer, wire.textRow("1", "2")]),
    reason: broken("row")
  },
  {
    what: "an empty row",
    reply: wire.packets([wire.count(1), integer, bytes(), wire.endOfRows()]),
    reason: broken("reply")
  },
  {
    what: "an OK among the rows",
    reply: wire.packets([wire.count(1), wire.column("s"), wire.ok()]),
    reason: broken("row")
  },
  {
    what: "an end of rows that is cut off",
    reply: wire.packets([wire.count(1), integer, bytes(0xfe, 0)]),
    reason: broken("end of rows")
  },
  { what: "a packet beyond the limit", reply: bytes(0xff, 0xff, 0xff, 1), reason: broken("packet header") },
  {
    what: "an answer, and another one that nobody asked for",
    reply: Buffer.concat([wire.packets([wire.ok()]), wire.packets([wire.ok()])]),
    reason: {}
  }
]

const binary: ReadonlyArray<Hostile> = [
  {
    what: "a row that does not begin with 0",
    reply: wire.packets([wire.count(1), integer, bytes(1, 0, 1, 0, 0, 0)]),
    reason: broken("binary row")
  },
  {
    what: "a row without room for its NULLs",
    reply: wire.packets([wire.count(9), ...Array.from({ length: 9 }, () => integer), bytes(0, 0)]),
    reason: broken("row")
  },
  {
    what: "an integer of three bytes",
    reply: wire.packets([wire.count(1), integer, binaryRow(1, 2, 3)]),
    reason: broken("row")
  },
  {
    what: "bytes behind the last value",
    reply: wire.packets([wire.count(1), integer, binaryRow(1, 0, 0, 0, 9)]),
    reason: broken("row")
  },
  {
    what: "a value behind the end",
    reply: wire.packets([wire.count(2), integer, integer, binaryRow(1, 0, 0, 0)]),
    reason: broken("row")
  },
  { what: "columns that it says are known", reply: wire.packets([bytes(2, 0)]), reason: broken("column count") }
]

const preparing: ReadonlyArray<Hostile> = [
  { what: "an answer that is none", reply: wire.packets([bytes(1)]), reason: broken("prepare reply") },
  {
    what: "an answer that is cut off",
    reply: wire.packets([bytes(0, 1, 0, 0, 0, 1)]),
    reason: broken("prepare reply")
  },
  {
    what: "bytes behind the answer",
    reply: wire.packets([bytes(0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9)]),
    reason: broken("prepare reply")
  },
  {
    what: "a parameter that is none",
    reply: wire.packets([bytes(0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0), bytes(3, 1)]),
    reason: broken("parameter definition")
  }
]

/** Values that their column cannot have: the reply is whole, so the connection is not lost. */
const wrongValues: ReadonlyArray<readonly [what: string, payloads: ReadonlyArray<Uint8Array>, binary: boolean]> = [
  ["an integer with letters", [wire.count(1), integer, wire.textRow("12abc")], false],
  ["an empty integer", [wire.count(1), integer, wire.textRow("")], false],
  ["a document that is none", [wire.count(1), wire.column("n", { type: ColumnType.JSON }), wire.textRow("{]")], false],
  [
    "a document nested 100,000 deep with a large number",
    [
      wire.count(1),
      wire.column("n", { type: ColumnType.JSON }),
      wire.textRow(`${"[".repeat(100_000)}12345678901234567890${"]".repeat(100_000)}`)
    ],
    false
  ],
  [
    "a date of 200 bytes",
    [
      wire.count(1),
      wire.column("n", { type: ColumnType.DATETIME }),
      Buffer.concat([binaryRow(200), Buffer.alloc(200, 1)])
    ],
    true
  ],
  [
    "the 99th of the 99th",
    [wire.count(1), wire.column("n", { type: ColumnType.DATETIME }), binaryRow(4, 0, 0, 99, 99)],
    true
  ],
  ["a time of one byte", [wire.count(1), wire.column("n", { type: ColumnType.TIME }), binaryRow(1, 1)], true],
  [
    "a vector of five bytes",
    [wire.count(1), wire.column("n", { type: ColumnType.VECTOR }), binaryRow(5, 1, 2, 3, 4, 5)],
    true
  ]
]

const query = (connection: MysqlConnection.MysqlConnection) => connection.query("SELECT n")
const stream = (connection: MysqlConnection.MysqlConnection) => Stream.runDrain(connection.stream("SELECT n"))
const execute = (connection: MysqlConnection.MysqlConnection) => connection.query("SELECT ?", [1])

/** Answers the prepare, and says this to the execution. */
const saysToExecute =
  (reply: Uint8Array): Script =>
  (line) =>
    Effect.gen(function* () {
      yield* logIn(line)
      yield* line.receive
      yield* line.reply(...wire.prepareOk(1, 1))
      yield* line.receive
      yield* line.send(reply)
      yield* Effect.never
    })

describe("a reply to a statement that is", () => {
  it.effect.each(text)("$what closes the connection", ({ reason, reply }) =>
    Effect.gen(function* () {
      for (const run of [query, stream]) {
        const connection = yield* connectTo(says(reply), { maxPacketBytes: 1 << 20 })
        const exit = yield* Effect.exit<unknown, MysqlError.MysqlError, never>(run(connection))
        if (Exit.isFailure(exit)) expect(reasonOf(exit)).toMatchObject(reason)
        else expect(reason).toEqual({})
        yield* expectClosed(connection)
      }
    })
  )

  it.effect.each(binary)("of a prepared one: $what closes the connection", ({ reason, reply }) =>
    Effect.gen(function* () {
      const connection = yield* connectTo(saysToExecute(reply))
      expect(reasonOf(yield* Effect.exit(execute(connection)))).toMatchObject(reason)
      yield* expectClosed(connection)
    })
  )

  it.effect.each(preparing)("to preparing it: $what closes the connection", ({ reason, reply }) =>
    Effect.gen(function* () {
      const connection = yield* connectTo(says(reply))
      expect(reasonOf(yield* Effect.exit(execute(connection)))).toMatchObject(reason)
      yield* expectClosed(connection)
    })
  )

  it.live.each([...text.slice(0, 4), ...text.slice(-4)])("$what closes the socket too", ({ reply }) =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const address = yield* listen(
        says(reply, (line) => Effect.andThen(line.closed, Deferred.succeed(closed, undefined)))
      )
      const connection = yield* MysqlConnection.make({ ...address, maxPacketBytes: 1 << 20 })
      yield* Effect.exit(query(connection))
      yield* Deferred.await(closed)
      yield* expectClosed(connection)
    })
  )
})

describe("a value that its column cannot have", () => {
  it.effect.each(wrongValues)("$0 is a DecodeError, and the connection is used on", ([, payloads, isBinary]) =>
    Effect.gen(function* () {
      const connection = yield* connectTo((line) =>
        Effect.gen(function* () {
          yield* logIn(line)
          while (true) {
            const command = commandOf(yield* line.receive)
            if (command === Code.STMT_PREPARE) yield* line.reply(...wire.prepareOk(1, 1))
            else if (command === Code.PING) yield* line.reply(wire.ok())
            else yield* line.reply(...payloads, wire.endOfRows())
          }
        })
      )
      const exit = yield* Effect.exit<unknown, MysqlError.MysqlError, never>(
        isBinary ? execute(connection) : query(connection)
      )
      expect(reasonOf(exit)).toMatchObject({ _tag: "DecodeError", column: "n" })
      yield* connection.ping
      const streamed = isBinary ? connection.stream("SELECT ?", [1]) : connection.stream("SELECT n")
      expect(reasonOf(yield* Effect.exit(Stream.runDrain(streamed)))).toMatchObject({ _tag: "DecodeError" })
      yield* connection.ping
    })
  )
})

describe("bytes that nobody asked for", () => {
  it.effect("end the connection while it is idle; an error among them says why", () =>
    Effect.gen(function* () {
      const unasked: ReadonlyArray<readonly [Uint8Array, string]> = [
        [wire.packets([wire.err(1927, "Connection was killed")], 0), "Connection was killed"],
        [wire.packets([wire.ok()]), "bytes that nobody asked for"],
        [bytes(7), "bytes that nobody asked for"]
      ]
      for (const [more, problem] of unasked) {
        const connection = yield* connectTo(says(Buffer.concat([wire.packets([wire.ok()]), more])))
        yield* connection.query("DO 1")
        const reason = reasonOf(yield* Effect.exit(connection.ping))
        expect(reason).toMatchObject({ _tag: "ConnectionLost", phase: "notSent" })
        expect(reason?.message).toContain(problem)
      }
    })
  )
})
