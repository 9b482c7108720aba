/**
 * `mariadb` by its fastest documented means: the callback API, no search for duplicate columns (`checkDuplicate`), long
 * integers as numbers (`bigIntAsNumber`, `insertIdAsNumber`), no look for JSON in text columns (`autoJsonMap`), and
 * streams by `data` events. Pipelining and the skipping of known metadata are its defaults, `trace` is off by default;
 * prepared handles were tried and are not faster than `execute`. Options that would change the result, such as
 * `rowsAsArray` or `dateStrings`, are out.
 */

import * as mariadb from "mariadb/callback"
import type { Readable } from "node:stream"
import { type Done, inTurn } from "../Callbacks.ts"
import type { Contestant, Target } from "../Contestant.ts"
import { accountId, type BenchRow, pointId } from "../Dataset.ts"
import { allParameters, concurrency, pageParameters, sql } from "../Line.ts"
import type { Reader } from "../Reader.ts"

/** Callbacks get `null` or nothing when all went well. */
type Failure = Error | null | undefined

const readAll = (stream: Readable, reader: Reader, done: Done): void => {
  stream.on("data", (row: BenchRow) => reader.row(row))
  stream.on("error", done)
  stream.on("end", () => done(null))
}

const opened = (connection: mariadb.Connection): Promise<void> =>
  new Promise((resolve, reject) => {
    connection.on("connect", (error?: Failure) => (error ? reject(error) : resolve()))
  })

const prepare = (connection: mariadb.Connection, text: string): Promise<mariadb.Prepare> =>
  new Promise((resolve, reject) => {
    connection.prepare(text, (error, statement) => (statement === undefined ? reject(error) : resolve(statement)))
  })

export const connect = async (target: Target): Promise<Contestant> => {
  const connection = mariadb.createConnection({
    ...target,
    connectTimeout: 10_000,
    checkDuplicate: false,
    bigIntAsNumber: true,
    insertIdAsNumber: true,
    autoJsonMap: false,
    trace: false,
    pipelining: true
  })
  await opened(connection)
  const all = await prepare(connection, sql.allBinary)
  return {
    close: () => new Promise((resolve) => connection.end(() => resolve())),
    runners: {
      select1: (turns, reader) =>
        inTurn(turns, (_turn, done) => {
          connection.query(sql.one, (error: Failure, rows) => {
            if (error) return done(error)
            reader.one(rows[0])
            done(null)
          })
        }),
      point: (turns, reader) =>
        inTurn(turns, (turn, done) => {
          connection.execute(sql.point, [pointId(turn)], (error: Failure, rows) => {
            if (error) return done(error)
            reader.row(rows[0])
            done(null)
          })
        }),
      "rows-text": (turns, reader) =>
        inTurn(turns, (_turn, done) => {
          connection.query(sql.pageText, (error: Failure, rows) => {
            if (error) return done(error)
            reader.allRows(rows)
            done(null)
          })
        }),
      "rows-binary": (turns, reader) =>
        inTurn(turns, (_turn, done) => {
          connection.execute(sql.pageBinary, pageParameters, (error: Failure, rows) => {
            if (error) return done(error)
            reader.allRows(rows)
            done(null)
          })
        }),
      "stream-text": (turns, reader) =>
        inTurn(turns, (_turn, done) => readAll(connection.queryStream(sql.allText), reader, done)),
      "stream-binary": (turns, reader) =>
        inTurn(turns, (_turn, done) => readAll(all.executeStream(allParameters), reader, done)),
      concurrent: (turns, reader) =>
        inTurn(turns, (_turn, done) => {
          let pending = concurrency
          for (let index = 0; index < concurrency; index++) {
            connection.query(sql.one, (error: Failure, rows) => {
              if (error) return done(error)
              reader.one(rows[0])
              if (--pending === 0) done(null)
            })
          }
        }),
      transaction: (turns, reader) =>
        inTurn(turns, (turn, done) => {
          const id = accountId(turn)
          connection.beginTransaction((error: Failure) => {
            if (error) return done(error)
            connection.execute(sql.balance, [id], (error: Failure, rows) => {
              if (error) return done(error)
              connection.execute(sql.deposit, [id], (error: Failure, result) => {
                if (error) return done(error)
                connection.commit((error: Failure) => {
                  if (error) return done(error)
                  reader.transaction(rows[0], result.affectedRows)
                  done(null)
                })
              })
            })
          })
        })
    }
  }
}
