/**
 * Commands as the recorded servers got and understood them: what the reply says is tested where replies are read.
 */
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as BulkExecute from "../../src/command/BulkExecute.ts"
import * as ChangeUser from "../../src/command/ChangeUser.ts"
import * as Command from "../../src/command/Command.ts"
import * as Execute from "../../src/command/Execute.ts"
import * as QueryAttributes from "../../src/command/QueryAttributes.ts"
import { Flag } from "../../src/connect/Capabilities.ts"
import * as Charset from "../../src/value/Charset.ts"
import { bytes, exchange, mariaDbs, servers, session } from "../support/fixture.ts"

const hex = (message: Uint8Array): string => Buffer.from(message).toString("hex")

/** Behind header and command. */
const statementIdOf = (request: string): number => bytes(request).readUInt32LE(5)

describe.each(servers)("%s was asked", (server) => {
  it("for the rows of a cursor", () => {
    const recorded = session(server, "cursor")
    const open = exchange(recorded, "open").request
    const statementId = statementIdOf(open)
    const encoded = Execute.encode({
      statementId,
      parameters: [0],
      boundTypes: undefined,
      offsetMinutes: 0,
      cursor: true
    })
    expect(hex(Result.getOrThrow(encoded).bytes)).toBe(open)
    expect(hex(Command.fetch(statementId, 2))).toBe(exchange(recorded, "fetch two").request)
    expect(hex(Command.resetStatement(statementId))).toBe(exchange(recorded, "reset statement").request)
  })

  it("to take long data, in parts before the execution", () => {
    const request = exchange(session(server, "commands"), "long data").request
    const statementId = statementIdOf(request)
    const encoded = Execute.encode({
      statementId,
      parameters: [undefined, 7, undefined],
      boundTypes: undefined,
      offsetMinutes: 0,
      longData: new Map([
        [0, "bytes"],
        [2, "text"]
      ])
    })
    const messages = [
      Command.sendLongData(statementId, 0, Uint8Array.of(0, 1)),
      Command.sendLongData(statementId, 0, Uint8Array.of(2)),
      Command.sendLongData(statementId, 2, Buffer.from("ü")),
      Result.getOrThrow(encoded).bytes
    ]
    expect(messages.map(hex).join("")).toBe(request)
  })
})

// As "COM_CHANGE_USER" of the manual has it, with what no recorded session leaves out.
describe("a change of user", () => {
  const change: ChangeUser.ChangeUser = {
    username: "ü",
    authPlugin: "p",
    authResponse: Uint8Array.of(1, 2),
    database: "d",
    collation: 0x2d,
    connectAttributes: { a: "b" }
  }
  const head = "11" + "c3bc00" + "020102"

  it.each<[name: string, flags: number, change: ChangeUser.ChangeUser, payload: string]>([
    [
      "names plugin and attributes",
      Flag.PLUGIN_AUTH | Flag.CONNECT_ATTRS,
      change,
      `${head}6400` + "2d00" + "7000" + "0401610162"
    ],
    ["leaves out what was not agreed on", 0, change, `${head}6400` + "2d00"],
    ["can do without a database", 0, { ...change, database: undefined }, `${head}00` + "2d00"]
  ])("%s", (_name, flags, value, payload) => {
    expect(hex(ChangeUser.encode(value, { flags, extended: 0 }).subarray(4))).toBe(payload)
  })
})

