/** A transaction with another one inside, interrupted at every moment of its life: whole or not at all, and no defect. */
import { expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { accounts, balances, onEachServer } from "./support.ts"

/** One turn of the event loop: about a step of a conversation with a server. */
const turn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

const moments = 120

onEachServer((it) => {
  it.effect("interrupted at any moment", () =>
    Effect.gen(function* () {
      const sql = yield* accounts
      const transfer = sql.withTransaction(
        Effect.andThen(
          sql`UPDATE accounts SET balance = balance - ${1} WHERE id = ${1}`,
          sql.withTransaction(sql`UPDATE accounts SET balance = balance + ${1} WHERE id = ${2}`)
        )
      )
      let whole = 0
      let interrupted = 0
      for (let moment = 0; moment < moments; moment++) {
        const fiber = yield* Effect.forkChild(transfer)
        for (let turns = 0; turns < moment; turns++) yield* turn
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        if (Exit.isSuccess(exit)) {
          whole++
        } else {
          interrupted++
          expect([moment, Cause.hasInterruptsOnly(exit.cause) || Cause.pretty(exit.cause)]).toEqual([moment, true])
        }
        const [from, to] = yield* balances(sql)
        expect([moment, Number(from) + Number(to)]).toEqual([moment, 200])
        // What was told to have succeeded has; interruption may come when COMMIT was on its way.
        expect(100 - Number(from)).toBeGreaterThanOrEqual(whole)
        expect(100 - Number(from)).toBeLessThanOrEqual(whole + interrupted)
      }
      expect(interrupted).toBeGreaterThan(0)
    })
  )
})
