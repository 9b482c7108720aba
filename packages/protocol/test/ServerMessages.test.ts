import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Writer } from "../src/Bytes.ts"
import { ColumnFlag, ColumnType } from "../src/ColumnType.ts"
import * as AuthPacket from "../src/connect/AuthPacket.ts"
import { type Capabilities, ExtendedFlag, Flag } from "../src/connect/Capabilities.ts"
import * as Greeting from "../src/connect/Greeting.ts"
import * as Packet from "../src/framing/Packet.ts"
import * as Column from "../src/reply/Column.ts"
import * as Err from "../src/reply/Err.ts"
import * as LocalInfile from "../src/reply/LocalInfile.ts"
import * as Ok from "../src/reply/Ok.ts"
import * as PrepareOk from "../src/reply/PrepareOk.ts"
import type * as Progress from "../src/reply/Progress.ts"
import * as ProgressPacket from "../src/reply/Progress.ts"
import * as ResultSet from "../src/reply/ResultSet.ts"
import type * as SessionTrack from "../src/reply/SessionTrack.ts"
import { ServerStatus } from "../src/ServerStatus.ts"
import { blob, capabilities, count, has, plain, success, text, u8, u16, u32 } from "./support/arbitraries.ts"
import { holds } from "./support/property.ts"
import { replay } from "./support/replay.ts"

