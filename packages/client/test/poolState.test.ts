/**
 * The pure machine of the pool, driven directly: no fiber, no clock, no socket.
 */
import { describe, expect, it } from "@effect/vitest"
import type { Slot } from "../src/internal/poolSlot.ts"
import type { Action, Refusal } from "../src/internal/poolState.ts"
import * as MysqlError from "../src/MysqlError.ts"
import { later, Machine, type Named, slotOf, waiterOf } from "./poolSupport/machine.ts"

/** An action in a word or two. */
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

type Options = ConstructorParameters<typeof Machine>[0]

const machine = (options?: Options): Machine => new Machine(options)

/** A machine with these connections idle, the last one the warmest. */
const withIdle = (names: ReadonlyArray<string>, options?: Options) => {
  const state = machine(options)
  const slots = names.map((name) => slotOf(name))
  for (const slot of slots) {
    // What the minimum asks for is under way already.
    if (state.stats.connecting > 0) state.connected(slot, 0)
    else state.opened(slot, 0)
  }
  return { state, slots }
}

/** A machine of one connection that is lent, and waiters behind it for whom others are opened where there is room. */
const saturated = (waiters: ReadonlyArray<string>, options?: Options) => {
  const { slots, state } = withIdle(["a"], { max: 1, ...options })
  const slot = state.take()!
  expect(slot).toBe(slots[0])
  const waiting = waiters.map((name) => waiterOf(name))
  for (const waiter of waiting) state.wait(waiter)
  return { state, slot, waiting }
}

const down = MysqlError.make(new MysqlError.ConnectError({ address: "db:3306", problem: "ECONNREFUSED" }))
const denied = MysqlError.make(
  new MysqlError.LoginError({ errno: 1045, plugin: "caching_sha2_password", problem: "Access denied" })
)

const whyOf = (actions: ReadonlyArray<Action<string>>): Refusal | undefined => {
  const [action] = actions
  return action?._tag === "refuse" ? action.why : undefined
}

describe("lending", () => {
  it("serves waiters in the order of their coming", () => {
    const { slot, state } = saturated(["first", "second", "third"])
    expect(told(state.release(slot, 1))).toEqual(["first gets a"])
    expect(told(state.release(slot, 2))).toEqual(["second gets a"])
    expect(told(state.release(slot, 3))).toEqual(["third gets a"])
    expect(told(state.release(slot, 4))).toEqual([])
    expect(state.stats).toEqual({ idle: 1, used: 0, connecting: 0, pending: 0, max: 1 })
  })

  it("hands a returned connection over: nobody who comes by takes it before the first who waits", () => {
    const { slot, state, waiting } = saturated(["first"])
    expect(state.take()).toBeUndefined()
    expect(told(state.release(slot, 1))).toEqual(["first gets a"])
    expect(waiting[0]!.state).toBe("granted")
    expect(state.take()).toBeUndefined()
    expect(state.stats).toMatchObject({ idle: 0, used: 1 })
  })

  it("takes the connection that was used last, so that the surplus ages", () => {
    const { slots, state } = withIdle(["a", "b", "c"])
    expect(state.take()).toBe(slots[2])
    expect(state.take()).toBe(slots[1])
    state.release(slots[2]!, 5)
    expect(state.take()).toBe(slots[2])
    expect(state.take()).toBe(slots[0])
    expect(state.take()).toBeUndefined()
  })

  it("gives a waiter at once what became idle since he tried to take one", () => {
    const { state } = withIdle(["a"])
    const waiter = waiterOf("late")
    expect(told(state.wait(waiter))).toEqual(["look at a"])
    expect(state.take()).toBeUndefined()
    expect(told(state.checked(state.slotNamed("a")))).toEqual(["late gets a"])
    expect(waiter.state).toBe("granted")
    expect(state.stats).toEqual({ idle: 0, used: 1, connecting: 0, pending: 0, max: 10 })
  })

  it("knows when a connection became idle", () => {
    const { slots, state } = withIdle(["a"])
    state.take()
    state.release(slots[0]!, 77)
    expect(slots[0]!.idleSince).toBe(77)
  })

  it("takes back only what was lent, and that once", () => {
    const { slot, state } = saturated(["first", "second"])
    expect(told(state.release(slotOf("a stranger"), 1))).toEqual([])
    expect(told(state.remove(slotOf("a stranger")))).toEqual([])
    expect(told(state.remove(slot))).toEqual(["discard a", "connect"])
    expect(told(state.release(slot, 1))).toEqual([])
    expect(told(state.remove(slot))).toEqual([])
    expect(state.stats).toMatchObject({ used: 0, connecting: 1, pending: 2 })
  })

  it.each([
    ["doomed", (slot: Slot<string>) => void (slot.doomed = true), 0],
    ["expired", () => {}, later]
  ] as const)(
    "a connection that is %s is closed when it comes back, and replaced for those who wait",
    (_, mark, now) => {
      const { slot, state } = saturated(["first"])
      mark(slot)
      expect(told(state.release(slot, now))).toEqual(["discard a", "connect"])
      expect(state.stats).toEqual({ idle: 0, used: 0, connecting: 1, pending: 1, max: 1 })
    }
  )

  it("a connection is as old as it may get one millisecond before its end", () => {
    const { slot, state } = saturated([])
    expect(told(state.release(slot, later - 1))).toEqual([])
    expect(state.stats.idle).toBe(1)
  })
})

