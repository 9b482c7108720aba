/**
 * `npm run check`: everything that can be said about the repository without running it, a line for each check and the
 * details of those that fail. `-- --only types,lint` narrows.
 */
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Arrows from "./lib/arrows.ts"
import * as Build from "./lib/build.ts"
import * as Command from "./lib/command.ts"
import * as Main from "./lib/main.ts"
import * as Packaging from "./lib/packaging.ts"
import { packages, root } from "./lib/workspace.ts"

/** What is wrong, or undefined. */
type Check = Effect.Effect<string | undefined>

const ofCommand = (command: Effect.Effect<Command.Result>): Check =>
  Effect.map(command, ({ exitCode, output }) =>
    exitCode === 0 ? undefined : output.trim() || `ended with ${exitCode} and without output`
  )

const biome = (...args: ReadonlyArray<string>): Check => {
  const script = join(root, "node_modules", "@biomejs", "biome", "bin", "biome")
  const common = ["--colors=off", "--max-diagnostics=50", "--diagnostic-level=warn"]
  return ofCommand(Command.run(process.execPath, [script, ...args, ...common], { cwd: root }))
}

const cycles = "--only=suspicious/noImportCycles"

const arrows: Check = Effect.sync(() => {
  const violations = packages.flatMap(({ folder, manifest, path }) => {
    const rule = Arrows.rules[folder]
    if (rule === undefined) return [`packages/${folder}: scripts/lib/arrows.ts has no rules for it`]
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
    return readdirSync(join(path, "src"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => ({ path: `src/${name}`, text: readFileSync(join(path, "src", name), "utf8") }))
      .flatMap((file) => Arrows.check(rule, declared, file))
      .map((violation) => `packages/${folder}/${violation.path}:${violation.line}: ${violation.message}`)
  })
  return violations.length === 0 ? undefined : violations.join("\n")
})

const packaging: Check = Packaging.check.pipe(
  Effect.as(undefined),
  Effect.catch(({ details, step }) => Effect.succeed(`${step}:\n${details}`))
)

const checks: Readonly<Record<string, { readonly what: string; readonly check: Check }>> = {
  types: { what: "types of packages, tests, examples, benchmarks and scripts", check: ofCommand(Build.compile(".")) },
  lint: { what: "lint", check: biome("lint", "--error-on-warnings", "--skip=suspicious/noImportCycles") },
  format: { what: "format and order of imports", check: biome("check", "--linter-enabled=false") },
  cycles: { what: "circular imports", check: biome("lint", cycles) },
  arrows: { what: "arrows between the packages, sockets, timers", check: arrows },
  packages: { what: "packages as published: install, import, types", check: packaging }
}

const runCheck = (name: string): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const { check, what } = checks[name]!
    const started = performance.now()
    const fault = yield* check
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    console.log(`${fault === undefined ? "ok    " : "FAILED"}  ${name.padEnd(8)}  ${what} (${seconds} s)`)
    if (fault !== undefined) console.log(`${fault.replace(/^/gm, "  ")}\n`)
    return fault === undefined
  })

const wanted = (args: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  const [option, value, ...rest] = args.flatMap((arg) => arg.split("="))
  if (option === undefined) return Object.keys(checks)
  const names = value?.split(",") ?? []
  const known = names.length > 0 && names.every((name) => Object.hasOwn(checks, name))
  return option === "--only" && rest.length === 0 && known ? names : undefined
}

Main.run(
  Effect.suspend(() => {
    const names = wanted(process.argv.slice(2))
    if (names === undefined) {
      console.error(`Usage: npm run check -- [--only ${Object.keys(checks).join(",")}]`)
      return Effect.succeed(2)
    }
    return Effect.map(Effect.forEach(names, runCheck), (results) => (results.every(Boolean) ? 0 : 1))
  })
)
