/**
 * What is logged of connections that are lent for longer than anybody should need them.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

export interface Lease {
  readonly poolName: string
  readonly connectionId: number
  readonly millis: number
}

const lasted = ({ millis }: Lease): string => Duration.format(Duration.millis(Math.round(millis)))

const annotated = ({ connectionId, poolName }: Lease, more = {}) =>
  Effect.annotateLogs({ pool: poolName, connectionId, ...more })

/** `place` is where the connection was asked for, `fiber` who did. */
export const overdue = (
  lease: Lease,
  place: Error | undefined,
  fiber: Fiber.Fiber<unknown> | undefined
): Effect.Effect<void> => {
  const message = `A connection has been lent for ${lasted(lease)} and is not back`
  return Effect.logWarning(message, ...(place === undefined ? [] : [place])).pipe(
    annotated(lease, fiber === undefined ? {} : { borrower: `fiber ${fiber.id}`, span: spanOf(fiber) })
  )
}

export const returned = (lease: Lease): Effect.Effect<void> =>
  Effect.logInfo(`The connection that was lent for too long came back after ${lasted(lease)}`).pipe(annotated(lease))

const spanOf = (fiber: Fiber.Fiber<unknown>): string | undefined => {
  const span = Option.getOrUndefined(Context.getOption(fiber.context, Tracer.ParentSpan))
  return span?._tag === "Span" ? span.name : undefined
}
