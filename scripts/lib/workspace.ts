/**
 * Where the workspace and its packages are, and the pnpm that it is installed and packed with.
 */
import { readdirSync, readFileSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean | undefined
  readonly dependencies?: Readonly<Record<string, string>> | undefined
  readonly peerDependencies?: Readonly<Record<string, string>> | undefined
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean | undefined }>> | undefined
  readonly devDependencies?: Readonly<Record<string, string>> | undefined
}

export interface Package {
  /** The folder's name under `packages`. */
  readonly folder: string
  readonly path: string
  readonly manifest: Manifest
}

export const packages: ReadonlyArray<Package> = readdirSync(join(root, "packages")).map((folder) => {
  const path = join(root, "packages", folder)
  return { folder, path, manifest: JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as Manifest }
})

/** `scripts/run.mjs`, which must work before anything is installed, has the same version. */
export const pnpm = "pnpm@12.21.0"

/** What is downloaded once and kept between runs, beside the servers of the test kit. */
export const cacheFolder: string = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "effect-mysql")
