/**
 * Giving up while a line is being opened: in the look-up of the name, and while the other end does not answer. Nothing is
 * left of it, and nobody waits for it. And what the kernel does for one that is open.
 */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { closeSync, constants, mkdtempSync, open, openSync, readFileSync, rmSync } from "node:fs"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import * as kernel from "./support/kernel.ts"
import { needs } from "./support/runtimes.ts"
import { listen, logIn, reasonOf } from "./support/script.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const until = (check: () => boolean) =>
  Effect.repeat(Effect.delay(Effect.sync(check), "1 millis"), { until: (is) => is })

const isLookingUp = () => process.getActiveResourcesInfo().includes("GetAddrInfoReqWrap")

describe("while the name is looked up", () => {
  /**
   * Look-ups wait until the scope closes: each of the threads that do them opens a pipe that nobody writes to.
   */
  const stuckLookUps = Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), "effect-mysql-pipes-"))
      const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4)
      const pipes = Array.from({ length: threads }, (_, index) => join(folder, String(index)))
      execFileSync("mkfifo", pipes)
      const opened = pipes.map(
        (pipe) => new Promise<void>((resolve) => open(pipe, "r", (_, descriptor) => resolve(closeSync(descriptor))))
      )
      return { folder, pipes, opened }
    }),
    ({ folder, opened, pipes }) =>
      Effect.promise(async () => {
        for (const pipe of pipes) closeSync(openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK))
        await Promise.all(opened)
        rmSync(folder, { recursive: true })
      })
  )

  /** A server that counts who comes. */
  const counting = Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly lines: () => number; readonly close: () => void }>((resume) => {
      let lines = 0
      const server = createServer((socket) => {
        lines++
        socket.destroy()
      })
      server.listen(0, () =>
        resume(
          Effect.succeed({
            port: (server.address() as AddressInfo).port,
            lines: () => lines,
            close: () => server.close()
          })
        )
      )
    }),
    ({ close }) => Effect.sync(close)
  )

  it.live("interruption ends it at once, and no line is opened afterwards", (context) =>
    Effect.gen(function* () {
      needs(context, "lookUps")
      const { lines, port } = yield* counting
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* stuckLookUps
          const fiber = yield* fork(Effect.scoped(MysqlConnection.make({ host: "localhost", port })))
          yield* until(isLookingUp)
          yield* Fiber.interrupt(fiber)
          expect(isLookingUp()).toBe(true)
        })
      )
      yield* until(() => !isLookingUp())
      // One of our own, behind whatever the look-up may have opened.
      connect({ host: "localhost", port }).on("error", () => {})
      yield* until(() => lines() > 0)
      expect(lines()).toBe(1)
    })
  )

  it.live("the deadline of connecting ends it, with a ConnectError", (context) =>
    Effect.gen(function* () {
      needs(context, "lookUps")
      yield* stuckLookUps
      const config = { host: "localhost", port: 1, connectTimeout: "50 millis" } as const
      expect(reasonOf(yield* Effect.exit(Effect.scoped(MysqlConnection.make(config))))).toMatchObject({
        _tag: "ConnectError",
        address: "localhost:1",
        problem: "not connected within 50ms"
      })
      expect(isLookingUp()).toBe(true)
    })
  )
})

/** How many have asked for a connection and were not answered: the state 02 in the kernel's table. */
const unanswered = (port: number): number =>
  readFileSync("/proc/self/net/tcp", "utf8")
    .split("\n")
    .filter((line) => {
      const [, , remote, state] = line.trim().split(/\s+/)
      return state === "02" && Number.parseInt(remote?.split(":")[1] ?? "", 16) === port
    }).length

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
    while (unanswered(port) === 0) {
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
      const before = unanswered(port)
      const fiber = yield* fork(Effect.scoped(MysqlConnection.make({ host: "127.0.0.1", port })))
      yield* until(() => unanswered(port) > before)
      yield* Fiber.interrupt(fiber)
      yield* until(() => unanswered(port) === before)
    })
  )

  it.live("the deadline of connecting ends it, with a ConnectError", () =>
    Effect.gen(function* () {
      const before = unanswered(port)
      const config = { host: "127.0.0.1", port, connectTimeout: "50 millis" } as const
      expect(reasonOf(yield* Effect.exit(Effect.scoped(MysqlConnection.make(config))))).toMatchObject({
        _tag: "ConnectError",
        address: `127.0.0.1:${port}`,
        problem: "not connected within 50ms"
      })
      yield* until(() => unanswered(port) === before)
    })
  )
})

describe.skipIf(!kernel.tells)("a line that is open", () => {
  it.live("is kept alive by the kernel, unless that is not wanted", () =>
    Effect.gen(function* () {
      const address = yield* listen(logIn)
      const kept = Effect.repeat(
        Effect.sync(() => kernel.keptAlive(address.port)),
        { until: (count): count is number => count !== undefined }
      )
      yield* MysqlConnection.make({ ...address, keepAlive: Duration.infinity })
      expect(yield* kept).toBe(0)
      yield* MysqlConnection.make(address)
      expect(yield* kept).toBe(1)
      yield* MysqlConnection.make({ ...address, keepAlive: "10 seconds" })
      expect(yield* kept).toBe(2)
    })
  )
})
