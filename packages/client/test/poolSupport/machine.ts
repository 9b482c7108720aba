/**
 * The pool's machine for tests that drive it directly: connections have names, and events happen at time 0 and are
 * nobody's unless the test says otherwise.
 */
import * as poolSlot from "../../src/internal/poolSlot.ts"
import * as poolState from "../../src/internal/poolState.ts"
import type * as MysqlError from "../../src/MysqlError.ts"

export const later = 1_000_000

export const nobody: poolSlot.Borrower = { fiber: {}, scope: undefined, shares: false }

export const slotOf = (
  connection: string,
  expiresAt: number = later,
  more: Partial<Parameters<typeof poolSlot.slotOf>[1]> = {}
): poolSlot.Slot<string> =>
  poolSlot.slotOf(connection, {
    expiresAt,
    keepaliveMillis: Number.POSITIVE_INFINITY,
    generation: 0,
    provenAt: 0,
    ...more
  })

export interface Named extends poolState.Waiter<string> {
  readonly name: string
}

export const waiterOf = (name: string, borrower: Partial<poolSlot.Borrower> = {}): Named => ({
  fiber: {},
  scope: undefined,
  shares: false,
  ...borrower,
  name,
  state: "waiting",
  grant: () => {},
  refuse: () => {}
})

type Actions = ReadonlyArray<poolState.Action<string>>

export class Machine extends poolState.PoolState<string> {
  private readonly slots = new Map<string, poolSlot.Slot<string>>()

  constructor(options?: Partial<poolState.PoolOptions<string>>) {
    super({
      min: 0,
      max: 10,
      connectConcurrency: 4,
      idleTimeoutMillis: 1000,
      bypassMillis: Number.POSITIVE_INFINITY,
      leakMillis: Number.POSITIVE_INFINITY,
      shares: 1,
      mayJoin: () => true,
      random: () => 0,
      ...options
    })
  }

  slotNamed(name: string): poolSlot.Slot<string> {
    return this.slots.get(name)!
  }

  override take(borrower = nobody, now = 0): poolSlot.Slot<string> | undefined {
    return super.take(borrower, now)
  }

  override wait(waiter: poolState.Waiter<string>, now = 0): Actions {
    return super.wait(waiter, now)
  }

  override cancel(waiter: poolState.Waiter<string>, now = 0): Actions {
    return super.cancel(waiter, now)
  }

  override timeout(waiter: poolState.Waiter<string>, now = 0): Actions {
    return super.timeout(waiter, now)
  }

  override remove(slot: poolSlot.Slot<string>, now = 0): Actions {
    return super.remove(slot, now)
  }

  override checked(slot: poolSlot.Slot<string>, now = 0): Actions {
    return super.checked(slot, now)
  }

  override connected(slot: poolSlot.Slot<string>, now: number): Actions {
    this.slots.set(slot.connection, slot)
    return super.connected(slot, now)
  }

  override connectFailed(error: MysqlError.MysqlError, hopeless: boolean, now = 0): Actions {
    return super.connectFailed(error, hopeless, now)
  }

  override evictAll(now = 0): Actions {
    return super.evictAll(now)
  }

  override resume(now = 0): Actions {
    return super.resume(now)
  }
}
