/**
 * Values that try to be something else, as literals and as parameters, in every mode that changes how text is read and
 * in every character set that a client may have: what was sent comes back, byte for byte, or is refused before it is sent.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Charset from "@effect-mysql/protocol/value/Charset"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { connect, connectToDatabase } from "./support/servers.ts"

const modes = ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES", "ANSI"]

const charsets = ["utf8mb4", "utf8mb3", "latin1", "ascii", "binary"] as const

/** The bytes 0 to 255 as characters, in pieces that a message can name. */
const everyByte = Array.from({ length: 16 }, (_, row) =>
  String.fromCharCode(...Array.from({ length: 16 }, (_, column) => row * 16 + column))
)

const texts: ReadonlyArray<string> = [
  "",
  "'",
  "''",
  '"',
  '""',
  "`",
  "\\",
  "\\\\",
  "\\'",
  "'\\",
  "\\\\'",
  '\\"',
  "\\' OR 1=1 -- ",
  "' OR '1'='1",
  "'; DROP TABLE t; -- ",
  '" OR ""="',
  "*/ OR 1=1 /*",
  "/*! OR 1=1 */",
  "-- ",
  "#",
  "\n-- \n",
  "?",
  ":a",
  "%_",
  "\\%\\_",
  "\0",
  "\x1a",
  "\r\n\t\b",
  "a\0'b",
  "NULL",
  "0x27",
  "N'a'",
  "ü",
  "ü'",
  "\u00bf'",
  "\u00bf\\'",
  "€'",
  "日本'\\",
  "🙂'\\",
  // Bytes that end in a quote or a backslash in one multi-byte set or another.
  "\u8868'",
  "\u00bf\u005c'; -- ",
  ...everyByte
]

/** Without a character set of its own a session gets bytes back. */
const characters = (value: unknown): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : String(value)

const encodable = (charset: string, text: string): boolean => {
  const set = Charset.named(charset)
  return set === undefined || set.encode(text) !== undefined
}

for (const server of SharedServers.all) {
  describe.skipIf(!server.available)(`hostile values on ${server.name}`, () => {
    it.live.each(charsets)("come back in every mode, in %s", (charset) =>
      Effect.gen(function* () {
        for (const sqlMode of modes) {
          const connection = yield* connect({ charset, sqlMode })
          const wrong: Array<unknown> = []
          let refused = 0
          for (const prepare of [true, false]) {
            for (const text of texts) {
              const back = yield* Effect.result(
                connection.query("SELECT ? AS v, HEX(CONVERT(? USING utf8mb4)) AS h", [text, text], { prepare })
              )
              if (Result.isFailure(back)) {
                refused++
                if (encodable(charset, text) || back.failure.reason._tag !== "ParameterError") {
                  wrong.push([text, back.failure.message])
                }
                continue
              }
              const { h, v } = back.success.rows[0]!
              const found = characters(v)
              const heard = Buffer.from(characters(h), "hex").toString("utf8")
              if (found !== text || heard !== text) wrong.push([prepare, text, v, h])
            }
          }
          expect({ sqlMode, wrong }).toEqual({ sqlMode, wrong: [] })
          expect(refused).toBe(2 * texts.filter((text) => !encodable(charset, text)).length)
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("are bytes that come back in every mode, in every character set", () =>
      Effect.gen(function* () {
        const every = Uint8Array.from({ length: 1024 }, (_, index) => index)
        for (const charset of charsets) {
          for (const sqlMode of modes) {
            const connection = yield* connectToDatabase({ charset, sqlMode })
            yield* connection.query("CREATE TABLE t (v BLOB)")
            for (const prepare of [true, false]) {
              yield* connection.query("INSERT INTO t VALUES (?)", [every], { prepare })
            }
            const { rows } = yield* connection.query("SELECT v FROM t")
            expect({ charset, sqlMode, rows }).toEqual({ charset, sqlMode, rows: [{ v: every }, { v: every }] })
          }
        }
      }).pipe(Effect.provide(server.layer))
    )

    it.live("end no comment that the server does not execute", () =>
      Effect.gen(function* () {
        const connection = yield* connect()
        const sql = server.name.startsWith("mysql") ? "SELECT 1 /*M! + ? */ AS v" : "SELECT 1 /*!90000 + ? */ AS v"
        for (const text of ["*/ + 41 /*", "' */ + 41 -- "]) {
          const { rows } = yield* connection.query(sql, [text], { prepare: false })
          expect(rows).toEqual([{ v: 1 }])
        }
      }).pipe(Effect.provide(server.layer))
    )
  })
}
