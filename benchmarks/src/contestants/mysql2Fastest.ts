/**
 * `mysql2` by its fastest documented means: the callback API, no stack captured per call (`trace: false`, which only the
 * promise API would pay for), times as UTC (`timezone: "Z"`: no look at the local zone), and rows as `result` events
 * where the default goes through a Readable. Prepared handles (`prepare`) were tried and are not faster than `execute`.
 * Options that would change the result, such as `rowsAsArray` or `dateStrings`, are out.
 */
import mysql, { type Connection, type ResultSetHeader, type RowDataPacket } from "mysql2"
import { type Done, inTurn } from "../Callbacks.ts"
import type { Contestant, Target } from "../Contestant.ts"
import { accountId, type BenchRow, pointId } from "../Dataset.ts"
import { allParameters, concurrency, pageParameters, sql } from "../Line.ts"
import type { Reader } from "../Reader.ts"

type Rows<A> = Array<RowDataPacket & A>
type One = { readonly 1: number }
type Balance = { readonly balance: number }

const opened = (connection: Connection): Promise<void> =>
  new Promise((resolve, reject) => connection.connect((error) => (error === null ? resolve() : reject(error))))

const readAll = (query: ReturnType<Connection["query"]>, reader: Reader, done: Done): void => {
  query.on("result", (row: BenchRow) => reader.row(row))
  query.on("error", done)
  query.on("end", () => done(null))
}

export const connect = async (target: Target): Promise<Contestant> => {
  const connection = mysql.createConnection({ ...target, trace: false, timezone: "Z" })
  await opened(connection)
  return {
    close: () => new Promise((resolve) => connection.end(() => resolve())),
    runners: {
      select1: (turns, reader) =>
        inTurn(turns, (_turn, done) => {
          connection.query<Rows<One>>(sql.one, (error, rows) => {
            if (error === null) reader.one(rows[0]!)
            done(error)
          })
        }),
      point: (turns, reader) =>
        inTurn(turns, (turn, done) => {
          connection.execute<Rows<BenchRow>>(sql.point, [pointId(turn)], (error, rows) => {
            if (error === null) reader.row(rows[0]!)
            done(error)
          })
        }),
      "rows-text": (turns, reader) =>
        inTurn(turns, (_turn, done) => {
          connection.query<Rows<BenchRow>>(sql.pageText, (error, rows) => {
            if (error === null) reader.allRows(rows)
            done(error)
          })
        }),
      "rows-binary": (turns, reader) =>
        inTurn(turns, (_turn, done) => {
          connection.execute<Rows<BenchRow>>(sql.pageBinary, [...pageParameters], (error, rows) => {
            if (error === null) reader.allRows(rows)
            done(error)
          })
        }),
      "stream-text": (turns, reader) =>
        inTurn(turns, (_turn, done) => readAll(connection.query(sql.allText), reader, done)),
      "stream-binary": (turns, reader) =>
        inTurn(turns, (_turn, done) => readAll(connection.execute(sql.allBinary, [...allParameters]), reader, done)),
      concurrent: (turns, reader) =>
        inTurn(turns, (_turn, done) => {
          let pending = concurrency
          for (let index = 0; index < concurrency; index++) {
            connection.query<Rows<One>>(sql.one, (error, rows) => {
              if (error === null) reader.one(rows[0]!)
              if (error !== null || --pending === 0) done(error)
            })
          }
        }),
      transaction: (turns, reader) =>
        inTurn(turns, (turn, done) => {
          const id = accountId(turn)
          connection.beginTransaction((error) => {
            if (error !== null) return done(error)
            connection.execute<Rows<Balance>>(sql.balance, [id], (error, rows) => {
              if (error !== null) return done(error)
              connection.execute<ResultSetHeader>(sql.deposit, [id], (error, result) => {
                if (error !== null) return done(error)
                connection.commit((error) => {
                  if (error === null) reader.transaction(rows[0]!, result.affectedRows)
                  done(error)
                })
              })
            })
          })
        })
    }
  }
}
