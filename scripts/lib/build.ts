/**
 * Builds the packages into their `dist` folders, each file there having its source.
 */
import * as Effect from "effect/Effect"
import { existsSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as Command from "./command.ts"
import { packages, root } from "./workspace.ts"

const outputSuffix = /(?:\.d\.ts|\.js)(?:\.map)?$/

/** What was built from files that are gone would be packed and imported as if it were still there. */
const removeOrphans: Effect.Effect<void> = Effect.sync(() => {
  for (const { path } of packages) {
    const dist = join(path, "dist")
    const files = existsSync(dist) ? readdirSync(dist, { recursive: true, encoding: "utf8" }) : []
    for (const file of files.filter((name) => outputSuffix.test(name))) {
      if (!existsSync(join(path, "src", file.replace(outputSuffix, ".ts")))) rmSync(join(dist, file))
    }
  }
})

export const compile = (project: string): Effect.Effect<Command.Result> => {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
  return Command.run(process.execPath, [compiler, "-b", project, "--pretty", "false"], { cwd: root })
}

export const build: Effect.Effect<Command.Result> = Effect.andThen(removeOrphans, compile("tsconfig.build.json"))
