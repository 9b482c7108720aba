/** A transport that has nothing but Effects: statements use it all the same. */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as directLine from "../src/internal/directLine.ts"
import * as MysqlError from "../src/MysqlError.ts"
import type { Chunks, TransportConnection } from "../src/Transport.ts"
import { silentLine } from "./support/silentLine.ts"

const lost = MysqlError.make(new MysqlError.ConnectionLost({ phase: "sent", problem: "gone" }))
const bytes = Uint8Array.of(1, 2, 3)

const lineOf = (effects: Partial<Pick<TransportConnection, "pull" | "write">>) =>
  directLine.of({ ...silentLine, ...effects })

const never = (): void => expect.unreachable("nothing has changed")

describe("taking from Effects", () => {
  it("gives at once what is there, and why nothing comes any more", () => {
    expect(lineOf({ pull: Effect.succeed([bytes]) }).take(never)).toEqual([bytes])
    expect(lineOf({ pull: Effect.fail(lost) }).take(never)).toBe(lost)
  })

  it.effect("calls the one who asked last when something has arrived, from one pull", () =>
    Effect.gen(function* () {
      const arrival = yield* Deferred.make<Chunks, MysqlError.MysqlError>()
      let pulls = 0
      const line = lineOf({
        pull: Effect.suspend(() => {
          pulls++
          return Deferred.await(arrival)
        })
      })
      let calls = 0
      expect(line.take(never)).toBeUndefined()
      expect(line.take(() => calls++)).toBeUndefined()
      yield* Deferred.succeed(arrival, [bytes])
      expect([calls, pulls]).toEqual([1, 1])
      expect(line.take(never)).toEqual([bytes])
    })
  )

  it("makes an error of what should not happen", () => {
    const taken = lineOf({ pull: Effect.die("a bug of the transport's") }).take(never)
    expect(taken).toMatchObject({ reason: { _tag: "ConnectionLost" } })
  })
})

describe.each([
  ["offering", "offer"],
  ["lending", "lend"]
] as const)("%s to Effects", (_, hand) => {
  it("tells at once where that can be told", () => {
    expect(lineOf({})[hand](bytes, never)).toBe(true)
    expect(lineOf({ write: () => Effect.fail(lost) })[hand](bytes, never)).toBe(lost)
  })

  it.effect.each([
    ["all is well", Effect.void, undefined],
    ["the line breaks", Effect.fail(lost), lost]
  ] as const)("calls when %s", ([, end, expected]) =>
    Effect.gen(function* () {
      const taken = yield* Deferred.make<void, MysqlError.MysqlError>()
      const heard: Array<MysqlError.MysqlError | undefined> = []
      expect(lineOf({ write: () => Deferred.await(taken) })[hand](bytes, (error) => heard.push(error))).toBe(false)
      expect(heard).toEqual([])
      yield* Deferred.complete(taken, end)
      expect(heard).toEqual([expected])
    })
  )
})

describe("what is lent", () => {
  it("is given as a copy to a transport that keeps what is written", () => {
    let kept: Uint8Array | undefined
    const lent = Uint8Array.from(bytes)
    const line = lineOf({
      write: (written) =>
        Effect.sync(() => {
          kept = written
        })
    })
    expect(line.lend(lent, never)).toBe(true)
    lent.fill(0)
    expect(kept).toEqual(bytes)
  })
})
