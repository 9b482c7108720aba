/**
 * What the recorded servers and their clients have said, as packets by their kind and as whole sessions: where the
 * mutations begin.
 */
import { type Capabilities, Flag } from "../../src/connect/Capabilities.ts"
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
  "attributes",
  "progress"
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

/** So often those with attributes are among the commands: no other session has any. */
const attributesWeight = 8

const payloadsOf = (hex: string, capabilities: Capabilities): ReadonlyArray<Packet> =>
  Fixture.payloads(Fixture.bytes(hex)).map((payload) => ({ bytes: Buffer.from(payload), capabilities }))

const packetsOf = (
  { capabilities, steps }: Fixture.RecordedLogin,
  from: Fixture.RecordedStep["from"]
): ReadonlyArray<Packet> =>
  steps.filter((step) => step.from === from).flatMap(({ bytes }) => payloadsOf(bytes, capabilities))

const recordedLogins = Fixture.servers.flatMap(Fixture.logins)
const changesOfUser = Fixture.servers.flatMap(Fixture.changesOfUser)

/** The commands of the recorded sessions, each with what its session agreed on. */
export const commands: ReadonlyArray<Packet> = [
  ...Fixture.servers.flatMap((server) =>
    names
      .filter((name) => Fixture.hasSession(server, name))
      .flatMap((name) => {
        const { capabilities, exchanges } = Fixture.session(server, name)
        const requests = exchanges.flatMap(({ request }) => payloadsOf(request, capabilities))
        return Array.from({ length: name === "attributes" ? attributesWeight : 1 }, () => requests).flat()
      })
  ),
  ...changesOfUser.map((change) => packetsOf(change, "client")[0]!)
]

export const greetings: ReadonlyArray<Packet> = recordedLogins.map((login) => packetsOf(login, "server")[0]!)

/** What servers say behind their greeting. */
export const authPackets: ReadonlyArray<Packet> = [
  ...recordedLogins.flatMap((login) => packetsOf(login, "server").slice(1)),
  ...changesOfUser.flatMap((change) => packetsOf(change, "server"))
]

const responses: ReadonlyArray<Packet> = recordedLogins.map((login) => packetsOf(login, "client")[0]!)

const tlsRequestBytes = 32

/** The sessions were recorded on lines that need no TLS: a request for it is the head of a response, with the flag. */
const tlsRequestOf = ({ bytes, capabilities }: Packet): Packet => {
  const head = Buffer.from(bytes.subarray(0, tlsRequestBytes))
  head.writeUInt32LE((head.readUInt32LE(0) | Flag.SSL) >>> 0, 0)
  return { bytes: head, capabilities }
}

/** What clients answer to a greeting: requests for TLS too. */
export const answers: ReadonlyArray<Packet> = [...responses, ...responses.map(tlsRequestOf)]

/** What plugins of clients send. */
const authResponses: ReadonlyArray<Packet> = [...recordedLogins, ...changesOfUser].flatMap((login) =>
  packetsOf(login, "client").slice(1)
)

/** "LOCAL INFILE Request": the header, and the name of a file. */
export const fileRequests: ReadonlyArray<Packet> = greetings.map(({ capabilities }) => ({
  bytes: Buffer.from("\u00fb/tmp/a file.csv", "latin1"),
  capabilities
}))

/** What servers say in reply to commands. */
export const replies: ReadonlyArray<Packet> = sessions.flatMap(({ capabilities, replies }) =>
  replies.flatMap(({ bytes }) =>
    Fixture.payloads(bytes).map((payload) => ({ bytes: Buffer.from(payload), capabilities }))
  )
)

export const packets: ReadonlyArray<Packet> = [
  ...replies,
  ...greetings,
  ...authPackets,
  ...answers,
  ...authResponses,
  ...commands,
  ...fileRequests
]

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
