/**
 * LOAD DATA LOCAL: the statement is sent, the server asks for a file by name, and the stream that came with the
 * statement is pulled as fast as the socket takes it. Whatever ends it, the conversation is in step afterwards.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Outcome } from "../MysqlConnection.ts"
import type { MysqlError } from "../MysqlError.ts"
import type { Core } from "./Core.ts"
import { type Entry, failureOf } from "./Entry.ts"
import * as results from "./results.ts"

/** Packets of a file are not longer: a longer one only needs memory. */
const maxPartBytes = 256 * 1024

/**
 * Sends a statement and the file that the server asks for. A stream that fails, and interruption, stop the statement, and
 * the server undoes what it has stored of it.
 */
export const run = <E, R>(
  core: Core,
  entry: Entry,
  bytes: (fileName: string) => Stream.Stream<Uint8Array, E, R>
): Effect.Effect<Outcome, MysqlError | E, R> => {
  const { exchange } = core
  const partBytes = Math.max(1, Math.min(maxPartBytes, core.session.maxAllowedPacket - 1))
  const send = (chunks: ReadonlyArray<Uint8Array>) =>
    Effect.forEach(partsOf(chunks, partBytes), (part) => exchange.sendPart(entry, part), { discard: true })
  const step: Effect.Effect<Outcome, MysqlError | E, R> = Effect.suspend(() => {
    const { localInfile } = entry.reply
    if (entry.state !== "done") {
      if (localInfile === undefined) return Effect.andThen(exchange.advance(entry), step)
      const sent = Stream.runForEachArray(bytes(localInfile), send)
      return Effect.andThen(
        sent,
        Effect.suspend(() => {
          exchange.sendEnd()
          return step
        })
      )
    }
    const error = failureOf(entry)
    return error === undefined ? Effect.succeed(results.collect(entry.reply.results[0]!)) : Effect.fail(error)
  })
  return Effect.onError(
    Effect.andThen(
      exchange.open(entry, () => Effect.void),
      step
    ),
    () => exchange.abandon(entry)
  )
}

/** The same bytes in parts that are neither tiny nor long, each of one piece or of several. */
const partsOf = (chunks: ReadonlyArray<Uint8Array>, partBytes: number): ReadonlyArray<ReadonlyArray<Uint8Array>> => {
  const parts: Array<ReadonlyArray<Uint8Array>> = []
  let small: Array<Uint8Array> = []
  let smallBytes = 0
  const flush = (): void => {
    if (smallBytes > 0) parts.push(small)
    small = []
    smallBytes = 0
  }
  for (const chunk of chunks) {
    if (smallBytes + chunk.length > partBytes) flush()
    if (chunk.length <= partBytes) {
      small.push(chunk)
      smallBytes += chunk.length
    } else {
      for (let at = 0; at < chunk.length; at += partBytes) parts.push([chunk.subarray(at, at + partBytes)])
    }
  }
  flush()
  return parts
}
