/**
 * What the pool's machine does beyond lending and growing: checks and signs of life, eviction, suspension, sharing, and
 * borrowers that wait for themselves.
 */
import { describe, expect, it } from "@effect/vitest"
import type { Borrower } from "../src/internal/poolSlot.ts"
import type { Action } from "../src/internal/poolState.ts"
import * as MysqlError from "../src/MysqlError.ts"
import { later, Machine, type Named, nobody, slotOf, waiterOf } from "./poolSupport/machine.ts"

const said = (action: Action<string>): string => {
  switch (action._tag) {
    case "grant":
      return `${(action.waiter as Named).name} gets ${action.slot.connection}`
    case "refuse":
      return `${(action.waiter as Named).name} is refused: ${action.why._tag}`
    case "connect":
      return action.delayMillis === 0 ? "connect" : `connect in ${action.delayMillis}`
    case "check":
      return `${action.ping ? "ping" : "look at"} ${action.slot.connection}`
    case "discard":
      return `discard ${action.slot.connection}`
    case "overdue":
      return `${action.slot.connection} is overdue`
  }
}

const told = (actions: ReadonlyArray<Action<string>>): ReadonlyArray<string> => actions.map(said)

/** A machine with these connections idle, the last one the warmest; each became idle at its index. */
const withIdle = (names: ReadonlyArray<string>, options?: ConstructorParameters<typeof Machine>[0]) => {
  const state = new Machine(options)
  const slots = names.map((name, index) => slotOf(name, later, { provenAt: index }))
  for (const [index, slot] of slots.entries()) {
    // What the minimum asks for is under way already.
    if (state.stats.connecting > 0) state.connected(slot, index)
    else state.opened(slot, index)
  }
  return { state, slots }
}

describe("a connection that proved alive", () => {
  it("is lent without a round trip within the bypass window, and checked outside it", () => {
    const { slots, state } = withIdle(["a"], { bypassMillis: 500 })
    expect(state.take(nobody, 499)).toBe(slots[0])
    state.release(slots[0]!, 499)
    expect(state.take(nobody, 999)).toBeUndefined()
    expect(told(state.wait(waiterOf("first"), 999))).toEqual(["ping a"])
    expect(state.stats).toMatchObject({ idle: 1, used: 0, connecting: 0, pending: 1 })
    expect(told(state.checked(slots[0]!, 1000))).toEqual(["first gets a"])
    state.release(slots[0]!, 1001)
    expect(state.take(nobody, 1500)).toBe(slots[0])
  })

  it("no longer is replaced by the next idle one, and then by a new one", () => {
    const { slots, state } = withIdle(["a", "b"], { bypassMillis: 500 })
    expect(told(state.wait(waiterOf("first"), 1000))).toEqual(["ping b"])
    expect(told(state.remove(slots[1]!, 1001))).toEqual(["discard b", "ping a"])
    expect(told(state.remove(slots[0]!, 1002))).toEqual(["discard a", "connect"])
    expect(told(state.connected(slotOf("c"), 1003))).toEqual(["first gets c"])
  })

  it("by a check serves whoever is first then, and goes back to its place where nobody is", () => {
    const { slots, state } = withIdle(["a", "b", "c"], { bypassMillis: 1, idleTimeoutMillis: later })
    const [first, second] = [waiterOf("first"), waiterOf("second")]
    expect(told(state.wait(first, 10))).toEqual(["ping c"])
    expect(told(state.wait(second, 10))).toEqual(["ping b"])
    state.cancel(first)
    expect(told(state.checked(slots[1]!, 11))).toEqual(["second gets b"])
    expect(told(state.checked(slots[2]!, 12))).toEqual([])
    expect(state.resting).toEqual([slots[0], slots[2]])
  })

  it("is checked for no more borrowers than there are", () => {
    const { state } = withIdle(["a", "b", "c"], { bypassMillis: 1 })
    expect(told(state.wait(waiterOf("first"), 10))).toEqual(["ping c"])
    expect(told(state.sweep(11))).toEqual([])
  })

  it("does not so any more once a line to the server broke", () => {
    const { slots, state } = withIdle(["a", "b"])
    expect(told(state.doubt())).toEqual(["ping a", "ping b"])
    expect(state.take()).toBeUndefined()
    expect(told(state.doubt())).toEqual([])
    expect(told(state.wait(waiterOf("first")))).toEqual([])
    expect(told(state.checked(slots[0]!, 1))).toEqual(["first gets a"])
    expect(told(state.remove(slots[1]!, 1))).toEqual(["discard b"])
  })

  it("long ago is asked for a sign of life, which does not make it younger or less idle", () => {
    const state = new Machine({ idleTimeoutMillis: 1000, min: 1 })
    const slot = slotOf("a", 5000, { keepaliveMillis: 300 })
    state.opened(slot, 0)
    expect(told(state.sweep(299))).toEqual([])
    expect(told(state.sweep(300))).toEqual(["ping a"])
    expect(told(state.checked(slot, 301))).toEqual([])
    expect(slot).toMatchObject({ idleSince: 0, provenAt: 301 })
    expect(told(state.sweep(600))).toEqual([])
    expect(told(state.sweep(601))).toEqual(["ping a"])
    expect(told(state.checked(slot, 5000))).toEqual(["discard a", "connect"])
  })

  it("is not asked while it is used", () => {
    const state = new Machine()
    state.opened(slotOf("a", later, { keepaliveMillis: 300 }), 0)
    state.take()
    expect(told(state.sweep(400))).toEqual([])
  })
})

