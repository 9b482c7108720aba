/**
 * The temporary folder of one server, with a watcher: a process (`sh`, waiting for the end of a pipe) that ends the
 * server and removes the folder when this process dies without closing its scopes.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { MysqlServerError } from "../MysqlServerError.ts"
import { file } from "./cache.ts"

export interface WorkFolder {
  readonly path: string
  /** What the watcher has to end; `undefined` when nothing runs. */
  readonly watch: (running: string | undefined) => void
}

/** How the watcher ends what it was told last, `$last`. */
export type Ending = 'kill -KILL "$last"' | 'docker rm --force --volumes "$last"'

const watcher = (ending: Ending): string =>
  `last=; while read -r next; do last=$next; done; [ -n "$last" ] && ${ending}; rm -rf -- "$1"`

export const make = (ending: Ending): Effect.Effect<WorkFolder, MysqlServerError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.map(
      file("create a temporary folder", async () => {
        const path = await mkdtemp(join(tmpdir(), "effect-mysql-"))
        await chmod(path, 0o700)
        return path
      }),
      (path) => {
        // Detached: Ctrl-C is for us, who then end the server in order.
        const child = spawn("sh", ["-c", watcher(ending), "sh", path], {
          detached: true,
          stdio: ["pipe", "ignore", "ignore"]
        })
        // Without the watcher the server still ends with its scope.
        child.on("error", () => {})
        child.stdin.on("error", () => {})
        const watch = (running: string | undefined): void => void child.stdin.write(`${running ?? ""}\n`)
        return { path, watch, close: () => child.stdin.end() }
      }
    ),
    ({ close, path, watch }) =>
      Effect.promise(async () => {
        await rm(path, { recursive: true, force: true, maxRetries: 3 })
        watch(undefined)
        close()
      })
  )
