/**
 * What Bun and Deno lack of what tests are about. Those are skipped there for one of these reasons and for no other.
 */
import type { TestContext } from "vitest"
import type { MysqlConfig } from "../../src/MysqlConfig.ts"

const runtime = "Bun" in globalThis ? "Bun" : "Deno" in globalThis ? "Deno" : "Node"

const missing = {
  lookUps: {
    Bun: "does not tell whether a name is being looked up",
    Deno: "does not tell whether a name is being looked up"
  },
  serverCertificates: { Deno: "does not show the certificate of a server that it was not to refuse" },
  clientKeys: { Deno: "does not look at a client's key before a server asks for it" },
  failedWrites: { Bun: "takes all that it is given, and tells of no write that failed" },
  tlsSessions: { Deno: "resumes no TLS session" }
} satisfies Record<string, Readonly<Partial<Record<typeof runtime, string>>>>

/** Skips the test on a runtime that has not got this. */
export const needs = (context: TestContext, what: keyof typeof missing): void => {
  const reasons: Readonly<Partial<Record<typeof runtime, string>>> = missing[what]
  const reason = reasons[runtime]
  if (reason !== undefined) context.skip(`${runtime} ${reason}`)
}

/** A kind of line on which a server waits for whoever does not read: Deno reads ahead on lines with TLS. */
export const lineWithBackPressure: MysqlConfig = runtime === "Deno" ? { tls: { mode: "disabled" } } : {}

/** What a runtime says of a certificate that has expired. */
export const expired: RegExp = runtime === "Deno" ? /unable to verify/ : /expired/
