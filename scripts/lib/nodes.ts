/**
 * The other versions of Node that the packages support: the oldest of `engines`, and the LTS before the workspace's own.
 */
import type * as Effect from "effect/Effect"
import * as NpmBinary from "./npmBinary.ts"

export const versions: ReadonlyArray<string> = ["22.22.0", "24.21.0"]

/** The package with the binary, which the package `node` would fetch by an install script; without it none is needed. */
const packageName = `${process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node"}-${process.platform}-${process.arch}`

/** The path of that version's binary; it is installed unless it is there. */
export const get = (version: string, noInstall: boolean): Effect.Effect<string, NpmBinary.Failure> =>
  NpmBinary.get(
    { title: `Node ${version}`, packageName, version, path: ["bin", "node"], folder: `node-${version}` },
    noInstall
  )
