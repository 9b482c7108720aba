/**
 * What parent and worker say to each other.
 */
import type { ContestantName, Target } from "./Contestant.ts"
import type { Name } from "./Line.ts"

export type Order =
  | { readonly type: "connect"; readonly contestant: ContestantName; readonly target: Target }
  /** With every row compared to what was stored. */
  | { readonly type: "check"; readonly line: Name; readonly turns: number }
  | { readonly type: "run"; readonly line: Name; readonly turns: number }
  /** Again and again for some seconds; with a file name, under the profiler. */
  | {
      readonly type: "repeat"
      readonly line: Name
      readonly turns: number
      readonly seconds: number
      readonly profile: string | undefined
    }
  | { readonly type: "close" }

export interface Run {
  readonly wallMillis: number
  readonly cpuMicros: number
  readonly sum: number
  readonly rows: number
}

export type Report =
  | { readonly type: "done"; readonly run: Run | undefined }
  | { readonly type: "failed"; readonly message: string }