describe.skipIf(!servers.includes("mysql-9.7"))("attributes of statements", () => {
  const recorded = session("mysql-9.7", "attributes")
  const attributes = { a: "text ü", number: 42, nil: null }

  it.each(["none", "two"])("of a query: %s", (name) => {
    const { request, sql } = exchange(recorded, name)
    const encoded = QueryAttributes.query(sql!, name === "none" ? QueryAttributes.none : attributes)
    expect(hex(Result.getOrThrow(encoded))).toBe(request)
    const asBytes = QueryAttributes.query(Buffer.from(sql!), name === "none" ? {} : attributes)
    expect(hex(Result.getOrThrow(asBytes))).toBe(request)
  })

  it.each<
    [name: string, parameters: ReadonlyArray<unknown>, bound: boolean, attributes: QueryAttributes.QueryAttributes]
  >([
    ["execute with none", [], false, {}],
    ["execute with one", [], false, { a: "x" }],
    ["a parameter and none", [1], false, {}],
    ["a parameter and one", [2], true, { a: "y" }],
    ["known types and none", [3], true, {}]
  ])("of an execution: %s", (name, parameters, bound, given) => {
    const { request } = exchange(recorded, name)
    const encoded = Execute.encode({
      statementId: statementIdOf(request),
      parameters,
      // What an execution with a number leaves behind.
      boundTypes: bound ? [0x08] : undefined,
      offsetMinutes: 0,
      attributes: given
    })
    expect(hex(Result.getOrThrow(encoded).bytes)).toBe(request)
  })

  it.each([
    ["a query", (value: unknown) => QueryAttributes.query("SELECT 1", { a: value })],
    [
      "an execution",
      (value: unknown) =>
        Execute.encode({
          statementId: 1,
          parameters: [],
          boundTypes: undefined,
          offsetMinutes: 0,
          attributes: { a: value }
        })
    ]
  ])("of %s are refused where they cannot be sent", (_name, encode) => {
    expect(encode(undefined)).toMatchObject({ failure: { _tag: "ParameterError", parameter: "a" } })
    expect(encode("fine")).toMatchObject({ _tag: "Success" })
  })

  it("of an execution may be NULL", () => {
    const attributes = { a: null }
    const encoded = Execute.encode({ statementId: 1, parameters: [], boundTypes: [], offsetMinutes: 0, attributes })
    const { bytes: message, boundTypes } = Result.getOrThrow(encoded)
    expect(hex(message.subarray(4))).toBe("17" + "01000000" + "08" + "01000000" + "01" + "01" + "01" + "06000161")
    expect(boundTypes).toEqual([])
  })

  it("are in the character set of the session", () => {
    const latin1 = { offsetMinutes: 0, charset: Charset.named("latin1") }
    const encoded = Result.getOrThrow(QueryAttributes.query(Buffer.from("x"), { a: "ü", b: null }, latin1))
    // Two attributes in one set, the second NULL, both types with their names, one value, the text.
    expect(hex(encoded.subarray(4))).toBe("03" + "0201" + "02" + "01" + "fd000161" + "06000162" + "01fc" + "78")
    expect(QueryAttributes.query("x", { a: "日" }, latin1)).toMatchObject({ failure: { parameter: "a" } })
  })
})

it("parameters are in the character set of the session, but for bytes", () => {
  const charset = Charset.named("latin1")
  const encode = (value: unknown) =>
    Execute.encode({
      statementId: 1,
      parameters: [value, Uint8Array.of(1)],
      boundTypes: undefined,
      offsetMinutes: 0,
      charset
    })
  expect(hex(Result.getOrThrow(encode("ü")).bytes.subarray(14))).toBe("00" + "01" + "fd00" + "fc00" + "01fc" + "0101")
  expect(encode("日")).toMatchObject({ failure: { _tag: "ParameterError", parameter: 0 } })
})

