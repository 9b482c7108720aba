/**
 * Makes container images of the test servers out of Debian packages, for machines without a container registry, and
 * prints the environment variables that name them, a line each: `NAME=value`. Progress goes to standard error. Installs
 * and starts Docker where it is missing (Debian, root).
 *
 *     node scripts/container-images.ts [flavour …]
 */
import * as Effect from "effect/Effect"
import * as ContainerImages from "../packages/test-utils/src/ContainerImages.ts"
import * as Flavour from "../packages/test-utils/src/Flavour.ts"

const log = (line: string): Effect.Effect<void> => Effect.sync(() => console.error(line))

const main = Effect.gen(function* () {
  const asked = process.argv.slice(2)
  const unknown = asked.filter((name) => !Flavour.isFlavour(name))
  if (unknown.length > 0) {
    yield* log(`Unknown: ${unknown.join(", ")}. Known: ${Flavour.all.join(", ")}.`)
    return 2
  }
  const flavours = asked.length === 0 ? Flavour.all : asked.filter(Flavour.isFlavour)
  yield* ContainerImages.ensureDocker(log)
  yield* Effect.forEach(flavours, (flavour) => ContainerImages.build(flavour, log))
  for (const [name, value] of Object.entries(ContainerImages.toEnv(flavours))) console.log(`${name}=${value}`)
  return 0
}).pipe(Effect.catch((error) => Effect.as(log(error.message), 1)))

process.exitCode = await Effect.runPromise(main)
