/**
 * Every message of a client decodes to what its encoder was given.
 */
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as BulkExecute from "../src/command/BulkExecute.ts"
import * as ChangeUser from "../src/command/ChangeUser.ts"
import * as Command from "../src/command/Command.ts"
import * as CommandPacket from "../src/command/CommandPacket.ts"
import * as Execute from "../src/command/Execute.ts"
import * as QueryAttributes from "../src/command/QueryAttributes.ts"
import { ExtendedFlag, Flag } from "../src/connect/Capabilities.ts"
import * as HandshakeResponse from "../src/connect/HandshakeResponse.ts"
import { classify } from "../src/value/Parameter.ts"
import { blob, capabilities, has, payloadOf, plain, success, text, u8, u16, u32 } from "./support/arbitraries.ts"
import { holds } from "./support/property.ts"

describe("messages of the client", () => {
  const attributes = fc.dictionary(fc.oneof(text, fc.constantFrom("__proto__", "constructor")), text, { maxKeys: 4 })

  it("handshake response and request for TLS", () => {
    holds(
      fc.property(
        capabilities,
        u32,
        u8,
        plain,
        plain,
        blob,
        plain,
        attributes,
        u8,
        (
          agreed,
          maxPacketBytes,
          collation,
          username,
          authPlugin,
          authResponse,
          database,
          connectAttributes,
          zstdLevel
        ) => {
          const head = { capabilities: agreed, maxPacketBytes, collation }
          const written = HandshakeResponse.encode({
            ...head,
            username,
            authPlugin,
            authResponse,
            database,
            connectAttributes,
            zstdLevel
          })
          expect(success(HandshakeResponse.decode(written.payload()))).toEqual({
            _tag: "Response",
            ...head,
            username,
            authPlugin: has(agreed, Flag.PLUGIN_AUTH) ? authPlugin : "",
            authResponse,
            database: has(agreed, Flag.CONNECT_WITH_DB) ? database : undefined,
            connectAttributes: has(agreed, Flag.CONNECT_ATTRS) ? connectAttributes : {},
            zstdLevel: has(agreed, Flag.ZSTD_COMPRESSION) ? zstdLevel : undefined
          })
          const tls = { ...head, capabilities: { ...agreed, flags: (agreed.flags | Flag.SSL) >>> 0 } }
          expect(success(HandshakeResponse.decode(HandshakeResponse.encodeTlsRequest(tls).payload()))).toEqual({
            _tag: "TlsRequest",
            ...tls
          })
        }
      )
    )
  })

  const read = (sealed: Uint8Array, context: CommandPacket.Context) =>
    success(CommandPacket.decode(payloadOf(sealed), context))

  it("the short commands", () => {
    holds(
      fc.property(text, u32, u32, u16, blob, (sql, statementId, rowCount, parameter, part) => {
        const context = { capabilities: { flags: Flag.PROTOCOL_41, extended: 0 } }
        const cases: ReadonlyArray<readonly [Uint8Array, CommandPacket.CommandPacket]> = [
          [Command.quit, { _tag: "Quit" }],
          [Command.initDatabase(sql), { _tag: "InitDatabase", database: sql }],
          [Command.query(sql), { _tag: "Query", sql, attributes: [] }],
          [Command.statistics, { _tag: "Statistics" }],
          [Command.ping, { _tag: "Ping" }],
          [Command.prepare(sql), { _tag: "Prepare", sql }],
          [Command.closeStatement(statementId), { _tag: "CloseStatement", statementId }],
          [Command.resetStatement(statementId), { _tag: "ResetStatement", statementId }],
          [Command.fetch(statementId, rowCount), { _tag: "Fetch", statementId, rows: rowCount }],
          [Command.sendLongData(statementId, parameter, part), { _tag: "SendLongData", statementId, parameter, part }],
          [Command.setMultiStatements(true), { _tag: "SetMultiStatements", on: true }],
          [Command.setMultiStatements(false), { _tag: "SetMultiStatements", on: false }],
          [Command.resetConnection, { _tag: "ResetConnection" }]
        ]
        for (const [sealed, expected] of cases) expect(read(sealed, context)).toEqual(expected)
      })
    )
  })

  it("a change of the user", () => {
    holds(
      fc.property(
        capabilities,
        plain,
        plain,
        blob,
        fc.option(plain, { nil: undefined }),
        u16,
        attributes,
        (agreed, username, authPlugin, authResponse, database, collation, connectAttributes) => {
          const change = { username, authPlugin, authResponse, database, collation, connectAttributes }
          expect(read(ChangeUser.encode(change, agreed), { capabilities: agreed })).toEqual({
            _tag: "ChangeUser",
            ...change,
            database: database === "" ? undefined : database,
            authPlugin: has(agreed, Flag.PLUGIN_AUTH) ? authPlugin : "",
            connectAttributes: has(agreed, Flag.CONNECT_ATTRS) ? connectAttributes : {}
          })
        }
      )
    )
  })

  const value = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.double({ noDefaultInfinity: true, noNaN: true }),
    text.filter((one) => one.isWellFormed()),
    blob.map((one) => new Uint8Array(one)),
    fc.date({ min: new Date("1000-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })
  )
  /** A parameter as the server can know it: a boolean is a small number there, and numbers have no upper type. */
  const asKnown = (given: unknown) => {
    const parameter = classify(given, 0, 0)
    if (parameter._tag === "Boolean") return { _tag: "Integer", value: Number(parameter.value), unsigned: false }
    if (parameter._tag !== "Integer") return parameter
    const number = Number(parameter.value)
    return { ...parameter, value: Number.isSafeInteger(number) ? number : parameter.value }
  }

  it("an execution: new types, known types, long data, attributes, a cursor", () => {
    holds(
      fc.property(
        u32,
        fc.array(value, { maxLength: 12 }),
        fc.option(fc.dictionary(text, value, { maxKeys: 3 }), { nil: undefined }),
        fc.boolean(),
        fc.nat(12),
        (statementId, parameters, named, cursor, long) => {
          const agreed = {
            flags: (Flag.PROTOCOL_41 | (named === undefined ? 0 : Flag.QUERY_ATTRIBUTES)) >>> 0,
            extended: 0
          }
          const sent = { statementId, parameters, cursor, attributes: named, offsetMinutes: 0 }
          const longData = long < parameters.length ? new Map([[long, "bytes" as const]]) : undefined
          const first = success(Execute.encode({ ...sent, boundTypes: undefined, longData }))
          const statement = { parameterCount: parameters.length, longData: new Set(longData?.keys()) }
          const expected = {
            _tag: "Execute",
            statementId,
            cursor,
            parameters: parameters.map((one, index) => (longData?.has(index) === true ? undefined : asKnown(one))),
            types: first.boundTypes,
            attributes: Object.entries(named ?? {}).map(([name, one]) => ({ name, value: asKnown(one) }))
          }
          expect(read(first.bytes, { capabilities: agreed, statements: () => statement })).toEqual(expected)
          const again = success(Execute.encode({ ...sent, boundTypes: first.boundTypes, longData }))
          const knowing = { ...statement, types: first.boundTypes }
          expect(read(again.bytes, { capabilities: agreed, statements: () => knowing })).toEqual(expected)
        }
      )
    )
  })

  it("a query with attributes", () => {
    holds(
      fc.property(text, fc.dictionary(text, value, { maxKeys: 10 }), (sql, named) => {
        const context = { capabilities: { flags: (Flag.PROTOCOL_41 | Flag.QUERY_ATTRIBUTES) >>> 0, extended: 0 } }
        expect(read(success(QueryAttributes.query(sql, named)), context)).toEqual({
          _tag: "Query",
          sql,
          attributes: Object.entries(named).map(([name, one]) => ({ name, value: asKnown(one) }))
        })
      })
    )
  })

  /** What a column of the server gets of a value, whatever type it was sent as. */
  const asStored = (parameter: CommandPacket.BulkValue): string => {
    switch (parameter._tag) {
      case "Integer":
      case "Double":
        return String(parameter.value)
      case "Decimal":
        return parameter.digits
      default:
        return JSON.stringify(parameter, (_key, one: unknown) => (typeof one === "bigint" ? `${one}` : one))
    }
  }

  it("a bulk execution: the rows in their order, nothing lost, in messages below the bound", () => {
    const cell = fc.oneof(value, fc.constantFrom(BulkExecute.useDefault, BulkExecute.ignore))
    const bulkRows = fc
      .integer({ min: 1, max: 4 })
      .chain((width) =>
        fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 8 })
      )
    holds(
      fc.property(
        u32,
        bulkRows,
        fc.boolean(),
        fc.integer({ min: 20, max: 200 }),
        (statementId, sent, unitResults, maxBytes) => {
          const messages = success(
            BulkExecute.encode({ statementId, rows: sent, offsetMinutes: 0, unitResults, maxBytes })
          )
          const statement = { parameterCount: sent[0]!.length }
          const got: Array<ReadonlyArray<CommandPacket.BulkValue>> = []
          for (const message of messages) {
            const packet = read(message.bytes, {
              capabilities: { flags: Flag.PROTOCOL_41, extended: ExtendedFlag.STMT_BULK_OPERATIONS },
              statements: () => statement
            })
            if (packet._tag !== "BulkExecute") throw new Error(packet._tag)
            expect(packet).toMatchObject({ statementId, unitResults })
            expect(packet.rows).toHaveLength(message.rows)
            expect(message.rows === 1 || message.bytes.length - 4 <= maxBytes).toBe(true)
            got.push(...packet.rows)
          }
          const expected = sent.map((one) =>
            one.map((given): string => {
              if (given === BulkExecute.useDefault) return JSON.stringify({ _tag: "Default" })
              if (given === BulkExecute.ignore) return JSON.stringify({ _tag: "Ignore" })
              return asStored(asKnown(given) as CommandPacket.BulkValue)
            })
          )
          expect(got.map((one) => one.map(asStored))).toEqual(expected)
        }
      )
    )
  })

  it("arbitrary bytes end in a command or a ProtocolError", () => {
    const statements = (statementId: number) =>
      statementId % 2 === 0 ? { parameterCount: statementId % 7 } : undefined
    holds(
      fc.property(capabilities, fc.uint8Array({ maxLength: 60 }), (agreed, garbage) => {
        const command = CommandPacket.decode(garbage, { capabilities: agreed, statements })
        if (Result.isFailure(command)) expect(command.failure._tag).toBe("ProtocolError")
        const answer = HandshakeResponse.decode(garbage)
        if (Result.isFailure(answer)) expect(answer.failure._tag).toBe("ProtocolError")
      }),
      { numRuns: 1000 }
    )
  })
})
