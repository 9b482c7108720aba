/**
 * One transaction over several databases, in two phases: either all of them keep what it did, or none.
 *
 * Every branch is prepared, then the decision is written down, then the branches are committed. What a crash leaves
 * behind is resolved when a coordinator of the same name is made again: branches with a decision to commit are committed,
 * all others rolled back (presumed abort). Until then they hold their locks.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type { Decision, DecisionLog } from "./DecisionLog.ts"
import * as errors from "./internal/errors.ts"
import * as names from "./internal/globalNames.ts"
import type { MysqlEngine } from "./MysqlEngine.ts"
import type { Executor } from "./Session.ts"
import { isUnknownXid, type TwoPhaseTransaction, type Xid } from "./TwoPhaseTransaction.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options<Names extends string> {
  /**
   * Whose branches are whose: 1 to 48 bytes of UTF-8, the same after a restart, and another one for each program that has
   * transactions of its own. Two that run under one name abort each other's transactions when they recover.
   */
  readonly name: string
  /** The databases by names of 1 to 64 bytes, which have to stay the same as well. */
  readonly participants: Readonly<Record<Names, MysqlEngine>>
  readonly log: DecisionLog
  /**
   * How long a decision and each commit are tried while a server does not answer, before they are left to the recovery.
   * Default 30 s.
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * What a recovery has done.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recovery {
  readonly committed: ReadonlyArray<Xid>
  readonly rolledBack: ReadonlyArray<Xid>
  /** Could not be resolved now: the server does not answer, or (MariaDB) the session that prepared it is still there. */
  readonly pending: ReadonlyArray<Xid>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Coordinator<Names extends string> {
  /**
   * Runs the function with a branch on each database, then commits all of them.
   *
   * When the function or a `prepare` fails, or it is interrupted before the decision, all are rolled back. A lost line
   * before the decision is a `ConnectionError`, which may be retried. When the decision can neither be made nor read in
   * time it fails with `UnknownError`, and a recovery resolves what is prepared. Once it is decided to commit it succeeds;
   * a branch that cannot be committed in time is named in a warning and left to the next recovery.
   *
   * The phases after the function are not interruptible. Branches of the function are used through themselves: statements
   * of `sql` run elsewhere.
   */
  readonly transaction: <A, E, R>(
    run: (branches: Readonly<Record<Names, Executor>>) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | SqlError, R>
  /** Resolves what is prepared under this name. Transactions of this coordinator that are not decided yet are aborted by it. */
  readonly recover: Effect.Effect<Recovery, SqlError>
}

interface Branch {
  readonly key: string
  readonly engine: MysqlEngine
  readonly branch: TwoPhaseTransaction
  readonly scope: Scope.Closeable
}

const interval = Duration.millis(50)

const abortedByRecovery = (): SqlError =>
  errors.make("connection", "commit", "The transaction was aborted by a recovery; every branch is rolled back")

const undecided = (cause: SqlError | undefined): SqlError =>
  errors.make(
    "unknown",
    "commit",
    "Outcome unknown: the decision could not be recorded or read; a recovery resolves it",
    cause
  )

const notResolved = (cause: SqlError | undefined): SqlError =>
  errors.make("connection", "xa", "The branch could not be resolved in time", cause)

const notPrepared = (cause: SqlError): SqlError =>
  errors.make("connection", "prepare", "A line was lost while preparing; every branch is rolled back", cause)

/**
 * Recovers first: fails where a server cannot be asked for its prepared branches, since those hold their locks until
 * somebody resolves them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Names extends string>(options: Options<Names>): Effect.Effect<Coordinator<Names>, SqlError> =>
  Effect.suspend(() => {
    const fault = names.faultOf(options.name, Object.keys(options.participants))
    if (fault !== undefined) return Effect.fail(fault)
    const { log, participants } = options
    const engines: ReadonlyArray<readonly [key: string, engine: MysqlEngine]> = Object.entries(participants)
    const bound = Duration.fromInputUnsafe(options.timeout ?? "30 seconds")

    /** Again and again until it is done or it is too late. */
    const insist = <A>(
      effect: Effect.Effect<A, SqlError>,
      tooLate: (last: SqlError | undefined) => SqlError
    ): Effect.Effect<A, SqlError> =>
      Effect.suspend(() => {
        let last: SqlError | undefined
        return Effect.tapError(effect, (error) =>
          Effect.sync(() => {
            last = error
          })
        ).pipe(
          Effect.retry(Schedule.spaced(interval)),
          Effect.interruptible,
          Effect.timeoutOrElse({ duration: bound, orElse: () => Effect.fail(tooLate(last)) })
        )
      })

    const resolved = (effect: Effect.Effect<void, SqlError>): Effect.Effect<void, SqlError> =>
      Effect.catch(effect, (error) => (isUnknownXid(error) ? Effect.void : Effect.fail(error)))

    const decide = (gtrid: Uint8Array): Effect.Effect<Decision, SqlError> =>
      insist(log.decide(gtrid, "commit"), undecided)

    // ---- one transaction -------------------------------------------------------------------------------------------

    /** By name, from another session: the branch's own is given back before, since it may be the only one. */
    const fromOutside = (
      { branch, engine, key, scope }: Branch,
      verb: "commit" | "roll back"
    ): Effect.Effect<boolean> => {
      const resolve = verb === "commit" ? engine.commitPrepared : engine.rollbackPrepared
      return Effect.andThen(Scope.close(scope, Exit.void), insist(resolved(resolve(branch.xid)), notResolved)).pipe(
        Effect.as(true),
        Effect.catch((error) =>
          Effect.as(Effect.logWarning(`A branch on ${key} is left for the recovery to ${verb}`, error), false)
        )
      )
    }

    const rollBack = (one: Branch): Effect.Effect<void> =>
      Effect.catch(one.branch.rollback, () => Effect.asVoid(fromOutside(one, "roll back")))

    const prepare = (branches: ReadonlyArray<Branch>): Effect.Effect<void, SqlError> =>
      Effect.forEach(branches, ({ branch }) => Effect.exit(branch.prepare), { concurrency: "unbounded" }).pipe(
        Effect.flatMap((exits) => {
          const failed = exits.findIndex(Exit.isFailure)
          if (failed === -1) return Effect.void
          const undo = Effect.forEach(
            branches,
            (one, index) =>
              Exit.isFailure(exits[index]!)
                ? resolvedIfLost(one, exits[index] as Exit.Failure<void, SqlError>)
                : rollBack(one),
            { concurrency: "unbounded", discard: true }
          )
          return Effect.andThen(
            undo,
            Effect.mapError(exits[failed]!, (error) => (isLost(error) ? notPrepared(error) : error))
          )
        })
      )

    /** A branch whose PREPARE was sent and has no reply may be prepared. */
    const resolvedIfLost = (one: Branch, exit: Exit.Failure<void, SqlError>): Effect.Effect<void> =>
      exit.cause.reasons.some((reason) => reason._tag === "Fail" && isLost(reason.error))
        ? Effect.asVoid(fromOutside(one, "roll back"))
        : Effect.void

    const commit = (one: Branch): Effect.Effect<boolean> =>
      Effect.matchEffect(one.branch.commit, {
        onSuccess: () => Effect.succeed(true),
        onFailure: () => fromOutside(one, "commit")
      })

    const conclude = (gtrid: Uint8Array, branches: ReadonlyArray<Branch>): Effect.Effect<void, SqlError> =>
      Effect.gen(function* () {
        yield* prepare(branches)
        if ((yield* decide(gtrid)) === "abort") {
          yield* Effect.forEach(branches, rollBack, { concurrency: "unbounded", discard: true })
          return yield* abortedByRecovery()
        }
        const committed = yield* Effect.forEach(branches, commit, { concurrency: "unbounded" })
        // What is not forgotten only takes room.
        if (committed.every((is) => is)) yield* Effect.ignore(log.forget(gtrid))
      })

    const transaction: Coordinator<Names>["transaction"] = (run) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const gtrid = names.newGtrid(options.name)
          const scope = yield* Scope.make()
          const work = Effect.gen(function* () {
            // In the same order each time, so that two transactions do not wait for each other's connections.
            const branches: Array<Branch> = []
            for (const [key, engine] of engines) {
              const own = yield* Scope.fork(scope)
              const branch = yield* restore(Scope.provide(engine.twoPhase(names.xid(gtrid, key)), own))
              branches.push({ key, engine, branch, scope: own })
            }
            const own = Object.fromEntries(branches.map(({ branch, key }) => [key, branch]))
            const value = yield* restore(run(own as unknown as Record<Names, Executor>))
            yield* conclude(gtrid, branches)
            return value
          })
          return yield* Effect.onExit(work, (exit) => Scope.close(scope, exit))
        })
      )

    // ---- recovery --------------------------------------------------------------------------------------------------

    const recoverOne = (engine: MysqlEngine, xid: Xid): Effect.Effect<keyof Recovery> =>
      Effect.gen(function* () {
        const decision = yield* log.decide(xid.gtrid, "abort")
        yield* resolved(decision === "commit" ? engine.commitPrepared(xid) : engine.rollbackPrepared(xid))
        return decision === "commit" ? ("committed" as const) : ("rolledBack" as const)
      }).pipe(
        Effect.catch((error) =>
          Effect.as(Effect.logWarning("A prepared branch could not be resolved", error), "pending" as const)
        )
      )

    const recover: Coordinator<Names>["recover"] = Effect.gen(function* () {
      const done = { committed: [] as Array<Xid>, rolledBack: [] as Array<Xid>, pending: [] as Array<Xid> }
      for (const [key, engine] of engines) {
        for (const xid of yield* engine.recoverPrepared) {
          if (names.isOf(options.name, key, xid)) done[yield* recoverOne(engine, xid)].push(xid)
        }
      }
      for (const { gtrid } of done.committed) {
        const open = done.pending.some((xid) => names.sameBytes(xid.gtrid, gtrid))
        if (!open) yield* Effect.ignore(log.forget(gtrid))
      }
      return done
    })

    return Effect.as(recover, { transaction, recover })
  })

/** Whether a statement had an effect is unknown, since its reply is lost; or its line was lost before. */
const isLost = (error: SqlError): boolean =>
  error.reason._tag === "ConnectionError" || error.message.startsWith("Outcome unknown")
