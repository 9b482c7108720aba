/**
 * The arrows between the packages: what the source of each may import. `sql-layer → client → protocol`, `test-utils →
 * protocol`, and nothing else; protocol knows no socket, only `NodeTransport` knows Node's sockets, and no package but
 * the test kit has timers of its own. Judges texts, reads no files.
 */

export interface SourceFile {
  /** From the root of the package, e.g. `src/framing/Packet.ts`. */
  readonly path: string
  readonly text: string
}

export interface Violation {
  readonly path: string
  readonly line: number
  readonly message: string
}

export interface PackageRules {
  /** Modules that may be imported; an entry that ends in `*` stands for everything that begins so. */
  readonly allowed: ReadonlyArray<string>
  /** Exceptions to `allowed`. */
  readonly forbidden: ReadonlyArray<string>
  /** Modules that only some files may import. */
  readonly reserved: ReadonlyArray<{ readonly modules: ReadonlyArray<string>; readonly files: RegExp }>
  readonly timers: boolean
}

const sockets = ["node:net", "node:tls", "node:dgram", "node:http", "node:https", "node:http2"]

export const rules: Readonly<Record<string, PackageRules>> = {
  protocol: {
    allowed: ["effect/*", "node:crypto", "node:zlib", "@noble/*"],
    forbidden: ["effect/socket*", "effect/net*", "effect/http*", "effect/sql*", "effect/process*"],
    reserved: [],
    timers: false
  },
  client: {
    allowed: ["effect/*", "@effect/platform-node*", "@effect-mysql/protocol*", "node:*"],
    forbidden: ["effect/sql*", "node:timers*"],
    reserved: [{ modules: sockets, files: /^src\/(?:NodeTransport|internal\/nodeTransport\/[^/]+)\.ts$/ }],
    timers: false
  },
  "sql-layer": {
    allowed: ["effect/*", "@effect/platform-node*", "@effect-mysql/client*", "kysely", "drizzle-orm*"],
    forbidden: [],
    reserved: [
      { modules: ["kysely"], files: /^src\/Kysely\.ts$/ },
      { modules: ["drizzle-orm*"], files: /^src\/Drizzle\.ts$/ }
    ],
    timers: false
  },
  "test-utils": {
    allowed: [
      "effect/*",
      "@effect/platform-node*",
      "@effect-mysql/protocol*",
      "testcontainers",
      "@peculiar/*",
      "node:*"
    ],
    forbidden: ["effect/sql*"],
    reserved: [],
    timers: true
  }
}

const importPatterns: ReadonlyArray<RegExp> = [
  /^[ \t]*(?:import|export)\b(?:[ \t]+type\b)?[^"'`;=]*?\bfrom\s*["']([^"']+)["']/gm,
  /^[ \t]*import\s*["']([^"']+)["']/gm,
  /\b(?:import|require)\s*\(\s*["']([^"']+)["']/g
]

const timerPatterns: ReadonlyArray<RegExp> = [
  /(?<![.\w])(?:setTimeout|setInterval)\s*\(/g,
  /(?<![.\w])(?:Date|performance)\.now\b/g,
  /\bnew Date\(\s*\)/g
]

const lineAt = (text: string, index: number): number => text.slice(0, index).split("\n").length

/** Comments hold examples, whose imports are nobody's; they become blanks, so that lines keep their numbers. */
const withoutComments = (text: string): string =>
  text.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, " ")).replace(/^[ \t]*\/\/.*$/gm, "")

/** Every module that a file imports, with the line. */
export const importsOf = (text: string): ReadonlyArray<{ readonly module: string; readonly line: number }> => {
  const code = withoutComments(text)
  return importPatterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => ({
      module: match[1]!,
      line: lineAt(code, match.index + match[0].length)
    }))
  )
}

const matches = (module: string, patterns: ReadonlyArray<string>): boolean =>
  patterns.some((pattern) => (pattern.endsWith("*") ? module.startsWith(pattern.slice(0, -1)) : module === pattern))

/** `@scope/name/rest` and `name/rest` without the rest. */
const packageOf = (module: string): string =>
  module
    .split("/")
    .slice(0, module.startsWith("@") ? 2 : 1)
    .join("/")

const escapes = (path: string, module: string): boolean => {
  const resolved = new URL(module, `file:///package/${path}`).pathname
  return !resolved.startsWith("/package/src/")
}

const importFault = (
  rule: PackageRules,
  declared: ReadonlyArray<string>,
  path: string,
  module: string
): string | undefined => {
  if (module.startsWith(".")) return escapes(path, module) ? "leaves the package's source" : undefined
  if (!matches(module, rule.allowed) || matches(module, rule.forbidden)) return "is not for this package"
  const owner = rule.reserved.find(({ modules }) => matches(module, modules))
  if (owner !== undefined && !owner.files.test(path)) return `is only for ${owner.files.source}`
  if (!module.startsWith("node:") && !declared.includes(packageOf(module))) return "is not declared as a dependency"
  return undefined
}

/** What is wrong with one file of a package's source. `declared`: dependencies and peer dependencies by name. */
export const check = (
  rule: PackageRules,
  declared: ReadonlyArray<string>,
  { path, text }: SourceFile
): ReadonlyArray<Violation> => {
  const imports = importsOf(text).flatMap(({ line, module }) => {
    const fault = importFault(rule, declared, path, module)
    return fault === undefined ? [] : [{ path, line, message: `${module} ${fault}` }]
  })
  if (rule.timers) return imports
  const code = withoutComments(text)
  const timers = timerPatterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => ({
      path,
      line: lineAt(code, match.index),
      message: `${match[0].trim()} is a timer or clock of its own: use Clock`
    }))
  )
  return [...imports, ...timers]
}
