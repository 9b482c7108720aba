/**
 * Recorded sessions of real servers as the tests read them. `fixtures/record.ts` writes them.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import type { Capabilities } from "../../src/connect/Capabilities.ts"
import type { ReplyOptions } from "../../src/reply/Reply.ts"

export interface RecordedStep {
  readonly from: "client" | "server"
  /** Hexadecimal, packet headers included. */
  readonly bytes: string
}

export interface RecordedLogin {
  readonly name: string
  readonly username: string
  readonly password: string
  /** The plugin that ended the authentication. */
  readonly plugin: string
  /** Whether the server's last word was OK. */
  readonly accepted: boolean
  readonly capabilities: Capabilities
  readonly steps: ReadonlyArray<RecordedStep>
}

/** A change of user: the conversation from the command on. */
export interface RecordedChange extends RecordedLogin {
  readonly database?: string | undefined
  /** Of the greeting that the line began with, the scramble in hexadecimal. */
  readonly greeting: { readonly authPlugin: string; readonly scramble: string }
}

export interface RecordedExchange {
  readonly name: string
  readonly command: ReplyOptions["command"]
  readonly sql?: string | undefined
  readonly request: string
  readonly response: string
}

export interface RecordedSession {
  readonly server: string
  readonly version: string
  readonly session: string
  readonly capabilities: Capabilities
  readonly exchanges: ReadonlyArray<RecordedExchange>
}

const fixtures = new URL("../fixtures/", import.meta.url)

/** The servers that sessions were recorded of. */
export const servers: ReadonlyArray<string> = readdirSync(fixtures, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort()

export const mariaDbs: ReadonlyArray<string> = servers.filter((server) => server.startsWith("mariadb"))

const read = (server: string, name: string): unknown =>
  JSON.parse(readFileSync(new URL(`${server}/${name}.json`, fixtures), "utf8"))

export const logins = (server: string): ReadonlyArray<RecordedLogin> =>
  read(server, "login") as ReadonlyArray<RecordedLogin>

export const login = (server: string, name: string): RecordedLogin => {
  const found = logins(server).find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error(`${server} has no recorded login "${name}"`)
  return found
}

export const changesOfUser = (server: string): ReadonlyArray<RecordedChange> =>
  read(server, "change-user") as ReadonlyArray<RecordedChange>

export const hasSession = (server: string, name: string): boolean =>
  existsSync(new URL(`${server}/${name}.json`, fixtures))

export const session = (server: string, name: string): RecordedSession => read(server, name) as RecordedSession

export const exchange = (recorded: RecordedSession, name: string): RecordedExchange => {
  const found = recorded.exchanges.find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error(`${recorded.server} ${recorded.session} has no exchange "${name}"`)
  return found
}

export const bytes = (hex: string): Buffer => Buffer.from(hex, "hex")

/** The payloads of a run of frames, none of which is continued. */
export const payloads = (framed: Uint8Array): ReadonlyArray<Buffer> => {
  const found: Array<Buffer> = []
  const buffer = Buffer.from(framed)
  for (let at = 0; at < buffer.length; ) {
    const end = at + 4 + buffer.readUIntLE(at, 3)
    found.push(buffer.subarray(at + 4, end))
    at = end
  }
  return found
}
