/**
 * Whether the packages can be used as published: they are packed, looked into, installed from their tarballs into an
 * empty project, imported there module by module, and their types compiled. A step that fails says what it saw.
 */
import * as Effect from "effect/Effect"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { build } from "./build.ts"
import * as Command from "./command.ts"
import { type Manifest, packages, pnpm, root } from "./workspace.ts"

export interface Fault {
  readonly step: string
  readonly details: string
}

interface Packed {
  readonly name: string
  readonly tarball: string
  /** The folder that it was unpacked into. */
  readonly content: string
  /** As packed, without the leading `package/`. */
  readonly files: ReadonlyArray<string>
  readonly manifest: Manifest & { readonly exports: unknown }
}

const must = (step: string, command: Effect.Effect<Command.Result>): Effect.Effect<string, Fault> =>
  Effect.flatMap(command, ({ exitCode, output }) =>
    exitCode === 0 ? Effect.succeed(output) : Effect.fail({ step, details: output.trim() })
  )

const pack = (folder: string): Effect.Effect<ReadonlyArray<Packed>, Fault> => {
  const args = ["--loglevel=error", "-y", pnpm, "-r", "--filter", "./packages/*", "pack", "--pack-destination", folder]
  const unpack = (tarball: string): Effect.Effect<Packed, Fault> =>
    Effect.gen(function* () {
      const target = tarball.replace(/\.tgz$/, "")
      mkdirSync(target)
      yield* must(`unpack ${tarball}`, Command.run("tar", ["-xzf", tarball, "-C", target]))
      const content = join(target, "package")
      const files = readdirSync(content, { recursive: true, withFileTypes: true, encoding: "utf8" })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(content.length + 1))
      const manifest = JSON.parse(readFileSync(join(content, "package.json"), "utf8")) as Packed["manifest"]
      return { name: manifest.name, tarball, content, files, manifest }
    })
  return must("pack", Command.run("npx", args, { cwd: root })).pipe(
    Effect.andThen(Effect.sync(() => readdirSync(folder).filter((name) => name.endsWith(".tgz")))),
    Effect.flatMap((names) => Effect.forEach(names, (name) => unpack(join(folder, name))))
  )
}

/** Sources and tests stay apart, and nothing of the workspace is left in the manifest. */
const inspect = (packed: Packed): ReadonlyArray<string> => {
  const { files, manifest } = packed
  const stray = files.filter(
    (file) => !/^(?:src|dist)\/|^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(file)
  )
  const build = files.filter((file) => file.endsWith(".tsbuildinfo"))
  const required = [
    "LICENSE",
    "README.md",
    "dist/index.js",
    "dist/index.d.ts",
    "dist/index.js.map",
    "dist/index.d.ts.map"
  ]
  const missing = required.filter((file) => !files.includes(file))
  const workspace = Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies }).filter(([, range]) =>
    range.startsWith("workspace:")
  )
  return [
    ...[...stray, ...build].map((file) => `${file} should not be packed`),
    ...missing.map((file) => `${file} is not packed`),
    ...workspace.map(([name, range]) => `${name} is still ${range}`),
    ...(JSON.stringify(manifest.exports).includes("./src/") ? ["exports lead to src"] : [])
  ].map((fault) => `${packed.name}: ${fault}`)
}

const optionalPeers = ({ manifest }: Packed): ReadonlyArray<string> =>
  Object.entries(manifest.peerDependenciesMeta ?? {}).flatMap(([name, { optional }]) => (optional ? [name] : []))

/** Who uses the module brings a package with it that others need not have. */
const wantsOptionalPeer = (packed: Packed, file: string): boolean => {
  const text = readFileSync(join(packed.content, file), "utf8")
  return optionalPeers(packed).some((peer) => text.includes(`from "${peer}`))
}

