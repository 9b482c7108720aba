/**
 * A connection from its first moment to its last, and what all views of it share: the open one, those of its
 * reservations, and the pool's.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import type { ReplyOptions } from "@effect-mysql/protocol/reply/Reply"
import * as Charset from "@effect-mysql/protocol/value/Charset"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Resolved } from "../MysqlConfig.ts"
import type { Info } from "../MysqlConnection.ts"
import { ConnectionLost, type MysqlError, make } from "../MysqlError.ts"
import type { Canceller } from "./canceller.ts"
import { Exchange } from "./Exchange.ts"
import { LastPrepared } from "./lastPrepared.ts"
import * as login from "./login.ts"
import { NamedTexts } from "./named.ts"
import { StatementCache } from "./statements.ts"
import { addressOf } from "./target.ts"

const quitBound = Duration.seconds(1)
const endBound = Duration.seconds(2)

/** What all views of one connection share. */
export interface Core {
  /** As it was opened, but for the user, who may have been changed. */
  config: Resolved
  session: login.Session
  readonly exchange: Exchange
  readonly statements: StatementCache
  readonly lastPrepared: LastPrepared
  readonly namedTexts: NamedTexts
  info: Info
  /** How rows come out where a statement does not say otherwise: made once, since decoders are kept with them. */
  readonly rows: { readonly object: ReplyOptions["rows"]; readonly array: ReplyOptions["rows"] }
  /** Since the last reset a statement ran that may have left something behind in the session. */
  touched: boolean
  /** Since the last reset a branch of a distributed transaction may have been begun. */
  branched: boolean
  /** Ends the session at once: what runs in it is stopped on the server before. */
  readonly close: Effect.Effect<void>
}

/**
 * Connects, logs in, and gives the connection to the scope: when it closes the session is ended politely where it is
 * idle. Otherwise it is ended on the server, and whoever still waits for a reply hears that the line is gone.
 */
export const open = (config: Resolved, canceller: Canceller): Effect.Effect<Core, MysqlError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const services = yield* Effect.context<never>()
      const runFork = Effect.runForkWith(services)
      const session = yield* restore(Scope.provide(login.connect(config), scope)).pipe(
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
      )
      const exchange: Exchange = new Exchange({
        transport: session.transport,
        parser: session.parser,
        capabilities: session.capabilities,
        status: session.status,
        database: session.database,
        charset: Charset.named(config.charset),
        maxAllowedPacket: session.maxAllowedPacket,
        cancellation: config.cancellation,
        kill: (request) => canceller.kill(core.config, core.session, request),
        runFork,
        onLost: () => runFork(Scope.close(scope, Exit.void))
      })
      const close = (statementId: number) => exchange.ride(Command.closeStatement(statementId))
      const core: Core = {
        config,
        session,
        exchange,
        statements: new StatementCache(config.statementCacheSize, () => exchange.database, close),
        lastPrepared: new LastPrepared(close),
        namedTexts: new NamedTexts(config.statementCacheSize),
        info: describe(config, session),
        rows: {
          object: { shape: "object", decoding: config.decoding, offsetMinutes: config.offsetMinutes },
          array: { shape: "array", decoding: config.decoding, offsetMinutes: config.offsetMinutes }
        },
        touched: false,
        branched: false,
        close: Effect.suspend(() => (exchange.stoppable ? cut(core, canceller) : Effect.sync(() => exchange.cut())))
      }
      yield* Effect.addFinalizer(() =>
        // What was interrupted is stopped before: closing the line alone would let it run on.
        Effect.andThen(
          exchange.settled,
          Effect.suspend(() => {
            if (exchange.lost !== undefined) return Effect.void
            return exchange.quiet ? quit(session) : cut(core, canceller)
          })
        ).pipe(Effect.andThen(Scope.close(scope, Exit.void)))
      )
      return core
    })
  )

const quit = (session: login.Session): Effect.Effect<void> =>
  session.transport.write(Command.quit).pipe(Effect.ignore, Effect.timeoutOption(quitBound), Effect.asVoid)

const cut = ({ config, exchange, session }: Core, canceller: Canceller): Effect.Effect<void> => {
  const killed =
    config.cancellation === "kill" && exchange.stoppable
      ? canceller.kill(config, session, { wanted: true, pending: false }, "CONNECTION")
      : Effect.void
  return killed.pipe(
    Effect.ignore,
    Effect.timeoutOption(endBound),
    Effect.map(() => exchange.lose(closedHere()))
  )
}

const closedHere = (): MysqlError =>
  make(new ConnectionLost({ phase: "sent", problem: "the connection was closed here while it was in use" }))

/** After login and reset; `session` tells of the former. */
export const describe = (config: Resolved, session: login.Session): Info => {
  const { greeting, transport } = session
  return {
    product: greeting.product,
    version: greeting.version,
    connectionId: greeting.connectionId,
    host: addressOf(transport.target),
    authPlugin: session.authPlugin,
    tls: transport.tls === undefined ? undefined : { ...transport.tls, verified: session.verified },
    compression: session.compression,
    charset: config.charset,
    collation: session.collation,
    protocolVersion: 10,
    capabilities: session.capabilities
  }
}
