/**
 * Servers in containers, where a container engine has their images: those that the environment names, or the public
 * ones. Nothing is pulled here.
 */
import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Flavour from "../src/Flavour.ts"
import { provider } from "../src/internal/containerProvider.ts"
import * as SharedServers from "../src/SharedServers.ts"
import { ownServerTests } from "./ownServer.ts"

/** The tests of the shared servers' providers are in `mysqlServer.test.ts`. */
const isTestedThere = (flavour: Flavour.Flavour): boolean =>
  SharedServers.all.some((shared) => shared.flavour === flavour && shared.provider === "container")

for (const flavour of Flavour.all) {
  const availability = await Effect.runPromise(provider.availability(flavour))
  describe.skipIf(availability._tag !== "Ready" || isTestedThere(flavour))(`a ${flavour} in a container`, () => {
    ownServerTests(flavour, "container")
  })
}
