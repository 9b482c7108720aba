import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Str from "effect/String"
import * as Statement from "effect/sql/Statement"
import * as compiler from "../src/internal/compiler.ts"
import * as MysqlClient from "../src/MysqlClient.ts"

/** Constructors are remembered by their acquirer: each has its own. */
const sqlWith = (made: Statement.Compiler): Statement.Constructor =>
  Statement.make(
    Effect.suspend(() => Effect.never),
    made,
    [],
    undefined
  )

const sql = sqlWith(MysqlClient.makeCompiler())
const camel = sqlWith(MysqlClient.makeCompiler(Str.camelToSnake))

describe("the compiler", () => {
  it("quotes names with back-ticks, doubled where they occur, and each part of a dotted name", () => {
    expect(sql`SELECT ${sql("a`b")} FROM ${sql("db.t")}`.compile()).toEqual(["SELECT `a``b` FROM `db`.`t`", []])
  })

  it("is of the mysql dialect", () => {
    expect(sql.onDialectOrElse({ mysql: () => "mysql", orElse: () => "other" })).toBe("mysql")
  })

  it("writes one placeholder for each value of an insert", () => {
    expect(
      sql`INSERT INTO t ${sql.insert([
        { a: 1, b: undefined },
        { a: 2, b: "x" }
      ])}`.compile()
    ).toEqual(["INSERT INTO t (`a`,`b`) VALUES (?,?),(?,?)", [1, null, 2, "x"]])
  })

  it("keeps an array that is one value in one piece, so that it can be refused", () => {
    expect(sql`INSERT INTO t ${sql.insert({ a: [1, 2], b: 3 })}`.compile()[1]).toEqual([[1, 2], 3])
  })

  it("writes an update of one row", () => {
    expect(sql`UPDATE t SET ${sql.update({ id: 1, a: "x", b: null }, ["id"])} WHERE id = ${1}`.compile()).toEqual([
      "UPDATE t SET `a` = ?, `b` = ? WHERE id = ?",
      ["x", null, 1]
    ])
  })

  it("writes many rows as a derived table", () => {
    const rows = [
      { id: 1, "odd`, name": "x" },
      { id: 2, "odd`, name": "y" }
    ] as const
    expect(sql`UPDATE t JOIN ${sql.updateValues(rows, "d")} ON t.id = d.id`.compile()).toEqual([
      "UPDATE t JOIN (SELECT ? AS `id`, ? AS `odd``, name` UNION ALL SELECT ?, ?) AS `d` ON t.id = d.id",
      [1, "x", 2, "y"]
    ])
  })

  it("writes a list, and an empty one that matches nothing", () => {
    expect(sql`SELECT * FROM t WHERE id IN ${sql.in([1, 2])}`.compile()).toEqual([
      "SELECT * FROM t WHERE id IN (?,?)",
      [1, 2]
    ])
    expect(sql`SELECT * FROM t WHERE id IN ${sql.in([])}`.compile()[0]).toBe(
      "SELECT * FROM t WHERE id IN (SELECT NULL WHERE 1=0)"
    )
  })

  it("transforms names, but not those of a client without transforms", () => {
    const statement = camel`SELECT ${camel("firstName")} ${camel.insert({ lastName: 1 })}`
    expect(statement.compile()[0]).toBe("SELECT `first_name` (`last_name`) VALUES (?)")
    expect(statement.compile(true)[0]).toBe("SELECT `firstName` (`lastName`) VALUES (?)")
    expect(MysqlClient.makeCompiler(Str.camelToSnake).withoutTransform.compile(statement, false)[0]).toBe(
      "SELECT `firstName` (`lastName`) VALUES (?)"
    )
  })

  it("notes who asked for RETURNING, for each compilation anew", () => {
    const insert = sql`INSERT INTO t ${sql.insert({ a: 1 }).returning("*")}`.compile()
    expect(insert).toEqual(["INSERT INTO t (`a`) VALUES (?) RETURNING *", [1]])
    expect(compiler.returningOf(insert[1])).toBe("insert")
    const update = sql`UPDATE t SET ${sql.update({ a: 1 }).returning(sql`id, ${2} AS two`)}`.compile()
    expect(update).toEqual(["UPDATE t SET `a` = ? RETURNING id, ? AS two", [1, 2]])
    expect(compiler.returningOf(update[1])).toBe("update")
    expect(compiler.returningOf(sql`SELECT JSON_VALUE('{}', '$.a' RETURNING SIGNED)`.compile()[1])).toBeUndefined()
  })
})

describe("json", () => {
  const valueOf = (constructor: Statement.Constructor, value: unknown, withoutTransform = false): unknown => {
    const [parameter] = constructor`SELECT ${compiler.json(value)}`.compile(withoutTransform)[1]
    expect(parameter).toMatchObject({ type: "JSON" })
    return (parameter as { readonly value: unknown }).value
  }

  it("is a placeholder and a parameter of that type, also in helpers", () => {
    expect(valueOf(sql, { a: [1, null] })).toEqual({ a: [1, null] })
    expect(sql`INSERT INTO t ${sql.insert({ doc: compiler.json("x") })}`.compile()).toMatchObject([
      "INSERT INTO t (`doc`) VALUES (?)",
      [{ type: "JSON", value: "x" }]
    ])
  })

  it("transforms keys, unless told not to", () => {
    expect(valueOf(camel, { firstName: { lastName: 1 } })).toEqual({ first_name: { last_name: 1 } })
    expect(valueOf(camel, { firstName: 1 }, true)).toEqual({ firstName: 1 })
    expect(valueOf(sqlWith(MysqlClient.makeCompiler(Str.camelToSnake, false)), { firstName: 1 })).toEqual({
      firstName: 1
    })
  })
})

describe("onDuplicateKeyUpdate", () => {
  it("takes the new values of columns, and what else is to be set", () => {
    expect(sql`${compiler.onDuplicateKeyUpdate(sql, ["a", "b`c"], { n: sql`n + ${1}`, x: 2 })}`.compile()).toEqual([
      "ON DUPLICATE KEY UPDATE `a` = VALUES(`a`),`b``c` = VALUES(`b``c`),`n` = n + ?,`x` = ?",
      [1, 2]
    ])
  })

  it("transforms names", () => {
    expect(camel`${compiler.onDuplicateKeyUpdate(camel, ["firstName"], {})}`.compile()[0]).toBe(
      "ON DUPLICATE KEY UPDATE `first_name` = VALUES(`first_name`)"
    )
  })
})
