/**
 * Ours through `effect/sql`: `MysqlClient` over one connection, statements as templates, transactions by
 * `withTransaction`.
 */
import * as MysqlClient from "@effect-mysql/sql-layer/MysqlClient"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Contestant, Target } from "../Contestant.ts"
import { accountId, type BenchRow, columns, pointId } from "../Dataset.ts"
import { allParameters, concurrency, pageParameters } from "../Line.ts"

type One = { readonly 1: number }
type Balance = { readonly balance: number }

const hundred = Array.from({ length: concurrency }, (_, index) => index)

export const connect = async (target: Target): Promise<Contestant> => {
  const scope = Scope.makeUnsafe()
  const sql = await Effect.runPromise(
    MysqlClient.makeClient({
      host: target.host,
      port: target.port,
      username: target.user,
      password: Redacted.make(target.password),
      database: target.database,
      tls: { mode: "disabled" }
    }).pipe(Effect.provide(Reactivity.layer), Scope.provide(scope))
  )
  const select = sql.literal(`SELECT ${columns.join(", ")} FROM bench_rows`)
  return {
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
    runners: {
      select1: (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              const rows = yield* sql<One>`SELECT 1`
              reader.one(rows[0]!)
            }
          })
        ),
      point: (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              const rows = yield* sql<BenchRow>`${select} WHERE id = ${pointId(turn)}`
              reader.row(rows[0]!)
            }
          })
        ),
      "rows-text": (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              reader.allRows(yield* sql<BenchRow>`${select} WHERE id <= ${pageParameters[0]!} ORDER BY id`.unprepared)
            }
          })
        ),
      "rows-binary": (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              reader.allRows(yield* sql<BenchRow>`${select} WHERE id <= ${pageParameters[0]!} ORDER BY id`)
            }
          })
        ),
      "stream-text": (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              yield* sql<BenchRow>`${select} ORDER BY id`.stream.pipe(
                Stream.runForEachArray((rows) => Effect.sync(() => reader.allRows(rows)))
              )
            }
          })
        ),
      "stream-binary": (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              yield* sql<BenchRow>`${select} WHERE id <= ${allParameters[0]!} ORDER BY id`.stream.pipe(
                Stream.runForEachArray((rows) => Effect.sync(() => reader.allRows(rows)))
              )
            }
          })
        ),
      concurrent: (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              yield* Effect.forEach(hundred, () => Effect.map(sql<One>`SELECT 1`, (rows) => reader.one(rows[0]!)), {
                concurrency: "unbounded",
                discard: true
              })
            }
          })
        ),
      transaction: (turns, reader) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let turn = 0; turn < turns; turn++) {
              const id = accountId(turn)
              yield* sql.withTransaction(
                Effect.gen(function* () {
                  const rows = yield* sql<Balance>`SELECT balance FROM bench_accounts WHERE id = ${id}`
                  const deposit = yield* sql`UPDATE bench_accounts SET balance = balance + 1 WHERE id = ${id}`.raw
                  reader.transaction(rows[0]!, affectedRows(deposit))
                })
              )
            }
          })
        )
    }
  }
}

/** What `raw` gives is the driver's own result. */
const affectedRows = (raw: unknown): number =>
  typeof raw === "object" && raw !== null && "affectedRows" in raw && typeof raw.affectedRows === "number"
    ? raw.affectedRows
    : Number.NaN
