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

/** Bytes that wait on the sockets of this process whose other end is this port: the `Recv-Q` of `ss`. */
export const unread = (remotePort: number): number => {
  const own = ownSockets()
  let bytes = 0
  for (const file of ["/proc/self/net/tcp", "/proc/self/net/tcp6"]) {
    if (!existsSync(file)) continue
    for (const line of readFileSync(file, "utf8").split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/)
      const remote = fields[2]?.split(":")[1]
      if (remote === undefined || Number.parseInt(remote, 16) !== remotePort || !own.has(fields[9]!)) continue
      bytes += Number.parseInt(fields[4]!.split(":")[1]!, 16)
    }
  }
  return bytes
}
