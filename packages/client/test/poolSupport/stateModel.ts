/**
 * Random events that are played to the pool's machine and to its model: after each of them everything that must always be
 * true is looked at.
 */
import * as fc from "fast-check"
import { expect } from "vitest"
import { down, follow, invariants, Model, Real, type Settings } from "./model.ts"

type Command = fc.Command<Model, Real>

let steps = 0

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

const start = (model: Model, real: Real, shares: boolean): void => {
  const waiter = real.newWaiter(shares)
  const refused = model.closed || (model.hopeless && model.now < model.notBefore && model.size === 0)
  model.queue.push(waiter.id)
  const actions = real.state.wait(waiter, model.now)
  follow(model, real, actions)
  if (refused) expect(waiter.outcomes).toEqual([model.closed ? "closed" : "hopeless"])
}

const wait = (shares: boolean): Command =>
  command(
    `wait ${shares}`,
    () => true,
    (model, real) => start(model, real, shares && model.settings.shares > 1)
  )

/** As borrowers do it: an idle one, or the end of the queue. */
const take = (sharing: boolean): Command =>
  command(
    `take ${sharing}`,
    () => true,
    (model, real) => {
      const shares = sharing && model.settings.shares > 1
      const warmest = model.closed || model.suspended || model.queue.length > 0 ? undefined : model.idle.at(-1)
      const usable = warmest !== undefined && !real.isOver(warmest, model) && real.isFresh(warmest, model)
      const slot = real.state.take({ fiber: {}, scope: undefined, shares }, model.now)
      expect(slot?.connection).toBe(usable ? warmest : undefined)
      if (slot === undefined) return start(model, real, shares)
      model.idle.pop()
      model.lent.set(slot.connection, 1)
      if (shares) model.shared.add(slot.connection)
      expect(slot.lentAt).toBe(model.now)
    }
  )

const cancel = (index: number): Command =>
  command(
    `cancel ${index}`,
    (model) => model.queue.length > 0,
    (model, real) => {
      const id = pick(model.queue, index)
      model.queue = model.queue.filter((other) => other !== id)
      real.waiters[id]!.outcomes.push("cancelled")
      follow(model, real, real.state.cancel(real.waiters[id]!, model.now))
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
      const actions = real.state.timeout(waiter, model.now)
      expect(actions.filter(({ _tag }) => _tag === "refuse")).toHaveLength(waits ? 1 : 0)
      follow(model, real, actions)
      const [action] = actions
      if (action?._tag === "refuse" && action.why._tag === "timeout") {
        expect(action.why.stats).toEqual(before)
        expect(action.why.lastFailure).toBe(model.failures > 0 ? down : undefined)
      }
    }
  )

/** One of those who have it is through. `true`: he was the last. */
const leave = (model: Model, real: Real, connection: number): boolean => {
  const users = model.lent.get(connection)!
  const last = real.state.leave(real.slots[connection]!)
  expect(last).toBe(users === 1)
  model.lent.set(connection, users - 1)
  if (last) model.shared.delete(connection)
  else follow(model, real, real.state.tend(model.now))
  return last
}

const lentTo = (model: Model, index: number): number => pick([...model.lent.keys()], index)

const release = (index: number): Command =>
  command(
    `release ${index}`,
    (model) => [...model.lent.values()].some((users) => users > 0),
    (model, real) => {
      const connection = lentTo(model, index)
      if (!leave(model, real, connection)) return
      const slot = real.slots[connection]!
      const [first] = model.queue
      const usable = !real.isOver(connection, model) && !model.closed
      const serves = usable && first !== undefined && !model.suspended
      const actions = real.state.release(slot, model.now)
      if (usable) {
        model.lent.delete(connection)
        if (!serves) {
          model.idle.push(connection)
          expect(slot.idleSince).toBe(model.now)
        }
        expect(slot.provenAt).toBe(model.now)
      }
      follow(model, real, actions)
      expect(model.discarded.has(connection)).toBe(!usable)
      if (serves) expect(real.waiters[first]!.outcomes).toEqual(["granted"])
    }
  )

/** Wherever it is: lent, idle, or being checked. */
const remove = (index: number): Command =>
  command(
    `remove ${index}`,
    (model) => model.lent.size + model.idle.length + model.checking.size > 0,
    (model, real) => {
      const connection = pick([...model.lent.keys(), ...model.idle, ...model.checking], index)
      const slot = real.slots[connection]!
      model.lent.delete(connection)
      model.shared.delete(connection)
      follow(model, real, real.state.remove(slot, model.now))
      expect(model.discarded.has(connection)).toBe(true)
    }
  )

