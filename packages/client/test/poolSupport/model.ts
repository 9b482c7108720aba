/**
 * A small model of the pool's machine, and what must be true of both at any time.
 */
import { expect } from "vitest"
import { type Slot, slotOf } from "../../src/internal/poolSlot.ts"
import { type Action, PoolState, type Refusal, type Waiter } from "../../src/internal/poolState.ts"
import * as MysqlError from "../../src/MysqlError.ts"

export const down = MysqlError.make(new MysqlError.ConnectError({ address: "db:3306", problem: "ECONNREFUSED" }))

export interface Settings {
  readonly min: number
  readonly max: number
  readonly connectConcurrency: number
  readonly idleTimeoutMillis: number
  readonly bypassMillis: number
  readonly keepaliveMillis: number
  readonly leakMillis: number
  readonly shares: number
}

export type Outcome = "granted" | Refusal["_tag"] | "cancelled"

/** What the pool should look like, kept by rules as plain as possible. Connections and waiters are numbers. */
export class Model {
  readonly settings: Settings
  now = 0
  closed = false
  /** The warmest last. */
  idle: Array<number> = []
  /** With the number of those who have it. */
  readonly lent = new Map<number, number>()
  /** Lent to those who share, and so to be joined. */
  readonly shared = new Set<number>()
  readonly checking = new Set<number>()
  readonly discarded = new Set<number>()
  queue: Array<number> = []
  /** Connections that are being opened: those that pause before they do are `true`. */
  attempts: Array<boolean> = []
  failures = 0
  notBefore = 0
  reachable = false
  hopeless = false
  suspended = false
  era = 0

  constructor(settings: Settings) {
    this.settings = settings
  }

  get size(): number {
    return this.idle.length + this.checking.size + this.lent.size + this.attempts.length
  }

  get pause(): number {
    return this.failures === 0 ? 0 : Math.max(0, this.notBefore - this.now)
  }

  /** Those for whose sake connections are opened. */
  get demand(): number {
    const crowded = [...this.lent.values()].some((users) => users > 1)
    return this.suspended ? 0 : this.queue.length + (crowded ? 1 : 0)
  }

  get atOnce(): number {
    return this.reachable ? this.settings.connectConcurrency : 1
  }
}

export interface NumberedWaiter extends Waiter<number> {
  readonly id: number
  readonly outcomes: Array<Outcome>
}

export class Real {
  readonly state: PoolState<number>
  readonly slots: Array<Slot<number>> = []
  readonly waiters: Array<NumberedWaiter> = []

  readonly settings: Settings

  constructor(settings: Settings) {
    this.settings = settings
    this.state = new PoolState<number>({ ...settings, mayJoin: () => true, random: () => 0 })
  }

  newSlot(now: number, lifetime: number, generation: number): Slot<number> {
    const { keepaliveMillis } = this.settings
    const slot = slotOf(this.slots.length, { expiresAt: now + lifetime, keepaliveMillis, generation, provenAt: now })
    this.slots.push(slot)
    return slot
  }

  isOver(connection: number, model: Model): boolean {
    const { doomed, expiresAt, generation } = this.slots[connection]!
    return doomed || expiresAt <= model.now || generation !== model.era
  }

  isFresh(connection: number, model: Model): boolean {
    return model.now - this.slots[connection]!.provenAt < this.settings.bypassMillis
  }

  /** One whose fiber has nothing else: its waiting keeps nothing from coming back. */
  newWaiter(shares: boolean): NumberedWaiter {
    const waiter: NumberedWaiter = {
      id: this.waiters.length,
      fiber: {},
      scope: undefined,
      shares,
      state: "waiting",
      outcomes: [],
      grant: () => {},
      refuse: () => {}
    }
    this.waiters.push(waiter)
    return waiter
  }
}

