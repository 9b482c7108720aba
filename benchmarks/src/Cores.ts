/**
 * Server and contestants get cores of their own, where the system can be told (`taskset` of Linux). Left to itself the
 * scheduler moves the two together and apart, and with that the CPU time of one and the same process changes by half.
 */
import { execFileSync } from "node:child_process"
import { availableParallelism } from "node:os"

export interface Cores {
  readonly description: string
  /** What starts a contestant's process: a program and its first arguments, or Node as it is. */
  readonly starter: { readonly execPath: string; readonly execArgv: Array<string> } | undefined
}

const together: Cores = { description: "server and contestants share all cores", starter: undefined }

/** Moves this process to the first core, and with it the server that it will start. */
export const separate = (): Cores => {
  const count = availableParallelism()
  if (process.platform !== "linux" || count < 2) return together
  const others = count === 2 ? "1" : `1-${count - 1}`
  try {
    // Tried first: in a container that may use other cores than these nothing is moved.
    execFileSync("taskset", ["-c", others, "true"], { stdio: "ignore" })
    execFileSync("taskset", ["-a", "-c", "-p", "0", String(process.pid)], { stdio: "ignore" })
  } catch {
    return together
  }
  return {
    description: `contestants on core ${others}; a server that is started here, on core 0`,
    starter: { execPath: "taskset", execArgv: ["-c", others, process.execPath, ...process.execArgv] }
  }
}