describe("evicting all", () => {
  it("closes what is idle at once and what is lent when it comes back, and fills up again", () => {
    const { slots, state } = withIdle(["a", "b", "c"], { min: 2 })
    state.take()
    expect(told(state.evictAll())).toEqual(["discard a", "discard b", "connect"])
    expect(state.stats).toMatchObject({ idle: 0, used: 1, connecting: 1 })
    expect(told(state.wait(waiterOf("first")))).toEqual([])
    expect(told(state.release(slots[2]!, 1))).toEqual(["discard c", "connect"])
  })

  it("also replaces what was being opened or checked", () => {
    const { slots, state } = withIdle(["a"], { bypassMillis: 1 })
    expect(told(state.wait(waiterOf("first"), 10))).toEqual(["ping a"])
    expect(told(state.wait(waiterOf("second"), 10))).toEqual(["connect"])
    expect(told(state.evictAll(10))).toEqual([])
    expect(told(state.checked(slots[0]!, 11))).toEqual(["discard a", "connect"])
    expect(told(state.connected(slotOf("b"), 11))).toEqual(["discard b", "connect"])
    const young = slotOf("c", later, { generation: state.generation })
    expect(told(state.connected(young, 12))).toEqual(["first gets c"])
  })
})

describe("suspending", () => {
  it("lends nothing, opens nothing, and lets those who have a connection finish", () => {
    const { slots, state } = withIdle(["a", "b"], { max: 4 })
    state.take()
    state.suspend()
    expect(state.take()).toBeUndefined()
    expect(told(state.wait(waiterOf("first")))).toEqual([])
    expect(told(state.release(slots[1]!, 1))).toEqual([])
    expect(state.stats).toEqual({ idle: 2, used: 0, connecting: 0, pending: 1, max: 4 })
  })

  it("ends with those being served who came meanwhile, in their order", () => {
    const { slots, state } = withIdle(["a", "b"], { max: 3 })
    state.suspend()
    for (const name of ["first", "second", "third", "fourth"]) state.wait(waiterOf(name))
    expect(told(state.resume())).toEqual(["look at b", "look at a", "connect"])
    expect(told(state.checked(slots[0]!, 1))).toEqual(["first gets a"])
    expect(told(state.connected(slotOf("c"), 1))).toEqual(["second gets c"])
    expect(told(state.checked(slots[1]!, 1))).toEqual(["third gets b"])
    expect(told(state.release(slots[1]!, 1))).toEqual(["fourth gets b"])
  })

  it("keeps what was being opened for then", () => {
    const state = new Machine()
    state.wait(waiterOf("first"))
    state.suspend()
    expect(told(state.connected(slotOf("a"), 1))).toEqual([])
    expect(told(state.resume())).toEqual(["look at a"])
  })

  it("does not keep the end of the pool from those who wait", () => {
    const { state } = withIdle(["a"])
    state.suspend()
    state.wait(waiterOf("first"))
    expect(told(state.close())).toEqual(["first is refused: closed", "discard a"])
    expect(told(state.resume())).toEqual([])
  })
})

