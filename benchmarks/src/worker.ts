/**
 * The process that a contestant has for itself, so that neither its garbage nor what the JIT learnt from it touches
 * another. It does what the parent says, one thing at a time, and measures: the clock and the CPU time of this process
 * (all threads, the collector's too) around a run.
 */
import { type Contestant, entry } from "./Contestant.ts"
import { inspector } from "./Inspection.ts"
import type { Name } from "./Line.ts"
import type { Order, Report, Run } from "./Order.ts"
import { record } from "./Profile.ts"
import { Reader } from "./Reader.ts"

let contestant: Contestant | undefined

const run = async (line: Name, turns: number, inspect?: (row: object) => void): Promise<Run> => {
  if (contestant === undefined) throw new Error("not connected")
  const runner = contestant.runners[line]
  const reader = new Reader(inspect)
  const cpuBefore = process.cpuUsage()
  const started = performance.now()
  await runner(turns, reader)
  const wallMillis = performance.now() - started
  const cpu = process.cpuUsage(cpuBefore)
  return { wallMillis, cpuMicros: cpu.user + cpu.system, sum: reader.sum, rows: reader.rows }
}

/** Runs of so many turns until the time is up, as one. */
const repeat = async (line: Name, turns: number, seconds: number): Promise<Run> => {
  const end = performance.now() + seconds * 1000
  const total = { wallMillis: 0, cpuMicros: 0, sum: 0, rows: 0 }
  do {
    const result = await run(line, turns)
    total.wallMillis += result.wallMillis
    total.cpuMicros += result.cpuMicros
    total.rows += result.rows
  } while (performance.now() < end)
  return total
}

const obey = async (order: Order): Promise<Run | undefined> => {
  switch (order.type) {
    case "connect":
      contestant = await entry(order.contestant).connect(order.target)
      return undefined
    case "check":
      return run(order.line, order.turns, inspector(order.line))
    case "run":
      return run(order.line, order.turns)
    case "repeat": {
      const { line, profile, seconds, turns } = order
      if (profile === undefined) return repeat(line, turns, seconds)
      const { top, value } = await record(profile, () => repeat(line, turns, seconds))
      process.stdout.write(`${top}\n`)
      return value
    }
    case "close":
      await contestant?.close()
      return undefined
  }
}

const report = (message: Report): void => {
  if (process.connected) process.send?.(message)
}

process.on("message", (order: Order) => {
  obey(order).then(
    (result) => {
      report({ type: "done", run: result })
      // With the channel closed nothing keeps the process; leaving like this, `--cpu-prof` writes its file.
      if (order.type === "close") process.disconnect?.()
    },
    (error: unknown) => report({ type: "failed", message: error instanceof Error ? error.message : String(error) })
  )
})

// The parent has gone: nobody is left to measure for.
process.on("disconnect", () => setImmediate(() => process.exit()))
