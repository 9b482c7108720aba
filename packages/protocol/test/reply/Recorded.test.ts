import { describe, expect, it } from "vitest"
import { isDeepStrictEqual } from "node:util"
import type * as Reply from "../../src/reply/Reply.ts"
import { bytes, exchange, mariaDbs, type RecordedSession, servers, session } from "../support/fixture.ts"
import { byteByByte, cuts, type ReplayOptions, replay, shown } from "../support/replay.ts"

interface Set {
  readonly columns?: ReadonlyArray<string>
  readonly rows?: ReadonlyArray<ReadonlyArray<unknown>>
  readonly affectedRows?: number
  readonly insertId?: number
  readonly warningCount?: number
  readonly info?: string
}

interface Expected {
  readonly sets?: ReadonlyArray<Set>
  readonly err?: { readonly errno: number; readonly sqlState: string }
  /** Rows of the set that an error cut short. */
  readonly rowsUnderWay?: ReadonlyArray<ReadonlyArray<unknown>>
  readonly parameters?: number
  readonly preparedColumns?: ReadonlyArray<string>
}

const changed = (info: string): Set => ({ affectedRows: 1, info })
const updated = changed("Rows matched: 1  Changed: 1  Warnings: 0")
const twoSets: ReadonlyArray<Set> = [
  { columns: ["id"], rows: [[1], [2]] },
  { columns: ["name", "id"], rows: [[null, 3]] },
  {}
]
const nothing: Expected = { sets: [{}] }
const subqueryHasTwoRows: Expected = {
  err: { errno: 1242, sqlState: "21000" },
  rowsUnderWay: [
    [1, 1],
    [2, 2]
  ]
}

const replies: Readonly<Record<string, Expected>> = {
  insert: { sets: [{ affectedRows: 4, insertId: 1, info: "Records: 4  Duplicates: 0  Warnings: 0" }] },
  rows: {
    sets: [
      {
        columns: ["id", "name"],
        rows: [
          [1, "one"],
          [2, "two"],
          [3, null],
          [4, ""]
        ]
      }
    ]
  },
  "no rows": { sets: [{ columns: ["id", "name"], rows: [] }] },
  several: { sets: [{ columns: ["a"], rows: [[1]] }, updated, { columns: ["b", "c"], rows: [[2, "x"]] }] },
  "several, the second fails": {
    sets: [{ columns: ["a"], rows: [[1]] }],
    err: { errno: 1146, sqlState: "42S02" }
  },
  call: { sets: twoSets },
  "syntax error": { err: { errno: 1064, sqlState: "42000" } },
  "error behind two rows": subqueryHasTwoRows,
  warning: { sets: [{ columns: ["n"], rows: [[0]], warningCount: 1 }] },
  "prepare rows": { parameters: 1, preparedColumns: ["id", "name"] },
  "execute rows": {
    sets: [
      {
        columns: ["id", "name"],
        rows: [
          [2, "two"],
          [3, null],
          [4, ""]
        ]
      }
    ]
  },
  "execute rows again": {
    sets: [
      {
        columns: ["id", "name"],
        rows: [
          [3, null],
          [4, ""]
        ]
      }
    ]
  },
  "prepare update": { parameters: 2 },
  "execute update": { sets: [updated] },
  "prepare error behind two rows": { parameters: 0, preparedColumns: ["id", "b"] },
  "execute error behind two rows": subqueryHasTwoRows,
  "prepare call": { parameters: 0 },
  "execute call": { sets: twoSets },
  "execute unknown statement": { err: { errno: 1243, sqlState: "HY000" } },
  "prepare error": { err: { errno: 1146, sqlState: "42S02" } },
  "init missing database": { err: { errno: 1049, sqlState: "42000" } },
  killed: { err: { errno: 1317, sqlState: "70100" }, rowsUnderWay: [] },
  ping: nothing,
  "set option": nothing,
  "init database": nothing,
  reset: nothing
}

const names = (metadata: Reply.Metadata | undefined) => metadata?.columns.map(({ name }) => name)

const summary = (reply: Reply.Reply) => ({
  sets: reply.results.map(({ metadata, ok, rows }) => ({
    columns: names(metadata),
    rows,
    affectedRows: ok.affectedRows,
    insertId: ok.insertId,
    info: ok.info
  })),
  err: reply.err === undefined ? undefined : { errno: reply.err.errno, sqlState: reply.err.sqlState },
  rowsUnderWay: reply.rows,
  parameters: reply.prepared?.parameterCount,
  failure: reply.failure,
  decodeError: reply.decodeError
})

const asSummary = (expected: Expected) => ({
  sets: (expected.sets ?? []).map(({ affectedRows = 0, columns, info = "", insertId = 0, rows = [] }) => ({
    columns,
    rows,
    affectedRows,
    insertId,
    info
  })),
  err: expected.err,
  rowsUnderWay: expected.rowsUnderWay ?? [],
  parameters: expected.parameters,
  failure: undefined,
  decodeError: undefined
})

/** Every exchange of a session with what it takes to read its reply: an execute knows the columns of its prepare. */
const conversation = (recorded: RecordedSession) => {
  let metadata: Reply.Metadata | undefined
  return recorded.exchanges.map(({ command, name, response }) => {
    const options: ReplayOptions = {
      command,
      capabilities: recorded.capabilities,
      decoding: { invalidDate: "null" },
      metadata: command === "execute" ? metadata : undefined
    }
    const whole = replay([bytes(response)], options)
    if (command === "prepare") metadata = whole.metadata
    else if (command === "execute") metadata = whole.results[0]?.metadata ?? metadata
    return { name, response: bytes(response), options, whole }
  })
}

