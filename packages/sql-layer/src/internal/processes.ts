/**
 * Sessions in the server's list of processes.
 *
 * MySQL has no answer for anybody while one session runs a text that is not valid in its character set (error 3854, with
 * the table as well as with some of its columns only): `SHOW PROCESSLIST` is asked then, which converts nothing.
 *
 * Manual: "The INFORMATION_SCHEMA PROCESSLIST Table", "SHOW PROCESSLIST Statement".
 */
import { isMysqlError } from "@effect-mysql/client/MysqlError"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"

export interface Process {
  readonly id: number | bigint
  readonly user: string
  readonly host: string
}

type Columns = readonly [id: number | bigint, user: string, host: string]

const cannotConvert = 3854

const isCannotConvert = ({ reason: { cause } }: SqlError): boolean =>
  isMysqlError(cause) && cause.reason._tag === "ServerError" && cause.reason.errno === cannotConvert

const first = ([row]: ReadonlyArray<ReadonlyArray<unknown>>): Process | undefined => {
  if (row === undefined) return undefined
  const [id, user, host] = row as unknown as Columns
  return { id, user, host }
}

const find = (client: SqlClient, id: Fragment | number | bigint): Effect.Effect<Process | undefined, SqlError> =>
  Effect.catchIf(
    Effect.map(client`SELECT id, user, host FROM information_schema.processlist WHERE id = ${id}`.values, first),
    isCannotConvert,
    () =>
      Effect.flatMap(client`SELECT ${id}`.values, ([asked]) =>
        Effect.map(client`SHOW PROCESSLIST`.values, (rows) =>
          first(rows.filter(([listed]) => String(listed) === String(asked![0])))
        )
      )
  )

/** The session with this number, if there is one that the user may see. */
export const byId: (client: SqlClient, id: number | bigint) => Effect.Effect<Process | undefined, SqlError> = find

/** The session that the client's statements run in: to be asked inside a transaction. */
export const own = (client: SqlClient): Effect.Effect<Process | undefined, SqlError> =>
  find(client, client.literal("CONNECTION_ID()"))
