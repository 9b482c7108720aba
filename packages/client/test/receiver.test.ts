/** The memory that sockets read into: whose it is at which moment, when reading stops, and what comes last. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { pullOf } from "../src/internal/directLine.ts"
import { Receiver } from "../src/internal/Receiver.ts"
import * as MysqlError from "../src/MysqlError.ts"

/** A receiver and the socket that feeds it. */
const make = () => {
  let restarts = 0
  const receiver = new Receiver(() => restarts++)
  return {
    receiver,
    pull: pullOf(receiver.take),
    restarts: () => restarts,
    /** What the kernel does: fills the buffer, calls, and asks for the next buffer. */
    arrive: (text: string): boolean => {
      const buffer = receiver.buffer()
      return receiver.received(buffer.write(text), buffer)
    }
  }
}

const lost = MysqlError.make(new MysqlError.ConnectionLost({ phase: "sent", problem: "gone" }))
const text = (chunks: ReadonlyArray<Uint8Array>): string => Buffer.concat(chunks).toString()
const now = { startImmediately: true } as const

describe("a receiver", () => {
  it.effect("resumes whoever waits as soon as bytes arrive, and goes on reading", () =>
    Effect.gen(function* () {
      const { arrive, pull } = make()
      const fiber = yield* Effect.forkChild(pull, now)
      expect(arrive("one")).toBe(true)
      expect(text(fiber.pollUnsafe()?._tag === "Success" ? yield* Fiber.join(fiber) : [])).toBe("one")
    })
  )

  it.effect("reads into the same memory again once it was released", () =>
    Effect.gen(function* () {
      const { arrive, pull, receiver } = make()
      const before = receiver.buffer()
      yield* Effect.forkChild(pull, now)
      arrive("one")
      receiver.release()
      expect(receiver.buffer()).toBe(before)
    })
  )

  it.effect("leaves what was not released to its reader, whatever arrives meanwhile, and gives it again", () =>
    Effect.gen(function* () {
      const { arrive, pull, receiver } = make()
      const first = yield* Effect.forkChild(pull, now)
      arrive("first")
      const chunks = yield* Fiber.join(first)
      arrive("other")
      expect(text(chunks)).toBe("first")
      expect(text(yield* pull)).toBe("firstother")
      receiver.release()
      arrive("third")
      expect(text(yield* pull)).toBe("third")
    })
  )

  it.effect("stops the socket when nobody waits, keeps what came, and lets it go on with the next pull", () =>
    Effect.gen(function* () {
      const { arrive, pull, receiver, restarts } = make()
      expect(arrive("early")).toBe(false)
      expect(receiver.hasBytes).toBe(true)
      // Releasing earlier chunks says nothing about those that nobody has pulled.
      receiver.release()
      arrive("again")
      expect(restarts()).toBe(0)
      expect(text(yield* pull)).toBe("earlyagain")
      expect(receiver.hasBytes).toBe(false)
      expect(restarts()).toBe(1)
    })
  )

  it.effect("loses nothing to a reader that was interrupted", () =>
    Effect.gen(function* () {
      const { arrive, pull } = make()
      yield* Fiber.interrupt(yield* Effect.forkChild(pull, now))
      arrive("kept")
      expect(text(yield* pull)).toBe("kept")
    })
  )

  it.effect("hands out what has arrived before it fails, and fails ever after", () =>
    Effect.gen(function* () {
      const { arrive, pull, receiver } = make()
      arrive("last words")
      receiver.fail(lost)
      expect(text(yield* pull)).toBe("last words")
      receiver.release()
      expect(yield* Effect.flip(pull)).toBe(lost)
      expect(yield* Effect.flip(pull)).toBe(lost)
    })
  )

  it.effect("says what went wrong first: an error of the line, and not that it was closed afterwards", () =>
    Effect.gen(function* () {
      const { pull, receiver } = make()
      receiver.fail(lost)
      receiver.fail(MysqlError.make(new MysqlError.ConnectionLost({ phase: "sent", problem: "closed" })))
      expect(yield* Effect.flip(pull)).toBe(lost)
    })
  )

  it.effect("fails whoever waits when the line ends", () =>
    Effect.gen(function* () {
      const { pull, receiver } = make()
      const fiber = yield* Effect.forkChild(Effect.flip(pull), now)
      receiver.fail(lost)
      expect(yield* Fiber.join(fiber)).toBe(lost)
    })
  )

  it("reads more at once where the buffer was filled, within a bound", () => {
    const { receiver } = make()
    const sizes = Array.from({ length: 5 }, () => {
      const buffer = receiver.buffer()
      receiver.received(buffer.length, buffer)
      return buffer.length
    })
    expect(sizes).toEqual([16, 64, 256, 256, 256].map((kibibytes) => kibibytes * 1024))
  })
})