describe("messages of the server", () => {
  it("greeting", () => {
    const scramble = fc.uint8Array({ minLength: 20, maxLength: 20 })
    holds(
      fc.property(
        capabilities,
        plain,
        u32,
        u8,
        u16,
        plain,
        scramble,
        (agreed, version, id, collation, status, authPlugin, bytesOf) => {
          const greeting: Greeting.Greeting = {
            product: has(agreed, Flag.LONG_PASSWORD) ? "mysql" : "mariadb",
            version: `9.${version.replace("MariaDB", "")}`,
            connectionId: id,
            capabilities: { ...agreed, flags: (agreed.flags | Flag.PLUGIN_AUTH) >>> 0 },
            collation,
            status,
            authPlugin,
            scramble: bytesOf
          }
          expect(success(Greeting.decode(Greeting.encode(greeting).payload()))).toEqual(greeting)
        }
      )
    )
  })

  const change: fc.Arbitrary<SessionTrack.Change> = fc.oneof(
    fc.record({ _tag: fc.constant("SystemVariable" as const), name: text, value: text }),
    fc.record({ _tag: fc.constant("Database" as const), name: text }),
    fc.record({ _tag: fc.constant("State" as const) }),
    fc.record({ _tag: fc.constant("Gtids" as const), gtids: text }),
    fc.record({ _tag: fc.constant("TransactionCharacteristics" as const), sql: text }),
    fc.record({ _tag: fc.constant("TransactionState" as const), state: text }),
    fc.record({ _tag: fc.constant("Other" as const), type: fc.integer({ min: 6, max: 255 }), data: blob })
  )

  const ok: fc.Arbitrary<Ok.Ok> = fc.record({
    affectedRows: count,
    insertId: count,
    status: u16.map((status) => status & ~ServerStatus.sessionStateChanged & ~ServerStatus.moreResultsExist),
    warningCount: u16,
    info: text,
    changes: fc.array(change, { maxLength: 4 })
  })

  const asTold = (said: Ok.Ok, agreed: Capabilities): Ok.Ok => {
    const changes = has(agreed, Flag.SESSION_TRACK) ? said.changes : []
    return { ...said, changes, status: said.status | (changes.length > 0 ? ServerStatus.sessionStateChanged : 0) }
  }

  it("OK, with every kind of session tracking, also at the end of rows", () => {
    holds(
      fc.property(capabilities, ok, fc.constantFrom(0x00, 0xfe), (agreed, said, header) => {
        const written = Ok.encode(said, header as 0x00 | 0xfe, agreed).payload()
        expect(success(Ok.decode(written, agreed))).toEqual(asTold(said, agreed))
      })
    )
  })

  const err = fc.record({
    errno: u16,
    sqlState: fc.string({ unit: fc.constantFrom(..."0123456789ABCXYZ"), minLength: 5, maxLength: 5 }),
    message: text
  })

  it("ERR, with and without an SQLSTATE", () => {
    holds(
      fc.property(err, (said) => {
        expect(success(Err.decode(Err.encode(said).payload()))).toEqual(said)
        if (said.message.startsWith("#")) return
        expect(success(Err.decode(Err.encode(said, "bare").payload()))).toEqual({ ...said, sqlState: "HY000" })
      })
    )
  })

  it("what is said during the authentication", () => {
    holds(
      fc.property(capabilities, ok, err, plain, blob, (agreed, said, refusal, plugin, data) => {
        const packets: ReadonlyArray<AuthPacket.AuthPacket> = [
          { _tag: "Ok", ok: asTold(said, agreed) },
          { _tag: "Err", err: refusal },
          { _tag: "Switch", plugin, data },
          { _tag: "MoreData", data },
          ...(has(agreed, Flag.MULTI_FACTOR_AUTHENTICATION) ? [{ _tag: "NextFactor" as const, plugin, data }] : [])
        ]
        for (const packet of packets) {
          expect(success(AuthPacket.decode(AuthPacket.encode(packet, agreed).payload(), agreed))).toEqual(packet)
        }
      })
    )
  })

  const column: fc.Arbitrary<Column.Column> = fc.record({
    name: text,
    table: text,
    database: text,
    originalName: text,
    originalTable: text,
    collation: u16,
    length: u32,
    type: u8,
    flags: u16,
    decimals: u8,
    extendedType: fc.option(text, { nil: undefined }),
    format: fc.option(text, { nil: undefined })
  })

  it("column definitions, with extended metadata and without", () => {
    holds(
      fc.property(capabilities, column, (agreed, said) => {
        const extended = (agreed.extended & ExtendedFlag.EXTENDED_METADATA) !== 0
        const told = extended ? said : { ...said, extendedType: undefined, format: undefined }
        expect(success(Column.decode(Column.encode(said, agreed).payload(), agreed))).toEqual(told)
      })
    )
  })

  const packets = (writers: ReadonlyArray<Writer>): Buffer =>
    Buffer.concat(writers.map((writer, index) => Packet.seal(writer, index + 1)))

  it("the reply to a prepare", () => {
    holds(
      fc.property(
        capabilities,
        u32,
        u16,
        fc.array(column, { maxLength: 3 }),
        fc.array(column, { maxLength: 3 }),
        (agreed, statementId, warningCount, parameters, columns) => {
          const prepared = {
            statementId,
            warningCount,
            parameterCount: parameters.length,
            columnCount: columns.length,
            follows: true
          }
          const end = () => (has(agreed, Flag.DEPRECATE_EOF) ? [] : [Ok.encodeEof({ status: 2, warningCount: 0 })])
          const definitions = (of: ReadonlyArray<Column.Column>) =>
            of.length === 0 ? [] : [...of.map((one) => Column.encode(one, agreed)), ...end()]
          const writers = [PrepareOk.encode(prepared, agreed), ...definitions(parameters), ...definitions(columns)]
          const reply = replay([packets(writers)], { command: "prepare", capabilities: agreed })
          expect(reply.failure).toBeUndefined()
          expect(reply.done).toBe(true)
          expect(reply.prepared).toEqual(prepared)
          expect(reply.definitions ?? []).toHaveLength(columns.length)
        }
      )
    )
  })

  const typed = (name: string, type: number, more: Partial<Column.Column> = {}): Column.Column => ({
    name,
    table: "",
    database: "",
    originalName: "",
    originalTable: "",
    collation: 63,
    length: 20,
    type,
    flags: 0,
    decimals: 6,
    extendedType: undefined,
    format: undefined,
    ...more
  })
  const columns = [
    typed("tiny", ColumnType.TINY),
    typed("short", ColumnType.SHORT),
    typed("medium", ColumnType.INT24, { flags: ColumnFlag.UNSIGNED }),
    typed("long", ColumnType.LONG),
    typed("big", ColumnType.LONGLONG),
    typed("ubig", ColumnType.LONGLONG, { flags: ColumnFlag.UNSIGNED }),
    typed("double", ColumnType.DOUBLE),
    typed("decimal", ColumnType.NEWDECIMAL),
    typed("text", ColumnType.VAR_STRING, { collation: 45 }),
    typed("bytes", ColumnType.BLOB),
    typed("datetime", ColumnType.DATETIME)
  ]
  const small = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value)
  const row = fc.tuple(
    fc.integer({ min: -128, max: 127 }),
    fc.integer({ min: -32768, max: 32767 }),
    fc.nat(0xffffff),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(small),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(small),
    fc.double({ noDefaultInfinity: true, noNaN: true }).filter((value) => !Object.is(value, -0)),
    fc.integer().map((value) => `${value}.50`),
    text,
    blob.map((value) => new Uint8Array(value)),
    fc.date({ min: new Date("1000-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })
  )
  const rows = fc.array(
    fc
      .tuple(row, fc.subarray(columns.map((_, index) => index)))
      .map(([values, nulls]) => values.map((value, index): unknown => (nulls.includes(index) ? null : value))),
    { maxLength: 4 }
  )
  const asText = (value: unknown): string | Uint8Array | null =>
    value === null || value instanceof Uint8Array
      ? value
      : value instanceof Date
        ? value.toISOString().slice(0, 23).replace("T", " ")
        : String(value)

  it("results, text and binary, with an EOF and without", () => {
    holds(
      fc.property(capabilities, rows, ok, fc.boolean(), (agreed, values, end, binary) => {
        const protocol = binary ? "binary" : "text"
        const encoded = ResultSet.encode(
          { columns, protocol, rows: binary ? values : values.map((one) => one.map(asText)), ok: end },
          agreed
        )
        const reply = replay([packets(success(encoded))], {
          command: binary ? "execute" : "query",
          capabilities: agreed
        })
        expect(reply.failure).toBeUndefined()
        expect(reply.decodeError).toBeUndefined()
        expect(reply.results).toHaveLength(1)
        const withEof = !has(agreed, Flag.DEPRECATE_EOF)
        // An EOF behind the columns that tells of a cursor ends the result: then there are no rows.
        if (binary && withEof && (end.status & ServerStatus.cursorExists) !== 0) return
        expect(reply.results[0]!.rows).toEqual(values)
        expect(reply.results[0]!.ok).toMatchObject({ warningCount: end.warningCount })
      })
    )
  })

  it("a result without its columns, for a client that knows them", () => {
    const agreed = { flags: Flag.OPTIONAL_RESULTSET_METADATA | Flag.DEPRECATE_EOF, extended: 0 }
    const one = columns.slice(0, 1)
    const result = { columns: one, protocol: "text", rows: [["1"]], follows: false } as const
    const payloads = success(ResultSet.encode(result, agreed)).map((payload) => Buffer.from(payload.payload()))
    // "Optional Result Set Metadata": the count, and a 0 for none. "Text Resultset Row". "OK_Packet" in place of an EOF.
    expect(payloads.map((payload) => payload.toString("hex"))).toEqual(["0100", "0131", "fe000002000000"])
  })

  it("a request for a file, and a report of progress", () => {
    const progress: fc.Arbitrary<Progress.Progress> = fc.record({
      stage: u8,
      stages: u8,
      percent: fc.nat(100_000).map((value) => value / 1000),
      info: text
    })
    const agreed = { flags: Flag.PROTOCOL_41 | Flag.DEPRECATE_EOF, extended: ExtendedFlag.PROGRESS }
    holds(
      fc.property(progress, text, (report, fileName) => {
        expect(success(LocalInfile.decode(LocalInfile.encode(fileName).payload()))).toBe(fileName)
        const heard: Array<Progress.Progress> = []
        const reply = replay(
          [
            packets([
              ProgressPacket.encode(report),
              ProgressPacket.encode(report),
              Ok.encode({ affectedRows: 1, insertId: 0, status: 2, warningCount: 0 })
            ])
          ],
          { command: "query", capabilities: agreed, onProgress: (told) => heard.push(told) }
        )
        expect(heard).toEqual([report, report])
        expect(reply.results[0]?.ok.affectedRows).toBe(1)
        // Whoever did not agree to it takes it for an error.
        const other = replay([packets([ProgressPacket.encode(report)])], {
          capabilities: { ...agreed, extended: 0 }
        })
        expect(other.err?.errno).toBe(0xffff)
      })
    )
  })
})
