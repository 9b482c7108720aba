import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { Flag } from "../../src/connect/Capabilities.ts"
import * as Packet from "../../src/framing/Packet.ts"
import * as Reply from "../../src/reply/Reply.ts"
import type * as RowDecoder from "../../src/row/RowDecoder.ts"
import { DecodeError } from "../../src/value/DecodeError.ts"
import { columnDefinition, endOfRows, err, frames, hex, ok, textRow } from "../support/wire.ts"

const capabilities = { flags: Flag.PROTOCOL_41 | Flag.DEPRECATE_EOF, extended: 0 }
const rowOptions = { shape: "array", decoding: {}, offsetMinutes: 0 } as const

const begin = (...chunks: ReadonlyArray<Buffer>) => {
  const parser = Packet.makeParser()
  parser.expect(1)
  for (const chunk of chunks) parser.feed(chunk)
  return { parser, reply: new Reply.Reply({ command: "query", capabilities, rows: rowOptions }) }
}

const head = frames(1, hex("01"), columnDefinition({ name: "c" }))
const moreResults = 0x000a

describe("rows as they come", () => {
  it("are taken while the reply goes on, and are not in the result a second time", () => {
    const { parser, reply } = begin(head, frames(3, textRow("a"), textRow("b")))
    expect(reply.consume(parser)).toBe(false)
    expect(reply.takeRows()).toEqual([["a"], ["b"]])
    expect(reply.takeRows()).toEqual([])
    parser.feed(frames(5, textRow("c"), endOfRows()))
    expect(reply.consume(parser)).toBe(true)
    expect(reply.results.map(({ rows }) => rows)).toEqual([[["c"]]])
  })

  it("know their columns before the first of them has come", () => {
    const { parser, reply } = begin(head)
    expect(reply.consume(parser)).toBe(false)
    expect(reply.metadata?.columns.map(({ name }) => name)).toEqual(["c"])
    expect(reply.takeRows()).toEqual([])
  })

  it("are stepped over when nobody waits for them any more", () => {
    const { parser, reply } = begin(head, frames(3, textRow("a")))
    reply.consume(parser)
    reply.discarding = true
    parser.feed(frames(4, textRow("b"), hex("09"), textRow("d"), endOfRows()))
    expect(reply.consume(parser)).toBe(true)
    expect(reply.failure).toBeUndefined()
    expect(reply.results[0]?.rows).toEqual([["a"]])
  })

  it("that came before an error stay", () => {
    const { parser, reply } = begin(head, frames(3, textRow("a"), err(1317, "70100", "interrupted")))
    expect(reply.consume(parser)).toBe(true)
    expect(reply.rows).toEqual([["a"]])
    expect(reply.err).toEqual({ errno: 1317, sqlState: "70100", message: "interrupted" })
  })
})

describe("several result sets", () => {
  const set = (first: number, value: string, status?: number) =>
    frames(first, hex("01"), columnDefinition({ name: "c" }), textRow(value), endOfRows(status))
  const three = [set(1, "a", moreResults), set(5, "b", moreResults), set(9, "c")]

  it("are taken out as they come", () => {
    const { parser, reply } = begin(three[0]!)
    expect(reply.consume(parser)).toBe(false)
    expect(reply.results.shift()?.rows).toEqual([["a"]])
    expect(reply.inRows).toBe(false)
    parser.feed(Buffer.concat(three.slice(1)))
    expect(reply.consume(parser)).toBe(true)
    expect(reply.results.map(({ rows }) => rows)).toEqual([[["b"]], [["c"]]])
    expect(reply.setCount).toBe(3)
  })

  it("are stepped over one at a time", () => {
    const { parser, reply } = begin(three[0]!.subarray(0, -11))
    reply.consume(parser)
    reply.skipSet()
    parser.feed(Buffer.concat([three[0]!.subarray(-11), ...three.slice(1)]))
    expect(reply.consume(parser)).toBe(true)
    expect(reply.results.map(({ rows }) => rows)).toEqual([[], [["b"]], [["c"]]])
  })

  it("behind the first leave nothing but their end where only that is wanted", () => {
    const parser = Packet.makeParser()
    parser.expect(1)
    const reply = new Reply.Reply({ command: "query", capabilities, rows: rowOptions, maxSets: 1 })
    parser.feed(Buffer.concat(three))
    expect(reply.consume(parser)).toBe(true)
    expect(reply.failure).toBeUndefined()
    expect(reply.results.map(({ rows }) => rows)).toEqual([[["a"]]])
    expect(reply.setCount).toBe(3)
    expect(reply.ok?.status).toBe(0x0002)
  })

  it("tell which of them has a row that cannot be decoded", () => {
    const parser = Packet.makeParser()
    parser.expect(1)
    const convert: RowDecoder.Convert = () =>
      Result.succeed((row) =>
        (row as ReadonlyArray<unknown>)[0] === "b"
          ? Result.fail(new DecodeError({ column: "c", type: "VARCHAR", problem: "it is b" }))
          : Result.succeed(row)
      )
    const reply = new Reply.Reply({ command: "query", capabilities, rows: { ...rowOptions, convert } })
    parser.feed(Buffer.concat(three))
    expect(reply.consume(parser)).toBe(true)
    expect(reply.results.map(({ decodeError }) => decodeError?.problem)).toEqual([undefined, "it is b", undefined])
    expect(reply.decodeError?.problem).toBe("it is b")
  })
})