describe.each(mariaDbs)("rows in bulk, as %s got them:", (server) => {
  const recorded = session(server, "bulk")
  const d = BulkExecute.useDefault
  const i = BulkExecute.ignore

  it.each<[name: string, rows: BulkExecute.BulkExecute["rows"], unitResults: boolean]>([
    [
      "bulk insert",
      [
        [1, "one"],
        [2.5, null],
        [d, "ü"],
        [true, ""]
      ],
      false
    ],
    [
      "bulk with unit results",
      [
        [8, "eight"],
        [9, "nine"]
      ],
      true
    ],
    [
      "bulk update",
      [
        [i, "uno", 1],
        [22, i, 2],
        [23, "nobody", 99]
      ],
      true
    ],
    ["bulk that fails at the second row", [[100], [1], [101]], false]
  ])("%s", (name, rows, unitResults) => {
    const { request } = exchange(recorded, name)
    const messages = BulkExecute.encode({ statementId: statementIdOf(request), rows, offsetMinutes: 0, unitResults })
    expect(Result.getOrThrow(messages).map(({ bytes }) => hex(bytes))).toEqual([request])
  })

  it("values of two types in one column go in two messages", () => {
    const requests = [1, 2].map((count) => exchange(recorded, `bulk of two types ${count}`).request)
    const rows = [
      [5, "text"],
      [6, new Uint8Array([0x62])]
    ]
    const messages = BulkExecute.encode({ statementId: statementIdOf(requests[0]!), rows, offsetMinutes: 0 })
    expect(Result.getOrThrow(messages).map(({ bytes }) => hex(bytes))).toEqual(requests)
  })
})

describe("rows in bulk", () => {
  const encode = (rows: BulkExecute.BulkExecute["rows"], more: Partial<BulkExecute.BulkExecute> = {}) =>
    BulkExecute.encode({ statementId: 1, rows, offsetMinutes: 0, ...more })

  /** The types of the columns in the first message. */
  const typesOf = (rows: BulkExecute.BulkExecute["rows"]): ReadonlyArray<string> =>
    Result.getOrThrow(encode(rows)).map(({ bytes }) => hex(bytes.subarray(11, 13)))

  it.each<[name: string, values: ReadonlyArray<unknown>, types: ReadonlyArray<string>]>([
    ["truth values", [true, false], ["0100"]],
    ["truth values and numbers", [true, 7, false], ["0800"]],
    ["numbers and fractions", [7, 0.5, true], ["0500"]],
    ["a number and a bigint", [7, 2n ** 60n], ["0800"]],
    ["a bigint and a number", [2n ** 60n, 7], ["0800"]],
    ["signed and unsigned", [-1n, 2n ** 64n - 1n], ["f600"]],
    ["an unsigned bigint and a truth value", [2n ** 64n - 1n, true], ["0880"]],
    ["a fraction and a truth value", [0.5, true], ["0500"]],
    ["NULL and text", [null, "a", null], ["fd00"]],
    ["NULL alone", [null], ["0600"]],
    ["text and bytes", ["a", Uint8Array.of(1)], ["fd00", "fc00"]],
    ["a fraction and a bigint", [0.5, 2n ** 60n], ["0500", "0800"]],
    ["a fraction and a decimal", [0.5, 2n ** 70n], ["0500", "f600"]]
  ])("one type holds %s, or there are several messages", (_name, values, types) => {
    expect(typesOf(values.map((value) => [value]))).toEqual(types)
  })

  it("are cut where a message gets too long, and a long row goes alone", () => {
    const messages = Result.getOrThrow(encode([["a"], ["b"], ["c".repeat(50)], ["d"]], { maxBytes: 16 }))
    expect(messages.map(({ rows }) => rows)).toEqual([2, 1, 1])
  })

  it("are in the character set of the session", () => {
    const [message] = Result.getOrThrow(encode([["ü"]], { charset: Charset.named("latin1") }))
    expect(hex(message!.bytes.subarray(-3))).toBe("0001fc")
  })

  it.each<[name: string, rows: BulkExecute.BulkExecute["rows"], error: object]>([
    ["a value that cannot be sent", [[1], [undefined]], { row: 1, parameter: 0 }],
    ["a character that is not in the set", [["ü"], ["日"]], { row: 1, parameter: 0 }],
    ["a row that is too short", [[1, 2], [1]], { row: 1, parameter: 1 }],
    ["a row of nothing", [[]], { row: 0, parameter: 0 }]
  ])("are refused with %s", (_name, rows, error) => {
    expect(encode(rows, { charset: Charset.named("latin1") })).toMatchObject({
      failure: { _tag: "ParameterError", ...error }
    })
  })

  it("of no rows are no messages", () => {
    expect(encode([])).toEqual(Result.succeed([]))
  })
})
