/**
 * What a pool tells of itself through Effect's metrics, by the names of the OpenTelemetry conventions ("Semantic
 * conventions for database client metrics"). Counts are read when somebody looks at them, and times are added up here:
 * borrowing a connection costs no look-up of a metric.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import type { Stats } from "./poolState.ts"

export interface PoolMetrics {
  readonly timedOut: () => void
  readonly connected: (millis: number) => void
  readonly waited: (millis: number) => void
  readonly used: (millis: number) => void
}

export interface Source {
  readonly poolName: string
  readonly min: number
  readonly max: number
  readonly stats: () => Stats
}

/** In seconds, as the conventions advise. */
const boundaries: ReadonlyArray<number> = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

class Times {
  private readonly buckets = new Float64Array(boundaries.length)
  private count = 0
  private sum = 0
  private min = Number.MAX_VALUE
  private max = -Number.MAX_VALUE

  add(millis: number): void {
    const seconds = millis / 1000
    // Most of them are short.
    let at = 0
    while (at < boundaries.length && seconds > boundaries[at]!) at++
    if (at < boundaries.length) this.buckets[at]!++
    this.count++
    this.sum += seconds
    if (seconds < this.min) this.min = seconds
    if (seconds > this.max) this.max = seconds
  }

  get state(): Metric.HistogramState {
    let below = 0
    return {
      buckets: boundaries.map((boundary, at): [number, number] => [boundary, (below += this.buckets[at]!)]),
      count: this.count,
      min: this.min,
      max: this.max,
      sum: this.sum
    }
  }
}

/** What the pools of one name tell together: sums over those that are open, and times of all that ever were. */
class Series {
  readonly pools = new Set<Source>()
  readonly createTime = new Times()
  readonly waitTime = new Times()
  readonly useTime = new Times()
  timeouts = 0
  private readonly registrations: Array<Metric.Registration> = []

  constructor(poolName: string, context: Context.Context<never>) {
    const attributes = (unit: string) => ({ "db.client.connection.pool.name": poolName, unit })

    const register = <Input, State>(metric: Metric.Metric<Input, State>, get: () => State): void => {
      this.registrations.push(Metric.registerUnsafe(metric, context, { get, update: () => {}, modify: () => {} }))
    }
    /** A counter that goes up and down. */
    const count = (
      name: string,
      unit: string,
      description: string,
      of: (source: Source) => number,
      more: Record<string, string> = {}
    ): void =>
      register(
        Metric.counter(`db.client.connection.${name}`, { description, attributes: { ...attributes(unit), ...more } }),
        () => ({ count: [...this.pools].reduce((sum, source) => sum + of(source), 0), incremental: false })
      )
    const time = (name: string, description: string, times: Times): void =>
      register(
        Metric.histogram(`db.client.connection.${name}`, { description, attributes: attributes("s"), boundaries }),
        () => times.state
      )

    const inState = (state: "idle" | "used"): void =>
      count("count", "{connection}", "Connections in this state", ({ stats }) => stats()[state], {
        "db.client.connection.state": state
      })
    inState("idle")
    inState("used")
    count("idle.max", "{connection}", "The most idle connections", ({ max }) => max)
    count("idle.min", "{connection}", "The fewest idle connections", ({ min }) => min)
    count("max", "{connection}", "The most connections", ({ max }) => max)
    count("pending_requests", "{request}", "Borrowers who wait", ({ stats }) => stats().pending)
    register(
      Metric.counter("db.client.connection.timeouts", {
        description: "Borrowers who waited in vain",
        attributes: attributes("{timeout}"),
        incremental: true
      }),
      () => ({ count: this.timeouts, incremental: true })
    )
    time("create_time", "How long connecting took", this.createTime)
    time("wait_time", "How long it took to get a connection", this.waitTime)
    time("use_time", "How long connections were lent", this.useTime)
  }

  remove(): void {
    for (const registration of this.registrations) registration.remove()
  }
}

/** A registry has one series for a name and the attributes around it; another registration would take its place. */
const known = new WeakMap<Metric.MetricRegistry, Map<string, Series>>()

/** The metrics of a pool, in the registry of the context, until the scope closes. */
export const make = (source: Source): Effect.Effect<PoolMetrics, never, Scope.Scope> =>
  Effect.contextWith((context: Context.Context<Scope.Scope>) => {
    const registry = Context.get(context, Metric.MetricRegistry)
    const around = Object.entries(Context.get(context, Metric.CurrentMetricAttributes)).sort()
    const key = JSON.stringify([source.poolName, around])
    const join = Effect.sync(() => {
      const ofRegistry = known.get(registry) ?? new Map<string, Series>()
      known.set(registry, ofRegistry)
      const series = ofRegistry.get(key) ?? new Series(source.poolName, context)
      ofRegistry.set(key, series)
      series.pools.add(source)
      return series
    })
    const leave = (series: Series) =>
      Effect.sync(() => {
        series.pools.delete(source)
        if (series.pools.size > 0) return
        known.get(registry)?.delete(key)
        series.remove()
      })
    return Effect.map(Effect.acquireRelease(join, leave), (series) => ({
      timedOut: () => void series.timeouts++,
      connected: (millis: number) => series.createTime.add(millis),
      waited: (millis: number) => series.waitTime.add(millis),
      used: (millis: number) => series.useTime.add(millis)
    }))
  })
