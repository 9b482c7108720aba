/**
 * `mariadb` as its documentation shows it first: promises with default options, streams by `for await`. A longer connect
 * timeout than its second is no part of the measurement.
 */
import * as mariadb from "mariadb"
import type { Contestant, Target } from "../Contestant.ts"
import { accountId, pointId } from "../Dataset.ts"
import { allParameters, concurrency, pageParameters, sql } from "../Line.ts"

export const connect = async (target: Target): Promise<Contestant> => {
  const connection = await mariadb.createConnection({ ...target, connectTimeout: 10_000 })
  const all = await connection.prepare(sql.allBinary)
  return {
    close: () => connection.end(),
    runners: {
      select1: async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          const rows = await connection.query(sql.one)
          reader.one(rows[0])
        }
      },
      point: async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          const rows = await connection.execute(sql.point, [pointId(turn)])
          reader.row(rows[0])
        }
      },
      "rows-text": async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) reader.allRows(await connection.query(sql.pageText))
      },
      "rows-binary": async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          reader.allRows(await connection.execute(sql.pageBinary, pageParameters))
        }
      },
      "stream-text": async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          for await (const row of connection.queryStream(sql.allText)) reader.row(row)
        }
      },
      "stream-binary": async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          for await (const row of all.executeStream(allParameters)) reader.row(row)
        }
      },
      concurrent: async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          const queries: Array<Promise<void>> = []
          for (let index = 0; index < concurrency; index++) {
            queries.push(connection.query(sql.one).then((rows) => reader.one(rows[0])))
          }
          await Promise.all(queries)
        }
      },
      transaction: async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          const id = accountId(turn)
          await connection.beginTransaction()
          const rows = await connection.execute(sql.balance, [id])
          const result = await connection.execute(sql.deposit, [id])
          await connection.commit()
          reader.transaction(rows[0], result.affectedRows)
        }
      }
    }
  }
}
