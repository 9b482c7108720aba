/**
 * Servers that follow a script: an effect that reads what the client sent and says what comes back, packet by packet or
 * byte by byte. In memory, where the script and the client take turns and time is the test's; or on a TCP port, where
 * closing and resetting are the kernel's.
 */
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { type AddressInfo, createServer, type Socket } from "node:net"
import * as directLine from "../../src/internal/directLine.ts"
import { Receiver } from "../../src/internal/Receiver.ts"
import * as MysqlError from "../../src/MysqlError.ts"
import type { DirectLine, Transport, TransportConnection } from "../../src/Transport.ts"
import * as wire from "./wire.ts"

/** A packet of the client. */
export interface Received {
  readonly sequence: number
  readonly payload: Buffer
}

/** The server's end of a line. */
export interface Line {
  /** Which of the lines it is, from 0 on. */
  readonly index: number
  /** The client's next packet; waits for it. */
  readonly receive: Effect.Effect<Received>
  /** What the client has sent and nobody has received. */
  readonly unread: () => number
  /** Payloads as packets, numbered from 1 on: the reply to a command. */
  readonly reply: (...payloads: ReadonlyArray<Uint8Array>) => Effect.Effect<void>
  readonly send: (bytes: Uint8Array) => Effect.Effect<void>
  /** Nothing comes any more; what was sent arrives. */
  readonly end: Effect.Effect<void>
  /** The line breaks; what was not read is lost. */
  readonly reset: Effect.Effect<void>
  /** The client has closed its end. */
  readonly closed: Effect.Effect<void>
}

export type Script = (line: Line) => Effect.Effect<void, never, Scope.Scope>

export const commandOf = (received: Received): number => received.payload[0] ?? -1

export const textOf = (received: Received): string => received.payload.toString("utf8", 1)

const makeLine = Effect.fnUntraced(function* (
  index: number,
  out: Pick<Line, "send" | "end" | "reset">
): Effect.fn.Return<{ readonly line: Line; readonly feed: (bytes: Uint8Array) => void; readonly close: () => void }> {
  const inbox = yield* Queue.unbounded<Received>()
  const closed = Deferred.makeUnsafe<void>()
  const parser = Packet.makeParser({ sequence: "report" })
  return {
    line: {
      ...out,
      index,
      receive: Queue.take(inbox),
      unread: () => Queue.sizeUnsafe(inbox),
      reply: (...payloads) => out.send(wire.packets(payloads)),
      closed: Deferred.await(closed)
    },
    feed: (bytes) => {
      parser.feed(Buffer.from(bytes))
      while (parser.next()) {
        const payload = Buffer.from(parser.bytes.subarray(parser.start, parser.end))
        Queue.offerUnsafe(inbox, { sequence: parser.sequence, payload })
      }
    },
    close: () => void Deferred.doneUnsafe(closed, Effect.void)
  }
})

const lost = (phase: "notSent" | "sent", problem: string): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ConnectionLost({ phase, problem }))

const target = { host: "scripted", port: 3306 }

/** What was released becomes something else at once: whoever still looks at it finds out. */
class Poisoned extends Receiver {
  override release(): void {
    for (const bytes of this.handed) bytes.fill(0xaa)
    super.release()
  }
}

