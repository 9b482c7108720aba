/**
 * One conversation of many kinds of replies, cut into pieces of any size, and with any of its bytes changed.
 */
import { describe, expect, it } from "@effect/vitest"
import { ColumnFlag, ColumnType } from "@effect-mysql/protocol/ColumnType"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import type * as MysqlError from "../src/MysqlError.ts"
import { Transport } from "../src/Transport.ts"
import * as Random from "./support/random.ts"
import { inMemory, type Line, logIn, reasonOf, type Script } from "./support/script.ts"
import * as wire from "./support/wire.ts"

const bytes = (...values: ReadonlyArray<number>): Uint8Array => Uint8Array.from(values)

const integer = wire.column("n", { type: ColumnType.LONG, collation: 63, flags: ColumnFlag.NOT_NULL, length: 11 })

const connectTo = (script: Script, config?: MysqlConfig) =>
  Effect.provideService(MysqlConnection.make(config ?? {}), Transport, inMemory(script))

/** A conversation of many kinds of replies, as bytes for each command. */
const conversation: ReadonlyArray<Uint8Array> = [
  wire.packets(wire.texts("x", ["a", "bc", ""])),
  wire.packets(wire.prepareOk(1, 1, [integer])),
  wire.packets([wire.count(1), integer, bytes(0, 0, 7, 0, 0, 0), wire.endOfRows()]),
  wire.packets([wire.err(1064, "no", "42000")]),
  wire.packets([wire.ok({ affectedRows: 1 })])
]

const converse = (connection: MysqlConnection.MysqlConnection) =>
  Effect.gen(function* () {
    const exits: Array<Exit.Exit<unknown, MysqlError.MysqlError>> = []
    for (const run of [
      Effect.map(connection.query("SELECT x"), ({ rows }) => rows),
      Effect.map(connection.query("SELECT ? AS n", [1]), ({ rows }) => rows),
      connection.query("SELEC"),
      Effect.map(connection.query("DO 1"), ({ affectedRows }) => affectedRows)
    ]) {
      exits.push(yield* Effect.exit<unknown, MysqlError.MysqlError, never>(run))
    }
    return exits
  })

const answering =
  (replies: ReadonlyArray<Uint8Array>, send: (line: Line, reply: Uint8Array) => Effect.Effect<void>): Script =>
  (line) =>
    Effect.gen(function* () {
      yield* logIn(line)
      for (const reply of replies) {
        yield* line.receive
        yield* send(line, reply)
      }
      yield* line.receive
      yield* line.end
    })

describe("a conversation", () => {
  it.effect("is the same however its bytes are cut into pieces", () =>
    Effect.gen(function* () {
      const whole = yield* converse(yield* connectTo(answering(conversation, (line, reply) => line.send(reply))))
      expect(whole.map((exit) => (Exit.isSuccess(exit) ? exit.value : reasonOf(exit)))).toMatchObject([
        [{ x: "a" }, { x: "bc" }, { x: "" }],
        [{ n: 7 }],
        { _tag: "ServerError", errno: 1064 },
        1
      ])
      for (const size of [1, 2, 3, 5, 7, 11]) {
        const inPieces = answering(conversation, (line, reply) =>
          Effect.gen(function* () {
            for (let at = 0; at < reply.length; at += size) yield* line.send(reply.subarray(at, at + size))
          })
        )
        expect(yield* converse(yield* connectTo(inPieces))).toEqual(whole)
      }
    })
  )

  for (const seed of [1, 2, 3, 4]) {
    it.effect(`with any bytes changed ends in answers and typed errors (seed ${seed})`, () =>
      Effect.gen(function* () {
        const random = Random.make(seed)
        const tally = { answers: 0, errors: 0, silences: 0 }
        for (let round = 0; round < 250; round++) {
          const changed = conversation.map((reply) => Uint8Array.from(reply))
          for (let change = random.below(3); change >= 0; change--) {
            const reply = random.pick(changed)
            reply[random.below(reply.length)] = random.pick([0, 1, 0xfb, 0xfc, 0xfd, 0xfe, 0xff, random.below(256)])
          }
          yield* Effect.scoped(
            Effect.gen(function* () {
              const connection = yield* connectTo(
                answering(changed, (line, reply) => line.send(reply)),
                { maxPacketBytes: 1 << 20, statementTimeout: "1 second", cancellation: "close" }
              )
              const conversing = yield* Effect.forkChild(converse(connection), { startImmediately: true })
              // Bytes may be missing that never come.
              while (conversing.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
              for (const exit of yield* Fiber.join(conversing)) {
                const reason = reasonOf(exit)
                if (Exit.isSuccess(exit)) tally.answers++
                else if (reason?._tag === "StatementTimeout") tally.silences++
                else tally.errors++
                expect(Exit.isSuccess(exit) || reason !== undefined).toBe(true)
              }
            })
          )
        }
        expect(tally.answers + tally.errors + tally.silences).toBe(1000)
        for (const count of Object.values(tally)) expect(count).toBeGreaterThan(20)
      })
    )
  }
})
