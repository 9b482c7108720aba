/**
 * The pure machine of the pool against a small model of it: thousands of random events in random order, and after each
 * of them everything that must always be true.
 */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Action, PoolState, type Refusal, type Slot, type Waiter } from "../src/internal/poolState.ts"
import * as MysqlError from "../src/MysqlError.ts"

const down = MysqlError.make(new MysqlError.ConnectError({ address: "db:3306", problem: "ECONNREFUSED" }))

interface Settings {
  readonly min: number
  readonly max: number
  readonly connectConcurrency: number
  readonly idleTimeoutMillis: number
}

type Outcome = "granted" | Refusal["_tag"] | "cancelled"

/** What the pool should look like, kept by rules as plain as possible. Connections and waiters are numbers. */
class Model {
  readonly settings: Settings
  now = 0
  closed = false
  /** The warmest last. */
  idle: Array<number> = []
  readonly lent = new Set<number>()
  readonly discarded = new Set<number>()
  queue: Array<number> = []
  /** Connections that are being opened: those that pause before they do are `true`. */
  attempts: Array<boolean> = []
  failures = 0
  reachable = false
  hopeless = false

  constructor(settings: Settings) {
    this.settings = settings
  }

  get size(): number {
    return this.idle.length + this.lent.size + this.attempts.length
  }

  get pause(): number {
    return this.failures === 0 ? 0 : Math.min(500, 10 * 2 ** (this.failures - 1))
  }

  get atOnce(): number {
    return this.reachable ? this.settings.connectConcurrency : 1
  }
}

interface NumberedWaiter extends Waiter<number> {
  readonly id: number
  readonly outcomes: Array<Outcome>
}

class Real {
  readonly state: PoolState<number>
  readonly slots: Array<Slot<number>> = []
  readonly waiters: Array<NumberedWaiter> = []

  constructor(settings: Settings) {
    this.state = new PoolState<number>(settings)
  }

  newSlot(expiresAt: number): Slot<number> {
    const slot: Slot<number> = { connection: this.slots.length, expiresAt, idleSince: 0, doomed: false }
    this.slots.push(slot)
    return slot
  }

  newWaiter(): NumberedWaiter {
    const waiter: NumberedWaiter = {
      id: this.waiters.length,
      state: "waiting",
      outcomes: [],
      grant: () => {},
      refuse: () => {}
    }
    this.waiters.push(waiter)
    return waiter
  }
}

type Command = fc.Command<Model, Real>

let steps = 0

/** Follows the actions in the model; each of them has to be possible, and a waiter that ends has not ended before. */
const follow = (model: Model, actions: ReadonlyArray<Action<number>>): void => {
  for (const action of actions) {
    switch (action._tag) {
      case "grant": {
        const waiter = action.waiter as NumberedWaiter
        const connection = action.slot.connection
        expect(model.closed).toBe(false)
        expect(waiter.id).toBe(model.queue.shift())
        expect(model.discarded.has(connection)).toBe(false)
        expect(action.slot.doomed).toBe(false)
        model.idle = model.idle.filter((other) => other !== connection)
        model.lent.add(connection)
        waiter.outcomes.push("granted")
        break
      }
      case "refuse": {
        const waiter = action.waiter as NumberedWaiter
        expect(model.queue).toContain(waiter.id)
        model.queue = model.queue.filter((id) => id !== waiter.id)
        waiter.outcomes.push(action.why._tag)
        break
      }
      case "discard": {
        const connection = action.slot.connection
        expect(model.discarded.has(connection)).toBe(false)
        model.discarded.add(connection)
        model.idle = model.idle.filter((other) => other !== connection)
        model.lent.delete(connection)
        break
      }
      case "connect":
        expect(action.delayMillis).toBe(model.pause)
        // Only for somebody who waits and has none under way, or for the minimum as long as there is hope.
        expect(model.attempts.length < model.queue.length || (model.size < model.settings.min && !model.hopeless)).toBe(
          true
        )
        expect(model.attempts.length).toBeLessThan(model.atOnce)
        model.attempts.push(action.delayMillis > 0)
    }
  }
}