describe.each(servers)("replies of %s", (server) => {
  describe.each([
    ["with CLIENT_DEPRECATE_EOF", "replies"],
    ["without", "replies-eof"]
  ])("%s", (_name, sessionName) => {
    const exchanges = conversation(session(server, sessionName))

    it("every exchange is described here", () => {
      expect(exchanges.map(({ name }) => name).sort()).toEqual(Object.keys(replies).sort())
    })

    it.each(exchanges)("$name", ({ name, whole }) => {
      expect(whole.done).toBe(true)
      expect(summary(whole)).toEqual(asSummary(replies[name]!))
      for (const [index, set] of (replies[name]!.sets ?? []).entries()) {
        if (set.warningCount !== undefined) expect(whole.results[index]!.ok.warningCount).toBe(set.warningCount)
      }
      if (replies[name]!.preparedColumns !== undefined)
        expect(names(whole.metadata)).toEqual(replies[name]!.preparedColumns)
    })

    it("an error while a statement runs comes behind the columns, that of a kill too", () => {
      const columnsOf = (name: string) => names(exchanges.find((candidate) => candidate.name === name)!.whole.metadata)
      expect(columnsOf("error behind two rows")).toEqual(["id", "b"])
      expect(columnsOf("killed")).toEqual(["n"])
    })
  })
})

describe.each(servers)("replies of %s cut at every byte are the same", (server) => {
  it.each([
    "types",
    "replies",
    "replies-eof",
    "tracking",
    ...(server.startsWith("mariadb") ? ["cached-metadata"] : [])
  ])('session "%s"', (sessionName) => {
    for (const { name, options, response, whole } of conversation(session(server, sessionName))) {
      const expected = shown(whole)
      for (const [head, tail] of cuts(response)) {
        if (!isDeepStrictEqual(shown(replay([head, tail], options)), expected)) {
          expect.fail(`${name}: another result when cut behind byte ${head.length}`)
        }
      }
      expect(shown(replay(byteByByte(response), options))).toEqual(expected)
    }
  })

  it("and cut short, nothing but what is missing is missing", () => {
    for (const { options, response, whole } of conversation(session(server, "replies"))) {
      for (const [head] of cuts(response)) {
        const part = replay([head], options)
        expect(part.done).toBe(false)
        expect(part.failure).toBeUndefined()
        expect(whole.results.slice(0, part.results.length).map(({ rows }) => rows)).toEqual(
          part.results.map(({ rows }) => rows)
        )
      }
    }
  })
})

describe.each(mariaDbs)("metadata that %s leaves out", (server) => {
  const recorded = session(server, "cached-metadata")
  const run = (name: string, metadata?: Reply.Metadata) => {
    const { command, response } = exchange(recorded, name)
    return replay([bytes(response)], { command, capabilities: recorded.capabilities, metadata })
  }
  const prepared = run("prepare").metadata

  it("is that of the prepare", () => {
    const first = run("first", prepared)
    expect(first.results[0]?.metadata).toBe(prepared)
    expect(first.results[0]?.rows).toEqual([
      [1, "one"],
      [2, "two"]
    ])
  })

  it("comes anew when the table has changed, and is left out again", () => {
    const changed = run("after a change", prepared)
    expect(names(changed.results[0]?.metadata)).toEqual(["id", "name", "more"])
    expect(changed.results[0]?.rows).toEqual([
      [1, "one", 7],
      [2, "two", 7]
    ])
    expect(run("and again", changed.results[0]?.metadata).results[0]?.rows).toEqual([
      [1, "one", 7],
      [2, "two", 7]
    ])
  })

  it("is a ProtocolError when nobody knows it, or when it is of other columns", () => {
    const problem = { phase: "column count", expected: "column definitions", got: "none, and none are known" }
    expect(run("first").failure).toMatchObject(problem)
    expect(run("and again", prepared).failure).toMatchObject(problem)
  })
})

describe.each(servers)("metadata that %s repeats", (server) => {
  const recorded = session(server, "replies-eof")
  const run = (name: string, metadata: Reply.Metadata | undefined, pieces: (response: Buffer) => Iterable<Buffer>) => {
    const { command, response } = exchange(recorded, name)
    return replay(pieces(bytes(response)), { command, capabilities: recorded.capabilities, metadata })
  }
  const whole = (response: Buffer) => [response]
  const known = run("execute rows", undefined, whole).results[0]!.metadata!

  it("is recognised by its bytes", () => {
    const again = run("execute rows again", known, whole).results[0]!
    expect(again.metadata).toBe(known)
    expect(again.rows).toEqual([
      [3, null],
      [4, ""]
    ])
  })

  it("is parsed again where it does not lie in one chunk", () => {
    const again = run("execute rows again", known, byteByByte).results[0]!
    expect(again.metadata).not.toBe(known)
    expect(again.metadata?.columns).toEqual(known.columns)
    expect(again.metadata?.source).toHaveLength(0)
    expect(again.rows).toEqual([
      [3, null],
      [4, ""]
    ])
  })

  it("is parsed again where it is another", () => {
    const other = run("execute call", known, whole).results
    expect(other.map(({ metadata }) => names(metadata))).toEqual([["id"], ["name", "id"], undefined])
  })
})
