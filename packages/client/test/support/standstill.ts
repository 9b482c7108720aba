/**
 * When a server waits for whoever does not read, by its own word and the kernel's.
 */
import * as Effect from "effect/Effect"
import type { MysqlConnection } from "../../src/MysqlConnection.ts"
import * as kernel from "./kernel.ts"
import { listed } from "./servers.ts"

/** What the server does for a connection, in its own words. */
const stateOf = (observer: MysqlConnection, connectionId: number) =>
  Effect.map(listed(observer, "id = ?", [connectionId]), (rows) => rows[0]?.state)

/** MySQL's and MariaDB's words for a server that waits until its client reads. */
const blocked = /^(Sending to client|Writing to net)$/

/**
 * Waits until the server has been blocked, and the number of unread bytes been the same, twenty times in a row: until
 * all buffers on the way are full. Gives the number of unread bytes.
 */
export const standstill = (observer: MysqlConnection, connectionId: number, port: number) =>
  Effect.suspend(() => {
    let unread = -1
    let same = 0
    const look = Effect.map(stateOf(observer, connectionId), (state) => {
      const now = kernel.tells ? kernel.unread(port) : 0
      same = blocked.test(String(state)) && now === unread ? same + 1 : 0
      unread = now
      return same
    })
    return Effect.map(Effect.repeat(look, { until: (count) => count === 20 }), () => unread)
  })
