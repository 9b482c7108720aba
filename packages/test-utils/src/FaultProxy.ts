/**
 * A proxy in front of a server that makes faults where a test wants them: it knows packets, so it can cut the reply to
 * one command behind one byte, forward a COMMIT and lose its OK, or hold a reply until it is told to let go. Lines that
 * are encrypted or compressed it passes through and cannot look into: connect with TLS disabled.
 *
 * A command is a packet of the client with the number 0. A reply begins with a packet of the number 1, unless that goes on
 * from a packet 0, as in a long reply: with several commands under way each reply is told from the next by that. Two
 * replies of which the first is 256 packets long (or a multiple) are taken for one.
 *
 * @since 0.1.0
 */
import { Code } from "@effect-mysql/protocol/command/Command"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from "node:net"

/**
 * @since 0.1.0
 * @category services
 */
export class FaultProxy extends Context.Service<
  FaultProxy,
  {
    readonly host: string
    readonly port: number
    /** Breaks every line that is open, with a reset on both sides. */
    readonly resetAll: Effect.Effect<void>
    /** Lines that are open. */
    readonly open: Effect.Effect<number>
  }
>()("@effect-mysql/test-utils/FaultProxy") {}

/**
 * A command on its way to the server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Command {
  /** Which of the lines it comes from, and which of its commands it is; both from 0 on. */
  readonly connection: number
  readonly index: number
  /** The first byte. */
  readonly code: number
  /** What follows it, as text. */
  readonly text: string
}

/**
 * How a line breaks: `reset` loses what was not read, `end` does not, `silence` lets it stay open with nothing more in
 * either direction.
 *
 * @since 0.1.0
 * @category models
 */
export type Break = "reset" | "end" | "silence"

/**
 * What happens to a command and its reply.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault =
  /** The server never gets it. */
  | { readonly _tag: "DropCommand"; readonly how: Break }
  /** The server gets it, and of its reply the client gets so many bytes; 0: nothing. */
  | { readonly _tag: "CutReply"; readonly afterBytes: number; readonly how: Break }
  /** The reply waits for an effect. */
  | { readonly _tag: "HoldReply"; readonly until: Effect.Effect<void> }
  /** Before the command goes on to the server. */
  | { readonly _tag: "Delay"; readonly duration: Duration.Input }

/**
 * @since 0.1.0
 * @category models
 */
export interface Plan {
  /** Asked for every command; `undefined`: it passes. */
  readonly onCommand?: ((command: Command) => Fault | undefined) | undefined
  /** Each byte to the client in a write of its own. Default `false`. */
  readonly splitBytes?: boolean | undefined
}

const localhost = "127.0.0.1"

const withoutReply: ReadonlySet<number> = new Set([Code.QUIT, Code.STMT_CLOSE, Code.STMT_SEND_LONG_DATA])

const breakLine = (line: Line, how: Break): void => {
  line.broken = true
  if (how === "reset") for (const socket of [line.client, line.server]) socket.resetAndDestroy()
  else if (how === "end") for (const socket of [line.client, line.server]) socket.destroySoon()
}

interface Line {
  readonly client: Socket
  readonly server: Socket
  readonly faults: Array<Fault | undefined>
  broken: boolean
}

/** Bytes of a socket as they come; ends behind the last of them. */
const incoming = (socket: Socket): Effect.Effect<Queue.Dequeue<Uint8Array, Cause.Done>> =>
  Effect.map(Queue.unbounded<Uint8Array, Cause.Done>(), (queue) => {
    socket.on("data", (chunk: Buffer) => Queue.offerUnsafe(queue, Uint8Array.from(chunk)))
    for (const event of ["end", "close", "error"]) socket.on(event, () => Queue.endUnsafe(queue))
    return queue
  })

