/**
 * A burst on a cold pool: so many borrowers at once, a statement of a millisecond each, and a way to the server that takes
 * its time with every new line. A good pool opens few connections for it and makes nobody wait long.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import type { Target } from "../Contestant.ts"
import type { Make } from "./Subject.ts"

const borrowers = 200
const max = 100
const connectMillis = 50
const work = "DO SLEEP(0.001)"

export interface Figures {
  readonly name: string
  readonly connects: number
  /** From the burst to the end of the borrower's statement, in milliseconds. */
  readonly median: number
  readonly p99: number
  readonly total: number
}

/** Passes everything on; a new line is silent for so long first. */
const slowWay = (target: Target) => {
  const sockets = new Set<Socket>()
  let connects = 0
  const server = createServer((client) => {
    connects++
    client.setNoDelay(true)
    sockets.add(client)
    client.on("error", () => client.destroy())
    client.on("close", () => sockets.delete(client))
    setTimeout(() => {
      if (client.destroyed) return
      const upstream = connect({ host: target.host, port: target.port, noDelay: true })
      upstream.on("error", () => client.destroy())
      client.on("close", () => upstream.destroy())
      upstream.on("close", () => client.destroy())
      client.pipe(upstream)
      upstream.pipe(client)
    }, connectMillis)
  })
  return new Promise<{ port: number; connects: () => number; close: () => Promise<void> }>((resolve) => {
    server.listen(0, "127.0.0.1", () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        connects: () => connects,
        close: () => {
          for (const socket of sockets) socket.destroy()
          return new Promise((closed) => server.close(() => closed()))
        }
      })
    )
  })
}

export const run = async (make: Make, target: Target): Promise<Figures> => {
  const way = await slowWay(target)
  const subject = await make({ ...target, host: "127.0.0.1", port: way.port }, max)
  const begun = performance.now()
  const waits = await Promise.all(
    Array.from({ length: borrowers }, async () => {
      await subject.once(work)
      return performance.now() - begun
    })
  )
  waits.sort((one, other) => one - other)
  const connects = way.connects()
  await subject.close()
  await way.close()
  return {
    name: subject.name,
    connects,
    median: waits[borrowers / 2]!,
    p99: waits[Math.floor(borrowers * 0.99)]!,
    total: waits.at(-1)!
  }
}

export const title = `${borrowers} borrowers at once on a cold pool of ${max}: ${connectMillis} ms to connect, 1 ms of work`
