/**
 * What the kernel holds for this process: bytes that have arrived on its sockets and that nobody has read.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs"

/** Whether the kernel tells. */
export const tells: boolean = existsSync("/proc/self/net/tcp")

/** The inodes of the sockets that this process has open. */
const ownSockets = (): ReadonlySet<string> => {
  const inodes = new Set<string>()
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))
      if (match !== null) inodes.add(match[1]!)
    } catch {
      // Closed in the meantime.
    }
  }
  return inodes
}

/** The rows of the kernel's table for sockets of this process whose other end is this port, by their columns. */
const rowsOf = (remotePort: number): ReadonlyArray<ReadonlyArray<string>> => {
  const own = ownSockets()
  return ["/proc/self/net/tcp", "/proc/self/net/tcp6"].filter(existsSync).flatMap((file) =>
    readFileSync(file, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => {
        const remote = fields[2]?.split(":")[1]
        return remote !== undefined && Number.parseInt(remote, 16) === remotePort && own.has(fields[9]!)
      })
  )
}

/** Bytes that wait on the sockets of this process whose other end is this port: the `Recv-Q` of `ss`. */
export const unread = (remotePort: number): number =>
  rowsOf(remotePort).reduce((bytes, fields) => bytes + Number.parseInt(fields[4]!.split(":")[1]!, 16), 0)

/** How many of them the kernel keeps alive; `undefined` while it still waits for something else to be acknowledged. */
export const keptAlive = (remotePort: number): number | undefined => {
  const timers = rowsOf(remotePort).map((fields) => fields[5]!.slice(0, 2))
  return timers.every((timer) => timer === "00" || timer === "02")
    ? timers.filter((timer) => timer === "02").length
    : undefined
}
