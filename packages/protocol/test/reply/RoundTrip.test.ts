/**
 * Every message of a server decodes to what its encoder was given.
 */
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Reader, Writer } from "../../src/Bytes.ts"
import * as AuthPacket from "../../src/connect/AuthPacket.ts"
import { type Capabilities, ExtendedFlag, Flag, productOf } from "../../src/connect/Capabilities.ts"
import * as Packet from "../../src/framing/Packet.ts"
import * as Column from "../../src/reply/Column.ts"
import * as ColumnCount from "../../src/reply/ColumnCount.ts"
import * as Err from "../../src/reply/Err.ts"
import * as LocalInfile from "../../src/reply/LocalInfile.ts"
import * as Ok from "../../src/reply/Ok.ts"
import * as PrepareOk from "../../src/reply/PrepareOk.ts"
import * as Progress from "../../src/reply/Progress.ts"
import * as Reply from "../../src/reply/Reply.ts"
import { ServerStatus } from "../../src/ServerStatus.ts"
import { holds } from "../support/property.ts"

const everything: Capabilities = {
  flags: Flag.SESSION_TRACK | Flag.DEPRECATE_EOF | Flag.OPTIONAL_RESULTSET_METADATA | Flag.MULTI_FACTOR_AUTHENTICATION,
  extended: ExtendedFlag.EXTENDED_METADATA | ExtendedFlag.CACHE_METADATA | ExtendedFlag.PROGRESS
}
const nothing: Capabilities = { flags: Flag.LONG_PASSWORD, extended: 0 }
const agreed = fc.constantFrom(everything, nothing)
const asArrays = { shape: "array", decoding: {}, offsetMinutes: 0 } as const

const text = fc.string({ unit: "grapheme", maxLength: 300 })
const name = fc.string({ unit: "grapheme-ascii", maxLength: 20 })
const data = fc.uint8Array({ maxLength: 40 })
const u8 = fc.nat(0xff)
const u16 = fc.nat(0xffff)
const u32 = fc.nat(0xffffffff)
const count = fc.oneof(fc.nat(300), fc.maxSafeNat())

const change = fc.oneof(
  fc.record({ _tag: fc.constant("SystemVariable" as const), name: text, value: text }),
  fc.record({ _tag: fc.constant("Database" as const), name: text }),
  fc.record({ _tag: fc.constant("State" as const) }),
  fc.record({ _tag: fc.constant("Gtids" as const), gtids: text }),
  fc.record({ _tag: fc.constant("TransactionCharacteristics" as const), sql: text }),
  fc.record({ _tag: fc.constant("TransactionState" as const), state: text }),
  fc.record({ _tag: fc.constant("Other" as const), type: fc.integer({ min: 6, max: 255 }), data })
)

const ok = fc.record({
  affectedRows: count,
  insertId: count,
  status: u16.map((status) => status & ~ServerStatus.sessionStateChanged),
  warningCount: u16,
  info: text
})

const err = fc.record({
  errno: fc.integer({ min: 1, max: 0xfffe }),
  sqlState: fc.string({ unit: fc.constantFrom(..."0123456789ABCHSY"), minLength: 5, maxLength: 5 }),
  message: text
})

const bytesOf = (writer: Writer): Buffer => Buffer.from(writer.payload())

const read = <A>(writer: Writer, f: (reader: Reader) => A): A => {
  const reader = new Reader("test", bytesOf(writer))
  const value = f(reader)
  expect(reader.remaining).toBe(0)
  return value
}