/** Every module that `exports` makes public, those with an optional peer or the others. */
const publicModules = (packed: Packed, optional: boolean): ReadonlyArray<string> =>
  packed.files
    .filter((file) => /^dist\/.*\.js$/.test(file) && !/(?:^|\/)internal\//.test(file))
    .filter((file) => wantsOptionalPeer(packed, file) === optional)
    .map((file) => file.slice("dist/".length, -".js".length))
    .map((module) => (module === "index" ? packed.name : `${packed.name}/${module}`))

const privateModule = ({ files, name }: Packed): string | undefined => {
  const found = files.find((file) => /^dist\/internal\/.*\.js$/.test(file))
  return found === undefined ? undefined : `${name}/${found.slice("dist/".length, -".js".length)}`
}

const write = (folder: string, name: string, content: unknown): void =>
  writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content, null, 2))

/** The versions of the workspace, so that what is checked here is what the tests ran with. */
const peersOf = (all: ReadonlyArray<Packed>, optional: boolean): Readonly<Record<string, string>> => {
  const left = new Set(optional ? [] : all.flatMap(optionalPeers))
  const peers = all.flatMap(({ manifest }) => Object.keys(manifest.peerDependencies ?? {}))
  const names = new Set(peers.filter((name) => !left.has(name)))
  const versions = packages.flatMap(({ manifest }) => Object.entries(manifest.devDependencies ?? {}))
  return Object.fromEntries(versions.filter(([name]) => names.has(name)))
}

const rootVersion = (name: string): string => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest
  return manifest.devDependencies?.[name] ?? "latest"
}

const importScript = (all: ReadonlyArray<Packed>, optional: boolean): string => {
  const hidden = all.map(privateModule).filter((module) => module !== undefined)
  return `let failed = false
const fault = (line) => { console.log(line); failed = true }
for (const module of ${JSON.stringify(all.flatMap((packed) => publicModules(packed, optional)))}) {
  try { await import(module) } catch (error) { fault(module + ": " + error.message) }
}
for (const module of ${JSON.stringify(hidden)}) {
  await import(module).then(
    () => fault(module + ": can be imported, although it is private"),
    (error) => { if (error.code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") fault(module + ": " + error.message) }
  )
}
process.exitCode = failed ? 1 : 0
`
}

const typesScript = (all: ReadonlyArray<Packed>, optional: boolean): string =>
  all
    .flatMap((packed) => publicModules(packed, optional))
    .map((module, index) => `import * as M${index} from "${module}"\nexport type T${index} = typeof M${index}`)
    .join("\n")

const compilerOptions = {
  noEmit: true,
  target: "ES2023",
  module: "NodeNext",
  strict: true,
  exactOptionalPropertyTypes: true,
  types: ["node"]
}

/** A project that uses the modules which need no optional peer, without those; or the others, with them. */
const use = (project: string, all: ReadonlyArray<Packed>, optional: boolean): Effect.Effect<void, Fault> =>
  Effect.gen(function* () {
    mkdirSync(project)
    const tarballs = Object.fromEntries(all.map(({ name, tarball }) => [name, `file:${tarball}`]))
    const types = { "@types/node": rootVersion("@types/node") }
    const dependencies = { ...tarballs, ...peersOf(all, optional), ...types }
    write(project, "package.json", { name: "user", private: true, type: "module", dependencies })
    write(project, "import.js", importScript(all, optional))
    write(project, "types.ts", typesScript(all, optional))
    write(project, "tsconfig.json", {
      // The declarations of an optional peer are its own business.
      compilerOptions: { ...compilerOptions, skipLibCheck: optional },
      files: ["types.ts"]
    })
    const options = ["--loglevel=error", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    yield* must("install the tarballs", Command.run("npm", ["install", ...options], { cwd: project }))
    yield* must("import every module", Command.run(process.execPath, ["import.js"], { cwd: project }))
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
    const compile = Command.run(process.execPath, [compiler, "-p", project, "--pretty", "false"], { cwd: project })
    yield* must("compile against the types", compile)
  })

export const check: Effect.Effect<void, Fault> = Effect.acquireUseRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-mysql-packages-"))),
  (folder) =>
    Effect.gen(function* () {
      yield* must("build", build)
      const packed = yield* pack(folder)
      const faults = packed.flatMap(inspect)
      if (faults.length > 0) return yield* Effect.fail({ step: "look into the tarballs", details: faults.join("\n") })
      yield* use(join(folder, "project"), packed, false)
      yield* use(join(folder, "with-optional-peers"), packed, true)
    }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)
