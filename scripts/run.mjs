/**
 * The way into the workspace: every npm script goes through here. Runs on the oldest Node a fresh machine is likely to
 * have (20) and needs nothing but npm: it sees to it that the workspace is installed, with its own pinned Node, and runs
 * the wanted script on that Node. Does not know what the scripts do.
 */
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { constants } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const pnpm = "pnpm@12.21.0"
const node = join(root, "node_modules", ".bin", "node")
const stampFile = join(root, "node_modules", ".effect-mysql-installed")

/** Script of each target, with the arguments that come before the user's. */
const targets = {
  demo: ["examples/src/demo.ts"],
  test: ["scripts/test.ts"],
  "test:long": ["scripts/test.ts", "--long"],
  bench: ["benchmarks/src/main.ts"],
  check: ["scripts/check.ts"],
  build: ["scripts/build.ts"],
  format: ["node_modules/@biomejs/biome/bin/biome", "check", "--write", "--linter-enabled=false"]
}

const fail = (line) => {
  process.stderr.write(`${line}\n`)
  process.exit(1)
}

const read = (file) => (existsSync(file) ? readFileSync(file) : Buffer.alloc(0))

/** Everything that decides what is installed: the lock file and each package's manifest. */
const wantedStamp = () => {
  const folders = ["packages", "."].flatMap((parent) =>
    readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
      .map((entry) => join(parent, entry.name, "package.json"))
  )
  const hash = createHash("sha256")
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json", ...folders.sort()]) {
    hash
      .update(`${file}\0`)
      .update(read(join(root, file)))
      .update("\0")
  }
  return hash.digest("hex")
}

/** What keeps the workspace from being used as it is, or undefined. */
const obstacle = () => {
  if (!existsSync(node)) return "the workspace is not installed (there is no node_modules/.bin/node)"
  const installedLock = read(join(root, "node_modules", ".pnpm", "lock.yaml"))
  return installedLock.equals(read(join(root, "pnpm-lock.yaml")))
    ? undefined
    : "node_modules does not match pnpm-lock.yaml"
}

/** The pinned Node is linked against libatomic, which the smallest Debian lacks. */
const makeNodeRun = () => {
  const tried = spawnSync(node, ["--version"], { encoding: "utf8" })
  if (tried.status === 0) return
  const library = "libatomic1"
  if (!tried.stderr.includes("libatomic")) fail(`The workspace's Node does not run: ${tried.stderr.trim()}`)
  const byHand = `Node needs the library libatomic, which is not here: install it (on Debian: apt-get install ${library})`
  if (process.getuid?.() !== 0 || spawnSync("apt-get", ["--version"]).status !== 0) fail(byHand)
  process.stderr.write(`Installing the Debian package ${library}, which Node needs\n`)
  for (const command of [["update"], ["install", "--yes", "--no-install-recommends", library]]) {
    const { status, stdout, stderr } = spawnSync("apt-get", ["-qq", ...command], { encoding: "utf8" })
    if (status !== 0) fail(`${stdout}${stderr}${byHand}`)
  }
}

const install = (stamp) => {
  const [, listed = ""] = read(join(root, "pnpm-lock.yaml"))
    .toString()
    .split(/^(?:packages|snapshots):$/m)
  const packages = listed.match(/^ {2}\S.*:$/gm)?.length ?? 0
  process.stderr.write(
    `Installing the workspace into node_modules: up to ${packages} npm packages, Node among them, with ${pnpm}\n`
  )
  const started = Date.now()
  const command = ["--loglevel=error", "-y", pnpm, "install", "--frozen-lockfile", "--reporter=append-only"]
  const { error, status, signal, stdout, stderr } = spawnSync("npx", command, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "pipe"]
  })
  if (error !== undefined) fail(`npx could not be started (${error.message}): npm must be on the PATH`)
  if (signal !== null) process.kill(process.pid, signal)
  if (status !== 0) {
    process.stderr.write(`${stdout}${stderr}`)
    fail(`The installation failed: npx ${command.slice(1).join(" ")} ended with ${status}, its output is above`)
  }
  if (!existsSync(node)) fail("The installation left no node_modules/.bin/node: was the build of `node` forbidden?")
  makeNodeRun()
  mkdirSync(dirname(stampFile), { recursive: true })
  writeFileSync(stampFile, stamp)
  process.stderr.write(`Installed in ${Math.round((Date.now() - started) / 1000)} s\n`)
}

const [target, ...all] = process.argv.slice(2)
if (target === undefined || !Object.hasOwn(targets, target)) {
  fail(`Usage: npm run ${Object.keys(targets).join("|")} -- [--no-install] [arguments]`)
}
const args = all.filter((arg) => arg !== "--no-install")
const mayInstall = args.length === all.length && process.env.EFFECT_MYSQL_NO_INSTALL !== "1"

const stamp = wantedStamp()
if (mayInstall) {
  if (!existsSync(node) || read(stampFile).toString() !== stamp) install(stamp)
} else {
  const reason = obstacle()
  if (reason !== undefined) fail(`Cannot run ${target}: ${reason}, and --no-install forbids installing`)
}

const [script, ...before] = targets[target]
if (!existsSync(join(root, script))) fail(`Cannot run ${target}: there is no ${script}`)
const child = spawn(node, [join(root, script), ...before, ...args], {
  cwd: root,
  stdio: "inherit",
  env: {
    ...process.env,
    PATH: `${dirname(node)}:${process.env.PATH ?? ""}`,
    ...(mayInstall ? {} : { EFFECT_MYSQL_NO_INSTALL: "1" })
  }
})
child.on("error", (error) => fail(`Cannot run ${target}: ${error.message}`))
// After Ctrl-C at a terminal the child gets the signal twice, which it must bear: who signals only this process means both.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal))
child.on("exit", (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]))