describe("what a server writes is what is read:", () => {
  it("OK, and OK at the end of rows", () => {
    holds(
      fc.property(ok, fc.constantFrom(0x00 as const, 0xfe as const), (value, header) => {
        expect(Ok.decode(bytesOf(Ok.encode(value, header)), nothing)).toEqual(Result.succeed({ ...value, changes: [] }))
      })
    )
  })

  it("OK with changes of the session", () => {
    holds(
      fc.property(ok, fc.array(change, { minLength: 1, maxLength: 5 }), (value, changes) => {
        const status = value.status | ServerStatus.sessionStateChanged
        const decoded = Ok.decode(bytesOf(Ok.encode({ ...value, changes }, 0x00, everything)), everything)
        expect(decoded).toEqual(Result.succeed({ ...value, status, changes }))
        const none = Ok.decode(bytesOf(Ok.encode(value, 0x00, everything)), everything)
        expect(none).toEqual(Result.succeed({ ...value, changes: [] }))
      })
    )
  })

  it("EOF", () => {
    holds(
      fc.property(u16, u16, (status, warningCount) => {
        const decoded = read(Ok.encodeEof({ status, warningCount }), (reader) => {
          reader.skip(1)
          return Ok.readEof(reader)
        })
        expect(decoded).toMatchObject({ status, warningCount })
      })
    )
  })

  it("ERR, with an SQLSTATE and without", () => {
    holds(
      fc.property(err, (value) => {
        expect(Err.decode(bytesOf(Err.encode(value)))).toEqual(Result.succeed(value))
        fc.pre(!value.message.startsWith("#"))
        const bare = Err.decode(bytesOf(Err.encode(value, "bare")))
        expect(bare).toEqual(Result.succeed({ ...value, sqlState: "HY000" }))
      })
    )
  })

  it("progress", () => {
    const percent = fc.nat(100_000).map((thousandths) => thousandths / 1000)
    holds(
      fc.property(fc.record({ stage: u8, stages: u8, percent, info: text }), (value) => {
        const decoded = read(Progress.encode(value), (reader) => {
          reader.skip(3)
          return Progress.read(reader)
        })
        expect(decoded).toEqual(value)
      })
    )
  })

  it("count of columns, which may not follow", () => {
    holds(
      fc.property(fc.integer({ min: 1, max: 0xffff }), fc.boolean(), agreed, (columns, follows, capabilities) => {
        const value = { count: columns, follows: capabilities === nothing || follows }
        expect(
          read(ColumnCount.encode(value, capabilities), (reader) => ColumnCount.read(reader, capabilities))
        ).toEqual(value)
      })
    )
  })

  it("answer to a prepare", () => {
    const numbers = { statementId: u32, columnCount: u16, parameterCount: u16, warningCount: u16 }
    holds(
      fc.property(fc.record({ ...numbers, follows: fc.boolean() }), agreed, (given, capabilities) => {
        const value = { ...given, follows: capabilities === nothing || given.follows }
        const decoded = read(PrepareOk.encode(value, capabilities), (reader) => {
          reader.skip(1)
          return PrepareOk.read(reader, capabilities)
        })
        expect(decoded).toEqual(value)
      })
    )
  })

  it("column", () => {
    const named = { name: text, table: text, database: text, originalName: text, originalTable: text }
    const numbers = { collation: u16, length: u32, type: u8, flags: u16, decimals: u8 }
    const extended = fc.option(name, { nil: undefined })
    holds(
      fc.property(
        fc.record({ ...named, ...numbers, extendedType: extended, format: extended }),
        agreed,
        (given, capabilities) => {
          const value = capabilities === nothing ? { ...given, extendedType: undefined, format: undefined } : given
          expect(Column.decode(bytesOf(Column.encode(value, capabilities)), capabilities)).toEqual(
            Result.succeed(value)
          )
        }
      )
    )
  })

  it("request for a file", () => {
    holds(
      fc.property(text, (fileName) => {
        expect(LocalInfile.decode(bytesOf(LocalInfile.encode(fileName)))).toEqual(Result.succeed(fileName))
      })
    )
  })

  it("everything that is said during a login", () => {
    const plugin = name.filter((value) => !value.includes("\0"))
    const packet: fc.Arbitrary<AuthPacket.AuthPacket> = fc.oneof(
      fc.record({ _tag: fc.constant("Ok" as const), ok: ok.map((value) => ({ ...value, changes: [] })) }),
      fc.record({ _tag: fc.constant("Err" as const), err }),
      fc.record({ _tag: fc.constant("MoreData" as const), data }),
      fc.record({ _tag: fc.constant("Switch" as const), plugin, data }),
      fc.record({ _tag: fc.constant("NextFactor" as const), plugin, data })
    )
    holds(
      fc.property(packet, (value) => {
        expect(AuthPacket.decode(bytesOf(AuthPacket.encode(value, everything)), everything)).toEqual(
          Result.succeed(value)
        )
      })
    )
  })
})

