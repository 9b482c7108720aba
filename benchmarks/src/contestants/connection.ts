/**
 * Ours on one connection: a round is one Effect program, as a user would write it, run in its own fiber.
 */
import * as MysqlConnection from "@effect-mysql/client/MysqlConnection"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Contestant, Target } from "../Contestant.ts"
import { accountId, type BenchRow, pointId } from "../Dataset.ts"
import { allParameters, concurrency, pageParameters, sql } from "../Line.ts"

type One = { readonly 1: number }
type Balance = { readonly balance: number }

const hundred = Array.from({ length: concurrency }, (_, index) => index)

const asText = { prepare: false } as const

export const connect = async (target: Target): Promise<Contestant> => {
  const scope = Scope.makeUnsafe()
  const connection = await Effect.runPromise(
    MysqlConnection.make({
      host: target.host,
      port: target.port,
      username: target.user,
      password: Redacted.make(target.password),
      database: target.database,
      tls: { mode: "disabled" }
    }).pipe(Scope.provide(scope))
  )
  return {
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
    runners: {
      select1: (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              const { rows } = yield* connection.query<One>(sql.one)
              reader.one(rows[0]!)
            }
          })
        ),
      point: (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              const { rows } = yield* connection.query<BenchRow>(sql.point, [pointId(turn)])
              reader.row(rows[0]!)
            }
          })
        ),
      "rows-text": (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              const { rows } = yield* connection.query<BenchRow>(sql.pageText, [], asText)
              reader.allRows(rows)
            }
          })
        ),
      "rows-binary": (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              const { rows } = yield* connection.query<BenchRow>(sql.pageBinary, pageParameters)
              reader.allRows(rows)
            }
          })
        ),
      "stream-text": (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              yield* connection
                .stream<BenchRow>(sql.allText, [], asText)
                .pipe(Stream.runForEachArray((rows) => Effect.sync(() => reader.allRows(rows))))
            }
          })
        ),
      "stream-binary": (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              yield* connection
                .stream<BenchRow>(sql.allBinary, allParameters)
                .pipe(Stream.runForEachArray((rows) => Effect.sync(() => reader.allRows(rows))))
            }
          })
        ),
      concurrent: (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              yield* Effect.forEach(
                hundred,
                () => Effect.map(connection.query<One>(sql.one), ({ rows }) => reader.one(rows[0]!)),
                { concurrency: "unbounded", discard: true }
              )
            }
          })
        ),
      // Reserved for the whole round: the peers have their connection to themselves, too.
      transaction: (turns, reader) =>
        Effect.gen(function* () {
          const session = yield* connection.reserve
          for (let turn = 0; turn < turns; turn++) {
            const id = accountId(turn)
            yield* session.begin()
            const { rows } = yield* session.query<Balance>(sql.balance, [id])
            const { affectedRows } = yield* session.query(sql.deposit, [id])
            yield* session.commit
            reader.transaction(rows[0]!, affectedRows)
          }
        }).pipe(Effect.scoped, Effect.runPromise)
    }
  }
}
