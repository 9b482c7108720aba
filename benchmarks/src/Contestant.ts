/**
 * What a contestant is, and which there are. A contestant lives in a process of its own; its modules are loaded only
 * there.
 */
import type { Name } from "./Line.ts"
import type { Reader } from "./Reader.ts"

/** Where the contestants connect to: plain TCP for all of them. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

/** Runs a line so many times and hands each row to the reader. */
export type Runner = (turns: number, reader: Reader) => Promise<void>

export interface Contestant {
  readonly runners: { readonly [N in Name]: Runner }
  readonly close: () => Promise<void>
}

export interface Entry {
  readonly title: string
  /** Peers are what ours is compared with; the limit decodes nothing. */
  readonly role: "ours" | "peer" | "limit"
  /** Package whose version is shown. */
  readonly version: string | undefined
  readonly connect: (target: Target) => Promise<Contestant>
}

export const entries = {
  connection: {
    title: "ours: MysqlConnection",
    role: "ours",
    version: undefined,
    connect: async (target) => (await import("./contestants/connection.ts")).connect(target)
  },
  client: {
    title: "ours: MysqlClient",
    role: "ours",
    version: undefined,
    connect: async (target) => (await import("./contestants/client.ts")).connect(target)
  },
  mysql2: {
    title: "mysql2, promises, defaults",
    role: "peer",
    version: "mysql2",
    connect: async (target) => (await import("./contestants/mysql2Default.ts")).connect(target)
  },
  "mysql2-fast": {
    title: "mysql2, fastest",
    role: "peer",
    version: "mysql2",
    connect: async (target) => (await import("./contestants/mysql2Fastest.ts")).connect(target)
  },
  mariadb: {
    title: "mariadb, promises, defaults",
    role: "peer",
    version: "mariadb",
    connect: async (target) => (await import("./contestants/mariadbDefault.ts")).connect(target)
  },
  "mariadb-fast": {
    title: "mariadb, fastest",
    role: "peer",
    version: "mariadb",
    connect: async (target) => (await import("./contestants/mariadbFastest.ts")).connect(target)
  },
  bare: {
    title: "limit: bare socket",
    role: "limit",
    version: undefined,
    connect: async (target) => (await import("./contestants/bareSocket.ts")).connect(target)
  }
} as const satisfies { readonly [name: string]: Entry }

export type ContestantName = keyof typeof entries

export const isContestant = (name: string): name is ContestantName => Object.hasOwn(entries, name)

export const contestantNames: ReadonlyArray<ContestantName> = Object.keys(entries).filter(isContestant)

export const entry = (name: ContestantName): Entry => entries[name]