describe("a login that is refused", () => {
  const denied = MysqlError.make(
    new MysqlError.LoginError({ errno: 1045, plugin: "caching_sha2_password", problem: "Access denied" })
  )

  it("is told to whoever comes soon after, without the server being asked again", () => {
    const state = new Machine()
    state.wait(waiterOf("first"))
    expect(told(state.connectFailed(denied, true, 100))).toEqual(["first is refused: hopeless"])
    expect(told(state.wait(waiterOf("second"), 599))).toEqual(["second is refused: hopeless"])
    expect(told(state.wait(waiterOf("third"), 600))).toEqual(["connect"])
    expect(told(state.connectFailed(denied, true, 600))).toEqual(["third is refused: hopeless"])
    expect(told(state.wait(waiterOf("fourth"), 1599))).toEqual(["fourth is refused: hopeless"])
    expect(told(state.wait(waiterOf("fifth"), 1600))).toEqual(["connect"])
  })

  it("does not keep anybody from a connection that works and comes back", () => {
    const { slots, state } = withIdle(["a"], { max: 2 })
    state.take()
    state.wait(waiterOf("first"))
    state.connectFailed(denied, true, 100)
    expect(told(state.wait(waiterOf("second"), 200))).toEqual(["connect in 400"])
    expect(told(state.release(slots[0]!, 201))).toEqual(["second gets a"])
    expect(state.stillNeeded()).toBe(false)
  })
})

describe("pausing", () => {
  const down = MysqlError.make(new MysqlError.ConnectError({ address: "db:3306", problem: "ECONNREFUSED" }))

  it.each([
    [0, 100],
    [0.5, 75],
    [1, 50]
  ])("is shorter at random, so that pools do not try together (%d)", (random, percent) => {
    const state = new Machine({ random: () => random })
    state.wait(waiterOf("first"))
    const pauses = Array.from({ length: 8 }, () => told(state.connectFailed(down, false)))
    const expected = [10, 20, 40, 80, 160, 320, 500, 500].map((millis) => Math.ceil((millis * percent) / 100))
    expect(pauses.flat()).toEqual(expected.map((millis) => `connect in ${millis}`))
  })

  it("counts from the failure, not from when somebody comes", () => {
    const state = new Machine()
    const first = waiterOf("first")
    state.wait(first)
    state.connectFailed(down, false)
    state.cancel(first)
    expect(state.stillNeeded()).toBe(false)
    expect(told(state.wait(waiterOf("second"), 4))).toEqual(["connect in 6"])
    expect(state.stats.connecting).toBe(1)
  })
})

describe("borrowing while one has a connection", () => {
  const fiber = (scope?: object): Borrower => ({ fiber: {}, scope, shares: false })

  it("is refused where everybody who has one waits for another", () => {
    const { state } = withIdle(["a", "b"], { max: 2 })
    const [one, other] = [fiber(), fiber()]
    state.take(one)
    state.take(other)
    expect(told(state.wait(waiterOf("one", one)))).toEqual([])
    expect(told(state.wait(waiterOf("somebody")))).toEqual([])
    expect(told(state.wait(waiterOf("other", other)))).toEqual(["other is refused: deadlock"])
    expect(state.stats.pending).toBe(2)
  })

  it("is not where one of them may come back", () => {
    const { slots, state } = withIdle(["a", "b"], { max: 2 })
    const one = fiber()
    state.take(one)
    state.take()
    expect(told(state.wait(waiterOf("one", one)))).toEqual([])
    expect(told(state.release(slots[0]!, 1))).toEqual(["one gets a"])
  })

  it("is not where there is room for another", () => {
    const { state } = withIdle(["a"], { max: 2 })
    const one = fiber()
    state.take(one)
    expect(told(state.wait(waiterOf("one", one)))).toEqual(["connect"])
  })

  it("is not where the connection that is kept is on its way back already", () => {
    const { slots, state } = withIdle(["a"], { max: 1 })
    const one = fiber()
    state.take(one)
    expect(state.leave(slots[0]!)).toBe(true)
    expect(told(state.wait(waiterOf("one", one)))).toEqual([])
  })

  it("with a scope is only where the same scope has it: another may be closed by anybody", () => {
    for (const [scope, outcome] of [
      ["the same", ["one is refused: deadlock"]],
      ["another", []]
    ] as const) {
      const { state } = withIdle(["a"], { max: 1 })
      const one = fiber({})
      state.take(one)
      const waiter = waiterOf("one", { ...one, scope: scope === "the same" ? one.scope : {} })
      expect(told(state.wait(waiter))).toEqual(outcome)
    }
  })
})