/** Cheaper than `expect`, for what is looked at after each of many thousand steps. */
const must = (holds: boolean, what: string): void => {
  if (!holds) expect.fail(what)
}

const sameNumbers = (one: Iterable<number>, other: Iterable<number>): boolean => {
  const sorted = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b).join()
  return sorted(one) === sorted(other)
}

const invariants = (model: Model, real: Real): void => {
  const { connectConcurrency, max } = model.settings
  const { lent, stats } = real.state
  const { attempts, idle, queue } = model
  must(stats.idle === idle.length, `${stats.idle} are idle, not ${idle}`)
  must(stats.used === model.lent.size, `${stats.used} are used, not ${[...model.lent]}`)
  must(stats.connecting === attempts.length, `${stats.connecting} are being opened, not ${attempts.length}`)
  must(stats.pending === queue.length, `${stats.pending} wait, not ${queue}`)
  must(model.size <= max, `${model.size} connections are more than ${max}`)
  must(attempts.length <= connectConcurrency, `${attempts.length} are opened at once`)
  must(
    sameNumbers(
      [...lent].map((slot) => slot.connection),
      model.lent
    ),
    "others are lent"
  )
  must(
    sameNumbers([...idle, ...model.lent, ...model.discarded], real.slots.keys()),
    "a connection is nowhere, or in two places"
  )
  if (queue.length > 0) {
    must(idle.length === 0, `${queue} wait while ${idle} are idle`)
    must(!model.closed, `${queue} wait for a closed pool`)
    const enough = Math.min(queue.length, model.atOnce)
    must(model.size === max || attempts.length >= enough, `${queue} wait, but ${attempts.length} are being opened`)
  }
  const waiting = new Set(queue)
  for (const { id, outcomes, state } of real.waiters) {
    const waits = waiting.has(id)
    must(outcomes.length === (waits ? 0 : 1), `waiter ${id} ended with ${outcomes}`)
    must(state === (waits ? "waiting" : outcomes[0] === "granted" ? "granted" : "gone"), `waiter ${id} is ${state}`)
  }
}

const command = (
  name: string,
  possible: (model: Model) => boolean,
  run: (model: Model, real: Real) => void
): Command => ({
  check: possible,
  run: (model, real) => {
    steps++
    run(model, real)
    invariants(model, real)
  },
  toString: () => name
})

const pick = <A>(items: Iterable<A>, index: number): A => {
  const array = [...items]
  return array[index % array.length]!
}

const start = (model: Model, real: Real): void => {
  const waiter = real.newWaiter()
  const { closed } = model
  const warmest = model.idle.at(-1)
  model.queue.push(waiter.id)
  follow(model, real.state.wait(waiter))
  if (closed) expect(waiter.outcomes).toEqual(["closed"])
  else if (warmest !== undefined) expect(model.lent.has(warmest)).toBe(true)
}

const wait = (): Command => command("wait", () => true, start)

/** As borrowers do it: an idle one, or the end of the queue. */
const take = (): Command =>
  command(
    "take",
    () => true,
    (model, real) => {
      const slot = real.state.take()
      const expected = model.closed || model.queue.length > 0 ? undefined : model.idle.at(-1)
      expect(slot?.connection).toBe(expected)
      if (slot === undefined) return start(model, real)
      model.idle.pop()
      model.lent.add(slot.connection)
    }
  )

const cancel = (index: number): Command =>
  command(
    `cancel ${index}`,
    (model) => model.queue.length > 0,
    (model, real) => {
      const id = pick(model.queue, index)
      real.state.cancel(real.waiters[id]!)
      model.queue = model.queue.filter((other) => other !== id)
      real.waiters[id]!.outcomes.push("cancelled")
    }
  )

