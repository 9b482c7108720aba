/**
 * Random steps of several fibers on one connection and on several, on each server: every answer is the right one. A
 * short run; `model.long.ts` has the long one.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Model from "./support/model.ts"
import { connect, connectToDatabase } from "./support/servers.ts"

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`random steps on ${server.name}`, () => {
    it.live.each([
      [1, 6],
      [3, 8]
    ] as const)("with %j connections are answered rightly", ([count, workers]) =>
      Effect.gen(function* () {
        const first = yield* connectToDatabase()
        const database = first.statusUnsafe().database!
        const others = yield* Effect.forEach(Array.from({ length: count - 1 }), () => connect({ database }))
        const connections = [first, ...others]
        yield* Model.run({ connections, workers, steps: 300, seed: count })
        expect(connections.map((connection) => connection.statusUnsafe().closed)).toEqual(connections.map(() => false))
      }).pipe(Effect.provide(server.layer))
    )
  })
}
