/**
 * Folders that are made once and kept: a folder is built under another name and renamed when it is complete, so that an
 * interrupted build leaves nothing that looks finished. Of several processes that want the same folder one builds and
 * the others wait.
 */
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import { existsSync } from "node:fs"
import { link, mkdir, readdir, readFile, rename, rm, unlink, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { MysqlServerError } from "../MysqlServerError.ts"

export type Log = (line: string) => Effect.Effect<void>

const fileError =
  (operation: string) =>
  (cause: unknown): MysqlServerError =>
    new MysqlServerError({
      operation,
      tried: [cause instanceof Error ? cause.message : String(cause)],
      advice: "Check that the folder can be written, or set XDG_CACHE_HOME to one that can.",
      cause
    })

/** A file operation; a failure says what it was for. */
export const file = <A>(operation: string, run: () => Promise<A>): Effect.Effect<A, MysqlServerError> =>
  Effect.tryPromise({ try: run, catch: fileError(operation) })

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** Takes the lock, or says which process holds it. A lock whose process is gone is removed. */
const tryLock = async (path: string): Promise<number | "taken"> => {
  // Linked into place complete, so that nobody reads a lock without its owner.
  const own = `${path}.${randomUUID()}`
  await writeFile(own, String(process.pid))
  try {
    await link(own, path)
    return "taken"
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause
  } finally {
    await unlink(own)
  }
  const holder = Number(await readFile(path, "utf8").catch(() => "0"))
  if (holder !== 0 && isAlive(holder)) return holder
  await unlink(path).catch(() => {})
  return tryLock(path)
}

/** Runs the effect while no other process holds the lock, a file that says who does. */
export const withLock = <A, E>(
  path: string,
  log: Log,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E | MysqlServerError> => {
  const acquire = (announced: boolean): Effect.Effect<void, MysqlServerError> =>
    Effect.flatMap(
      file(`lock ${path}`, () => tryLock(path)),
      (holder) =>
        holder === "taken"
          ? Effect.void
          : Effect.andThen(
              announced
                ? Effect.void
                : log(`Waiting for process ${holder}, which is preparing ${path.replace(/\.lock$/, "")}`),
              Effect.andThen(Effect.sleep(200), acquire(true))
            )
    )
  return Effect.acquireUseRelease(
    Effect.interruptible(acquire(false)),
    () => effect,
    () => Effect.promise(() => unlink(path).catch(() => {}))
  )
}

/** What builds that were killed have left. */
const removeLeftOvers = async (target: string): Promise<void> => {
  const siblings = await readdir(dirname(target))
  const left = siblings.filter((name) => name.startsWith(`${basename(target)}.`) && name.endsWith(".partial"))
  await Promise.all(left.map((name) => rm(join(dirname(target), name), { recursive: true, force: true })))
}

/**
 * Makes the folder `target` by `build` unless it is there. `build` gets the path of a temporary sibling that does not
 * exist yet; what it leaves there becomes `target` when it succeeds, and is removed when it fails or is interrupted.
 */
export const folder = <E>(
  target: string,
  log: Log,
  build: (temporary: string) => Effect.Effect<void, E>
): Effect.Effect<void, E | MysqlServerError> =>
  Effect.suspend(() => {
    if (existsSync(target)) return Effect.void
    const temporary = `${target}.${randomUUID().slice(0, 8)}.partial`
    const buildOnce = Effect.suspend(() =>
      existsSync(target)
        ? Effect.void
        : Effect.andThen(
            file(`clear ${dirname(target)}`, () => removeLeftOvers(target)),
            Effect.onExit(
              Effect.andThen(
                build(temporary),
                file(`create ${target}`, () => rename(temporary, target))
              ),
              () => Effect.promise(() => rm(temporary, { recursive: true, force: true }))
            )
          )
    )
    return Effect.andThen(
      file(`create ${dirname(target)}`, () => mkdir(dirname(target), { recursive: true })),
      withLock(`${target}.lock`, log, buildOnce)
    )
  })
