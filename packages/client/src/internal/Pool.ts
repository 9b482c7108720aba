/**
 * The shell of the pool: it carries out what the machine in `poolState` decides, with connections, fibers and a clock.
 *
 * A slot that was taken or granted belongs to somebody from that moment on. So lending runs where nothing can be
 * interrupted, and only the waiting, and what a borrower does, is restored to what it was for the caller.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Resolved } from "../MysqlConfig.ts"
import type { MysqlConnection, ReservedConnection } from "../MysqlConnection.ts"
import * as MysqlError from "../MysqlError.ts"
import type { Canceller } from "./canceller.ts"
import * as Pooled from "./Pooled.ts"
import { isHopeless, refusal } from "./poolFailures.ts"
import type { PoolMetrics } from "./poolMetrics.ts"
import type { Settings } from "./poolSettings.ts"
import { type Borrower, type Slot, slotOf } from "./poolSlot.ts"
import { type Action, PoolState, type Waiter } from "./poolState.ts"
import * as poolWarnings from "./poolWarnings.ts"
import { addressOf } from "./target.ts"

type PooledSlot = Slot<Pooled.Pooled>

/** Who borrows, known before his fiber runs. */
export interface Request {
  readonly shares: boolean
  readonly place: Error | undefined
}

export interface PoolServices {
  readonly clock: Clock.Clock
  readonly random: () => number
  readonly canceller: Canceller
  readonly metrics: PoolMetrics
  /** For fibers that belong to nobody. */
  readonly context: Context.Context<never>
}

const lifetimeJitter = 0.025
const keepaliveJitter = 0.1
const bypassMillis = 500
const longestSweepMillis = 30_000
const shortestSweepMillis = 250
/** Idle timeouts below that are not kept to the moment. */
const shortestIdleMillis = 1000
/** Users of one connection at once, where they share. */
const multiplexed = 32

export class Pool {
  readonly state: PoolState<Pooled.Pooled>
  private readonly settings: Settings
  private readonly resolved: Resolved
  private readonly services: PoolServices
  private readonly runFork: (effect: Effect.Effect<void>, options?: Effect.RunOptions) => Fiber.Fiber<void>
  /** Everything that goes on behind the borrowers' backs, and of it what the end of the pool need not wait for. */
  private readonly background = new Set<Fiber.Fiber<void>>()
  private readonly attempts = new Set<Fiber.Fiber<void>>()
  /** Ends the wait of a pool that closes. */
  private allReturned: (() => void) | undefined
  private sweepMillis: number
  /** Opened when the next sweep has to be earlier than it was to be. */
  private readonly sooner = Latch.makeUnsafe(false)

  constructor(settings: Settings, resolved: Resolved, services: PoolServices) {
    this.settings = settings
    this.resolved = resolved
    this.services = services
    this.runFork = Effect.runForkWith(services.context)
    const idleTimeoutMillis = Duration.toMillis(settings.idleTimeout)
    this.sweepMillis = Math.max(
      shortestSweepMillis,
      Math.min(
        longestSweepMillis,
        Math.max(shortestIdleMillis, idleTimeoutMillis),
        settings.keepaliveMillis / 2,
        settings.leakMillis / 2
      )
    )
    this.state = new PoolState<Pooled.Pooled>({
      min: settings.min,
      max: settings.max,
      connectConcurrency: settings.connectConcurrency,
      idleTimeoutMillis,
      bypassMillis,
      leakMillis: settings.leakMillis,
      shares: settings.multiplex ? multiplexed : 1,
      mayJoin: (connection) => connection.lost === undefined && !connection.needsReset,
      random: services.random
    })
  }

  /** Not the time of day, which somebody may set. */
  private now(): number {
    return Number(this.services.clock.monotonicTimeNanosUnsafe()) / 1e6
  }

  private fork(effect: Effect.Effect<void>, ...among: ReadonlyArray<Set<Fiber.Fiber<void>>>): void {
    const fiber = this.runFork(effect, { uninterruptible: true })
    if (fiber.pollUnsafe() !== undefined) return
    for (const fibers of [this.background, ...among]) {
      fibers.add(fiber)
      fiber.addObserver(() => fibers.delete(fiber))
    }
  }