/** A connection that has been closed comes back once more, as when its borrower outlives the pool's patience. */
const releaseAgain = (index: number): Command =>
  command(
    `release again ${index}`,
    (model) => model.discarded.size > 0,
    (model, real) => {
      const slot = real.slots[pick(model.discarded, index)]!
      expect(real.state.leave(slot)).toBe(false)
      expect(real.state.release(slot, model.now)).toEqual([])
      expect(real.state.checked(slot, model.now)).toEqual([])
      expect(real.state.remove(slot, model.now)).toEqual([])
    }
  )

const checked = (index: number): Command =>
  command(
    `checked ${index}`,
    (model) => model.checking.size > 0,
    (model, real) => {
      const connection = pick(model.checking, index)
      const slot = real.slots[connection]!
      const [first] = model.queue
      const usable = !real.isOver(connection, model) && !model.closed
      const serves = usable && first !== undefined && !model.suspended
      const actions = real.state.checked(slot, model.now)
      if (usable) {
        model.checking.delete(connection)
        // Among the idle it goes back to where it was.
        if (!serves) {
          model.idle = [...model.idle, connection].sort(
            (a, b) =>
              real.slots[a]!.idleSince - real.slots[b]!.idleSince || model.idle.indexOf(a) - model.idle.indexOf(b)
          )
          model.idle = real.state.resting.map((other) => other.connection).filter((other) => model.idle.includes(other))
        }
      }
      follow(model, real, actions)
      expect(model.discarded.has(connection)).toBe(!usable)
      if (serves) expect(real.waiters[first]!.outcomes).toEqual(["granted"])
      const times = model.idle.map((other) => real.slots[other]!.idleSince)
      expect(times).toEqual([...times].sort((a, b) => a - b))
    }
  )

const doubt = (): Command =>
  command(
    "doubt",
    (model) => !model.closed,
    (model, real) => {
      const idle = [...model.idle]
      const actions = real.state.doubt()
      expect(actions).toEqual(idle.map((connection) => ({ _tag: "check", slot: real.slots[connection], ping: true })))
      follow(model, real, actions)
    }
  )

const evict = (): Command =>
  command(
    "evict",
    () => true,
    (model, real) => {
      model.era++
      const idle = [...model.idle]
      follow(model, real, real.state.evictAll(model.now))
      expect(real.state.generation).toBe(model.era)
      for (const connection of idle) expect(model.discarded.has(connection)).toBe(true)
      for (const connection of model.lent.keys()) expect(real.isOver(connection, model)).toBe(true)
    }
  )

const suspend = (): Command =>
  command(
    "suspend",
    (model) => !model.suspended,
    (model, real) => {
      model.suspended = true
      real.state.suspend()
    }
  )

const resume = (): Command =>
  command(
    "resume",
    (model) => model.suspended,
    (model, real) => {
      model.suspended = false
      follow(model, real, real.state.resume(model.now))
    }
  )

const doom = (index: number): Command =>
  command(
    `doom ${index}`,
    (model) => model.lent.size > 0,
    (model, real) => {
      real.slots[lentTo(model, index)]!.doomed = true
    }
  )

/** Whether the attempt goes on after its pause. */
const pauseEnds = (model: Model, real: Real, index: number): boolean => {
  const at = index % model.attempts.length
  if (model.attempts[at] === false) return true
  const supply = model.attempts.length - 1 + model.checking.size
  const needed = !model.closed && (supply < model.demand || model.size <= model.settings.min)
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
      model.notBefore = model.now
      model.reachable = true
      model.hopeless = false
      // With an odd lifetime connecting began before the last eviction.
      const generation = lifetime % 2 === 0 ? model.era : model.era - 1
      const slot = real.newSlot(model.now, lifetime, generation)
      const [first] = model.queue
      const usable = !model.closed && !real.isOver(slot.connection, model)
      const serves = usable && first !== undefined && !model.suspended
      const actions = real.state.connected(slot, model.now)
      if (usable && !serves) model.idle.push(slot.connection)
      follow(model, real, actions)
      if (serves) expect(real.waiters[first]!.outcomes).toEqual(["granted"])
      if (!usable) expect(model.discarded.has(slot.connection)).toBe(true)
    }
  )

