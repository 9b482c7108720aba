/**
 * The sampling profiler around a piece of work: a file for any viewer of `.cpuprofile`, and the functions that took the
 * most time themselves as text.
 */
import { writeFileSync } from "node:fs"
import { type Profiler, Session } from "node:inspector/promises"

const samplingMicros = 200

export const record = async <A>(
  file: string,
  work: () => Promise<A>
): Promise<{ readonly value: A; readonly top: string }> => {
  const session = new Session()
  session.connect()
  await session.post("Profiler.enable")
  await session.post("Profiler.setSamplingInterval", { interval: samplingMicros })
  await session.post("Profiler.start")
  const value = await work()
  const { profile } = await session.post("Profiler.stop")
  session.disconnect()
  writeFileSync(file, JSON.stringify(profile))
  return { value, top: top(profile, 30) }
}

/** Self time by function, idle time left out. */
const top = (profile: Profiler.Profile, count: number): string => {
  const names = new Map(
    profile.nodes.map((node) => {
      const { functionName, lineNumber, url } = node.callFrame
      const place = url === "" ? "" : `  ${url.split("/").slice(-2).join("/")}:${lineNumber + 1}`
      return [node.id, `${functionName === "" ? "(anonymous)" : functionName}${place}`]
    })
  )
  const self = new Map<string, number>()
  profile.samples?.forEach((id, index) => {
    const name = names.get(id)!
    if (name !== "(idle)") self.set(name, (self.get(name) ?? 0) + profile.timeDeltas![index]!)
  })
  const total = [...self.values()].reduce((sum, micros) => sum + micros, 0)
  return [...self]
    .sort((a, b) => b[1] - a[1])
    .slice(0, count)
    .map(([name, micros]) => `${((micros / total) * 100).toFixed(1).padStart(6)} %  ${name}`)
    .join("\n")
}