it.each([
  [everything, "mariadb"],
  [nothing, "mysql"]
] as const)("a reply knows whose it is", (capabilities, product) => {
  const reply = new Reply.Reply({
    command: "plain",
    capabilities,
    rows: asArrays
  })
  expect(reply.product).toBe(product)
  expect(productOf(capabilities)).toBe(product)
  const parser = Packet.makeParser()
  parser.expect(1)
  parser.feed(Packet.seal(Err.encode({ errno: 1062, sqlState: "23000", message: "" }), 1))
  expect(reply.consume(parser)).toBe(true)
})

describe("of an upload", () => {
  it("an empty part is nothing, and the end is an empty packet", () => {
    const upload = new LocalInfile.Upload(4)
    expect(upload.part(new Writer())).toEqual(Buffer.alloc(0))
    expect(upload.part(new Writer().u8(7)).toString("hex")).toBe("0100000507")
    expect(upload.end().toString("hex")).toBe("00000006")
    expect(upload.sequence).toBe(7)
  })

  it("that nobody asked for a reply takes no notice", () => {
    const reply = new Reply.Reply({ command: "plain", capabilities: nothing, rows: asArrays })
    reply.uploaded(Packet.makeParser(), new LocalInfile.Upload(0))
    expect(reply.done).toBe(false)
  })
})

describe("where metadata is optional", () => {
  const fed = (options: Partial<Reply.ReplyOptions>, ...payloads: ReadonlyArray<Uint8Array>): Reply.Reply => {
    const reply = new Reply.Reply({ command: "execute", capabilities: everything, rows: asArrays, ...options })
    const parser = Packet.makeParser()
    parser.expect(1)
    for (const [index, payload] of payloads.entries()) parser.feed(Packet.frame(payload, index + 1))
    reply.consume(parser)
    return reply
  }
  const without = bytesOf(ColumnCount.encode({ count: 1, follows: false }, everything))
  const column: Column.Column = {
    name: "v",
    table: "",
    database: "",
    originalName: "",
    originalTable: "",
    collation: 63,
    length: 12,
    type: 0xfc,
    flags: 0,
    decimals: 0,
    extendedType: "vector",
    format: undefined
  }

  it("a prepare goes without definitions", () => {
    const prepared = { statementId: 1, columnCount: 2, parameterCount: 3, warningCount: 0, follows: false }
    const reply = fed({ command: "prepare" }, bytesOf(PrepareOk.encode(prepared, everything)))
    expect(reply.done).toBe(true)
    expect(reply.prepared).toEqual(prepared)
  })

  it("an execution can do with the columns of the prepare; a vector that the server calls one is one", () => {
    const row = Buffer.from("00" + "00" + "04" + "0000803f", "hex")
    const end = bytesOf(Ok.encode({ affectedRows: 0, insertId: 0, status: 2, warningCount: 0 }, 0xfe, everything))
    const reply = fed({ columns: [column] }, without, row, end)
    expect(reply.results.map(({ rows }) => rows)).toEqual([[[new Float32Array([1])]]])
  })

  it.each([[undefined], [[column, column]]])("an execution without columns that fit breaks the protocol", (columns) => {
    expect(fed({ columns }, without).failure?.message).toMatch(/expected column definitions, got none/)
  })

  it("progress comes in between, and is told where somebody listens", () => {
    const progress = { stage: 1, stages: 2, percent: 12.5, info: "copying" }
    const report = bytesOf(Progress.encode(progress))
    const ok = bytesOf(Ok.encode({ affectedRows: 1, insertId: 0, status: 2, warningCount: 0 }, 0, everything))
    const told: Array<Progress.Progress> = []
    for (const onProgress of [undefined, (report: Progress.Progress) => void told.push(report)]) {
      expect(fed({ command: "plain", onProgress }, report, ok).results[0]?.ok.affectedRows).toBe(1)
    }
    expect(told).toEqual([progress])
  })
})