describe("giving up", () => {
  it("leaves no trace", () => {
    const { slot, state, waiting } = saturated(["first", "second", "third"])
    state.cancel(waiting[1]!)
    expect(waiting[1]!.state).toBe("gone")
    expect(state.stats.pending).toBe(2)
    expect(told(state.release(slot, 1))).toEqual(["first gets a"])
    expect(told(state.release(slot, 1))).toEqual(["third gets a"])
    expect(told(state.release(slot, 1))).toEqual([])
  })

  it("means nothing once a connection was granted, and nobody else is thrown out of the queue", () => {
    const { slot, state, waiting } = saturated(["first", "second"])
    state.release(slot, 1)
    state.cancel(waiting[0]!)
    expect(told(state.timeout(waiting[0]!))).toEqual([])
    expect(waiting[0]!.state).toBe("granted")
    expect(state.stats.pending).toBe(1)
  })

  it("by timeout tells the counts, oneself among those who wait, and the last failure to connect", () => {
    const { state, waiting } = saturated(["first", "second"], { max: 2 })
    state.connectFailed(down, false)
    const why = whyOf(state.timeout(waiting[1]!))
    expect(why).toEqual({
      _tag: "timeout",
      stats: { idle: 0, used: 1, connecting: 1, pending: 2, max: 2 },
      lastFailure: down
    })
    expect(waiting[1]!.state).toBe("gone")
    expect(state.stats.pending).toBe(1)
  })

  it("by timeout has no failure to tell after connecting worked again", () => {
    const { state, waiting } = saturated(["first", "second"], { max: 2 })
    state.connectFailed(down, false)
    expect(told(state.connected(slotOf("b"), 1))).toEqual(["first gets b"])
    expect(whyOf(state.timeout(waiting[1]!))).toMatchObject({ lastFailure: undefined })
  })

  it("twice counts once, and a stranger cannot", () => {
    const { state, waiting } = saturated(["first", "second"])
    state.cancel(waiterOf("a stranger"))
    state.cancel(waiting[0]!)
    state.cancel(waiting[0]!)
    expect(told(state.timeout(waiting[0]!))).toEqual([])
    expect(state.stats.pending).toBe(1)
  })
})

describe("growing", () => {
  it("opens one for each who waits, only so many at once and never more than the maximum", () => {
    const { state } = withIdle(["a"], { max: 7, connectConcurrency: 3 })
    state.take()
    const actions = Array.from({ length: 9 }, (_, index) => told(state.wait(waiterOf(`w${index}`))))
    expect(actions.flat()).toEqual(["connect", "connect", "connect"])
    expect(told(state.connected(slotOf("b"), 1))).toEqual(["w0 gets b", "connect"])
    expect(told(state.connected(slotOf("c"), 1))).toEqual(["w1 gets c", "connect"])
    expect(told(state.connected(slotOf("d"), 1))).toEqual(["w2 gets d", "connect"])
    expect(state.stats).toEqual({ idle: 0, used: 4, connecting: 3, pending: 6, max: 7 })
    for (const name of ["e", "f", "g"]) expect(told(state.connected(slotOf(name), 1))).toHaveLength(1)
    expect(state.stats).toEqual({ idle: 0, used: 7, connecting: 0, pending: 3, max: 7 })
  })

  it("tries one connection first where it is not known whether there is a server that lets us in", () => {
    const state = machine()
    const actions = Array.from({ length: 6 }, (_, index) => told(state.wait(waiterOf(`w${index}`))))
    expect(actions.flat()).toEqual(["connect"])
    expect(told(state.connected(slotOf("a"), 1))).toEqual(["w0 gets a", "connect", "connect", "connect", "connect"])
  })

  it("stops when the waiters have been served by others", () => {
    const { slots, state } = withIdle(["a", "b"], { connectConcurrency: 1 })
    state.take()
    state.take()
    expect(told(state.wait(waiterOf("first")))).toEqual(["connect"])
    expect(told(state.wait(waiterOf("second")))).toEqual([])
    expect(told(state.wait(waiterOf("third")))).toEqual([])
    expect(told(state.release(slots[0]!, 1))).toEqual(["first gets a"])
    expect(told(state.release(slots[1]!, 1))).toEqual(["second gets b"])
    expect(told(state.connected(slotOf("c"), 1))).toEqual(["third gets c"])
    expect(state.stats).toEqual({ idle: 0, used: 3, connecting: 0, pending: 0, max: 10 })
  })

  it("keeps a connection that nobody needs any more when it is ready", () => {
    const { state } = withIdle(["a"])
    state.take()
    const waiter = waiterOf("first")
    state.wait(waiter)
    state.cancel(waiter)
    expect(told(state.connected(slotOf("b"), 9))).toEqual([])
    expect(state.stats).toMatchObject({ idle: 1, used: 1, connecting: 0 })
  })

  it("fills up to the minimum without anybody waiting", () => {
    const state = machine({ min: 6 })
    expect(told(state.sweep(0))).toEqual(["connect"])
    expect(told(state.connected(slotOf("a"), 0))).toEqual(["connect", "connect", "connect", "connect"])
    for (const name of ["b", "c", "d", "e"]) state.connected(slotOf(name), 0)
    expect(told(state.connected(slotOf("f"), 0))).toEqual([])
    expect(state.stats).toEqual({ idle: 6, used: 0, connecting: 0, pending: 0, max: 10 })
  })

  it("replaces a connection that was lost only where the minimum or somebody needs it", () => {
    const { slots, state } = withIdle(["a", "b"], { min: 1 })
    state.take()
    state.take()
    expect(told(state.remove(slots[0]!))).toEqual(["discard a"])
    expect(told(state.remove(slots[1]!))).toEqual(["discard b", "connect"])
  })
})