  private carryOut(actions: ReadonlyArray<Action<Pooled.Pooled>>): void {
    for (const action of actions) {
      switch (action._tag) {
        case "grant":
          action.waiter.grant(action.slot)
          break
        case "refuse":
          action.waiter.refuse(action.why)
          break
        case "connect":
          this.fork(this.openAfter(action.delayMillis), this.attempts)
          break
        case "check":
          this.fork(this.check(action.slot, action.ping), this.attempts)
          break
        case "discard":
          this.fork(Scope.close(action.slot.connection.scope, Exit.void))
          break
        case "overdue":
          this.fork(
            poolWarnings.overdue(
              this.leaseOf(action.slot, this.now()),
              action.slot.connection.place,
              action.slot.borrower?.fiber as Fiber.Fiber<unknown> | undefined
            )
          )
      }
    }
    // Connections come back by more than one way, also after a reset: the end of the pool waits for the last of them.
    if (this.state.isClosed && this.state.lent.size === 0) this.allReturned?.()
  }

  // ---- connecting --------------------------------------------------------------------------------------------------

  /** To be run where nothing but what is restored can be interrupted: what was opened is not lost. */
  private open(restore: Pooled.Restore): Effect.Effect<PooledSlot, MysqlError.MysqlError> {
    const { services, settings } = this
    return Effect.gen({ self: this }, function* () {
      const { generation } = this.state
      const begun = this.now()
      const connection = yield* Pooled.open(this.resolved, settings, services.canceller, restore)
      const now = this.now()
      services.metrics.connected(now - begun)
      const { waitTimeout } = connection.core.session
      const patience = waitTimeout === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(waitTimeout)
      this.sweepWithin(patience / 4)
      return slotOf(connection, {
        expiresAt: now + Duration.toMillis(settings.maxLifetime) * (1 - lifetimeJitter * services.random()),
        keepaliveMillis: Math.min(settings.keepaliveMillis * (1 - keepaliveJitter * services.random()), patience / 2),
        generation,
        provenAt: now
      })
    }).pipe(
      Effect.withSpan("MysqlPool.connect", {
        kind: "client",
        root: true,
        attributes: {
          "db.client.connection.pool.name": settings.poolName,
          "server.address": addressOf(this.resolved.target)
        }
      })
    )
  }

  /** Opens the first connection while the pool is made: what speaks against it is told to whoever makes it. */
  readonly openFirst: Effect.Effect<void, MysqlError.MysqlError> = Effect.suspend(() =>
    Effect.uninterruptibleMask((restore) =>
      Effect.map(this.open(restore), (first) => this.carryOut(this.state.opened(first, this.now())))
    )
  )

  /** However an attempt ends, the machine hears of it: also where the user's own password effect dies. */
  private failed(cause: Cause.Cause<MysqlError.MysqlError>): void {
    const error = Option.getOrElse(Cause.findErrorOption(cause), () =>
      MysqlError.make(
        new MysqlError.ConnectError({
          address: addressOf(this.resolved.target),
          problem: "the attempt ended without a result",
          cause: Cause.squash(cause)
        })
      )
    )
    this.carryOut(this.state.connectFailed(error, isHopeless(error), this.now()))
  }

  /** To be run where nothing can be interrupted; pausing and connecting can. */
  private openAfter(delayMillis: number): Effect.Effect<void> {
    const attempt = Effect.matchCause(this.open(Effect.interruptible), {
      onSuccess: (slot) => this.carryOut(this.state.connected(slot, this.now())),
      onFailure: (cause) => this.failed(cause)
    })
    if (delayMillis === 0) return attempt
    const pause = Effect.exit(Effect.interruptible(Effect.sleep(delayMillis)))
    return Effect.flatMap(pause, () => (this.state.stillNeeded() ? attempt : Effect.void))
  }

  // ---- whether a connection lives ----------------------------------------------------------------------------------

  private check(slot: PooledSlot, ping: boolean): Effect.Effect<void> {
    const { connection } = slot
    return Effect.interruptible(
      Effect.flatMap(connection.lives, (alive) => (alive && ping ? connection.answers : Effect.succeed(alive)))
    ).pipe(
      Effect.matchCause({
        onSuccess: (alive) => {
          if (alive) this.carryOut(this.state.checked(slot, this.now()))
          else this.bury(slot)
        },
        // Only the end of the pool interrupts it.
        onFailure: () => this.carryOut(this.state.remove(slot, this.now()))
      })
    )
  }

  /** Its line is gone. What took it may have taken others: those have to show that they live. */
  private bury(slot: PooledSlot): void {
    if (!this.state.isClosed) this.carryOut(this.state.doubt())
    this.carryOut(this.state.remove(slot, this.now()))
  }

  // ---- lending -----------------------------------------------------------------------------------------------------

