/**
 * The time zone of a session: how an instant becomes the local time that DATETIME and TIMESTAMP show, and back.
 *
 * A zone is an offset in minutes, or a named one whose offset changes. Where clocks are put back a local time happens
 * twice, and the earlier instant is taken; what is skipped where they are put forward counts on from before the gap.
 * Only offsets tell every instant apart: a server in a named zone has the same doubt about what it sends.
 *
 * Manual: "MySQL Server Time Zone Support".
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

/**
 * A zone whose offset changes. Local times are milliseconds since the epoch as if the zone were UTC.
 *
 * @since 0.1.0
 * @category models
 */
export interface NamedZone {
  readonly toLocal: (utcMillis: number) => number
  readonly toUtc: (localMillis: number) => number
}

/**
 * Minutes ahead of UTC, or a zone where they change.
 *
 * @since 0.1.0
 * @category models
 */
export type Zone = number | NamedZone

const minute = 60_000

/**
 * The wall clock of an instant in a zone. Manual: "MySQL Server Time Zone Support".
 *
 * @since 0.1.0
 * @category combinators
 */
export const toLocal = (zone: Zone, utcMillis: number): number =>
  typeof zone === "number" ? utcMillis + zone * minute : zone.toLocal(utcMillis)

/**
 * The instant of a wall clock in a zone. Manual: "MySQL Server Time Zone Support".
 *
 * @since 0.1.0
 * @category combinators
 */
export const toUtc = (zone: Zone, localMillis: number): number =>
  typeof zone === "number" ? localMillis - zone * minute : zone.toUtc(localMillis)

/** Since then every zone has changed its offset at a quarter of an hour. */
const regularSince = Date.UTC(1973, 0, 1)
const quarter = 15 * minute
const maxRemembered = 8192

/** Looking an offset up costs microseconds, and the same hours come again and again. */
const remembering = (offsetAt: (millis: number) => number): ((millis: number) => number) => {
  const known = new Map<number, number>()
  return (millis) => {
    if (millis < regularSince) return offsetAt(millis)
    const key = Math.floor(millis / quarter)
    let offset = known.get(key)
    if (offset === undefined) {
      offset = offsetAt(key * quarter)
      if (known.size === maxRemembered) known.clear()
      known.set(key, offset)
    }
    return offset
  }
}

/**
 * A zone of the IANA database by its name, as the runtime knows it; `undefined` where it does not.
 *
 * @since 0.1.0
 * @category constructors
 */
export const named = (name: string): NamedZone | undefined => {
  // An offset is a name to newer runtimes.
  const timeZone = /^[a-z]/i.test(name) ? Option.getOrUndefined(DateTime.zoneMakeNamed(name)) : undefined
  if (timeZone === undefined) return undefined
  const ahead = remembering((utcMillis) => DateTime.zonedOffset(DateTime.makeZonedUnsafe(utcMillis, { timeZone })))
  const behind = remembering(
    (localMillis) =>
      localMillis -
      DateTime.makeZonedUnsafe(localMillis, { timeZone, adjustForTimeZone: true, disambiguation: "compatible" })
        .epochMilliseconds
  )
  return {
    toLocal: (utcMillis) => utcMillis + ahead(utcMillis),
    toUtc: (localMillis) => localMillis - behind(localMillis)
  }
}