describe("failing to connect", () => {
  it("waits longer each time, up to half a second", () => {
    const state = machine()
    state.wait(waiterOf("first"))
    const pauses = Array.from({ length: 9 }, () => told(state.connectFailed(down, false)))
    expect(pauses.flat()).toEqual([10, 20, 40, 80, 160, 320, 500, 500, 500].map((millis) => `connect in ${millis}`))
  })

  it("is tried once at a time, however many wait", () => {
    const { slots, state } = withIdle(["a"])
    state.take()
    for (let index = 0; index < 6; index++) state.wait(waiterOf(`w${index}`))
    expect(state.stats.connecting).toBe(4)
    const after = Array.from({ length: 4 }, () => told(state.connectFailed(down, false)))
    expect(after).toEqual([[], [], [], ["connect in 80"]])
    expect(told(state.remove(slots[0]!))).toEqual(["discard a"])
    expect(state.stats).toMatchObject({ connecting: 1, pending: 6 })
    expect(state.stillNeeded()).toBe(true)
    expect(told(state.connected(slotOf("b"), 1))).toEqual(["w0 gets b", "connect", "connect", "connect", "connect"])
  })

  it("begins with the shortest pause again after it worked", () => {
    const state = machine({ max: 2 })
    for (const name of ["first", "second", "third"]) state.wait(waiterOf(name))
    state.connectFailed(down, false)
    state.connectFailed(down, false)
    expect(told(state.connected(slotOf("a"), 1))).toEqual(["first gets a", "connect"])
    expect(told(state.connectFailed(down, false))).toEqual(["connect in 10"])
  })

  it("is not tried again after a pause in which the need has vanished", () => {
    const { slot, state } = saturated(["first", "second"], { max: 3, connectConcurrency: 2 })
    expect(told(state.connectFailed(down, false))).toEqual([])
    expect(told(state.connectFailed(down, false))).toEqual(["connect in 20"])
    state.release(slot, 1)
    expect(state.stillNeeded()).toBe(true)
    state.release(slot, 2)
    expect(state.stillNeeded()).toBe(false)
    expect(state.stats).toEqual({ idle: 0, used: 1, connecting: 0, pending: 0, max: 3 })
  })

  it("opens no more than there are waiters left", () => {
    const state = machine({ connectConcurrency: 4 })
    const waiters = Array.from({ length: 4 }, (_, index) => waiterOf(`w${index}`))
    state.opened(slotOf("a"), 0)
    const lent = state.take()!
    for (const waiter of waiters) state.wait(waiter)
    for (const waiter of waiters.slice(1)) state.cancel(waiter)
    expect(state.stats).toMatchObject({ connecting: 4, pending: 1 })
    expect([state.stillNeeded(), state.stillNeeded(), state.stillNeeded(), state.stillNeeded()]).toEqual([
      false,
      false,
      false,
      true
    ])
    expect(state.stats).toMatchObject({ connecting: 1, pending: 1, used: 1 })
    expect(told(state.release(lent, 1))).toEqual(["w0 gets a"])
  })

  it("does not fill up to the minimum again and again, but with each sweep", () => {
    const { slots, state } = withIdle(["a", "b"], { min: 2 })
    state.take()
    expect(told(state.remove(slots[1]!))).toEqual(["discard b", "connect"])
    expect(told(state.connectFailed(down, false))).toEqual([])
    expect(told(state.sweep(1))).toEqual(["connect in 9"])
    expect(state.stillNeeded()).toBe(true)
    expect(told(state.connectFailed(down, false, 10))).toEqual([])
    expect(told(state.sweep(12))).toEqual(["connect in 18"])
    expect(told(state.connected(slotOf("c"), 3))).toEqual([])
    expect(state.stats).toMatchObject({ idle: 2, connecting: 0 })
  })

  it("for good refuses everybody who waits, and asks the server only when somebody new comes", () => {
    const { slot, state, waiting } = saturated(["first", "second"], { max: 4, connectConcurrency: 1, min: 2 })
    expect(state.stats.connecting).toBe(1)
    expect(told(state.connectFailed(denied, true))).toEqual([
      "first is refused: hopeless",
      "second is refused: hopeless"
    ])
    expect(waiting.map((waiter) => waiter.state)).toEqual(["gone", "gone"])
    expect(told(state.sweep(1))).toEqual([])
    expect(told(state.release(slot, 2))).toEqual([])
    expect(state.stats).toEqual({ idle: 1, used: 0, connecting: 0, pending: 0, max: 4 })
    state.take()
    expect(told(state.wait(waiterOf("third"), 2))).toEqual(["connect in 498"])
    expect(whyOf(state.connectFailed(denied, true))).toEqual({ _tag: "hopeless", error: denied })
  })
})

