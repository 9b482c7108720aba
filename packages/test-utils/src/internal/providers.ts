/**
 * Which provider gives a server when none is asked for. What is here already comes first, the quickest of it before the
 * others; only when nothing is here is something fetched. A server that `MYSQL_TEST_URL` names goes before all: somebody
 * asked for it.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Flavour from "../Flavour.ts"
import { MysqlServerError } from "../MysqlServerError.ts"
import * as Binary from "./binaryProvider.ts"
import * as Container from "./containerProvider.ts"
import * as Debian from "./debianProvider.ts"
import { variable } from "./environment.ts"
import type { Provided, Provider, ProviderName, Wanted } from "./provider.ts"
import * as Url from "./urlProvider.ts"

const own: ReadonlyArray<Provider> = [Binary.provider, Debian.provider, Container.provider]

/** Pulling an image is quicker than installing packages, and needs no root. */
const fetching: ReadonlyArray<Provider> = [Container.provider, Debian.provider]

const names: ReadonlyArray<string> = ["auto", "url", "binary", "container", "debian"]

type Ask = Omit<Wanted, "flavour">

interface Candidate {
  readonly provider: Provider
  readonly flavour: Flavour.Flavour
  /** What has to be fetched; `undefined` when it is here. */
  readonly what: string | undefined
}

const advice =
  "Set MYSQL_TEST_URL=mysql://user:password@host:port, start Docker, or put the server on the PATH; " +
  "on Debian, root gets it installed into a private folder."

const nothing = (flavour: Flavour.Flavour | undefined, tried: ReadonlyArray<string>): MysqlServerError =>
  new MysqlServerError({
    operation: `get ${flavour === undefined ? "a server" : Flavour.details[flavour].title}`,
    tried,
    advice
  })

interface Candidates {
  readonly inOrder: ReadonlyArray<Candidate>
  readonly reasons: ReadonlyArray<string>
}

/** Every way to these flavours, the ways that need nothing first. */
const candidates = Effect.fnUntraced(function* (
  flavours: ReadonlyArray<Flavour.Flavour>
): Effect.fn.Return<Candidates> {
  const ready: Array<Candidate> = []
  const toFetch: Array<Candidate> = []
  const reasons: Array<string> = []
  for (const flavour of flavours) {
    for (const provider of own) {
      const availability = yield* provider.availability(flavour)
      if (availability._tag === "Ready") ready.push({ provider, flavour, what: undefined })
      else if (availability._tag === "NeedsInstall") toFetch.push({ provider, flavour, what: availability.what })
      else reasons.push(`${provider.name}: ${availability.reason}`)
    }
  }
  const inOrder = [
    ...ready,
    ...flavours.flatMap((flavour) =>
      fetching.flatMap((provider) =>
        toFetch.filter((candidate) => candidate.provider === provider && candidate.flavour === flavour)
      )
    )
  ]
  return { inOrder, reasons: [...new Set(reasons)] }
})

/** The first candidate that starts. */
const firstOf = Effect.fnUntraced(function* (
  flavour: Flavour.Flavour | undefined,
  before: ReadonlyArray<string>,
  ask: Ask
): Effect.fn.Return<Provided, MysqlServerError, Scope.Scope> {
  const { inOrder, reasons } = yield* candidates(flavour === undefined ? Flavour.all : [flavour])
  const tried = [...before, ...reasons]
  for (const candidate of inOrder) {
    const server = yield* Effect.result(candidate.provider.provide({ ...ask, flavour: candidate.flavour }))
    if (Result.isSuccess(server)) return server.success
    tried.push(`${candidate.provider.name}: ${server.failure.message}`)
  }
  return yield* nothing(flavour, tried)
})

const automatic = Effect.fnUntraced(function* (
  flavour: Flavour.Flavour | undefined,
  ask: Ask
): Effect.fn.Return<Provided, MysqlServerError, Scope.Scope> {
  if ((yield* Url.addresses) === undefined) return yield* firstOf(flavour, ["url: MYSQL_TEST_URL is not set"], ask)
  const obstacle = Url.cannotGive(ask)
  if (obstacle !== undefined) return yield* firstOf(flavour, [`url: ${obstacle}`], ask)
  const server = yield* Effect.result(Url.find(flavour))
  if (Result.isSuccess(server)) return server.success
  return yield* firstOf(flavour, [`url: ${server.failure.message}`], ask)
})

const byName = (
  name: ProviderName,
  flavour: Flavour.Flavour | undefined,
  ask: Ask
): Effect.Effect<Provided, MysqlServerError, Scope.Scope> => {
  if (name === "url") {
    const obstacle = Url.cannotGive(ask)
    return obstacle === undefined ? Url.find(flavour) : Effect.fail(nothing(flavour, [`url: ${obstacle}`]))
  }
  const provider = own.find((provider) => provider.name === name)!
  if (flavour !== undefined) return provider.provide({ ...ask, flavour })
  return Effect.flatMap(
    Effect.filter(Flavour.all, (flavour) =>
      Effect.map(provider.availability(flavour), (availability) => availability._tag === "Ready")
    ),
    (here) => provider.provide({ ...ask, flavour: here[0] ?? Flavour.all[0]! })
  )
}

const isName = (name: string): name is ProviderName | "auto" => names.includes(name)

/** A server of this flavour, or of any, by this provider, or by any. */
export const provide: (
  provider: ProviderName | "auto" | undefined,
  flavour: Flavour.Flavour | undefined,
  ask: Ask
) => Effect.Effect<Provided, MysqlServerError, Scope.Scope> = Effect.fnUntraced(function* (provider, flavour, ask) {
  const name = provider ?? (yield* variable("EFFECT_MYSQL_PROVIDER")) ?? "auto"
  if (!isName(name)) {
    return yield* new MysqlServerError({
      operation: "choose a provider",
      tried: [`EFFECT_MYSQL_PROVIDER is "${name}"`],
      advice: `Set it to one of ${names.join(", ")}.`
    })
  }
  return yield* name === "auto" ? automatic(flavour, ask) : byName(name, flavour, ask)
})

/** What would have to be fetched to start this flavour; `undefined` when nothing would, or when it cannot be had. */
export const plan: (flavour: Flavour.Flavour) => Effect.Effect<string | undefined> = Effect.fnUntraced(
  function* (flavour) {
    const { inOrder } = yield* candidates([flavour])
    return inOrder[0]?.what
  }
)
