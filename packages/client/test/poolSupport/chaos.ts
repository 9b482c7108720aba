/**
 * A scheduler that lets any fiber wait at any step and runs what is ready in any order: what no test can time, a seed
 * can find.
 */
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
export const random = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** How often a fiber waits before a step. */
const pauses = 0.2

export const scheduler = (next: () => number): Scheduler.Scheduler => {
  const ready: Array<() => void> = []
  const runOne = (): void => {
    const task = ready.splice(Math.floor(next() * ready.length), 1)[0]
    task?.()
  }
  const dispatcher: Scheduler.SchedulerDispatcher = {
    scheduleTask: (task) => {
      ready.push(task)
      setImmediate(runOne)
    },
    flush: () => {
      while (ready.length > 0) runOne()
    }
  }
  return {
    executionMode: "async",
    shouldYield: (fiber: Fiber.Fiber<unknown, unknown>) =>
      next() < pauses || fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield,
    makeDispatcher: () => dispatcher
  }
}

/** Lets a fiber run up to a step, and on from there when the test says so. */
export const parking = (step: number): { readonly scheduler: Scheduler.Scheduler; readonly resume: () => void } => {
  const tasks: Array<() => void> = []
  let steps = 0
  let resumed = false
  const resume = (): void => {
    resumed = true
    for (const task of tasks.splice(0)) task()
  }
  return {
    scheduler: {
      executionMode: "async",
      shouldYield: () => ++steps === step,
      makeDispatcher: () => ({
        scheduleTask: (task) => {
          tasks.push(task)
          if (resumed) resume()
        },
        flush: resume
      })
    },
    resume
  }
}