/** The transport to a server that follows a script on each line; the scripts run in the scope of their line. */
export const inMemory = (script: Script, onWrite?: (bytes: Uint8Array, line: number) => void): Transport => {
  let lines = 0
  return {
    connect: Effect.fnUntraced(function* () {
      const receiver = new Poisoned(() => {})
      /** What is on its way: it arrives in a tick of its own, as from a socket. */
      let onItsWay: Array<() => void> = []
      let open = true
      const send = (arrival: () => void): void => {
        onItsWay.push(arrival)
        queueMicrotask(() => onItsWay.shift()?.())
      }
      const fail = (problem: string): void => {
        open = false
        send(() => receiver.fail(lost("sent", problem)))
      }
      const { close, feed, line } = yield* makeLine(lines++, {
        send: (bytes) => Effect.sync(() => send(() => receiver.received(bytes.length, Buffer.from(bytes)))),
        end: Effect.sync(() => fail("the script closed the line")),
        reset: Effect.sync(() => {
          onItsWay = []
          fail("the script broke the line")
        })
      })
      yield* Effect.forkScoped(script(line), { startImmediately: true })
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          close()
          fail("the line was closed here")
        })
      )
      const direct: DirectLine = {
        take: receiver.take,
        offer: (bytes) => {
          if (!open) return lost("notSent", "the line is closed")
          onWrite?.(bytes, line.index)
          feed(bytes)
          return true
        },
        // Looked at after a while and then spoiled: whoever writes to it too early, or relies on it later, finds out.
        lend: (bytes, onReturn) => {
          if (!open) return lost("notSent", "the line is closed")
          queueMicrotask(() => {
            if (!open) return onReturn(lost("sent", "the line is closed"))
            onWrite?.(bytes, line.index)
            feed(bytes)
            bytes.fill(0xaa)
            onReturn()
          })
          return false
        }
      }
      return {
        direct,
        pull: directLine.pullOf(direct.take),
        release: () => receiver.release(),
        write: directLine.writeOf(direct.offer),
        startTls: () => Effect.fail(MysqlError.make(new MysqlError.TlsError({ problem: "scripts know no TLS" }))),
        idle: Effect.sync(() =>
          receiver.hasBytes ? "bytes" : !open ? "closed" : onItsWay.length > 0 ? "bytes" : "quiet"
        ),
        secure: "no",
        tls: undefined,
        peerCertificate: Effect.succeed(Option.none()),
        target
      } satisfies TransportConnection
    })
  }
}

/**
 * A script on a TCP port of this machine, until the scope closes. One that reads `slowly` takes a little each time round,
 * and whoever writes to it soon finds no room.
 */
export const listen = Effect.fnUntraced(function* (script: Script, how: "atOnce" | "slowly" = "atOnce") {
  const services = yield* Effect.context<Scope.Scope>()
  const sockets = new Set<Socket>()
  let lines = 0
  const serve = (socket: Socket) =>
    Effect.gen(function* () {
      const { close, feed, line } = yield* makeLine(lines++, {
        send: (bytes) => Effect.sync(() => void socket.write(bytes)),
        end: Effect.sync(() => void socket.end()),
        reset: Effect.sync(() => void socket.resetAndDestroy())
      })
      socket.on("data", (bytes: Buffer) => {
        feed(bytes)
        if (how === "atOnce") return
        socket.pause()
        setImmediate(() => socket.resume())
      })
      socket.on("close", close)
      yield* script(line)
    })
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("end", () => socket.end())
    Effect.runForkWith(services)(serve(socket))
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port }
})

/** The server's part of a login as it usually goes, up to the session being set up. */
export const logIn = Effect.fnUntraced(function* (line: Line, identity: string = "the same server") {
  yield* line.send(wire.packets([wire.greeting({ connectionId: 42 + line.index })], 0))
  yield* line.receive
  yield* line.send(wire.packets([wire.ok()], 2))
  for (let statement = 0; statement < 2; statement++) {
    yield* line.receive
    yield* line.reply(wire.ok())
  }
  yield* line.receive
  yield* line.reply(wire.err(1193, "Unknown system variable 'max_allowed_packet'"))
  yield* line.receive
  yield* line.reply(...wire.texts("@@server_uuid", [identity]))
})

/** What an effect came to, as far as tests look at it: the reason it failed with, and its phase where it has one. */
export const reasonOf = <A>(exit: Exit.Exit<A, MysqlError.MysqlError>): MysqlError.Reason | undefined =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Exit.findErrorOption(exit))?.reason : undefined