  private wait(
    restore: Pooled.Restore,
    borrower: Borrower,
    begun: number
  ): Effect.Effect<PooledSlot, MysqlError.MysqlError> {
    const { metrics } = this.services
    return Effect.suspend(() => {
      let granted: PooledSlot | undefined
      let waiter: Waiter<Pooled.Pooled> | undefined
      let timer: Fiber.Fiber<void> | undefined
      const waiting = Effect.callback<PooledSlot, MysqlError.MysqlError>((resume) => {
        const own: Waiter<Pooled.Pooled> = {
          ...borrower,
          state: "waiting",
          grant: (slot) => {
            granted = slot
            metrics.waited(this.now() - begun)
            resume(Effect.succeed(slot))
          },
          refuse: (why) => {
            if (why._tag === "timeout") metrics.timedOut()
            resume(Effect.fail(refusal(why)))
          }
        }
        waiter = own
        this.carryOut(this.state.wait(own, begun))
        if (own.state !== "waiting") return
        timer = this.runFork(
          Effect.delay(
            Effect.sync(() => this.carryOut(this.state.timeout(own, this.now()))),
            this.settings.acquireTimeout
          )
        )
      })
      const told = Effect.withSpan(waiting, "MysqlPool.wait", {
        attributes: { "db.client.connection.pool.name": this.settings.poolName }
      })
      return Effect.onExit(restore(told), (exit) =>
        Effect.suspend(() => {
          if (Exit.isFailure(exit)) {
            if (granted !== undefined) this.putBack(granted)
            else if (waiter !== undefined) this.carryOut(this.state.cancel(waiter, this.now()))
          }
          return timer === undefined || timer.pollUnsafe() !== undefined ? Effect.void : Fiber.interrupt(timer)
        })
      )
    })
  }

  /** It was granted to somebody who had given up: nobody has used it. */
  private putBack(slot: PooledSlot): void {
    if (slot.shared) this.fork(Effect.suspend(() => this.giveBack(slot)))
    else if (this.state.leave(slot)) this.carryOut(this.state.release(slot, this.now()))
  }

  /** A connection that is alive and not too old; without one, the end of the queue. */
  private acquire(restore: Pooled.Restore, borrower: Borrower): Effect.Effect<PooledSlot, MysqlError.MysqlError> {
    const begun = this.now()
    const slot = this.state.take(borrower, begun)
    if (slot === undefined) return this.wait(restore, borrower, begun)
    return Effect.flatMap(slot.connection.look, (line) =>
      this.isUsable(slot, line) ? Effect.succeed(slot) : this.acquire(restore, borrower)
    )
  }

  /** It was taken without waiting, and lives; otherwise it is gone now. */
  private isUsable(slot: PooledSlot, line: Effect.Success<Pooled.Pooled["look"]>): boolean {
    const usable = slot.connection.livesBy(line)
    if (usable) this.services.metrics.waited(0)
    else this.bury(slot)
    return usable
  }

  private viewFor(slot: PooledSlot, { place, shares }: Request): ReservedConnection {
    if (place !== undefined) slot.connection.place = place
    return slot.connection.viewFor(shares)
  }

  use<A, E, R>(
    request: Request,
    f: (connection: MysqlConnection) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | MysqlError.MysqlError, R> {
    return Effect.withFiber((fiber) => {
      const borrower: Borrower = { fiber, scope: undefined, shares: request.shares }
      let held: PooledSlot | undefined
      const lent: Effect.Effect<A, E | MysqlError.MysqlError, R> = Effect.suspend(() => {
        const begun = this.now()
        held = this.state.take(borrower, begun)
        if (held === undefined) {
          return Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(this.wait(restore, borrower, begun), (slot) => {
              held = slot
              return restore(Effect.suspend(() => f(this.viewFor(slot, request))))
            })
          )
        }
        const slot = held
        return Effect.flatMap(slot.connection.look, (line) => {
          if (this.isUsable(slot, line)) return f(this.viewFor(slot, request))
          held = undefined
          return lent
        })
      })
      // It is taken where its way back is prepared already: cheaper than to let nothing be interrupted meanwhile.
      return Effect.onExit(lent, () => (held === undefined ? Effect.void : this.giveBack(held)))
    })
  }

