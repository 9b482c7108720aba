/**
 * The way in, before anything is installed: a copy of the workspace's outside without its inside.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Command from "../lib/command.ts"
import { root } from "../lib/workspace.ts"

const bareWorkspace: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "effect-mysql-bare-"))
    for (const name of ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "scripts/run.mjs"]) {
      cpSync(join(root, name), join(folder, name))
    }
    mkdirSync(join(folder, "packages"))
    return folder
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** As if pnpm had been there: this Node in its place, and the lock file that it leaves. */
const pretendInstalled = (folder: string): void => {
  mkdirSync(join(folder, "node_modules", ".bin"), { recursive: true })
  mkdirSync(join(folder, "node_modules", ".pnpm"))
  symlinkSync(process.execPath, join(folder, "node_modules", ".bin", "node"))
  cpSync(join(folder, "pnpm-lock.yaml"), join(folder, "node_modules", ".pnpm", "lock.yaml"))
}

const run = (folder: string, ...args: ReadonlyArray<string>): Effect.Effect<Command.Result> =>
  Command.run(process.execPath, ["scripts/run.mjs", ...args], { cwd: folder })

describe("npm run", () => {
  it.live("says in one line what is missing when it must not install", () =>
    Effect.gen(function* () {
      const folder = yield* bareWorkspace
      const { exitCode, output } = yield* run(folder, "test", "--no-install")
      expect(output).toMatch(/^Cannot run test: the workspace is not installed .* --no-install forbids installing\n$/)
      expect(exitCode).toBe(1)
    })
  )

  it.live("says in one line that what is installed is not what is wanted", () =>
    Effect.gen(function* () {
      const folder = yield* bareWorkspace
      pretendInstalled(folder)
      writeFileSync(join(folder, "pnpm-lock.yaml"), "lockfileVersion: '9.0'\n")
      const { exitCode, output } = yield* run(folder, "check", "--no-install")
      expect(output).toMatch(/^Cannot run check: node_modules does not match pnpm-lock.yaml, .*\n$/)
      expect(exitCode).toBe(1)
    })
  )

  it.live("runs the script of the target with the arguments, the exit code and the word not to install", () =>
    Effect.gen(function* () {
      const folder = yield* bareWorkspace
      pretendInstalled(folder)
      const script = "console.log(process.argv.slice(2), process.env.EFFECT_MYSQL_NO_INSTALL); process.exit(3)"
      writeFileSync(join(folder, "scripts", "check.ts"), script)
      const { exitCode, output } = yield* run(folder, "check", "--only", "types", "--no-install")
      expect(output).toBe("[ '--only', 'types' ] 1\n")
      expect(exitCode).toBe(3)
    })
  )

  it.live("knows its targets", () =>
    Effect.gen(function* () {
      const { exitCode, output } = yield* run(root, "nonsense")
      expect(output).toMatch(/^Usage: npm run demo\|test\|/)
      expect(exitCode).toBe(1)
    })
  )
})
