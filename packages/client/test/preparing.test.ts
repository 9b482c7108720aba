/**
 * Preparing as servers can spoil it: room that is used up, statements that are forgotten, twice the same text.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import { Transport } from "../src/Transport.ts"
import { commandOf, inMemory, type Line, logIn, type Received, reasonOf, textOf } from "./support/script.ts"
import * as Simulation from "./support/simulation.ts"
import * as wire from "./support/wire.ts"
import { Code } from "./support/wire.ts"

/** A connection to a server that answers each command so; `undefined` answers none. */
const connectTo = (
  answer: (received: Received, line: Line) => ReadonlyArray<Uint8Array> | undefined,
  config?: MysqlConfig
) =>
  Effect.provideService(
    MysqlConnection.make(config ?? {}),
    Transport,
    inMemory((line) =>
      Effect.andThen(
        logIn(line),
        Effect.forever(
          Effect.flatMap(line.receive, (received) => {
            const payloads = answer(received, line)
            return payloads === undefined ? Effect.void : line.reply(...payloads)
          })
        )
      )
    )
  )

const row = (x: string) => [
  wire.count(1),
  wire.column("x"),
  Buffer.concat([Buffer.from([0, 0]), wire.textRow(x)]),
  wire.endOfRows()
]

describe("preparing", () => {
  it.effect("gives way to text where the server has room for no more, and frees what it holds", () =>
    Effect.gen(function* () {
      const commands: Array<number> = []
      let room = true
      const connection = yield* connectTo((received) => {
        const command = commandOf(received)
        commands.push(command)
        switch (command) {
          case Code.STMT_PREPARE:
            return room ? wire.prepareOk(1, 1) : [wire.err(1461, "Can't create more than max_prepared_stmt_count")]
          case Code.STMT_EXECUTE:
            return row("prepared")
          case Code.QUERY:
            return wire.texts("x", [textOf(received)])
          default:
            return undefined
        }
      })
      expect((yield* connection.query("SELECT ?", [1])).rows).toEqual([{ x: "prepared" }])
      room = false
      expect((yield* connection.query("SELECT ? + 1", [2])).rows).toEqual([{ x: "SELECT 2 + 1" }])
      expect(yield* Stream.runCollect(connection.stream("SELECT ? + 2", ["it's"]))).toEqual([
        { x: "SELECT 'it\\'s' + 2" }
      ])
      room = true
      expect((yield* connection.query("SELECT ? + 1", [2])).rows).toEqual([{ x: "prepared" }])
      expect(commands).toEqual([
        Code.STMT_PREPARE,
        Code.STMT_EXECUTE,
        Code.STMT_PREPARE,
        Code.STMT_CLOSE,
        Code.QUERY,
        Code.STMT_PREPARE,
        Code.QUERY,
        Code.STMT_PREPARE,
        Code.STMT_EXECUTE
      ])
    })
  )

  it.effect("is not tried again for a text that the server cannot prepare", () =>
    Effect.gen(function* () {
      const commands: Array<number> = []
      const connection = yield* connectTo((received) => {
        commands.push(commandOf(received))
        return commandOf(received) === Code.QUERY ? wire.texts("x", [textOf(received)]) : [wire.err(1295)]
      })
      for (const n of [1, 2]) {
        expect((yield* connection.query("XA START ?", [n])).rows).toEqual([{ x: `XA START ${n}` }])
        expect(yield* Stream.runCollect(connection.stream("XA START ?", [n]))).toEqual([{ x: `XA START ${n}` }])
      }
      expect(commands).toEqual([Code.STMT_PREPARE, Code.QUERY, Code.QUERY, Code.QUERY, Code.QUERY])
    })
  )

  for (const errno of [1243, 1615]) {
    it.effect(`is done again, once, when an execution fails with ${errno}`, () =>
      Effect.gen(function* () {
        let prepared = 0
        let failures = 0
        const connection = yield* connectTo((received) => {
          if (commandOf(received) === Code.STMT_PREPARE) return wire.prepareOk(++prepared, 1)
          if (commandOf(received) !== Code.STMT_EXECUTE) return undefined
          return failures-- > 0 ? [wire.err(errno)] : row(`${received.payload.readUInt32LE(1)}`)
        })
        failures = 1
        expect((yield* connection.query("SELECT ?", [1])).rows).toEqual([{ x: "2" }])
        failures = 1
        expect(yield* Stream.runCollect(connection.stream("SELECT ?", [1]))).toEqual([{ x: "3" }])
        failures = 2
        expect(reasonOf(yield* Effect.exit(connection.query("SELECT ?", [1])))).toMatchObject({ errno })
        failures = 2
        const streamed = yield* Effect.exit(Stream.runDrain(connection.stream("SELECT ?", [1])))
        expect(reasonOf(streamed)).toMatchObject({ errno })
        failures = 0
        expect((yield* connection.query("SELECT ?", [1])).rows).toHaveLength(1)
      })
    )
  }

  it.effect("of one text by two fibers at once leaves one statement", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const query = connection.query("ECHO ?", ["x"])
      const results = yield* Effect.all([query, query, query], { concurrency: "unbounded" })
      expect(results.map(({ rows }) => rows)).toEqual([[{ x: "x" }], [{ x: "x" }], [{ x: "x" }]])
      yield* connection.query("ECHO next")
      expect([...server.prepared.values()]).toEqual(["ECHO ?"])
    })
  )

  it.effect("happens anew where MySQL might bend a value to the type of an earlier one", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const prepared: Array<number> = []
      for (const value of [1, 2, "a", "b", 3, "c"]) {
        expect((yield* connection.query("ECHO ?", [value])).rows).toEqual([{ x: `${value}` }])
        prepared.push(server.preparations())
      }
      expect(prepared).toEqual([1, 1, 2, 2, 3, 4])
    })
  )

  it.effect("tells the server the types of parameters once, as long as they stay the same", () =>
    Effect.gen(function* () {
      const withTypes: Array<boolean> = []
      const connection = yield* connectTo((received) => {
        if (commandOf(received) === Code.STMT_PREPARE) return wire.prepareOk(1, 1)
        if (commandOf(received) !== Code.STMT_EXECUTE) return undefined
        // Behind statement, flags, iterations and the bitmap of one parameter.
        withTypes.push(received.payload[11] === 1)
        return withTypes.length === 4 ? [wire.err(1205)] : row("x")
      })
      for (const value of ["a", "b", "c", "d", "e", "f"]) yield* Effect.exit(connection.query("SELECT ?", [value]))
      // After an error the server may not have taken them.
      expect(withTypes).toEqual([true, false, false, false, true, false])
    })
  )
})