  borrow(request: Request): Effect.Effect<ReservedConnection, MysqlError.MysqlError, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.withFiber((fiber) => {
        const scope = Option.getOrUndefined(Context.getOption(fiber.context, Scope.Scope))
        return Effect.flatMap(this.acquire(restore, { fiber, scope, shares: request.shares }), (slot) =>
          Effect.as(
            Effect.addFinalizer(() => this.giveBack(slot)),
            this.viewFor(slot, request)
          )
        )
      })
    )
  }

  // ---- coming back -------------------------------------------------------------------------------------------------

  private leaseOf({ connection, lentAt }: PooledSlot, now: number): poolWarnings.Lease {
    const { connectionId } = connection.core.info
    return { poolName: this.settings.poolName, connectionId, millis: now - lentAt }
  }

  /** What must happen at once has happened when this returns. */
  private giveBack(slot: PooledSlot): Effect.Effect<void> {
    const { lentAt, overdue } = slot
    const now = this.now()
    if (!this.state.leave(slot)) {
      if (slot.shared) this.carryOut(this.state.tend(now))
      return Effect.void
    }
    const { connection } = slot
    const { lost } = connection
    this.services.metrics.used(now - lentAt)
    if (overdue) this.fork(poolWarnings.returned(this.leaseOf(slot, now)))
    connection.place = undefined
    if (lost !== undefined) {
      if (lost.reason._tag === "ConnectionLost" && !slot.doomed) this.bury(slot)
      else this.carryOut(this.state.remove(slot, now))
      return Effect.void
    }
    if (slot.doomed || this.state.isClosed || connection.hasStrayed || connection.hasBranch) {
      this.carryOut(this.state.remove(slot, now))
      return Effect.void
    }
    if (!slot.shared && connection.isClean) {
      // Whoever waits gets it without a further look; whoever takes it later looks himself.
      if (this.state.hasWaiters) return Effect.map(connection.lives, (alive) => this.end(slot, alive))
      this.carryOut(this.state.release(slot, now))
      return Effect.void
    }
    this.fork(
      Effect.matchCause(Effect.timeout(connection.clean(slot.shared), this.resolved.connectTimeout), {
        onSuccess: () => this.end(slot, connection.core.exchange.quiet && !connection.hasStrayed),
        onFailure: () => this.end(slot, false)
      })
    )
    return Effect.void
  }

  private end(slot: PooledSlot, usable: boolean): void {
    const { lost } = slot.connection
    if (usable && lost === undefined) this.carryOut(this.state.release(slot, this.now()))
    else if (lost?.reason._tag === "ConnectionLost") this.bury(slot)
    else this.carryOut(this.state.remove(slot, this.now()))
  }

  // ---- the pool as a whole -----------------------------------------------------------------------------------------

  private sweepWithin(millis: number): void {
    const interval = Math.max(shortestSweepMillis, millis)
    if (interval >= this.sweepMillis) return
    this.sweepMillis = interval
    this.sooner.openUnsafe()
  }

  private readonly sweep: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(
      [...this.state.resting],
      (slot) =>
        Effect.map(slot.connection.lives, (alive) => {
          // It may have been lent meanwhile: then its borrower looks.
          if (!alive && this.state.resting.includes(slot)) this.bury(slot)
        }),
      { discard: true }
    )
  ).pipe(Effect.andThen(Effect.sync(() => this.carryOut(this.state.sweep(this.now())))))

  /** Looks after idle connections, for ever. */
  readonly housekeeping: Effect.Effect<never> = this.sweep.pipe(
    Effect.andThen(
      Effect.suspend(() => {
        this.sooner.closeUnsafe()
        return Effect.timeoutOption(this.sooner.await, this.sweepMillis)
      })
    ),
    Effect.forever
  )

  invalidate(connection: MysqlConnection): void {
    for (const slot of this.state.lent) {
      if (slot.connection.own === connection || slot.connection.open === connection) slot.doomed = true
    }
  }

  evictAll(): void {
    this.carryOut(this.state.evictAll(this.now()))
  }

  suspend(): void {
    this.state.suspend()
  }

  resume(): void {
    this.carryOut(this.state.resume(this.now()))
  }

  readonly close: Effect.Effect<void> = Effect.withFiber((self) =>
    Effect.gen({ self: this }, function* () {
      const { state } = this
      this.carryOut(state.close())
      for (const attempt of this.attempts) attempt.interruptUnsafe()
      if (state.lent.size > 0) {
        yield* Effect.callback<void>((resume) => {
          this.allReturned = () => resume(Effect.void)
        }).pipe(Effect.timeoutOption(this.settings.shutdownTimeout))
      }
      for (const slot of [...state.lent]) {
        const { borrower } = slot
        // Whoever waits for a reply hears that the line is gone. Who does something else would not notice.
        const unaware = slot.connection.core.exchange.quiet && borrower !== undefined && borrower.scope === undefined
        this.carryOut(state.remove(slot, this.now()))
        const fiber = borrower?.fiber as Fiber.Fiber<unknown> | undefined
        if (unaware && fiber !== self) fiber?.interruptUnsafe()
      }
      yield* Effect.forEach([...this.background], (fiber) => Fiber.await(fiber), {
        discard: true,
        concurrency: "unbounded"
      })
    })
  )
}
