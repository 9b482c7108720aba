/**
 * Lines that halt at one statement: when so many bytes of its command, or of the reply to it, have passed. What a test
 * does then it does in that phase for certain.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { Transport, type TransportConnection } from "../../src/Transport.ts"

export interface Halt {
  /** A part of the statement's text, which no other has. */
  readonly at: string
  readonly afterBytes: number
  readonly of: "command" | "reply"
}

export interface Halting {
  readonly transport: Transport
  readonly reached: Effect.Effect<void>
  readonly goOn: Effect.Effect<void>
  /** The texts of commands to kill that were sent, on whatever line. */
  readonly kills: () => ReadonlyArray<string>
  /** The first of them is on its way. */
  readonly killed: Effect.Effect<void>
  /** Whether anything with this text was sent. */
  readonly hasSent: (text: string) => boolean
}

export const make = (halt?: Halt): Effect.Effect<Halting> =>
  Effect.gen(function* () {
    const transport = yield* Transport
    const reached = yield* Deferred.make<void>()
    const mayGoOn = yield* Deferred.make<void>()
    const killed = yield* Deferred.make<void>()
    const sent: Array<string> = []
    const stop = Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(mayGoOn))
    let met = false

    const watched = (line: TransportConnection): TransportConnection => {
      /** Bytes of the reply that may still come before the halt. */
      let left: number | undefined
      let rest: Uint8Array | undefined
      const pull: TransportConnection["pull"] = Effect.suspend(() => {
        if (rest !== undefined) {
          const chunk = rest
          return Effect.map(stop, () => {
            rest = undefined
            return [chunk] as const
          })
        }
        if (left === undefined) return line.pull
        const bytes = left
        return Effect.map(line.pull, (chunks) => {
          const all = Buffer.concat(chunks)
          line.release()
          left = all.length < bytes ? bytes - all.length : undefined
          if (left === undefined) rest = all.subarray(bytes)
          return [all.subarray(0, bytes)] as const
        })
      })
      const write = (bytes: Uint8Array) =>
        Effect.suspend(() => {
          const text = Buffer.from(bytes).toString("latin1")
          sent.push(text)
          if (/KILL (QUERY|CONNECTION) /.test(text)) Deferred.doneUnsafe(killed, Effect.void)
          if (halt === undefined || met || !text.includes(halt.at)) return line.write(bytes)
          met = true
          if (halt.of === "command") {
            return line
              .write(bytes.subarray(0, halt.afterBytes))
              .pipe(
                Effect.andThen(stop),
                Effect.andThen(Effect.suspend(() => line.write(bytes.subarray(halt.afterBytes))))
              )
          }
          left = halt.afterBytes
          return line.write(bytes)
        })
      return Object.create(line, { direct: { value: undefined }, pull: { value: pull }, write: { value: write } })
    }

    return {
      transport: {
        ...transport,
        connect: (target, options) => Effect.map(transport.connect(target, options), watched)
      },
      reached: Deferred.await(reached),
      goOn: Effect.asVoid(Deferred.succeed(mayGoOn, undefined)),
      kills: () => sent.flatMap((text) => text.match(/KILL (QUERY|CONNECTION) \d+/)?.[0] ?? []),
      killed: Deferred.await(killed),
      hasSent: (text) => sent.some((bytes) => bytes.includes(text))
    }
  })
