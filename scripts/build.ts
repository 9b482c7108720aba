/**
 * `npm run build`: compiles the packages to `dist`, with declarations and maps.
 */
import * as Effect from "effect/Effect"
import { build } from "./lib/build.ts"
import * as Main from "./lib/main.ts"

Main.run(
  Effect.map(build, ({ exitCode, output }) => {
    if (output !== "") console.error(output.trimEnd())
    return exitCode
  })
)