const fail = (model: Model, real: Real, index: number, hopeless: boolean): void => {
  if (!pauseEnds(model, real, index)) return
  model.attempts.splice(model.attempts.indexOf(false), 1)
  model.failures++
  model.reachable = false
  model.hopeless = hopeless
  const [first, longest] = hopeless ? [500, 10_000] : [10, 500]
  model.notBefore = model.now + Math.min(longest, first * 2 ** Math.min(16, model.failures - 1))
  const waiting = [...model.queue]
  const actions = real.state.connectFailed(down, hopeless, model.now)
  follow(model, real, actions)
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
      const checking = model.checking.size
      const actions = real.state.sweep(model.now)
      const young = before.filter((slot) => !real.isOver(slot.connection, model))
      const silent = new Set(
        young.filter((slot) => model.now - slot.provenAt >= slot.keepaliveMillis).map((slot) => slot.connection)
      )
      follow(model, real, actions)
      // What is too old goes. Of the others those that have been idle for too long, as far as the minimum lets them.
      for (const slot of before) {
        if (real.isOver(slot.connection, model)) expect(model.discarded.has(slot.connection)).toBe(true)
      }
      const spare = Math.max(0, young.length + checking + model.lent.size - min)
      const tooLong = young.filter((slot) => model.now - slot.idleSince >= idleTimeoutMillis)
      const gone = young.filter((slot) => model.discarded.has(slot.connection))
      expect(gone).toEqual(tooLong.slice(0, spare))
      for (const connection of silent) {
        expect(model.checking.has(connection) || model.discarded.has(connection)).toBe(true)
      }
      for (const slot of real.state.lent) {
        if (slot.users > 0 && model.now - slot.lentAt >= model.settings.leakMillis) expect(slot.overdue).toBe(true)
      }
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
      follow(model, real, actions)
      model.closed = true
      expect(model.idle).toEqual([])
      for (const id of waiting) expect(real.waiters[id]!.outcomes).toEqual(["closed"])
    }
  )

const index = fc.nat(50)

const lifetime = fc.oneof(fc.nat(1000), fc.constant(1_000_000), fc.constant(1_000_000))

const commands = fc.commands(
  [
    fc.boolean().map(take),
    fc.boolean().map(take),
    fc.boolean().map(wait),
    index.map(cancel),
    index.map(timeout),
    index.map(release),
    index.map(release),
    index.map(release),
    index.map(remove),
    index.map(releaseAgain),
    index.map(doom),
    index.map(checked),
    index.map(checked),
    fc.tuple(index, lifetime).map(([at, millis]) => connected(at, millis)),
    fc.tuple(index, lifetime).map(([at, millis]) => connected(at, millis)),
    fc.tuple(index, fc.boolean()).map(([at, hopeless]) => connectFailed(at, hopeless)),
    fc.integer({ min: 2, max: 12 }).map(outage),
    fc.constant(sweep()),
    fc.constant(doubt()),
    fc.constant(evict()),
    fc.constant(suspend()),
    fc.constant(resume()),
    fc.constant(resume()),
    fc.nat(200).map(advance)
  ],
  { maxCommands: 150, size: "max" }
)

const settings = fc
  .record({
    max: fc.integer({ min: 1, max: 8 }),
    least: fc.nat(8),
    connectConcurrency: fc.integer({ min: 1, max: 4 }),
    idleTimeoutMillis: fc.integer({ min: 0, max: 1000 }),
    bypassMillis: fc.constantFrom(0, 100, 1_000_000),
    keepaliveMillis: fc.constantFrom(150, 1_000_000),
    leakMillis: fc.constantFrom(100, 1_000_000),
    shares: fc.constantFrom(1, 1, 3)
  })
  .map(({ least, ...rest }): Settings => ({ ...rest, min: Math.min(least, rest.max) }))

/** Runs random histories and ends with the number of events in them. */
export const run = (options: { readonly seed: number; readonly histories: number }): number => {
  steps = 0
  // Nothing in it is asynchronous.
  void fc.assert(
    fc.property(settings, commands, commands, fc.boolean(), (chosen, before, after, closing) => {
      const model = new Model(chosen)
      const real = new Real(chosen)
      fc.modelRun(() => ({ model, real }), before)
      if (closing) close().run(model, real)
      fc.modelRun(() => ({ model, real }), after)
    }),
    { seed: options.seed, numRuns: options.histories }
  )
  return steps
}
