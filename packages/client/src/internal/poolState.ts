/**
 * The pool as a pure state machine: events go in, actions come out. It knows no clock, no fiber and no socket; time comes
 * with the events. `Pool` is the shell that carries the actions out.
 *
 * Waiters are served strictly in the order of their coming: a returned connection goes to the first of them, and nobody
 * takes an idle one while somebody waits. Idle connections are used last in, first out, so that the surplus ages. One
 * that has not proved alive for a while is checked before it is lent: whoever wants it waits in the queue like everybody.
 */
import type { MysqlError } from "../MysqlError.ts"
import type { Borrower, Slot } from "./poolSlot.ts"

/** Somebody who waits for a connection. */
export interface Waiter<C> extends Borrower {
  state: "waiting" | "granted" | "gone"
  readonly grant: (slot: Slot<C>) => void
  readonly refuse: (why: Refusal) => void
}

export type Refusal =
  | { readonly _tag: "timeout"; readonly stats: Stats; readonly lastFailure: MysqlError | undefined }
  | { readonly _tag: "closed" }
  /** Connecting fails for a reason that trying again does not change. */
  | { readonly _tag: "hopeless"; readonly error: MysqlError }
  /** Every connection is lent to somebody who waits for another one: none can come back. */
  | { readonly _tag: "deadlock"; readonly stats: Stats }

export type Action<C> =
  | { readonly _tag: "grant"; readonly waiter: Waiter<C>; readonly slot: Slot<C> }
  | { readonly _tag: "refuse"; readonly waiter: Waiter<C>; readonly why: Refusal }
  /** Opens a connection after a pause. */
  | { readonly _tag: "connect"; readonly delayMillis: number }
  /** Finds out whether an idle connection lives: by a look at its line, or by a round trip. */
  | { readonly _tag: "check"; readonly slot: Slot<C>; readonly ping: boolean }
  | { readonly _tag: "discard"; readonly slot: Slot<C> }
  /** It has been lent for longer than anybody should need it. */
  | { readonly _tag: "overdue"; readonly slot: Slot<C> }

export interface Stats {
  /** Open and with nobody; also those that are asked for a sign of life. */
  readonly idle: number
  readonly used: number
  readonly connecting: number
  readonly pending: number
  readonly max: number
}

export interface PoolOptions<C> {
  readonly min: number
  readonly max: number
  readonly connectConcurrency: number
  readonly idleTimeoutMillis: number
  /** A connection that proved alive within this time is lent without a round trip. */
  readonly bypassMillis: number
  /** Being lent for so long is told. `Infinity`: never. */
  readonly leakMillis: number
  /** Users of one connection at once, of those that share. */
  readonly shares: number
  /** Others may join those who share this connection. */
  readonly mayJoin: (connection: C) => boolean
  /** From 0 to 1, for the jitter of pauses. */
  readonly random: () => number
}

const firstPauseMillis = 10
const longestPauseMillis = 500
/** After a refusal that trying again does not change: nobody makes the pool ask the server more often than so. */
const firstHopelessPauseMillis = 500
const longestHopelessPauseMillis = 10_000
/** Pauses are shorter by up to so much, so that several pools do not try together. */
const pauseJitter = 0.5

export class PoolState<C> {
  private readonly options: PoolOptions<C>
  /** The warmest last. */
  private idle: Array<Slot<C>> = []
  private readonly checking = new Set<Slot<C>>()
  private readonly used = new Set<Slot<C>>()
  private waiters: Array<Waiter<C>> = []
  private connecting = 0
  /** Users of shared connections beyond the first of each. */
  private extraUsers = 0
  /** Connecting succeeded when it was last tried. Until then it is tried once at a time. */
  private reachable = false
  private failures = 0
  /** Connecting is not tried before. */
  private notBefore = Number.NEGATIVE_INFINITY
  private lastFailure: MysqlError | undefined = undefined
  private hopeless = false
  private suspended = false
  private closed = false
  private era = 0

  constructor(options: PoolOptions<C>) {
    this.options = options
  }

  get stats(): Stats {
    return {
      idle: this.idle.length + this.checking.size,
      used: this.used.size,
      connecting: this.connecting,
      pending: this.waiters.length,
      max: this.options.max
    }
  }

  get isClosed(): boolean {
    return this.closed
  }

  get hasWaiters(): boolean {
    return this.waiters.length > 0
  }

  /** Grows when everything is evicted. */
  get generation(): number {
    return this.era
  }

  /** Connections that are lent; for the end of the pool. */
  get lent(): ReadonlySet<Slot<C>> {
    return this.used
  }

