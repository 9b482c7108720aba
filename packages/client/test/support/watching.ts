/**
 * Transports that watch what goes over the line.
 */
import * as Effect from "effect/Effect"
import { Transport } from "../../src/Transport.ts"

/** Bytes that were written and pulled so far, on all lines. */
export interface Counts {
  readonly written: number
  readonly pulled: number
}

/** The same way to connect, over lines whose bytes are counted; `onWrite` hears of each write. */
export const counting = <Args extends ReadonlyArray<unknown>, A, E, R>(
  connect: (...args: Args) => Effect.Effect<A, E, R>,
  onWrite: () => void = () => {}
): { readonly connect: (...args: Args) => Effect.Effect<A, E, R>; readonly counts: () => Counts } => {
  let written = 0
  let pulled = 0
  return {
    counts: () => ({ written, pulled }),
    connect: (...args) =>
      Effect.flatMap(Transport, (transport) =>
        Effect.provideService(connect(...args), Transport, {
          connect: (target) =>
            Effect.map(transport.connect(target), (line) =>
              Object.create(line, {
                direct: { value: undefined },
                pull: {
                  get: () =>
                    Effect.tap(line.pull, (chunks) =>
                      Effect.sync(() => {
                        for (const chunk of chunks) pulled += chunk.length
                      })
                    )
                },
                write: {
                  value: (bytes: Uint8Array) =>
                    Effect.suspend(() => {
                      written += bytes.length
                      onWrite()
                      return line.write(bytes)
                    })
                }
              })
            )
        })
      )
  }
}