describe("sharing", () => {
  const sharing: Borrower = { fiber: {}, scope: undefined, shares: true }
  const sharer = (name: string) => waiterOf(name, { shares: true })

  it("lets others join where none is idle, up to a limit, and opens another one meanwhile", () => {
    const { slots, state } = withIdle(["a"], { shares: 3 })
    state.take(sharing)
    expect(told(state.wait(sharer("second")))).toEqual(["second gets a", "connect"])
    expect(told(state.wait(sharer("third")))).toEqual(["third gets a"])
    expect(told(state.wait(sharer("fourth")))).toEqual(["connect"])
    expect(state.stats).toMatchObject({ used: 1, connecting: 2, pending: 1 })
    expect(state.leave(slots[0]!)).toBe(false)
    expect(told(state.tend(1))).toEqual(["fourth gets a"])
  })

  it("spreads users over the connections", () => {
    const { state } = withIdle(["a", "b"], { shares: 8, max: 2 })
    state.take(sharing)
    state.take(sharing)
    const names = ["third", "fourth", "fifth", "sixth"]
    const actions = names.map((name) => told(state.wait(sharer(name)))).flat()
    expect(actions.map((action) => action.at(-1)).sort()).toEqual(["a", "a", "b", "b"])
  })

  it("leaves a connection that is lent to one alone to him, and does not pass who waits for one alone", () => {
    const { slots, state } = withIdle(["a"], { shares: 3, max: 1 })
    state.take(sharing)
    expect(told(state.wait(waiterOf("alone")))).toEqual([])
    expect(told(state.wait(sharer("second")))).toEqual([])
    expect(state.leave(slots[0]!)).toBe(true)
    expect(told(state.release(slots[0]!, 1))).toEqual(["alone gets a"])
    expect(state.leave(slots[0]!)).toBe(true)
    expect(told(state.release(slots[0]!, 2))).toEqual(["second gets a"])
  })

  it("is over for a connection that is to be closed or that somebody has changed", () => {
    const changed = new Set<string>()
    const { slots, state } = withIdle(["a"], { shares: 3, max: 1, mayJoin: (name) => !changed.has(name) })
    state.take(sharing)
    changed.add("a")
    expect(told(state.wait(sharer("second")))).toEqual([])
    changed.delete("a")
    slots[0]!.doomed = true
    expect(told(state.wait(sharer("third")))).toEqual([])
    slots[0]!.doomed = false
    expect(told(state.wait(sharer("fourth")))).toEqual(["second gets a", "third gets a"])
  })
})

describe("a connection that is lent for long", () => {
  it("is told of once, and again when it is lent again", () => {
    const { slots, state } = withIdle(["a", "b"], { leakMillis: 100 })
    state.take()
    expect(told(state.sweep(99))).toEqual([])
    expect(told(state.sweep(100))).toEqual(["b is overdue"])
    expect(told(state.sweep(500))).toEqual([])
    state.release(slots[1]!, 600)
    state.take(nobody, 600)
    expect(told(state.sweep(699))).toEqual([])
    expect(told(state.sweep(700))).toEqual(["b is overdue"])
  })

  it("is not told of while it is being reset", () => {
    const { slots, state } = withIdle(["a"], { leakMillis: 100 })
    state.take()
    state.leave(slots[0]!)
    expect(told(state.sweep(100))).toEqual([])
  })
})
