/**
 * A conversation with the server that is not one of commands and replies, on a line that statements use before and after.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as MysqlError from "../MysqlError.ts"
import type { Owner } from "./Entry.ts"
import type { Exchange } from "./Exchange.ts"
import * as failures from "./failures.ts"

/**
 * `use` has the line to itself, and gets the bytes that were to go out in front of the next command. `owner` is the one
 * who has reserved the line already. A conversation that fails or is interrupted leaves the line in a state that nobody
 * knows: it is given up.
 */
export const converse = <A>(
  exchange: Exchange,
  owner: Owner | undefined,
  use: (riders: Buffer) => Effect.Effect<A, MysqlError.MysqlError>
): Effect.Effect<A, MysqlError.MysqlError> => {
  const own: Owner = {}
  const release = (): void => exchange.unreserve(own)
  return Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(Effect.onInterrupt(exchange.reserve(own, owner), () => Effect.sync(release))), () =>
      Effect.onExit(
        restore(
          Effect.flatMap(exchange.takeRiders, (riders) =>
            exchange.lost === undefined ? use(riders) : Effect.fail(lostIdle(exchange.lost))
          )
        ),
        (exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit)) {
              exchange.lose(failures.lostLine("given up because a conversation with the server broke off"))
            }
            release()
          })
      )
    )
  )
}

/** For what was not even begun when the line was lost. */
const lostIdle = ({ reason }: MysqlError.MysqlError): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ConnectionLost({ phase: "notSent", problem: reason.message, cause: reason }))