const timeout = (index: number): Command =>
  command(
    `timeout ${index}`,
    () => true,
    (model, real) => {
      if (real.waiters.length === 0) return
      const waiter = pick(real.waiters, index)
      const waits = model.queue.includes(waiter.id)
      const before = real.state.stats
      const actions = real.state.timeout(waiter)
      expect(actions).toHaveLength(waits ? 1 : 0)
      follow(model, actions)
      const [action] = actions
      if (action?._tag === "refuse" && action.why._tag === "timeout") {
        expect(action.why.stats).toEqual(before)
        expect(action.why.lastFailure).toBe(model.failures > 0 ? down : undefined)
      }
    }
  )

const release = (index: number): Command =>
  command(
    `release ${index}`,
    (model) => model.lent.size > 0,
    (model, real) => {
      const slot = real.slots[pick(model.lent, index)]!
      const [first] = model.queue
      const usable = !slot.doomed && !model.closed && slot.expiresAt > model.now
      const actions = real.state.release(slot, model.now)
      if (usable && first === undefined) {
        model.lent.delete(slot.connection)
        model.idle.push(slot.connection)
        expect(slot.idleSince).toBe(model.now)
      }
      follow(model, actions)
      expect(model.discarded.has(slot.connection)).toBe(!usable)
      if (usable && first !== undefined) expect(real.waiters[first]!.outcomes).toEqual(["granted"])
    }
  )

const remove = (index: number): Command =>
  command(
    `remove ${index}`,
    (model) => model.lent.size > 0,
    (model, real) => {
      const slot = real.slots[pick(model.lent, index)]!
      follow(model, real.state.remove(slot))
      expect(model.discarded.has(slot.connection)).toBe(true)
    }
  )

/** A connection that has been closed comes back once more, as when its borrower outlives the pool's patience. */
const releaseAgain = (index: number): Command =>
  command(
    `release again ${index}`,
    (model) => model.discarded.size > 0,
    (model, real) => {
      const slot = real.slots[pick(model.discarded, index)]!
      expect(real.state.release(slot, model.now)).toEqual([])
      expect(real.state.remove(slot)).toEqual([])
    }
  )

const doom = (index: number): Command =>
  command(
    `doom ${index}`,
    (model) => model.lent.size > 0,
    (model, real) => {
      real.slots[pick(model.lent, index)]!.doomed = true
    }
  )

/** Whether the attempt goes on after its pause. */
const pauseEnds = (model: Model, real: Real, index: number): boolean => {
  const at = index % model.attempts.length
  if (model.attempts[at] === false) return true
  const needed = !model.closed && (model.attempts.length <= model.queue.length || model.size <= model.settings.min)
  expect(real.state.stillNeeded()).toBe(needed)
  model.attempts.splice(at, 1)
  if (needed) model.attempts.push(false)
  return needed
}

const connected = (index: number, lifetime: number): Command =>
  command(
    `connected ${index} ${lifetime}`,
    (model) => model.attempts.length > 0,
    (model, real) => {
      if (!pauseEnds(model, real, index)) return
      model.attempts.splice(model.attempts.indexOf(false), 1)
      model.failures = 0
      model.reachable = true
      model.hopeless = false
      const slot = real.newSlot(model.now + lifetime)
      const [first] = model.queue
      const actions = real.state.connected(slot, model.now)
      if (!model.closed && first === undefined) model.idle.push(slot.connection)
      else model.lent.add(slot.connection)
      follow(model, actions)
      if (first !== undefined) expect(real.waiters[first]!.outcomes).toEqual(["granted"])
      expect(model.discarded.has(slot.connection)).toBe(model.closed)
    }
  )

const fail = (model: Model, real: Real, index: number, hopeless: boolean): void => {
  if (!pauseEnds(model, real, index)) return
  model.attempts.splice(model.attempts.indexOf(false), 1)
  model.failures++
  model.reachable = false
  model.hopeless = hopeless
  const waiting = [...model.queue]
  const actions = real.state.connectFailed(down, hopeless)
  follow(model, actions)
  if (!hopeless) return
  for (const id of waiting) expect(real.waiters[id]!.outcomes).toEqual(["hopeless"])
  expect(actions).toHaveLength(waiting.length)
}

