import { describe, expect, it } from "vitest"
import * as Command from "../../src/command/Command.ts"
import type * as Progress from "../../src/reply/Progress.ts"
import type * as Reply from "../../src/reply/Reply.ts"
import { ServerStatus } from "../../src/ServerStatus.ts"
import { bytes, exchange, mariaDbs, type RecordedSession, servers, session } from "../support/fixture.ts"
import { byteByByte, cuts, type ReplayOptions, replay, shown } from "../support/replay.ts"

/** Replays exchanges of a session in order; an execution knows the columns of its prepare, a fetch those of its execution. */
const player = (recorded: RecordedSession) => {
  let metadata: Reply.Metadata | undefined
  return (name: string, more: Partial<ReplayOptions> = {}): Reply.Reply => {
    const { command, response } = exchange(recorded, name)
    const options = { command, capabilities: recorded.capabilities, metadata, ...more }
    const reply = replay([bytes(response)], options)
    if (options.file === undefined) {
      const expected = shown(reply)
      for (const pieces of [byteByByte(bytes(response)), ...cuts(bytes(response))]) {
        expect(shown(replay(pieces, options))).toEqual(expected)
      }
    }
    metadata = command === "prepare" ? reply.metadata : (reply.results[0]?.metadata ?? metadata)
    expect(reply.failure).toBeUndefined()
    expect(reply.done).toBe(true)
    return reply
  }
}

const status = (reply: Reply.Reply): number => reply.results[0]!.ok.status
const rows = (reply: Reply.Reply): ReadonlyArray<unknown> => reply.results[0]!.rows

describe.each(servers)("cursors of %s", (server) => {
  it.each(["cursor", "cursor-eof"])('session "%s"', (name) => {
    const play = player(session(server, name))
    play("prepare")
    const open = play("open")
    expect(open.results).toHaveLength(1)
    expect(rows(open)).toEqual([])
    expect(open.results[0]!.metadata?.columns.map((column) => column.name)).toEqual(["id", "name"])
    expect(status(open) & ServerStatus.cursorExists).not.toBe(0)
    const two = play("fetch two")
    expect(rows(two)).toEqual([
      [1, "one"],
      [2, "two"]
    ])
    expect(status(two) & (ServerStatus.cursorExists | ServerStatus.lastRowSent)).toBe(ServerStatus.cursorExists)
    expect(rows(play("fetch two more"))).toEqual([
      [3, null],
      [4, ""]
    ])
    const last = play("fetch the rest")
    expect(rows(last)).toEqual([[5, "five"]])
    expect(status(last) & ServerStatus.lastRowSent).not.toBe(0)
    expect(play("fetch behind the end").err?.errno).toBe(1421)
    play("open again")
    expect(play("reset statement").err).toBeUndefined()
    expect(play("fetch after a reset").err?.errno).toBe(1421)
    play("open without rows")
    const none = play("fetch from nothing")
    expect(rows(none)).toEqual([])
    expect(status(none) & ServerStatus.lastRowSent).not.toBe(0)
    expect(play("fetch from an unknown statement").err?.errno).toBe(1243)
    play("prepare update")
    const update = play("a cursor for no rows")
    expect(update.results[0]).toMatchObject({ metadata: undefined, ok: { affectedRows: 1 } })
    expect(status(update) & ServerStatus.cursorExists).toBe(0)
  })
})

describe.each(servers)("files that %s asks for", (server) => {
  const recorded = session(server, "commands")
  const play = player(recorded)
  const parts = [Buffer.from("1,one\n2,t"), Buffer.from("wo\n")]

  const uploaded = (name: string, file: ReadonlyArray<Uint8Array>) => {
    const sent: Array<Buffer> = []
    const reply = play(name, { file, sent })
    const { request, sql } = exchange(recorded, name)
    expect(Buffer.concat([Command.query(sql!), ...sent]).toString("hex")).toBe(request)
    return reply
  }

  it("the upload goes on with the numbers of the request, and the result with those of the upload", () => {
    expect(uploaded("local infile", parts).results[0]!.ok).toMatchObject({
      affectedRows: 2,
      info: "Records: 2  Deleted: 0  Skipped: 0  Warnings: 0"
    })
    expect(uploaded("local infile of nothing", []).results[0]!.ok.affectedRows).toBe(0)
  })

  it("several of them in one text, and rows behind", () => {
    const { results } = uploaded("two local infiles and rows", [Buffer.from("3,three\n")])
    expect(results.map((set) => set.ok.affectedRows)).toEqual([1, 1, 0])
    expect(results[2]!.rows).toEqual([[4]])
  })

  it("a refused statement asks for none", () => {
    expect(uploaded("local infile into nothing", parts.slice(2)).err?.errno).toBe(1146)
  })

  it("a request that nobody offered breaks the protocol", () => {
    const { response } = exchange(recorded, "local infile")
    const reply = replay([bytes(response)], { capabilities: recorded.capabilities })
    expect(reply.failure?.got).toBe("a request for a local file, which nobody offered")
  })

  it("the machine waits at the request and tells the name", () => {
    const response = bytes(exchange(recorded, "local infile").response)
    const reply = replay([response.subarray(0, 4 + response[0]!)], { capabilities: recorded.capabilities, file: [] })
    expect(reply.done).toBe(false)
    expect(reply.localInfile).toBeUndefined()
  })
})