describe("sweeping", () => {
  it("closes those that have been idle longest, down to the minimum, lent ones counted", () => {
    const { slots, state } = withIdle(["a", "b", "c", "d"], { min: 2 })
    state.take()
    state.release(slots[3]!, 500)
    state.take()
    expect(told(state.sweep(999))).toEqual([])
    expect(told(state.sweep(1000))).toEqual(["discard a", "discard b"])
    expect(state.stats).toMatchObject({ idle: 1, used: 1 })
    expect(told(state.sweep(5000))).toEqual([])
  })

  it("closes what is too old although the minimum needs it, and opens another", () => {
    const state = machine({ min: 1 })
    state.opened(slotOf("a", 100), 0)
    expect(told(state.sweep(99))).toEqual([])
    expect(told(state.sweep(100))).toEqual(["discard a", "connect"])
  })

  it("keeps the young ones that the minimum needs when an old one goes", () => {
    const state = machine({ min: 1 })
    state.opened(slotOf("young"), 0)
    state.opened(slotOf("old", 2000), 0)
    expect(told(state.sweep(2000))).toEqual(["discard old"])
    expect(state.stats.idle).toBe(1)
  })

  it("never touches what is lent", () => {
    const state = machine()
    state.opened(slotOf("a", 100), 0)
    const slot = state.take()!
    expect(told(state.sweep(5000))).toEqual([])
    expect(told(state.release(slot, 5000))).toEqual(["discard a"])
  })
})

describe("closing", () => {
  it("refuses those who wait, closes what is idle, and what comes back or is ready later", () => {
    const { slots, state } = withIdle(["a", "b", "c"], { connectConcurrency: 2 })
    state.take()
    state.take()
    state.take()
    state.wait(waiterOf("first"))
    state.wait(waiterOf("second"))
    expect(told(state.close())).toEqual(["first is refused: closed", "second is refused: closed"])
    expect(state.isClosed).toBe(true)
    expect([...state.lent]).toEqual([slots[2], slots[1], slots[0]])
    expect(told(state.release(slots[0]!, 1))).toEqual(["discard a"])
    expect(told(state.remove(slots[1]!))).toEqual(["discard b"])
    expect(told(state.connected(slotOf("d"), 1))).toEqual(["discard d"])
    expect(told(state.connectFailed(down, false))).toEqual([])
    expect(state.stats).toEqual({ idle: 0, used: 1, connecting: 0, pending: 0, max: 10 })
  })

  it("closes what is idle", () => {
    const { state } = withIdle(["a", "b"], { min: 2 })
    expect(told(state.close())).toEqual(["discard a", "discard b"])
    expect(told(state.sweep(1))).toEqual([])
  })

  it("lends nothing any more", () => {
    const { state } = withIdle(["a"])
    state.close()
    expect(state.take()).toBeUndefined()
    expect(told(state.wait(waiterOf("late")))).toEqual(["late is refused: closed"])
  })

  it("opens nothing after a pause that was under way", () => {
    const state = machine({ min: 3 })
    const waiter = waiterOf("first")
    state.wait(waiter)
    state.connectFailed(down, false)
    state.close()
    expect(state.stillNeeded()).toBe(false)
    expect(state.stats.connecting).toBe(0)
  })
})
