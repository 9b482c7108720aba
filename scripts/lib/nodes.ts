/**
 * The other versions of Node that the packages support: the oldest of `engines`, and the LTS before the workspace's own.
 * Each comes from npm, into the cache folder.
 */

import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Command from "./command.ts"
import { cacheFolder } from "./workspace.ts"

export const versions: ReadonlyArray<string> = ["22.22.0", "24.21.0"]

/** The package with the binary, which the package `node` would fetch by an install script; without it none is needed. */
const binaryPackage = `${process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node"}-${process.platform}-${process.arch}`

export interface Failure {
  readonly reason: string
}

/** The path of that version's binary; it is installed unless it is there. */
export const get = (version: string, noInstall: boolean): Effect.Effect<string, Failure> =>
  Effect.suspend(() => {
    const folder = join(cacheFolder, `node-${version}`)
    const binary = join(folder, "node_modules", binaryPackage, "bin", "node")
    if (existsSync(binary)) return Effect.succeed(binary)
    if (noInstall) return Effect.fail({ reason: "it is not installed, and --no-install forbids installing" })
    console.error(`Installing Node ${version} into ${folder}, from npm`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, "package.json"), `${JSON.stringify({ private: true })}\n`)
    const wanted = `${binaryPackage}@${version}`
    const args = ["install", "--loglevel=error", "--no-audit", "--no-fund", "--ignore-scripts", wanted]
    return Effect.flatMap(Command.run("npm", args, { cwd: folder }), ({ exitCode, output }) => {
      if (exitCode === 0 && existsSync(binary)) return Effect.succeed(binary)
      rmSync(folder, { recursive: true, force: true })
      return Effect.fail({ reason: `npm install ${wanted} ended with ${exitCode}: ${output.trim()}` })
    })
  })
