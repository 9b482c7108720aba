/**
 * `npm run demo`: a small service over 138,398 cities, on a real server that is started for it, or on the one that
 * `MYSQL_TEST_URL` names. This file gives the program what it needs; the program itself is in `demo/`.
 */

import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Flavour from "@effect-mysql/test-utils/Flavour"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Checks } from "./demo/Checks.ts"
import { Cities } from "./demo/Cities.ts"
import * as Database from "./demo/Database.ts"
import { demo } from "./demo/Demo.ts"
import { GeoNames } from "./demo/GeoNames.ts"
import { Processes } from "./demo/Processes.ts"
import { Screen } from "./demo/Screen.ts"

const origins: Readonly<Record<MysqlServer.ProviderName, string>> = {
  url: "at MYSQL_TEST_URL",
  binary: "of this machine, started for this run",
  container: "in a container, started for this run",
  debian: "of Debian, started for this run"
}

/** Said in one line: the reader can do something about it, and a stack trace would not help. */
class DemoFailed extends Data.TaggedError("DemoFailed")<{ readonly cause: Error }> {
  override get [CliError.userMessage](): string {
    return `The demo failed. ${this.cause.message}`
  }
}

/** Where nothing is here yet: its packages are the smallest, and of a stable release. */
const soonestInstalled: Flavour.Flavour = "mariadb-10.11"

const server = (wanted: Flavour.Flavour | undefined): Layer.Layer<MysqlServer.MysqlServer, Error, Screen> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const screen = yield* Screen
      const toInstall = yield* SharedServers.plan(Flavour.all)
      const flavour = wanted ?? (toInstall.length === Flavour.all.length ? soonestInstalled : undefined)
      return MysqlServer.layer({ flavour, log: (line) => screen.line(line) })
    })
  )

const services = (flavour: Flavour.Flavour | undefined) =>
  Layer.mergeAll(Cities.layer, Processes.layer).pipe(
    Layer.provideMerge(Database.layer),
    Layer.provideMerge(server(flavour)),
    Layer.provideMerge(Layer.merge(Checks.layer, GeoNames.layer()))
  )

const main = Effect.fnUntraced(function* (flavour: Flavour.Flavour | undefined) {
  const screen = yield* Screen
  yield* screen.heading("A service over the cities of GeoNames (geonames.org, CC BY 4.0)")
  yield* Effect.flatMap(MysqlServer.MysqlServer, ({ provider }) => demo(origins[provider])).pipe(
    Effect.onInterrupt(() => screen.line("Interrupted: cleaning up")),
    Effect.provide(services(flavour))
  )
})

/** Nobody reads any more, as in `npm run demo | head`: it ends here, but in order, since a server may have to be stopped. */
const unread: Effect.Effect<never> = Effect.callback((resume) => {
  process.stdout.on("error", () => resume(Effect.interrupt))
})

const command = Command.make(
  "demo",
  {
    flavour: Flag.Literals("flavour", Flavour.all).pipe(
      Flag.withDescription("The server to run on. Default: whichever can be had soonest"),
      Flag.optional
    ),
    noInstall: Flag.Boolean("no-install").pipe(
      Flag.withDescription("Take a server that is here already, or none"),
      Flag.withDefault(false)
    )
  },
  ({ flavour, noInstall }) => {
    if (noInstall) process.env.EFFECT_MYSQL_NO_INSTALL = "1"
    return main(Option.getOrUndefined(flavour)).pipe(
      Effect.raceFirst(unread),
      Effect.provide(Screen.layer(process.stdout)),
      Effect.mapError((cause) => new DemoFailed({ cause }))
    )
  }
).pipe(Command.withDescription("Loads, streams, refuses, rolls back and interrupts, with 138,398 cities"))

Command.run(command, { version: "0.0.0" }).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
