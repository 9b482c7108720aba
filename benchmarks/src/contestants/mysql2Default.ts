/**
 * `mysql2` as its documentation shows it first: its promise API with default options, streams (which the core connection
 * makes) by `for await`.
 */
import mysql, { type ResultSetHeader, type RowDataPacket } from "mysql2"
import type { Contestant, Target } from "../Contestant.ts"
import { accountId, type BenchRow, pointId } from "../Dataset.ts"
import { allParameters, concurrency, pageParameters, sql } from "../Line.ts"

type Rows<A> = Array<RowDataPacket & A>
type One = { readonly 1: number }
type Balance = { readonly balance: number }

export const connect = async (target: Target): Promise<Contestant> => {
  const core = mysql.createConnection({ ...target })
  const connection = core.promise()
  await connection.connect()
  return {
    close: () => connection.end(),
    runners: {
      select1: async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          const [rows] = await connection.query<Rows<One>>(sql.one)
          reader.one(rows[0]!)
        }
      },
      point: async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          const [rows] = await connection.execute<Rows<BenchRow>>(sql.point, [pointId(turn)])
          reader.row(rows[0]!)
        }
      },
      "rows-text": async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          const [rows] = await connection.query<Rows<BenchRow>>(sql.pageText)
          reader.allRows(rows)
        }
      },
      "rows-binary": async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          const [rows] = await connection.execute<Rows<BenchRow>>(sql.pageBinary, [...pageParameters])
          reader.allRows(rows)
        }
      },
      "stream-text": async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          for await (const row of core.query(sql.allText).stream()) reader.row(row)
        }
      },
      "stream-binary": async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          for await (const row of core.execute(sql.allBinary, [...allParameters]).stream()) {
            reader.row(row)
          }
        }
      },
      concurrent: async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          const queries: Array<Promise<void>> = []
          for (let index = 0; index < concurrency; index++) {
            queries.push(connection.query<Rows<One>>(sql.one).then(([rows]) => reader.one(rows[0]!)))
          }
          await Promise.all(queries)
        }
      },
      transaction: async (turns, reader) => {
        for (let turn = 0; turn < turns; turn++) {
          const id = accountId(turn)
          await connection.beginTransaction()
          const [rows] = await connection.execute<Rows<Balance>>(sql.balance, [id])
          const [result] = await connection.execute<ResultSetHeader>(sql.deposit, [id])
          await connection.commit()
          reader.transaction(rows[0]!, result.affectedRows)
        }
      }
    }
  }
}