describe("a reply", () => {
  it("has not started until its first packet is complete", () => {
    const { parser, reply } = begin()
    expect(reply.consume(parser)).toBe(false)
    parser.feed(head.subarray(0, 4))
    expect(reply.consume(parser)).toBe(false)
    expect(reply.started).toBe(false)
    parser.feed(head.subarray(4, 5))
    expect(reply.consume(parser)).toBe(false)
    expect(reply.started).toBe(true)
  })

  it("takes nothing that is behind its end: those bytes are the next one's", () => {
    const { parser, reply } = begin(frames(1, ok()), frames(1, ok(0x0003)))
    expect(reply.consume(parser)).toBe(true)
    expect(parser.pendingBytes).toBe(11)
    parser.expect(1)
    const next = new Reply.Reply({ command: "query", capabilities, rows: rowOptions })
    expect(next.consume(parser)).toBe(true)
    expect(next.results[0]?.ok.status).toBe(0x0003)
  })

  it("goes on while the status says that more results follow, an OK among them", () => {
    const { parser, reply } = begin(
      head,
      frames(3, textRow("a"), endOfRows(moreResults), ok(moreResults), hex("01"), columnDefinition({ name: "d" })),
      frames(8, endOfRows())
    )
    expect(reply.consume(parser)).toBe(true)
    expect(reply.results.map(({ metadata, rows }) => [metadata?.columns[0]?.name, rows])).toEqual([
      ["c", [["a"]]],
      [undefined, []],
      ["d", []]
    ])
  })

  it.each([
    ["the columns", [hex("02"), columnDefinition({ name: "c" })]],
    ["the rows", [hex("01"), columnDefinition({ name: "c" })]],
    ["the next result", [ok(moreResults)]]
  ])("may end in an error in place of %s", (_name, packets) => {
    const { parser, reply } = begin(frames(1, ...packets, err(1053, "08S01", "Server shutdown in progress")))
    expect(reply.consume(parser)).toBe(true)
    expect(reply.failure).toBeUndefined()
    expect(reply.err?.errno).toBe(1053)
  })

  it("may be an error of sequence number 0, which servers send unasked", () => {
    const { parser, reply } = begin(frames(0, err(4031, "HY000", "The client was disconnected by the server")))
    expect(reply.consume(parser)).toBe(true)
    expect(parser.sequence).toBe(0)
    expect(reply.err?.errno).toBe(4031)
  })
})

describe("a value that cannot be decoded", () => {
  const numbers = frames(1, hex("01"), columnDefinition({ name: "n", type: 0x03, collation: 63 }))
  const replyWith = (...packets: ReadonlyArray<Buffer>) => {
    const { parser, reply } = begin(numbers, frames(3, ...packets))
    expect(reply.consume(parser)).toBe(true)
    return reply
  }

  it("leaves the rows before it, names its column, and the reply is read to its end", () => {
    const reply = replyWith(textRow("1"), textRow("12abc"), textRow("3"), endOfRows())
    expect(reply.failure).toBeUndefined()
    expect(reply.decodeError).toMatchObject({ column: "n", type: "INT", problem: '"12abc" is not an integer' })
    expect(reply.results[0]?.rows).toEqual([[1]])
  })

  it("is found behind many good rows too", () => {
    const good = Array.from({ length: 200 }, (_, index) => textRow(String(index)))
    const reply = replyWith(...good, textRow("12abc"), endOfRows())
    expect(reply.decodeError).toMatchObject({ column: "n", problem: '"12abc" is not an integer' })
    expect(reply.results[0]?.rows).toHaveLength(200)
  })

  it("does not hide an error that the server sends later", () => {
    const reply = replyWith(textRow("x"), err(1317, "70100", "interrupted"))
    expect(reply.decodeError).toMatchObject({ column: "n" })
    expect(reply.err?.errno).toBe(1317)
  })
})

describe("two columns of one name, where that is refused", () => {
  it("is a DecodeError before the first row, and the reply is read to its end", () => {
    const parser = Packet.makeParser()
    parser.expect(1)
    const same = columnDefinition({ name: "id" })
    parser.feed(frames(1, hex("02"), same, same, textRow("1", "2"), endOfRows()))
    const reply = new Reply.Reply({
      command: "query",
      capabilities,
      rows: { shape: "object", decoding: { duplicateColumns: "error" }, offsetMinutes: 0 }
    })
    expect(reply.consume(parser)).toBe(true)
    expect(reply.failure).toBeUndefined()
    expect(reply.decodeError).toMatchObject({ column: "id", problem: "another column has the same name" })
    expect(reply.results[0]?.rows).toEqual([])
  })
})