  /** Connections that nobody has and nobody asks for a sign of life. */
  get resting(): ReadonlyArray<Slot<C>> {
    return this.idle
  }

  // ---- lending -----------------------------------------------------------------------------------------------------

  /**
   * The warmest idle connection if it is known to live; there is none while somebody waits. Whoever takes it looks at its
   * line before he uses it.
   */
  take(borrower: Borrower, now: number): Slot<C> | undefined {
    if (this.waiters.length > 0 || this.suspended) return undefined
    const slot = this.idle.at(-1)
    if (slot === undefined || this.isOver(slot, now) || !this.isFresh(slot, now)) return undefined
    this.idle.pop()
    this.lend(slot, borrower, now)
    return slot
  }

  /** Somebody begins to wait. What could be lent since he tried to take one is his. */
  wait(waiter: Waiter<C>, now: number): ReadonlyArray<Action<C>> {
    if (this.closed) return this.refuse([waiter], { _tag: "closed" })
    if (this.hopeless && now < this.notBefore && this.size === 0) {
      return this.refuse([waiter], { _tag: "hopeless", error: this.lastFailure! })
    }
    this.waiters.push(waiter)
    const actions = this.serve(now)
    if (!this.isDeadlock(waiter)) return actions
    const { stats } = this
    this.withdraw(waiter)
    return [...actions, ...this.refuse([waiter], { _tag: "deadlock", stats }), ...this.closeRanks(now)]
  }

  /** A waiter gives up. */
  cancel(waiter: Waiter<C>, now: number): ReadonlyArray<Action<C>> {
    if (waiter.state !== "waiting") return []
    waiter.state = "gone"
    this.withdraw(waiter)
    return this.closeRanks(now)
  }

  timeout(waiter: Waiter<C>, now: number): ReadonlyArray<Action<C>> {
    if (waiter.state !== "waiting") return []
    // Counted with himself among those who wait.
    const { lastFailure, stats } = this
    this.withdraw(waiter)
    return [...this.refuse([waiter], { _tag: "timeout", stats, lastFailure }), ...this.closeRanks(now)]
  }

  /**
   * One who has it is through; `true` when he was the last, and it is to be released or removed. Otherwise there is room
   * on it for another, see `tend`.
   */
  leave(slot: Slot<C>): boolean {
    if (!this.used.has(slot) || slot.users === 0) return false
    slot.users--
    if (slot.users > 0) {
      this.extraUsers--
      return false
    }
    slot.borrower = undefined
    return true
  }

  /** Serves those who wait with what there is. */
  tend(now: number): ReadonlyArray<Action<C>> {
    return this.serve(now)
  }

  /** A lent connection is back, clean and alive. */
  release(slot: Slot<C>, now: number): ReadonlyArray<Action<C>> {
    if (!this.used.has(slot)) return []
    if (this.closed || this.isOver(slot, now)) return this.remove(slot, now)
    this.forget(slot)
    slot.provenAt = now
    return this.offer(slot, now, now)
  }

  /** A connection is gone, or not to be used again. */
  remove(slot: Slot<C>, now: number): ReadonlyArray<Action<C>> {
    const index = this.idle.indexOf(slot)
    if (index >= 0) this.idle.splice(index, 1)
    else if (this.used.has(slot)) this.forget(slot)
    else if (!this.checking.delete(slot)) return []
    return [{ _tag: "discard", slot }, ...this.serve(now)]
  }

  // ---- checking ----------------------------------------------------------------------------------------------------

  /** A connection that was checked is alive. */
  checked(slot: Slot<C>, now: number): ReadonlyArray<Action<C>> {
    if (!this.checking.has(slot)) return []
    if (this.closed || this.isOver(slot, now)) return this.remove(slot, now)
    this.checking.delete(slot)
    slot.provenAt = now
    return this.offer(slot, slot.idleSince, now)
  }

  /** One line to the server broke: the others have to prove that they live. */
  doubt(): ReadonlyArray<Action<C>> {
    return this.idle.splice(0).map((slot) => this.check(slot, true))
  }

  // ---- connecting --------------------------------------------------------------------------------------------------

  connected(slot: Slot<C>, now: number): ReadonlyArray<Action<C>> {
    this.connecting--
    this.reachable = true
    this.failures = 0
    this.notBefore = now
    this.lastFailure = undefined
    this.hopeless = false
    if (this.closed) return [{ _tag: "discard", slot }]
    if (this.isOver(slot, now)) return [{ _tag: "discard", slot }, ...this.serve(now)]
    return [...this.offer(slot, now, now), ...this.serve(now)]
  }

