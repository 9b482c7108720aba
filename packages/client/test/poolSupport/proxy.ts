/**
 * A way to a server that the test can cut and open again, on one port.
 */
import * as Effect from "effect/Effect"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"

export interface Proxy {
  readonly port: number
  /** Breaks all lines and refuses new ones. */
  readonly cut: Effect.Effect<void>
  readonly open: Effect.Effect<void>
}

const listen = (server: Server, port: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.listen(port, "127.0.0.1", () => resume(Effect.void))
  })

/** Open from the beginning, cut with the scope. */
export const make = Effect.fnUntraced(function* (target: { readonly host: string; readonly port: number }) {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect({ ...target, noDelay: true })
    client.setNoDelay(true)
    for (const [one, other] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      sockets.add(one)
      one.on("error", () => other.destroy())
      one.on("close", () => {
        sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  yield* listen(server, 0)
  const { port } = server.address() as AddressInfo
  const cut = Effect.callback<void>((resume) => {
    if (!server.listening) return resume(Effect.void)
    server.close(() => resume(Effect.void))
    for (const socket of sockets) {
      // A socket that is being shut down cannot be reset: Node would keep it for ever.
      if (socket.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
  })
  yield* Effect.addFinalizer(() => cut)
  return { port, cut, open: listen(server, port) } satisfies Proxy
})
