/**
 * What the recorded servers have said, as packets by their kind and as whole sessions: where the mutations begin.
 */
import type { Capabilities } from "../../src/connect/Capabilities.ts"
import type { Column } from "../../src/reply/Column.ts"
import type { ReplyOptions } from "../../src/reply/Reply.ts"
import * as Fixture from "../support/fixture.ts"
import { replay } from "../support/replay.ts"

export interface Packet {
  readonly bytes: Buffer
  readonly capabilities: Capabilities
}

/** The rows of one result with what is needed to read them. */
export interface Rows {
  readonly columns: ReadonlyArray<Column>
  readonly protocol: "text" | "binary"
  readonly packets: ReadonlyArray<Buffer>
}

export interface Session {
  readonly name: string
  readonly capabilities: Capabilities
  readonly replies: ReadonlyArray<{ readonly command: ReplyOptions["command"]; readonly bytes: Buffer }>
  /** Everything that the server sent. */
  readonly bytes: Buffer
}

export interface Login {
  readonly capabilities: Capabilities
  readonly plugin: string
  readonly password: string
  readonly packets: ReadonlyArray<Buffer>
}

const names = [
  "types",
  "replies",
  "replies-eof",
  "parameters",
  "placeholders",
  "tracking",
  "cached-metadata",
  "cursor",
  "cursor-eof",
  "commands",
  "bulk",
  "attributes"
]

export const sessions: ReadonlyArray<Session> = Fixture.servers.flatMap((server) =>
  names
    .filter((name) => Fixture.hasSession(server, name))
    .map((name) => {
      const { capabilities, exchanges } = Fixture.session(server, name)
      // A reply to each: the longest of the recorded sessions has hundreds of the same kind.
      const replies = exchanges
        .slice(0, 40)
        .map(({ command, response }) => ({ command, bytes: Fixture.bytes(response) }))
      return {
        name: `${server} ${name}`,
        capabilities,
        replies,
        bytes: Buffer.concat(replies.map(({ bytes }) => bytes))
      }
    })
)

/** Those of clients as well: a server reads them. */
const ofClients: ReadonlyArray<Packet> = Fixture.servers.flatMap((server) =>
  Fixture.logins(server).flatMap(({ capabilities, steps }) =>
    steps
      .filter(({ from }) => from === "client")
      .flatMap(({ bytes }) => Fixture.payloads(Fixture.bytes(bytes)))
      .map((payload) => ({ bytes: Buffer.from(payload), capabilities }))
  )
)

const ofServers: ReadonlyArray<Packet> = sessions.flatMap(({ capabilities, replies }) =>
  replies.flatMap(({ bytes }) =>
    Fixture.payloads(bytes).map((payload) => ({ bytes: Buffer.from(payload), capabilities }))
  )
)

export const packets: ReadonlyArray<Packet> = [...ofServers, ...ofClients]

export const logins: ReadonlyArray<Login> = Fixture.servers.flatMap((server) =>
  Fixture.logins(server).map(({ capabilities, password, plugin, steps }) => ({
    capabilities,
    plugin,
    password,
    packets: steps
      .filter(({ from }) => from === "server")
      .flatMap(({ bytes }) => Fixture.payloads(Fixture.bytes(bytes)).map((payload) => Buffer.from(payload)))
  }))
)

/** Every result of a plain query or execution: its columns, and the packets behind them up to the end of the rows. */
export const rows: ReadonlyArray<Rows> = sessions.flatMap(({ capabilities, replies }) =>
  replies.flatMap(({ bytes, command }): ReadonlyArray<Rows> => {
    if (command !== "query" && command !== "execute") return []
    const [set] = replay([bytes], { command, capabilities }).results
    if (set?.metadata === undefined || set.rows.length === 0) return []
    const { columns } = set.metadata
    const payloads = Fixture.payloads(bytes)
    const first = payloads.length - 1 - set.rows.length
    if (first < columns.length + 1) return []
    return [
      {
        columns,
        protocol: command === "query" ? "text" : "binary",
        packets: payloads.slice(first, -1).map((payload) => Buffer.from(payload))
      }
    ]
  })
)
