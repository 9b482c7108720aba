import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as Execute from "../../src/command/Execute.ts"
import * as MysqlTypes from "../../src/value/MysqlTypes.ts"
import { bytes, type RecordedExchange, servers, session } from "../support/fixture.ts"
import { parameterCases } from "../support/parameterCases.ts"
import { replay } from "../support/replay.ts"
import { frame, hex } from "../support/wire.ts"

const encode = (parameters: ReadonlyArray<unknown>, boundTypes?: Execute.BoundTypes, offsetMinutes = 0) =>
  Result.getOrThrow(Execute.encode({ statementId: 1, parameters, boundTypes, offsetMinutes }))

/** "COM_STMT_EXECUTE": statement 1, no cursor, one iteration. */
const head = "17 01000000 00 01000000"

describe("by the manual", () => {
  it.each<[name: string, parameters: ReadonlyArray<unknown>, tail: string]>([
    ["no parameters: nothing follows the head", [], ""],
    ["NULL", [null], "01 01 0600"],
    ["text", ["foo"], "00 01 fd00 03 666f6f"],
    ["true and false", [true, false], "00 01 0100 0100 01 00"],
    ["an integer", [1], "00 01 0800 0100000000000000"],
    ["a negative integer", [-2], "00 01 0800 feffffffffffffff"],
    ["an unsigned integer", [18446744073709551615n], "00 01 0880 ffffffffffffffff"],
    ["a double (the manual's 10.2)", [10.2], "00 01 0500 6666666666662440"],
    ["minus zero", [-0], "00 01 0500 0000000000000080"],
    ["a decimal", [18446744073709551616n], `00 01 f600 14 ${Buffer.from("18446744073709551616").toString("hex")}`],
    ["bytes", [Uint8Array.of(0, 255)], "00 01 fc00 02 00ff"],
    ["a day without time of day", [new Date("2010-10-17T00:00:00Z")], "00 01 0c00 07 da07 0a 11 00 00 00"],
    ["a moment (the manual's)", [new Date("2010-10-17T19:27:30Z")], "00 01 0c00 07 da07 0a 11 13 1b 1e"],
    [
      "a moment with milliseconds",
      [new Date("2010-10-17T19:27:30.001Z")],
      "00 01 0c00 0b da07 0a 11 13 1b 1e e8030000"
    ],
    ["NULL between others", [1, null, "a"], "02 01 0800 0600 fd00 0100000000000000 01 61"]
  ])("%s", (_name, parameters, tail) => {
    expect(encode(parameters).bytes.toString("hex")).toBe(frame(0, hex(head + tail)).toString("hex"))
  })
})

describe("types", () => {
  it("are not sent again while they stay the same", () => {
    const first = encode([1, "a"])
    expect(first.boundTypes).toEqual([0x08, 0xfd])
    const second = encode([2, "b"], first.boundTypes)
    expect(second.bytes.subarray(4).toString("hex")).toBe(hex(`${head} 00 00 0200000000000000 01 62`).toString("hex"))
    expect(second.boundTypes).toBe(first.boundTypes)
  })

  it("NULL goes with any type that was bound", () => {
    const second = encode([null, "b"], [0x08, 0xfd])
    expect(second.bytes.subarray(4).toString("hex")).toBe(hex(`${head} 01 00 01 62`).toString("hex"))
    expect(second.boundTypes).toEqual([0x08, 0xfd])
  })

  it("a value after NULL tells its type", () => {
    const first = encode([null])
    expect(first.boundTypes).toEqual([0x06])
    expect(encode(["b"], first.boundTypes).bytes.subarray(4).toString("hex")).toBe(
      hex(`${head} 00 01 fd00 01 62`).toString("hex")
    )
  })

  it.each([
    ["another kind", [1], [0xfd]],
    ["unsigned after signed", [2n ** 63n], [0x08]],
    ["another number of parameters", [1, 2], [0x08]]
  ] as ReadonlyArray<[string, ReadonlyArray<unknown>, Execute.BoundTypes]>)(
    "%s is sent",
    (_name, parameters, boundTypes) => {
      const { bytes: message, boundTypes: next } = encode(parameters, boundTypes)
      expect(message[4 + 10 + 1]).toBe(1)
      expect(next).not.toBe(boundTypes)
    }
  )
})

