/**
 * A loop over callback APIs, for the contestants that are faster without promises.
 */

export type Done = (error: Error | null) => void

/** Calls `step` so many times, each time when the one before has called back. */
export const inTurn = (turns: number, step: (turn: number, done: Done) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    let turn = 0
    const next: Done = (error) => {
      if (error !== null) reject(error)
      else if (turn < turns) step(turn++, next)
      else resolve()
    }
    next(null)
  })