describe.each(servers)("long data for %s", (server) => {
  const recorded = session(server, "commands")
  const play = player(recorded)

  it("parts are joined, kept for one execution, and thrown away by a reset", () => {
    play("prepare long data")
    expect(rows(play("long data"))).toEqual([["000102", 7, "C3BC"]])
    expect(rows(play("long data is forgotten"))).toEqual([["61", 7, "62"]])
    expect(play("reset statement").results[0]!.ok.affectedRows).toBe(0)
    expect(rows(play("after the reset"))).toEqual([["61", 7, "62"]])
    expect(play("reset of an unknown statement").err?.errno).toBe(1243)
  })
})

describe("attributes of statements and metadata that is left out, MySQL", () => {
  const play = player(session("mysql-9.7", "attributes"))

  it("text and execution carry them, with parameters and without", () => {
    expect(play("component").err).toBeUndefined()
    expect(rows(play("none"))).toEqual([[null]])
    expect(rows(play("two"))).toEqual([["text ü", "42", null]])
    expect(play("prepare without parameters").prepared).toMatchObject({ parameterCount: 0, follows: true })
    expect(rows(play("execute with none"))).toEqual([[null]])
    expect(rows(play("execute with one"))).toEqual([["x"]])
    expect(play("prepare with one").prepared?.parameterCount).toBe(1)
    expect(rows(play("a parameter and none"))).toEqual([[1, null]])
    expect(rows(play("a parameter and one"))).toEqual([[2, "y"]])
    expect(rows(play("known types and none"))).toEqual([[3, null]])
  })

  it("the columns that are known serve a result without definitions", () => {
    expect(rows(play("without metadata"))).toEqual([[4, null]])
    const { response } = exchange(session("mysql-9.7", "attributes"), "without metadata")
    const { capabilities } = session("mysql-9.7", "attributes")
    expect(replay([bytes(response)], { command: "execute", capabilities }).failure?.phase).toBe("column count")
  })
})

describe.each(mariaDbs)("bulk execution of %s", (server) => {
  const recorded = session(server, "bulk")
  const play = player(recorded)
  const unitResults = (recorded.capabilities.extended & 32) !== 0

  it("values, NULL, defaults, and columns that stay as they are", () => {
    play("prepare insert")
    expect(play("bulk insert").results[0]!.ok).toMatchObject({ affectedRows: 4, insertId: 1 })
    expect(play("bulk of two types 1").results[0]!.ok.insertId).toBe(5 + 3)
    expect(play("bulk of two types 2").results[0]!.ok.insertId).toBe(9)
    const failing = play("bulk that fails at the second row")
    expect(failing.err).toMatchObject({ errno: 1062, sqlState: "23000" })
    expect(rows(play("what is there")).slice(0, 4)).toEqual([
      [1, 1, unitResults ? "uno" : "one"],
      // The server turns a NULL that is to stay into an empty string.
      [2, unitResults ? 22 : 2.5, unitResults ? "" : null],
      [3, 7, "ü"],
      [4, 1, ""]
    ])
  })

  it("a result for each row, where that was agreed on", () => {
    const units = play("bulk with unit results")
    if (!unitResults) return expect(units.err?.errno).toBe(1295)
    expect(units.results[0]!.metadata?.columns.map((column) => column.name)).toEqual(["Id", "Affected_rows"])
    expect(rows(units)).toEqual([
      [10, 1],
      [11, 1]
    ])
    expect(rows(play("bulk update"))).toEqual([
      [0, 1],
      [0, 1],
      [0, 0]
    ])
  })
})

describe.each(mariaDbs)("how far a statement is on %s", (server) => {
  const recorded = session(server, "progress")
  const play = player(recorded)

  it("comes between the command and its reply, which is as without", () => {
    const told: Array<Progress.Progress> = []
    const reply = play("alter", { onProgress: (report) => void told.push(report) })
    expect(reply.err).toBeUndefined()
    expect(reply.results).toMatchObject([{ metadata: undefined, ok: { affectedRows: 300_000 } }])
    // Whole and cut anywhere, each report is heard once: the bytes are read over and over here.
    const [first] = told
    expect(first).toMatchObject({ stage: 1, info: "copy to tmp table" })
    expect(first!.stages).toBeGreaterThanOrEqual(first!.stage)
    expect(first!.percent).toBeGreaterThan(0)
    expect(first!.percent).toBeLessThanOrEqual(100)
  })

  it("is told once for each report, however the bytes are cut", () => {
    const { response } = exchange(recorded, "alter")
    const heard = (pieces: Iterable<Uint8Array>): ReadonlyArray<Progress.Progress> => {
      const told: Array<Progress.Progress> = []
      replay(pieces, { capabilities: recorded.capabilities, onProgress: (report) => void told.push(report) })
      return told
    }
    const whole = heard([bytes(response)])
    expect(whole.length).toBeGreaterThan(0)
    expect(heard(byteByByte(bytes(response)))).toEqual(whole)
    for (const pieces of cuts(bytes(response))) expect(heard(pieces)).toEqual(whole)
  })

  it("is nothing where nothing takes long", () => {
    const told: Array<Progress.Progress> = []
    expect(rows(play("nothing to report", { onProgress: (report) => void told.push(report) }))).toEqual([[2]])
    expect(told).toEqual([])
  })

  it("breaks the reply off for a client that did not agree on reports: it is an error to it", () => {
    const capabilities = { ...recorded.capabilities, extended: 0 }
    const reply = replay([bytes(exchange(recorded, "alter").response)], { capabilities })
    expect(reply.err).toMatchObject({ errno: 0xffff })
  })
})
