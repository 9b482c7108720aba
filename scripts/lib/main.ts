/**
 * Runs a script's effect as the process: its value is the exit code, a signal interrupts it, and finalizers run first
 * in every case.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

export const run = (main: Effect.Effect<number, unknown>): void => {
  const fiber = Effect.runFork(main)
  let signalled: number | undefined
  const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const
  for (const [signal, number] of Object.entries(signals)) {
    process.on(signal, () => {
      signalled ??= number
      fiber.interruptUnsafe()
    })
  }
  fiber.addObserver((exit) => {
    if (signalled !== undefined) process.exit(128 + signalled)
    if (Exit.isSuccess(exit)) process.exit(exit.value)
    console.error(Cause.pretty(exit.cause))
    process.exit(1)
  })
}
