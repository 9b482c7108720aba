/**
 * The pool as a pure state machine: events go in, actions come out. It knows no clock, no fiber and no socket; time comes
 * with the events. `MysqlPool` is the shell that carries the actions out.
 *
 * Waiters are served strictly in the order of their coming: a returned connection goes to the first of them, and nobody
 * takes an idle one while somebody waits. Idle connections are used last in, first out, so that the surplus ages.
 */
import type { MysqlError } from "../MysqlError.ts"

export interface Slot<C> {
  readonly connection: C
  /** From this time on it is replaced at the next occasion; never while it is used. */
  readonly expiresAt: number
  idleSince: number
  /** It is to be closed when it comes back. */
  doomed: boolean
}

/** Somebody who waits for a connection. */
export interface Waiter<C> {
  state: "waiting" | "granted" | "gone"
  readonly grant: (slot: Slot<C>) => void
  readonly refuse: (why: Refusal) => void
}

export type Refusal =
  | { readonly _tag: "timeout"; readonly stats: Stats; readonly lastFailure: MysqlError | undefined }
  | { readonly _tag: "closed" }
  /** Connecting fails for a reason that trying again does not change. */
  | { readonly _tag: "hopeless"; readonly error: MysqlError }

export type Action<C> =
  | { readonly _tag: "grant"; readonly waiter: Waiter<C>; readonly slot: Slot<C> }
  | { readonly _tag: "refuse"; readonly waiter: Waiter<C>; readonly why: Refusal }
  /** Opens a connection after a pause. */
  | { readonly _tag: "connect"; readonly delayMillis: number }
  | { readonly _tag: "discard"; readonly slot: Slot<C> }

export interface Stats {
  readonly idle: number
  readonly used: number
  readonly connecting: number
  readonly pending: number
  readonly max: number
}

export interface PoolOptions {
  readonly min: number
  readonly max: number
  readonly connectConcurrency: number
  readonly idleTimeoutMillis: number
}

const firstPauseMillis = 10
const longestPauseMillis = 500

export class PoolState<C> {
  private readonly options: PoolOptions
  private idle: Array<Slot<C>> = []
  private readonly used = new Set<Slot<C>>()
  private waiters: Array<Waiter<C>> = []
  private connecting = 0
  /** Connecting succeeded when it was last tried. Until then it is tried once at a time. */
  private reachable = false
  private failures = 0
  private lastFailure: MysqlError | undefined = undefined
  private hopeless = false
  private closed = false

  constructor(options: PoolOptions) {
    this.options = options
  }

  get stats(): Stats {
    return {
      idle: this.idle.length,
      used: this.used.size,
      connecting: this.connecting,
      pending: this.waiters.length,
      max: this.options.max
    }
  }

  get isClosed(): boolean {
    return this.closed
  }

  /** Connections that are lent; for the end of the pool. */
  get lent(): ReadonlySet<Slot<C>> {
    return this.used
  }

  /** The warmest idle connection; there is none while somebody waits. Whoever takes it looks at it before he uses it. */
  take(): Slot<C> | undefined {
    const slot = this.idle.pop()
    if (slot !== undefined) this.used.add(slot)
    return slot
  }

  /** Somebody begins to wait. What became idle since he tried to take one is his. */
  wait(waiter: Waiter<C>): ReadonlyArray<Action<C>> {
    if (this.closed) return this.refuse([waiter], { _tag: "closed" })
    const slot = this.take()
    if (slot !== undefined) return this.grant(waiter, slot)
    this.waiters.push(waiter)
    return this.grow()
  }

  /** A waiter gives up. */
  cancel(waiter: Waiter<C>): void {
    if (waiter.state !== "waiting") return
    waiter.state = "gone"
    this.waiters = this.waiters.filter((other) => other !== waiter)
  }

  timeout(waiter: Waiter<C>): ReadonlyArray<Action<C>> {
    if (waiter.state !== "waiting") return []
    // Counted with himself among those who wait.
    const { lastFailure, stats } = this
    this.cancel(waiter)
    return this.refuse([waiter], { _tag: "timeout", stats, lastFailure })
  }

  /** A lent connection comes back, clean and alive. */
  release(slot: Slot<C>, now: number): ReadonlyArray<Action<C>> {
    if (!this.used.has(slot)) return []
    if (slot.doomed || this.closed || slot.expiresAt <= now) return this.remove(slot)
    return this.offer(slot, now)
  }