const connectFailed = (index: number, hopeless: boolean): Command =>
  command(
    `connect failed ${index} ${hopeless}`,
    (model) => model.attempts.length > 0,
    (model, real) => fail(model, real, index, hopeless)
  )

/** The server is away for a while. */
const outage = (failures: number): Command =>
  command(
    `outage ${failures}`,
    (model) => model.attempts.length > 0,
    (model, real) => {
      for (let left = failures; left > 0 && model.attempts.length > 0; left--) fail(model, real, 0, false)
    }
  )

const sweep = (): Command =>
  command(
    "sweep",
    () => true,
    (model, real) => {
      const { idleTimeoutMillis, min } = model.settings
      const before = model.idle.map((connection) => real.slots[connection]!)
      follow(model, real.state.sweep(model.now))
      const kept = new Set(model.idle)
      const young = before.filter((slot) => slot.expiresAt > model.now)
      // What is too old goes. Of the others those that have been idle for too long, as far as the minimum lets them.
      for (const slot of before) if (slot.expiresAt <= model.now) expect(kept.has(slot.connection)).toBe(false)
      const spare = Math.max(0, young.length + model.lent.size - min)
      const tooLong = young.filter((slot) => model.now - slot.idleSince >= idleTimeoutMillis)
      expect(young.filter((slot) => !kept.has(slot.connection))).toEqual(tooLong.slice(0, spare))
      if (model.closed || model.hopeless || model.attempts.length >= model.atOnce) return
      expect(model.size).toBeGreaterThanOrEqual(min)
    }
  )

const advance = (millis: number): Command =>
  command(
    `advance ${millis}`,
    () => true,
    (model) => {
      model.now += millis
    }
  )

const close = (): Command =>
  command(
    "close",
    (model) => !model.closed,
    (model, real) => {
      const waiting = [...model.queue]
      const actions = real.state.close()
      // The last to be served are refused while the pool is closed already.
      follow(model, actions)
      model.closed = true
      expect(model.idle).toEqual([])
      for (const id of waiting) expect(real.waiters[id]!.outcomes).toEqual(["closed"])
    }
  )

const index = fc.nat(50)

const lifetime = fc.oneof(fc.nat(1000), fc.constant(1_000_000))

const commands = fc.commands(
  [
    fc.constant(take()),
    fc.constant(take()),
    fc.constant(wait()),
    index.map(cancel),
    index.map(timeout),
    index.map(release),
    index.map(release),
    index.map(release),
    index.map(remove),
    index.map(releaseAgain),
    index.map(doom),
    fc.tuple(index, lifetime).map(([at, millis]) => connected(at, millis)),
    fc.tuple(index, lifetime).map(([at, millis]) => connected(at, millis)),
    fc.tuple(index, fc.boolean()).map(([at, hopeless]) => connectFailed(at, hopeless)),
    fc.integer({ min: 2, max: 12 }).map(outage),
    fc.constant(sweep()),
    fc.nat(200).map(advance)
  ],
  { maxCommands: 150, size: "max" }
)

const settings = fc
  .record({
    max: fc.integer({ min: 1, max: 8 }),
    least: fc.nat(8),
    connectConcurrency: fc.integer({ min: 1, max: 4 }),
    idleTimeoutMillis: fc.integer({ min: 0, max: 1000 })
  })
  .map(({ least, ...rest }): Settings => ({ ...rest, min: Math.min(least, rest.max) }))

const seed = 20_261_123
const leastSteps = 20_000

const holds = <Ts>(property: fc.IProperty<Ts>): void => fc.assert(property, { seed, numRuns: 250 })

describe("the pool's machine and a model of it", () => {
  it(`agree over ${leastSteps} random events`, () => {
    holds(
      fc.property(settings, commands, commands, fc.boolean(), (chosen, before, after, closing) => {
        const model = new Model(chosen)
        const real = new Real(chosen)
        fc.modelRun(() => ({ model, real }), before)
        if (closing) close().run(model, real)
        fc.modelRun(() => ({ model, real }), after)
      })
    )
    expect(steps).toBeGreaterThan(leastSteps)
  })
})
