/**
 * What the server is doing: its own list of processes, seen from a connection of its own. This is how the example knows
 * that a query which was interrupted here has stopped there.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"

export class Process extends Schema.Class<Process>("Process")({
  connectionId: Schema.Int,
  statement: Schema.NullOr(Schema.String)
}) {}

export class Processes extends Context.Service<
  Processes,
  {
    /** The statements that run in this database now, but for the one that asks. */
    readonly running: Effect.Effect<ReadonlyArray<Process>, SqlError | Schema.SchemaError>
    /** The same once nothing runs, or after a second: a server answers a moment before its list says that it is done. */
    readonly leftOver: Effect.Effect<ReadonlyArray<Process>, SqlError | Schema.SchemaError>
  }
>()("examples/Processes") {
  static readonly layer: Layer.Layer<Processes, never, SqlClient.SqlClient> = Layer.effect(
    Processes,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const find = SqlSchema.findAll({
        Request: Schema.Void,
        Result: Process,
        execute: () => sql`
          SELECT ID AS connectionId, INFO AS statement FROM information_schema.PROCESSLIST
          WHERE DB = DATABASE() AND COMMAND <> 'Sleep' AND ID <> CONNECTION_ID()
        `
      })

      const running = find()
      const leftOver = running.pipe(
        Effect.tap((processes) => (processes.length === 0 ? Effect.void : Effect.sleep("10 millis"))),
        Effect.repeat({ until: (processes) => processes.length === 0, times: 100 })
      )

      return Processes.of({ running, leftOver })
    })
  )
}
