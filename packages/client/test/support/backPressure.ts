/**
 * Seeing that a server waits for its reader: what it says of itself, and what the kernel says of its socket.
 */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import type { MysqlConnection } from "../../src/MysqlConnection.ts"
import type { MysqlError } from "../../src/MysqlError.ts"

interface Process {
  readonly state: string | null
  readonly host: string
}

/** The state of a thread that has rows to send and no room for them: MySQL's words, MariaDB's words. */
const blocked = /sending to client|writing to net/i

const processOf = (observer: MysqlConnection, connectionId: number): Effect.Effect<Process | undefined, MysqlError> =>
  Effect.map(
    observer.query<Process>("SELECT state AS state, host AS host FROM information_schema.processlist WHERE id = ?", [
      connectionId
    ]),
    ({ rows }) => rows[0]
  )

/** Waits until the server says that it waits for room to send. */
export const awaitBlocked = (observer: MysqlConnection, connectionId: number): Effect.Effect<void, MysqlError> =>
  Effect.asVoid(
    Effect.repeat(processOf(observer, connectionId), { until: (process) => blocked.test(process?.state ?? "") })
  )

/** Bytes that lie in the server's socket because nobody takes them; `undefined` where the kernel cannot be asked. */
export const unsentBytes = (
  observer: MysqlConnection,
  connectionId: number
): Effect.Effect<number | undefined, MysqlError> =>
  Effect.map(processOf(observer, connectionId), (process) => {
    const port = Number(process?.host.split(":").at(-1))
    if (globalThis.process.platform !== "linux" || !Number.isInteger(port)) return undefined
    const hex = port.toString(16).toUpperCase().padStart(4, "0")
    for (const file of ["/proc/net/tcp", "/proc/net/tcp6"]) {
      for (const line of readFileSync(file, "utf8").split("\n").slice(1)) {
        const [, , remote, , queues] = line.trim().split(/\s+/)
        if (remote?.endsWith(`:${hex}`) === true) return Number.parseInt(queues!.split(":")[0]!, 16)
      }
    }
    return undefined
  })

/** As many rows as asked for, of about 120 bytes each. */
export const manyRows = (rows: number): string =>
  `WITH RECURSIVE s (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 999)
   SELECT a.n * 1000 + b.n AS id, REPEAT('x', 100) AS filler FROM s a JOIN s b WHERE a.n < ${rows / 1000}`