  /** A connection that was opened without anybody having asked. */
  opened(slot: Slot<C>, now: number): ReadonlyArray<Action<C>> {
    this.connecting++
    return this.connected(slot, now)
  }

  /** `hopeless`: trying again would not help; the server is not asked again for those who wait now. */
  connectFailed(error: MysqlError, hopeless: boolean, now: number): ReadonlyArray<Action<C>> {
    this.connecting--
    this.reachable = false
    this.failures++
    this.lastFailure = error
    this.hopeless = hopeless
    const [first, longest] = hopeless
      ? [firstHopelessPauseMillis, longestHopelessPauseMillis]
      : [firstPauseMillis, longestPauseMillis]
    const pause = Math.min(longest, first * 2 ** Math.min(this.failures - 1, 16))
    this.notBefore = now + Math.ceil(pause * (1 - pauseJitter * this.options.random()))
    if (hopeless) return this.refuse(this.waiters.splice(0), { _tag: "hopeless", error })
    return this.serve(now)
  }

  /** The need for a connection that was to be opened after a pause; `false` when it has vanished. */
  stillNeeded(): boolean {
    const supply = this.connecting - 1 + this.checking.size
    const needed = !this.closed && (supply < this.demand || this.size <= this.options.min)
    if (!needed) this.connecting--
    return needed
  }

  // ---- the pool as a whole -----------------------------------------------------------------------------------------

  /**
   * Removes what has been idle for too long or is too old, has asked for a sign of life what gave none for long, and fills
   * up to the minimum: also where connecting failed the last time, unless trying again would not help.
   */
  sweep(now: number): ReadonlyArray<Action<C>> {
    const actions: Array<Action<C>> = []
    const kept: Array<Slot<C>> = []
    const young = this.idle.filter((slot) => !this.isOver(slot, now)).length
    let surplus = young + this.checking.size + this.used.size - this.options.min
    for (const slot of this.idle) {
      const tooLong = surplus > 0 && now - slot.idleSince >= this.options.idleTimeoutMillis
      if (this.isOver(slot, now)) {
        actions.push({ _tag: "discard", slot })
      } else if (tooLong) {
        surplus--
        actions.push({ _tag: "discard", slot })
      } else if (now - slot.provenAt >= slot.keepaliveMillis) {
        actions.push(this.check(slot, true))
      } else {
        kept.push(slot)
      }
    }
    this.idle = kept
    for (const slot of this.used) {
      if (slot.overdue || slot.users === 0 || now - slot.lentAt < this.options.leakMillis) continue
      slot.overdue = true
      actions.push({ _tag: "overdue", slot })
    }
    return [...actions, ...this.serve(now, !this.hopeless)]
  }

  /** Every connection that is open or being opened is replaced: at once where nobody has it, else when it comes back. */
  evictAll(now: number): ReadonlyArray<Action<C>> {
    this.era++
    const discarded = this.idle.splice(0).map((slot): Action<C> => ({ _tag: "discard", slot }))
    return [...discarded, ...this.serve(now)]
  }

  /** Nothing is lent until `resume`. */
  suspend(): void {
    this.suspended = true
  }

  resume(now: number): ReadonlyArray<Action<C>> {
    this.suspended = false
    return this.serve(now)
  }

  close(): ReadonlyArray<Action<C>> {
    this.closed = true
    const idle = this.idle.splice(0).map((slot): Action<C> => ({ _tag: "discard", slot }))
    return [...this.refuse(this.waiters.splice(0), { _tag: "closed" }), ...idle]
  }

  // ------------------------------------------------------------------------------------------------------------------

  /** Connections that exist or are being opened. */
  private get size(): number {
    return this.idle.length + this.checking.size + this.used.size + this.connecting
  }

  /** Connections for whose sake others are opened or checked. */
  private get demand(): number {
    return this.suspended ? 0 : this.waiters.length + (this.extraUsers > 0 ? 1 : 0)
  }

  private isOver(slot: Slot<C>, now: number): boolean {
    return slot.doomed || slot.generation !== this.era || slot.expiresAt <= now
  }

  private isFresh(slot: Slot<C>, now: number): boolean {
    return now - slot.provenAt < this.options.bypassMillis
  }

  private lend(slot: Slot<C>, borrower: Borrower, now: number): void {
    this.used.add(slot)
    slot.borrower = borrower
    slot.users = 1
    slot.shared = borrower.shares
    slot.lentAt = now
    slot.overdue = false
  }

  /** It is not lent any more. */
  private forget(slot: Slot<C>): void {
    this.used.delete(slot)
    slot.borrower = undefined
    if (slot.users > 1) this.extraUsers -= slot.users - 1
    slot.users = 0
  }

