/**
 * Node's way to the server with a book beside it: attempts to connect, and every command on every line.
 */
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import * as Effect from "effect/Effect"
import { Transport, type TransportConnection } from "../../src/Transport.ts"

/** Commands by their first byte, where their text does not name them. */
const names: Readonly<Record<number, string>> = {
  1: "QUIT",
  2: "USE",
  14: "PING",
  22: "PREPARE",
  23: "EXECUTE",
  25: "CLOSE",
  31: "RESET"
}

const nameOf = (payload: Uint8Array): string =>
  payload[0] === 3 ? Buffer.from(payload.subarray(1)).toString() : (names[payload[0]!] ?? `command ${payload[0]}`)

export interface Book {
  /** Lines that were asked for. */
  attempts: number
  /** What was written on each line that was opened, from its login on. */
  readonly lines: Array<ReadonlyArray<string>>
  readonly recorded: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const watched = (line: TransportConnection, commands: Array<string>): TransportConnection => {
  const parser = Packet.makeParser({ sequence: "report" })
  return Object.create(line, {
    direct: { value: undefined },
    write: {
      value: (bytes: Uint8Array) => {
        parser.feed(Buffer.from(bytes))
        while (parser.next()) {
          // Commands begin at 0; what belongs to the login answers the server.
          if (parser.sequence === 0) commands.push(nameOf(parser.bytes.subarray(parser.start, parser.end)))
        }
        return line.write(bytes)
      }
    }
  })
}

export const make = (): Book => {
  const book: Book = {
    attempts: 0,
    lines: [],
    recorded: (effect) =>
      Effect.flatMap(Transport, (transport) =>
        Effect.provideService(effect, Transport, {
          connect: (target) =>
            Effect.suspend(() => {
              book.attempts++
              return Effect.map(transport.connect(target), (line) => {
                const commands: Array<string> = []
                book.lines.push(commands)
                return watched(line, commands)
              })
            })
        })
      )
  }
  return book
}
