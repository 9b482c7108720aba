/**
 * Lines that break where the proxy breaks them, between this client and real servers.
 */
import { describe, expect, it } from "@effect/vitest"
import * as FaultProxy from "@effect-mysql/test-utils/FaultProxy"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import { connect, scalar } from "./support/servers.ts"

/** A proxy in front of the server in context. */
const proxied = (plan: FaultProxy.Plan) =>
  Layer.unwrap(Effect.map(MysqlServer.MysqlServer, ({ host, port }) => FaultProxy.layer({ host, port }, plan)))

const through = (config?: MysqlConfig) =>
  Effect.flatMap(FaultProxy.FaultProxy, ({ host, port }) =>
    connect({ ...config, host, port, tls: { mode: "disabled" }, cancellation: "close" })
  )

/** The account of the kit, once its password is known to the server: then it needs no encryption. */
const known = Effect.scoped(connect())

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`a proxy in front of ${server.name}`, () => {
    const over = <A, E>(
      plan: FaultProxy.Plan,
      effect: Effect.Effect<A, E, MysqlServer.MysqlServer | FaultProxy.FaultProxy>
    ) => Effect.andThen(known, Effect.provide(effect, proxied(plan))).pipe(Effect.provide(server.layer))

    it.live("passes everything, also byte by byte", () =>
      over(
        { splitBytes: true },
        Effect.gen(function* () {
          const connection = yield* through()
          expect(yield* scalar(connection, "SELECT ?", ["ü".repeat(500)])).toBe("ü".repeat(500))
          const answers = yield* Effect.forEach([1, 2, 3], (n) => scalar(connection, "SELECT ?", [n]), {
            concurrency: "unbounded"
          })
          expect(answers).toEqual([1, 2, 3])
        }).pipe(Effect.scoped)
      )
    )

    const marked = (fault: FaultProxy.Fault): FaultProxy.Plan => ({
      onCommand: ({ text }) => (text.includes("marked") ? fault : undefined)
    })

    const breaks: ReadonlyArray<readonly [name: string, fault: FaultProxy.Fault, phase: string]> = [
      ["a command that never arrives", { _tag: "DropCommand", how: "reset" }, "sent"],
      ["a reply that never comes", { _tag: "CutReply", afterBytes: 0, how: "end" }, "sent"],
      ["a reply that breaks off", { _tag: "CutReply", afterBytes: 20, how: "end" }, "replyStarted"]
    ]

    it.live.each(breaks)("%s", ([, fault, phase]) =>
      over(
        marked(fault),
        Effect.gen(function* () {
          const connection = yield* through()
          expect(yield* scalar(connection, "SELECT 1")).toBe(1)
          const error = yield* Effect.flip(connection.query("SELECT 2 /* marked */", [], { prepare: false }))
          expect(error).toMatchObject({ reason: { _tag: "ConnectionLost", phase } })
        }).pipe(Effect.scoped)
      )
    )

    it.live("the OK of a COMMIT that is lost leaves its outcome open, and the rows are there", () =>
      over(
        {
          onCommand: ({ text }) => (text === "COMMIT" ? { _tag: "CutReply", afterBytes: 0, how: "reset" } : undefined)
        },
        Effect.gen(function* () {
          const { database } = yield* MysqlServer.MysqlServer
          const name = yield* database
          const observer = yield* connect({ database: name })
          yield* observer.query("CREATE TABLE t (id INT)")
          const connection = yield* through({ database: name })
          const reserved = yield* connection.reserve
          yield* reserved.begin()
          yield* reserved.query("INSERT INTO t VALUES (1)")
          expect(yield* Effect.flip(reserved.commit)).toMatchObject({ reason: { _tag: "CommitOutcomeUnknown" } })
          // The proxy had the OK before it broke the line: it was committed.
          expect(yield* scalar(observer, "SELECT COUNT(*) FROM t")).toBe(1)
        }).pipe(Effect.scoped)
      )
    )

    it.live("a reply that is held comes when it is let go", () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        yield* over(
          marked({ _tag: "HoldReply", until: Deferred.await(gate) }),
          Effect.gen(function* () {
            const connection = yield* through()
            const fiber = yield* Effect.forkChild(
              connection.query("SELECT 5 AS n /* marked */", [], { prepare: false })
            )
            yield* Effect.yieldNow
            expect(fiber.pollUnsafe()).toBeUndefined()
            yield* Deferred.succeed(gate, undefined)
            expect((yield* Fiber.join(fiber)).rows).toEqual([{ n: 5 }])
          }).pipe(Effect.scoped)
        )
      })
    )

    it.live("all lines reset", () =>
      over(
        {},
        Effect.gen(function* () {
          const connection = yield* through()
          const proxy = yield* FaultProxy.FaultProxy
          expect(yield* proxy.open).toBe(1)
          yield* proxy.resetAll
          expect(yield* Effect.flip(connection.query("SELECT 1"))).toMatchObject({ reason: { _tag: "ConnectionLost" } })
        }).pipe(Effect.scoped)
      )
    )
  })
}
