/**
 * What has to be true for the example to have worked. Each part says what it found; at the end it is all printed, and the
 * process fails if anything did not hold.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export interface Check {
  readonly holds: boolean
  readonly text: string
}

export class Checks extends Context.Service<
  Checks,
  {
    readonly expect: (holds: boolean, text: string) => Effect.Effect<void>
    readonly all: Effect.Effect<ReadonlyArray<Check>>
  }
>()("examples/Checks") {
  static readonly layer: Layer.Layer<Checks> = Layer.sync(Checks, () => {
    const checks: Array<Check> = []
    return {
      expect: (holds, text) => Effect.sync(() => void checks.push({ holds, text })),
      all: Effect.sync(() => checks.slice())
    }
  })
}
