/** A line to the server that is cut at the first packet with a text in it, and a client behind it. */
import { MysqlServer } from "@effect-mysql/test-utils"
import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import * as MysqlClient from "../src/MysqlClient.ts"

export interface Cut {
  readonly at: string
  /**
   * Whether the server still gets the statement; its reply is lost in any case. `late`: not before `deliver`, and the
   * session on the server does not notice that its client is gone.
   */
  readonly passed: boolean | "late"
}

export interface Cutter {
  readonly port: number
  /** Hands over what was held back. */
  readonly deliver: () => void
  /** Takes no new connections any more. */
  readonly refuse: () => void
  readonly close: () => void
}

const cutter = (target: { readonly host: string; readonly port: number }, cut: Cut) =>
  Effect.acquireRelease(
    Effect.callback<Cutter>((resume) => {
      const sockets = new Set<Socket>()
      let done = false
      let deliver = () => {}
      const proxy = createServer((client) => {
        const server = connect(target.port, target.host)
        for (const socket of [client, server]) {
          sockets.add(socket)
          socket.on("error", () => {})
        }
        let reached = false
        client.on("data", (bytes) => {
          reached = !done && bytes.includes(cut.at)
          if (reached) done = true
          if (!reached || cut.passed === true) server.write(bytes)
          if (reached && cut.passed === "late") deliver = () => void server.write(bytes)
          if (reached && cut.passed !== true) client.destroy()
        })
        server.on("data", (bytes) => {
          // The reply shows that the server has done it.
          if (reached) client.destroy()
          else client.write(bytes)
        })
        client.on("close", () => {
          if (!reached || cut.passed !== "late") server.destroy()
        })
        server.on("close", () => client.destroy())
      })
      proxy.listen(0, "127.0.0.1", () => {
        const close = () => {
          for (const socket of sockets) socket.destroy()
          proxy.close()
        }
        const { port } = proxy.address() as AddressInfo
        resume(Effect.succeed({ port, deliver: () => deliver(), refuse: () => proxy.close(), close }))
      })
    }),
    (proxy) => Effect.sync(() => proxy.close())
  )

/** A client on the database of the block, whose line is cut. */
export const through = Effect.fnUntraced(function* (cut: Cut) {
  const { host, port } = yield* MysqlServer.MysqlServer
  const { config } = yield* MysqlClient.MysqlClient
  const proxy = yield* cutter({ host, port }, cut)
  const sql = yield* Effect.provide(
    MysqlClient.make({ ...config, host: "127.0.0.1", port: proxy.port, tls: { mode: "disabled" }, maxConnections: 1 }),
    Reactivity.layer
  )
  return { proxy, sql }
})