describe("what the server knows of the types", () => {
  const [integer, text, bytes_, nothing] = [0x08, 0xfd, 0xfc, 0x06]

  it.each<
    [name: string, earlier: Execute.BoundTypes | undefined, latest: Execute.BoundTypes, expected: Execute.BoundTypes]
  >([
    ["the first time", undefined, [integer, nothing], [integer, nothing]],
    ["other types", [integer, integer], [text, integer], [text, integer]],
    ["NULL tells nothing about an earlier type", [integer, text], [nothing, text], [integer, text]],
    ["a DOUBLE stays one for other numbers", [0x05, 0x04, 0x05], [integer, 0xf6, text], [0x05, 0x04, text]],
    ["NULL again", [nothing], [nothing], [nothing]],
    ["NULL where nothing was known", [], [nothing], [nothing]]
  ])("after another execution: %s", (_name, earlier, latest, expected) => {
    expect(Execute.remembered(earlier, latest)).toEqual(expected)
  })

  it.each<
    [name: string, earlier: Execute.BoundTypes | undefined, parameters: ReadonlyArray<unknown>, expected: boolean]
  >([
    ["text, the first time", undefined, ["b"], false],
    ["text after text", [text], ["b"], false],
    ["text after bytes", [bytes_], ["b"], true],
    ["bytes after bytes", [bytes_], [Uint8Array.of(1)], false],
    ["bytes after text", [text], [Uint8Array.of(1)], true],
    ["a number after a float", [0x04], [0.1], false],
    ["a decimal after a number", [integer], [MysqlTypes.decimal("0.1")], false],
    ["a float after a decimal", [0xf6], [MysqlTypes.float(1)], false],
    ["text after NULL alone", [nothing], ["b"], false],
    ["text after a number", [integer], ["b"], true],
    ["text after an unsigned number", [0x8008], ["b"], true],
    ["bytes after a date", [0x0c], [Uint8Array.of(1)], true],
    ["a vector after a number", [integer], [new Float32Array(1)], true],
    ["text after a number, as the second", [text, integer], ["a", "b"], true],
    ["a number after a number", [integer], [1], false],
    ["a number after text", [text], [1], true],
    ["NULL after a number", [integer], [null], false],
    ["NULL after a date", [0x0a], [null], false],
    ["a number after a date", [0x0a], [7], true],
    ["a date after a date", [0x0c], [new Date(0)], false],
    ["a DATETIME after a TIMESTAMP", [0x07], [new Date(0)], false],
    ["a TIMESTAMP after a DATETIME", [0x0c], [MysqlTypes.timestamp(new Date(0))], false],
    ["a TIME after a DATETIME", [0x0c], [Duration.zero], true],
    ["a DATETIME after a DATE", [0x0a], [new Date(0)], true],
    ["a small number after a DOUBLE", [0x05], [7], false],
    ["a small bigint after a DOUBLE", [0x05], [7n], false],
    ["a large bigint after a DOUBLE", [0x05], [2n ** 60n], true],
    ["a large typed bigint after a FLOAT", [0x04], [MysqlTypes.bigint(2n ** 60n)], true],
    ["a decimal after a DOUBLE", [0x05], [MysqlTypes.decimal("0.1")], true],
    ["what cannot be sent after a DOUBLE", [0x05], [{}], false]
  ])("MySQL would convert %s", (_name, earlier, parameters, expected) => {
    expect(Execute.wouldConvert(earlier, parameters)).toBe(expected)
  })
})

it("a message of more than 16 MiB is split", () => {
  const { bytes: message } = encode([new Uint8Array(0xffffff)])
  expect(message.subarray(0, 4).toString("hex")).toBe("ffffff00")
  expect(message.length).toBe(4 + 0xffffff + 4 + (10 + 1 + 1 + 2 + 4))
})

describe.each(servers)("%s understood", (server) => {
  const recorded = session(server, "parameters")
  const rowOf = ({ command, response }: RecordedExchange): ReadonlyArray<unknown> => {
    const reply = replay([bytes(response)], {
      command,
      capabilities: recorded.capabilities,
      decoding: { dateTime: "string" }
    })
    return reply.results[0]!.rows[0] as ReadonlyArray<unknown>
  }
  const spoken = (name: string) => recorded.exchanges.find((candidate) => candidate.name === name)!
  const statementIdOf = ({ request }: RecordedExchange): number => bytes(request).readUInt32LE(5)

  it.each(parameterCases)("$name as a parameter", ({ heard, name, offsetMinutes = 0, value }) => {
    const exchange = spoken(`parameter: ${name}`)
    const statementId = statementIdOf(exchange)
    const encoded = Execute.encode({ statementId, parameters: [value], boundTypes: undefined, offsetMinutes })
    expect(Result.getOrThrow(encoded).bytes.toString("hex")).toBe(exchange.request)
    expect(rowOf(exchange)).toEqual([heard])
  })

  it("NULL in any of nine places, types that were sent before, and other types", () => {
    const places = Array.from({ length: 9 }, (_, index) => index)
    const statementId = statementIdOf(spoken("nine"))
    let boundTypes: Execute.BoundTypes | undefined
    const check = (name: string, parameters: ReadonlyArray<unknown>, heard: ReadonlyArray<unknown>): void => {
      const encoded = Result.getOrThrow(Execute.encode({ statementId, parameters, boundTypes, offsetMinutes: 0 }))
      boundTypes = encoded.boundTypes
      expect(encoded.bytes.toString("hex")).toBe(spoken(name).request)
      expect(rowOf(spoken(name))).toEqual(heard)
    }
    check("nine", places, places)
    for (const place of places) {
      const values = places.map((index) => (index === place ? null : index))
      check(`nine, NULL at ${place}`, values, values)
    }
    check("nine, other types", places.map(String), places)
  })
})
