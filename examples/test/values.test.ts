/**
 * The table of values in the README: for each type that it names, what comes out is what it says, and so is what comes
 * out with each option beside it, prepared and as text, on every server that has the type.
 */

import { describe, expect, it } from "@effect/vitest"
import * as MysqlConnection from "@effect-mysql/client/MysqlConnection"
import type { DecodingOptions } from "@effect-mysql/protocol/row/Decoding"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"

interface Line {
  readonly types: ReadonlyArray<string>
  readonly kinds: ReadonlyArray<string>
  readonly options: ReadonlyArray<readonly [name: string, value: string]>
}

const codeIn = (cell: string): ReadonlyArray<string> => Array.from(cell.matchAll(/`([^`]+)`/g), ([, code]) => code!)

const table: ReadonlyArray<Line> = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
  .split("\n## Values\n")[1]!
  .split("\n## ")[0]!
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => {
    const [, types, kinds, options] = line.split("|")
    return {
      types: codeIn(types!),
      kinds: codeIn(kinds!),
      options: codeIn(options!).map((code) => {
        const [, name, value] = /^(\w+): "(\w+)"$/.exec(code) ?? []
        return [name!, value!] as const
      })
    }
  })

/** A column of each type of the table, and a value for it, as SQL. */
const columns: Readonly<Record<string, readonly [type: string, value: string]>> = {
  TINYINT: ["TINYINT(1)", "1"],
  SMALLINT: ["SMALLINT", "-2"],
  MEDIUMINT: ["MEDIUMINT", "3"],
  INT: ["INT UNSIGNED", "4294967295"],
  YEAR: ["YEAR", "2024"],
  BIGINT: ["BIGINT", "9007199254740993"],
  DECIMAL: ["DECIMAL(20, 5)", "'123456789012345.67890'"],
  FLOAT: ["FLOAT", "1.5"],
  DOUBLE: ["DOUBLE", "0.1"],
  CHAR: ["CHAR(3)", "'a'"],
  VARCHAR: ["VARCHAR(3)", "'é'"],
  TEXT: ["TEXT", "'b'"],
  ENUM: ["ENUM('a', 'b')", "'b'"],
  SET: ["SET('a', 'b')", "'a,b'"],
  BINARY: ["BINARY(2)", "x'0102'"],
  VARBINARY: ["VARBINARY(2)", "x'ff'"],
  BLOB: ["BLOB", "x'00'"],
  GEOMETRY: ["GEOMETRY", "ST_GeomFromText('POINT(1 2)')"],
  BIT: ["BIT(1)", "b'1'"],
  JSON: ["JSON", "'9007199254740993'"],
  DATE: ["DATE", "'2024-02-29'"],
  DATETIME: ["DATETIME(6)", "'2024-02-29 01:02:03.456789'"],
  TIMESTAMP: ["TIMESTAMP(3)", "'2024-02-29 01:02:03.456'"],
  TIME: ["TIME(3)", "'-100:00:00.500'"],
  VECTOR: ["VECTOR(2)", "x'0000803f00002040'"],
  UUID: ["UUID", "'123e4567-e89b-12d3-a456-426614174000'"],
  INET4: ["INET4", "'192.0.2.1'"],
  INET6: ["INET6", "'2001:db8::1'"]
}

/** Types that not every server has. */
const onlyOn: Readonly<Record<string, ReadonlyArray<string>>> = {
  VECTOR: ["mysql-9.7", "mariadb-11.8"],
  UUID: ["mariadb-11.8", "mariadb-10.11"],
  INET4: ["mariadb-11.8", "mariadb-10.11"],
  INET6: ["mariadb-11.8", "mariadb-10.11"]
}

const kindOf = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "array"
  if (BigDecimal.isBigDecimal(value)) return "BigDecimal"
  if (DateTime.isDateTime(value)) return "DateTime"
  if (Duration.isDuration(value)) return "Duration"
  if (value instanceof Date) return "Date"
  if (value instanceof Float32Array) return "Float32Array"
  if (value instanceof Uint8Array) return value.constructor.name
  return typeof value
}

/** What an option makes of a value, where it is not called after that. */
const madeBy: Readonly<Record<string, string>> = { text: "string" }

/** A date that there is not, which a server takes if it is told to. */
const zeroDate = Effect.fnUntraced(function* (connection: MysqlConnection.MysqlConnection) {
  yield* connection.query("SET SESSION sql_mode = ''")
  yield* connection.query("CREATE TABLE zero (value DATETIME NOT NULL)")
  yield* connection.query("INSERT INTO zero VALUES ('0000-00-00 00:00:00')")
  return (decoding: DecodingOptions) => connection.query("SELECT value FROM zero", [], { decoding })
})

const connect = Effect.gen(function* () {
  const server = yield* MysqlServer.MysqlServer
  return yield* MysqlConnection.make({ url: server.url, database: yield* server.database })
})

describe("the README's table of values", () => {
  it("names the types that are tested here, and all of them", () => {
    expect(table.flatMap(({ types }) => types).sort()).toEqual(Object.keys(columns).sort())
  })
})

for (const shared of SharedServers.all) {
  describe.skipIf(!shared.available)(`the README's table of values on ${shared.name}`, () => {
    const has = (type: string): boolean => onlyOn[type]?.includes(shared.flavour) ?? true

    it.live("what comes out is what it says, prepared and as text", () =>
      Effect.gen(function* () {
        const connection = yield* connect
        const types = Object.keys(columns).filter(has)
        const definitions = types.map((type) => `\`${type}\` ${columns[type]![0]}`)
        yield* connection.query(`CREATE TABLE one (${definitions.join(", ")})`)
        yield* connection.query(`INSERT INTO one VALUES (${types.map((type) => columns[type]![1]).join(", ")})`)
        const kinds = Effect.fnUntraced(function* (options: MysqlConnection.QueryOptions) {
          const { rows } = yield* connection.query("SELECT * FROM one WHERE 1 = ?", [1], options)
          return new Map(Object.entries(rows[0]!).map(([type, value]) => [type, kindOf(value)]))
        })
        for (const prepare of [true, false]) {
          const found = yield* kinds({ prepare })
          for (const line of table) {
            for (const type of line.types.filter(has)) {
              expect(line.kinds, `${type}, prepare: ${prepare}`).toContain(found.get(type))
            }
            for (const [name, value] of line.options) {
              if (name === "invalidDate") continue
              const found = yield* kinds({ prepare, decoding: { [name]: value } })
              for (const type of name === "tinyint1" ? ["TINYINT"] : line.types) {
                expect([type, name, found.get(type)]).toEqual([type, name, madeBy[value] ?? value])
              }
            }
          }
        }
      }).pipe(Effect.scoped, Effect.provide(shared.layer))
    )

    it.live("a zero date is an error, or by option null", () =>
      Effect.gen(function* () {
        const query = yield* zeroDate(yield* connect)
        expect((yield* Effect.flip(query({}))).reason).toMatchObject({ _tag: "DecodeError", column: "value" })
        expect((yield* query({ invalidDate: "null" })).rows).toEqual([{ value: null }])
      }).pipe(Effect.scoped, Effect.provide(shared.layer))
    )
  })
}