/** Follows the actions in the model; each of them has to be possible, and a waiter that ends has not ended before. */
export const follow = (model: Model, real: Real, actions: ReadonlyArray<Action<number>>): void => {
  for (const action of actions) {
    switch (action._tag) {
      case "grant": {
        const waiter = action.waiter as NumberedWaiter
        const connection = action.slot.connection
        expect(model.closed || model.suspended).toBe(false)
        expect(waiter.id).toBe(model.queue.shift())
        expect(model.discarded.has(connection) || model.checking.has(connection)).toBe(false)
        expect(real.isOver(connection, model)).toBe(false)
        const users = model.lent.get(connection) ?? 0
        if (users > 0) {
          expect(waiter.shares && model.shared.has(connection)).toBe(true)
          expect(users).toBeLessThan(model.settings.shares)
        }
        // From the idle ones nobody is served before it was checked.
        expect(model.idle).not.toContain(connection)
        model.lent.set(connection, users + 1)
        if (waiter.shares) model.shared.add(connection)
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
        expect(model.lent.get(connection) ?? 0).toBe(0)
        model.discarded.add(connection)
        model.idle = model.idle.filter((other) => other !== connection)
        model.lent.delete(connection)
        model.checking.delete(connection)
        break
      }
      case "check": {
        const connection = action.slot.connection
        expect(model.idle).toContain(connection)
        if (!action.ping) expect(real.isFresh(connection, model)).toBe(true)
        model.idle = model.idle.filter((other) => other !== connection)
        model.checking.add(connection)
        break
      }
      case "overdue": {
        const { connection, lentAt } = action.slot
        expect(model.lent.get(connection)).toBeGreaterThan(0)
        expect(model.now - lentAt).toBeGreaterThanOrEqual(model.settings.leakMillis)
        break
      }
      case "connect":
        expect(action.delayMillis).toBe(model.pause)
        // Only for somebody who waits and has none under way, or for the minimum as long as there is hope.
        expect(
          model.attempts.length + model.checking.size < model.demand ||
            (model.size < model.settings.min && !model.hopeless)
        ).toBe(true)
        expect(model.attempts.length).toBeLessThan(model.atOnce)
        model.attempts.push(action.delayMillis > 0)
    }
  }
}

/** Cheaper than `expect`, for what is looked at after each of many thousand steps. */
export const must = (holds: boolean, what: string): void => {
  if (!holds) expect.fail(what)
}

const sameNumbers = (one: Iterable<number>, other: Iterable<number>): boolean => {
  const sorted = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b).join()
  return sorted(one) === sorted(other)
}

export const invariants = (model: Model, real: Real): void => {
  const { connectConcurrency, max } = model.settings
  const { lent, stats } = real.state
  const { attempts, idle, queue } = model
  must(stats.idle === idle.length + model.checking.size, `${stats.idle} are idle, not ${idle}`)
  must(stats.used === model.lent.size, `${stats.used} are used, not ${[...model.lent.keys()]}`)
  must(stats.connecting === attempts.length, `${stats.connecting} are being opened, not ${attempts.length}`)
  must(stats.pending === queue.length, `${stats.pending} wait, not ${queue}`)
  must(model.size <= max, `${model.size} connections are more than ${max}`)
  must(attempts.length <= connectConcurrency, `${attempts.length} are opened at once`)
  must(
    sameNumbers(
      [...lent].map((slot) => slot.connection),
      model.lent.keys()
    ),
    "others are lent"
  )
  for (const slot of lent) {
    must(slot.users === model.lent.get(slot.connection), `${slot.connection} has ${slot.users} users`)
  }
  must(
    real.state.resting.map((slot) => slot.connection).join() === idle.join(),
    `${real.state.resting.map((slot) => slot.connection)} rest, not ${idle}`
  )
  must(
    sameNumbers([...idle, ...model.checking, ...model.lent.keys(), ...model.discarded], real.slots.keys()),
    "a connection is nowhere, or in two places"
  )
  if (queue.length > 0) must(!model.closed, `${queue} wait for a closed pool`)
  if (queue.length > 0 && !model.suspended) {
    must(idle.length === 0 || model.checking.size >= queue.length, `${queue} wait while ${idle} are idle`)
    const enough = Math.min(queue.length - model.checking.size, model.atOnce)
    must(model.size === max || attempts.length >= enough, `${queue} wait, but ${attempts.length} are being opened`)
    const joinable = [...model.shared].some(
      (connection) =>
        (model.lent.get(connection) ?? 0) > 0 &&
        model.lent.get(connection)! < model.settings.shares &&
        !real.isOver(connection, model)
    )
    must(!(joinable && real.waiters[queue[0]!]!.shares), `${queue[0]} waits while he could join others`)
  }
  const waiting = new Set(queue)
  for (const { id, outcomes, state } of real.waiters) {
    const waits = waiting.has(id)
    must(outcomes.length === (waits ? 0 : 1), `waiter ${id} ended with ${outcomes}`)
    must(state === (waits ? "waiting" : outcomes[0] === "granted" ? "granted" : "gone"), `waiter ${id} is ${state}`)
  }
}
