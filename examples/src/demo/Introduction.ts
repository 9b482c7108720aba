/**
 * The first lines: which server this runs on, where it comes from, and how it is reached.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"
import { Screen } from "./Screen.ts"

const Variable = Schema.Struct({ Value: Schema.String })

/** What the server calls itself, e.g. `MariaDB 10.11.18` of `10.11.18-MariaDB-0+deb12u1`. */
const title = (version: string): string =>
  `${/mariadb/i.test(version) ? "MariaDB" : "MySQL"} ${version.replace(/-.*/, "")}`

/** `origin` is the end of a sentence that begins with the server's name. */
export const introduce = Effect.fnUntraced(function* (origin: string) {
  const sql = yield* SqlClient.SqlClient
  const screen = yield* Screen
  const { version } = yield* SqlSchema.findOne({
    Request: Schema.Void,
    Result: Schema.Struct({ version: Schema.String }),
    execute: () => sql`SELECT VERSION() AS version`
  })()
  const encryption = yield* SqlSchema.findOne({
    Request: Schema.Void,
    Result: Variable,
    execute: () => sql`SHOW SESSION STATUS LIKE 'Ssl_version'`
  })()
  const line = encryption.Value === "" ? "in clear text" : `over ${encryption.Value}`
  yield* screen.line(`Server: ${title(version)} ${origin}, ${line}`)
})
