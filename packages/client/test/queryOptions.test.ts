/** Options of one statement that are none, or not of their type: told before anything is sent, all at once. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as queryOptions from "../src/internal/queryOptions.ts"
import type { MysqlError } from "../src/MysqlError.ts"
import { reasonOf } from "./support/script.ts"
import * as Simulation from "./support/simulation.ts"

const wrong: ReadonlyArray<readonly [options: object, faults: ReadonlyArray<string>]> = [
  [{ row: "array" }, ["unknown option row"]],
  [{ rows: "objects" }, ['rows "objects" is none of object, array, function, Schema']],
  [{ rows: null }, ["rows of this type is none of object, array, function, Schema"]],
  [{ prepare: "no", timeout: "3 parsecs" }, ["prepare is neither true nor false", "timeout is not a duration"]],
  [{ decoding: { date: "Temporal" } }, ['decoding.date "Temporal" is none of string, Date']],
  [{ decoding: { bigInt: "string" } }, ["unknown option decoding.bigInt"]],
  [{ attributes: { trace: 7 } }, ["attributes.trace is not a string"]]
]

const holds = <Ts>(property: fc.IProperty<Ts>): void => fc.assert(property, { numRuns: 2000 })

describe("the options of a statement", () => {
  it.effect.each(wrong)("%j are refused", ([options, faults]) =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const before = server.writes()
      const statement = yield* connection.prepare("ECHO ?")
      const ways: ReadonlyArray<Effect.Effect<unknown, MysqlError>> = [
        connection.query("ECHO x", [], options),
        connection.query("ECHO ?", ["x"], options),
        Stream.runDrain(connection.stream("ECHO x", [], options)),
        Stream.runDrain(connection.results("ECHO x", [], options)),
        Effect.scoped(connection.cursor("ECHO x", [], options)),
        statement.query(["x"], options),
        Stream.runDrain(statement.stream(["x"], options))
      ]
      for (const way of ways) {
        expect(reasonOf(yield* Effect.exit(way))).toMatchObject({ _tag: "ConfigurationError", faults })
      }
      // Preparing it was all that was written.
      expect(server.writes()).toBe(before + 1)
    })
  )

  it("are never a defect, whatever they are", () => {
    const names = ["rows", "decoding", "prepare", "attributes", "timeout", "fetchSize", "isolation"]
    const junk = fc.record(Object.fromEntries(names.map((name) => [name, fc.anything({ withBigInt: true })])), {
      requiredKeys: []
    })
    holds(
      fc.property(fc.oneof(junk, fc.anything()), (options) => {
        queryOptions.faultOf(options as object)
        queryOptions.transactionFaultOf(options as object)
      })
    )
  })

  it.effect("may be the same object again and again", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const options = { rows: "array", prepare: false, timeout: "1 minute" } as const
      for (const x of ["a", "b"]) expect((yield* connection.query(`ECHO ${x}`, [], options)).rows).toEqual([[x]])
    })
  )

  it.effect("of a transaction become SQL only where they are known", () =>
    Effect.gen(function* () {
      const server = Simulation.make()
      const connection = yield* server.connect()
      const own = yield* connection.reserve
      const options = { isolation: "serializable; DROP TABLE t", accessMode: "read" } as object
      expect(reasonOf(yield* Effect.exit(own.begin(options)))).toMatchObject({
        _tag: "ConfigurationError",
        faults: [
          expect.stringContaining('isolation "serializable; DROP TABLE t" is none of'),
          'accessMode "read" is none of read only, read write'
        ]
      })
      expect(server.ran).toEqual([])
    })
  )
})
