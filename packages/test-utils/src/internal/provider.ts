/**
 * What every provider of servers answers: what it was asked for, and what came of it.
 */
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Certificates } from "../Certificates.ts"
import type { Flavour } from "../Flavour.ts"
import type { MysqlServerError } from "../MysqlServerError.ts"
import type { Log } from "./cache.ts"
import type { Lifecycle } from "./lifecycle.ts"
import type { Settings } from "./settings.ts"

export type ProviderName = "url" | "binary" | "container" | "debian"

export interface Wanted {
  readonly flavour: Flavour
  readonly settings: Settings
  readonly certificates: Certificates | undefined
  readonly log: Log
}

/** How to reach a server as the account that may do everything. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly socketPath: string | undefined
  readonly username: string
  readonly password: Redacted.Redacted
}

export interface Provided extends Lifecycle {
  readonly provider: ProviderName
  readonly flavour: Flavour | "url"
  readonly address: Address
}

/** How soon a provider can give a flavour, from what is here already. */
export type Availability =
  | { readonly _tag: "Ready" }
  /** Something has to be fetched first: `what` says it, for people. */
  | { readonly _tag: "NeedsInstall"; readonly what: string }
  | { readonly _tag: "Unavailable"; readonly reason: string }

export interface Provider {
  readonly name: ProviderName
  readonly availability: (flavour: Flavour) => Effect.Effect<Availability>
  /** Installs what is needed, and starts a server that is stopped and removed with the scope. */
  readonly provide: (wanted: Wanted) => Effect.Effect<Provided, MysqlServerError, Scope.Scope>
}
