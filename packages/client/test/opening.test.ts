/**
 * Giving up while a line is being opened: in the look-up of the name, and while the other end does not answer. Nothing is
 * left of it, and nobody waits for it.
 */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type ChildProcess, spawn } from "node:child_process"
import { pbkdf2 } from "node:crypto"
import { readFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import { reasonOf } from "./support/script.ts"

const sockets = (): number => process.getActiveResourcesInfo().filter((name) => /TCP|ConnectWrap/.test(name)).length
const until = (check: () => boolean) =>
  Effect.repeat(Effect.delay(Effect.sync(check), "1 millis"), { until: (is) => is })

describe("while the name is looked up", () => {
  /** Look-ups wait behind these: Node has four threads for both unless told otherwise. */
  const busyThreads = Effect.callback<void>((resume) => {
    let running = 8
    for (let index = 0; index < 8; index++) {
      pbkdf2("", "", 400_000, 64, "sha512", () => {
        if (--running === 0) resume(Effect.void)
      })
    }
  })

  it.live("interruption ends it at once, and no line is opened afterwards", () =>
    Effect.gen(function* () {
      const before = sockets()
      const busy = yield* Effect.forkChild(busyThreads, { startImmediately: true })
      const fiber = yield* Effect.forkChild(Effect.scoped(MysqlConnection.make({ host: "localhost", port: 1 })), {
        startImmediately: true
      })
      yield* until(() => process.getActiveResourcesInfo().includes("GetAddrInfoReqWrap"))
      yield* Fiber.interrupt(fiber)
      expect(busy.pollUnsafe()).toBeUndefined()
      yield* Fiber.join(busy)
      yield* until(() => !process.getActiveResourcesInfo().includes("GetAddrInfoReqWrap"))
      expect(sockets()).toBe(before)
    })
  )
})

/** The state in the kernel's table that means: asked for a connection, and not answered. */
const unanswered = (port: number): boolean =>
  readFileSync("/proc/self/net/tcp", "utf8")
    .split("\n")
    .some((line) => {
      const [, , remote, state] = line.trim().split(/\s+/)
      return state === "02" && Number.parseInt(remote?.split(":")[1] ?? "", 16) === port
    })

describe.skipIf(process.platform !== "linux")("while the other end does not answer", () => {
  let listener: ChildProcess
  let port = 0
  const filling: Array<Socket> = []

  // A process that listens and does not accept: when its queue is full, the kernel leaves the next ones without an answer.
  beforeAll(async () => {
    const program = `const server = require("node:net").createServer()
      server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
        process.stdout.write(server.address().port + "\\n", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
      })`
    listener = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] })
    port = await new Promise((resolve) => listener.stdout!.once("data", (line: Buffer) => resolve(Number(line))))
    while (!unanswered(port)) {
      filling.push(connect({ port, host: "127.0.0.1" }).on("error", () => {}))
      await new Promise((resolve) => setImmediate(resolve))
    }
  })

  afterAll(() => {
    for (const socket of filling) socket.destroy()
    listener.kill("SIGKILL")
  })

  it.live("interruption ends it at once, and closes the socket", () =>
    Effect.gen(function* () {
      const before = sockets()
      const fiber = yield* Effect.forkChild(Effect.scoped(MysqlConnection.make({ host: "127.0.0.1", port })), {
        startImmediately: true
      })
      yield* until(() => sockets() > before)
      yield* Fiber.interrupt(fiber)
      yield* until(() => sockets() === before)
    })
  )

  it.live("the deadline of connecting ends it, with a ConnectError", () =>
    Effect.gen(function* () {
      const before = sockets()
      const config = { host: "127.0.0.1", port, connectTimeout: "50 millis" } as const
      expect(reasonOf(yield* Effect.exit(Effect.scoped(MysqlConnection.make(config))))).toMatchObject({
        _tag: "ConnectError",
        address: `127.0.0.1:${port}`
      })
      yield* until(() => sockets() === before)
    })
  )
})