/** Commands to the server, each with what was planned for it. */
const forward = Effect.fnUntraced(function* (line: Line, connection: number, plan: Plan) {
  const bytes = yield* incoming(line.client)
  const parser = Packet.makeParser({ sequence: "report", maxPacketBytes: Number.MAX_SAFE_INTEGER })
  let index = 0
  while (true) {
    parser.feed(yield* Queue.take(bytes))
    while (parser.next()) {
      const payload = parser.bytes.subarray(parser.start, parser.end)
      const frames = Packet.frameCount(payload.length)
      const first = (parser.sequence - frames + 1) & 0xff
      let fault: Fault | undefined
      if (first === 0 && payload.length > 0) {
        const code = payload[0]!
        fault = plan.onCommand?.({ connection, index: index++, code, text: payload.toString("utf8", 1) })
        if (fault?._tag === "DropCommand") return breakLine(line, fault.how)
        if (fault?._tag === "Delay") yield* Effect.sleep(fault.duration)
        if (!withoutReply.has(code)) line.faults.push(fault)
      }
      if (line.broken) return
      line.server.write(Packet.frame(payload, first))
    }
  }
})

/** Replies to the client, as planned for the commands that they belong to. */
const backward = Effect.fnUntraced(function* (line: Line, plan: Plan) {
  const bytes = yield* incoming(line.server)
  const parser = Packet.makeParser({ sequence: "report", maxPacketBytes: Number.MAX_SAFE_INTEGER })
  let fault: Fault | undefined
  let last = -1
  let sent = 0
  while (true) {
    parser.feed(yield* Queue.take(bytes))
    while (parser.next()) {
      const payload = Buffer.from(parser.bytes.subarray(parser.start, parser.end))
      const first = (parser.sequence - Packet.frameCount(payload.length) + 1) & 0xff
      if (first === 1 && last !== 0 && line.faults.length > 0) {
        fault = line.faults.shift()
        sent = 0
        if (fault?._tag === "HoldReply") yield* fault.until
      }
      last = parser.sequence
      const framed = Packet.frame(payload, first)
      if (line.broken) return
      if (fault?._tag === "CutReply" && sent + framed.length > fault.afterBytes) {
        yield* write(line.client, framed.subarray(0, fault.afterBytes - sent), plan)
        return breakLine(line, fault.how)
      }
      yield* write(line.client, framed, plan)
      sent += framed.length
    }
  }
})

const write = (socket: Socket, bytes: Uint8Array, plan: Plan): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const done = (): void => resume(Effect.void)
    if (bytes.length === 0) return done()
    if (plan.splitBytes !== true) return void socket.write(bytes, done)
    const next = (at: number): void => {
      socket.write(bytes.subarray(at, at + 1), () => (at + 1 < bytes.length ? next(at + 1) : done()))
    }
    next(0)
  })

/**
 * Listens on a free port as long as the scope lasts, and connects each line to the target.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (target: NetConnectOpts, plan: Plan): Layer.Layer<FaultProxy> =>
  Layer.effect(
    FaultProxy,
    Effect.gen(function* () {
      const runFork = Effect.runForkWith(yield* Effect.context<never>())
      const lines = new Set<Line>()
      let connections = 0
      const server = createServer({ noDelay: true }, (client) => {
        const upstream = connect(target)
        upstream.setNoDelay(true)
        const line: Line = { client, server: upstream, faults: [], broken: false }
        const connection = connections++
        lines.add(line)
        // The end of one side is the end of both, unless the plan has silenced the line.
        runFork(
          Effect.raceFirst(forward(line, connection, plan), backward(line, plan)).pipe(
            Effect.exit,
            Effect.andThen(Effect.sync(() => (line.broken ? undefined : breakLine(line, "end"))))
          )
        )
        client.on("close", () => {
          lines.delete(line)
          upstream.destroy()
        })
      })
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void server.listen(0, localhost, () => resume(Effect.void))),
        () =>
          Effect.sync(() => {
            for (const line of lines) breakLine(line, "reset")
            server.close()
          })
      )
      return {
        host: localhost,
        port: (server.address() as AddressInfo).port,
        resetAll: Effect.sync(() => {
          for (const line of lines) breakLine(line, "reset")
        }),
        open: Effect.sync(() => lines.size)
      }
    })
  )