  /** A lent connection is gone, or not to be used again. */
  remove(slot: Slot<C>): ReadonlyArray<Action<C>> {
    if (!this.used.delete(slot)) return []
    return [{ _tag: "discard", slot }, ...this.grow()]
  }

  connected(slot: Slot<C>, now: number): ReadonlyArray<Action<C>> {
    this.connecting--
    this.reachable = true
    this.failures = 0
    this.lastFailure = undefined
    this.hopeless = false
    if (this.closed) return [{ _tag: "discard", slot }]
    this.used.add(slot)
    return [...this.offer(slot, now), ...this.grow()]
  }

  /** A connection that was opened without anybody having asked. */
  opened(slot: Slot<C>, now: number): ReadonlyArray<Action<C>> {
    this.connecting++
    return this.connected(slot, now)
  }

  /** `hopeless`: trying again would not help; the server is not asked again for those who wait now. */
  connectFailed(error: MysqlError, hopeless: boolean): ReadonlyArray<Action<C>> {
    this.connecting--
    this.reachable = false
    this.failures++
    this.lastFailure = error
    this.hopeless = hopeless
    if (hopeless) return this.refuse(this.waiters.splice(0), { _tag: "hopeless", error })
    return this.grow()
  }

  /** The need for a connection that was to be opened after a pause; `false` when it has vanished. */
  stillNeeded(): boolean {
    const needed = !this.closed && (this.connecting <= this.waiters.length || this.size <= this.options.min)
    if (!needed) this.connecting--
    return needed
  }

  /**
   * Removes what has been idle for too long or is too old, and fills up to the minimum: also where connecting failed the
   * last time, unless trying again would not help.
   */
  sweep(now: number): ReadonlyArray<Action<C>> {
    const actions: Array<Action<C>> = []
    const kept: Array<Slot<C>> = []
    const young = this.idle.filter((slot) => slot.expiresAt > now).length
    let surplus = young + this.used.size - this.options.min
    for (const slot of this.idle) {
      const tooLong = surplus > 0 && now - slot.idleSince >= this.options.idleTimeoutMillis
      if (slot.expiresAt <= now) {
        actions.push({ _tag: "discard", slot })
      } else if (tooLong) {
        surplus--
        actions.push({ _tag: "discard", slot })
      } else {
        kept.push(slot)
      }
    }
    this.idle = kept
    return [...actions, ...this.grow(!this.hopeless)]
  }

  close(): ReadonlyArray<Action<C>> {
    this.closed = true
    const idle = this.idle.splice(0).map((slot): Action<C> => ({ _tag: "discard", slot }))
    return [...this.refuse(this.waiters.splice(0), { _tag: "closed" }), ...idle]
  }

  /** Connections that exist or are being opened. */
  private get size(): number {
    return this.idle.length + this.used.size + this.connecting
  }

  /** To the first who waits, or among the idle. */
  private offer(slot: Slot<C>, now: number): ReadonlyArray<Action<C>> {
    const waiter = this.waiters.shift()
    if (waiter !== undefined) return this.grant(waiter, slot)
    this.used.delete(slot)
    slot.idleSince = now
    this.idle.push(slot)
    return []
  }

  private grant(waiter: Waiter<C>, slot: Slot<C>): ReadonlyArray<Action<C>> {
    waiter.state = "granted"
    return [{ _tag: "grant", waiter, slot }]
  }

  /** Opens what is missing: one for each who waits, and up to the minimum where `filling`; only so many at once. */
  private grow(filling: boolean = this.failures === 0): ReadonlyArray<Action<C>> {
    if (this.closed) return []
    const { connectConcurrency, max, min } = this.options
    const atOnce = this.reachable ? connectConcurrency : 1
    const actions: Array<Action<C>> = []
    while (this.connecting < atOnce && this.size < max) {
      const wanted = this.connecting < this.waiters.length || (filling && this.size < min)
      if (!wanted) break
      this.connecting++
      actions.push({ _tag: "connect", delayMillis: this.pause() })
    }
    return actions
  }

  private pause(): number {
    return this.failures === 0 ? 0 : Math.min(longestPauseMillis, firstPauseMillis * 2 ** (this.failures - 1))
  }

  private refuse(waiters: ReadonlyArray<Waiter<C>>, why: Refusal): ReadonlyArray<Action<C>> {
    return waiters.map((waiter) => {
      waiter.state = "gone"
      return { _tag: "refuse", waiter, why }
    })
  }
}