  private check(slot: Slot<C>, ping: boolean): Action<C> {
    this.checking.add(slot)
    return { _tag: "check", slot, ping }
  }

  /** To the first who waits, or among the idle in its place. */
  private offer(slot: Slot<C>, idleSince: number, now: number): ReadonlyArray<Action<C>> {
    const waiter = this.suspended ? undefined : this.waiters.shift()
    if (waiter !== undefined) {
      this.lend(slot, waiter, now)
      return [this.grant(waiter, slot), ...this.closeRanks(now)]
    }
    slot.idleSince = idleSince
    let at = this.idle.length
    while (at > 0 && this.idle[at - 1]!.idleSince > idleSince) at--
    if (at === this.idle.length) this.idle.push(slot)
    else this.idle.splice(at, 0, slot)
    return []
  }

  private withdraw(waiter: Waiter<C>): void {
    const index = this.waiters.indexOf(waiter)
    if (index >= 0) this.waiters.splice(index, 1)
  }

  /** Somebody has left the queue: the next in line may be one who joins others. */
  private closeRanks(now: number): ReadonlyArray<Action<C>> {
    return this.options.shares > 1 ? this.serve(now) : []
  }

  private grant(waiter: Waiter<C>, slot: Slot<C>): Action<C> {
    waiter.state = "granted"
    return { _tag: "grant", waiter, slot }
  }

  /** For those who wait: a place on a shared connection, an idle one once it is checked, or a new one. */
  private serve(now: number, filling: boolean = this.failures === 0): ReadonlyArray<Action<C>> {
    if (this.closed) return []
    const actions: Array<Action<C>> = []
    while (!this.suspended && this.waiters.length > 0) {
      const shared = this.waiters[0]!.shares ? this.sharable(now) : undefined
      if (shared !== undefined) {
        shared.users++
        shared.borrower = undefined
        this.extraUsers++
        actions.push(this.grant(this.waiters.shift()!, shared))
        continue
      }
      const slot = this.checking.size < this.waiters.length ? this.idle.pop() : undefined
      if (slot === undefined) break
      actions.push(this.isOver(slot, now) ? { _tag: "discard", slot } : this.check(slot, !this.isFresh(slot, now)))
    }
    return [...actions, ...this.grow(now, filling)]
  }

  /** The shared connection with the fewest users, if there is room on it. */
  private sharable(now: number): Slot<C> | undefined {
    const { mayJoin, shares } = this.options
    let best: Slot<C> | undefined
    for (const slot of this.used) {
      if (!slot.shared || slot.users === 0 || slot.users >= (best?.users ?? shares)) continue
      if (!this.isOver(slot, now) && mayJoin(slot.connection)) best = slot
    }
    return best
  }

  /** Opens what is missing: one for each who waits, and up to the minimum where `filling`; only so many at once. */
  private grow(now: number, filling: boolean): ReadonlyArray<Action<C>> {
    const { connectConcurrency, max, min } = this.options
    const atOnce = this.reachable ? connectConcurrency : 1
    const actions: Array<Action<C>> = []
    while (this.connecting < atOnce && this.size < max) {
      const wanted = this.connecting + this.checking.size < this.demand || (filling && this.size < min)
      if (!wanted) break
      this.connecting++
      actions.push({ _tag: "connect", delayMillis: Math.max(0, this.failures === 0 ? 0 : this.notBefore - now) })
    }
    return actions
  }

  /** With this one, everybody who has a connection waits for another one. */
  private isDeadlock(waiter: Waiter<C>): boolean {
    if (waiter.state !== "waiting" || this.used.size < this.options.max) return false
    const slots = [...this.used]
    if (!slots.some(({ borrower }) => borrower !== undefined && keeps(waiter, borrower))) return false
    const waiting = new Map(this.waiters.map((other) => [other.fiber, other]))
    return slots.every(({ borrower }) => {
      const other = borrower === undefined ? undefined : waiting.get(borrower.fiber)
      return other !== undefined && keeps(other, borrower!)
    })
  }

  private refuse(waiters: ReadonlyArray<Waiter<C>>, why: Refusal): ReadonlyArray<Action<C>> {
    return waiters.map((waiter) => {
      waiter.state = "gone"
      return { _tag: "refuse", waiter, why }
    })
  }
}

/** As long as this one waits, what was borrowed so does not come back: nobody else is known to give it back. */
const keeps = (waiter: Borrower, borrower: Borrower): boolean =>
  waiter.fiber === borrower.fiber && (borrower.scope === undefined || borrower.scope === waiter.scope)
