import { describe, expect, it } from "vitest"
import * as InsertTemplate from "../../src/value/InsertTemplate.ts"

const plain = { noBackslashEscapes: false, ansiQuotes: false }

/** With two rows: each placeholder as `#`, so that it can be seen what is repeated. */
const twice = (sql: string, mode = plain): string | undefined => {
  const template = InsertTemplate.parse(sql, mode)
  if (template === undefined) return undefined
  const tuple = template.tuple.parts.join("#")
  return `${template.prefix}${tuple},${tuple}${template.suffix}`
}

describe("one row becomes many", () => {
  it.each<[sql: string, rewritten: string]>([
    ["INSERT INTO t (a, b) VALUES (?, ?)", "INSERT INTO t (a, b) VALUES (#, #),(#, #)"],
    ["INSERT INTO t VALUES(?)", "INSERT INTO t VALUES(#),(#)"],
    ["INSERT INTO t VALUES ()", "INSERT INTO t VALUES (),()"],
    ["INSERT INTO t VALUES (CURRENT_DATE)", "INSERT INTO t VALUES (CURRENT_DATE),(CURRENT_DATE)"],
    ["insert t value (?)", "insert t value (#),(#)"],
    ["REPLACE INTO t VALUES (?, 'k')", "REPLACE INTO t VALUES (#, 'k'),(#, 'k')"],
    ["INSERT INTO t VALUES (UPPER(?), NOW())", "INSERT INTO t VALUES (UPPER(#), NOW()),(UPPER(#), NOW())"],
    ["INSERT INTO t VALUES (DEFAULT)", "INSERT INTO t VALUES (DEFAULT),(DEFAULT)"],
    [
      "INSERT LOW_PRIORITY IGNORE INTO d.t (`a`) VALUES (?);",
      "INSERT LOW_PRIORITY IGNORE INTO d.t (`a`) VALUES (#),(#)"
    ],
    ["INSERT INTO t PARTITION (p0, p1) (a) VALUES (?)", "INSERT INTO t PARTITION (p0, p1) (a) VALUES (#),(#)"],
    [
      "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = VALUES(a) + 1",
      "INSERT INTO t (a) VALUES (#),(#) ON DUPLICATE KEY UPDATE a = VALUES(a) + 1"
    ],
    [
      "INSERT INTO t (a) VALUES (?) AS new(x) ON DUPLICATE KEY UPDATE a = x",
      "INSERT INTO t (a) VALUES (#),(#) AS new(x) ON DUPLICATE KEY UPDATE a = x"
    ],
    ["INSERT INTO t (a) VALUES (?) RETURNING id", "INSERT INTO t (a) VALUES (#),(#) RETURNING id"],
    ["/* who */ INSERT INTO t VALUES (?) -- why\n", "/* who */ INSERT INTO t VALUES (#),(#)"],
    ["INSERT /*+ SET_VAR(a=1) */ INTO t VALUES (?) ; # end", "INSERT /*+ SET_VAR(a=1) */ INTO t VALUES (#),(#)"],
    ["INSERT INTO `a``?(` (`VALUES (`) VALUES (?)", "INSERT INTO `a``?(` (`VALUES (`) VALUES (#),(#)"],
    ["INSERT INTO value (a) VALUES (?)", "INSERT INTO value (a) VALUES (#),(#)"],
    ["INSERT INTO value VALUE (?)", "INSERT INTO value VALUE (#),(#)"],
    ["INSERT INTO t VALUES ('?)', \"(?\", ?)", "INSERT INTO t VALUES ('?)', \"(?\", #),('?)', \"(?\", #)"],
    ["INSERT INTO t VALUES (/* ? */ ?, -- )\n ?)", "INSERT INTO t VALUES (/* ? */ #, -- )\n #),(/* ? */ #, -- )\n #)"],
    ["INSERT INTO percent (`A%`,`B%`) VALUES (?,?)", "INSERT INTO percent (`A%`,`B%`) VALUES (#,#),(#,#)"],
    ["insert into t (id,\nname) values (?,\n ? )", "insert into t (id,\nname) values (#,\n # ),(#,\n # )"]
  ])("%j", (sql, rewritten) => {
    expect(twice(sql)).toBe(rewritten)
  })

  it("a double quote is a string or a name, as the mode says", () => {
    const sql = 'INSERT INTO "t" ("a") VALUES (?)'
    expect(twice(sql)).toBe(undefined)
    expect(twice(sql, { noBackslashEscapes: false, ansiQuotes: true })).toBe('INSERT INTO "t" ("a") VALUES (#),(#)')
  })
})

describe("a statement a row", () => {
  it.each([
    "SELECT ?",
    "UPDATE t SET a = ?",
    "INSERT INTO t SET a = ?",
    "INSERT INTO t SET a = ? ON DUPLICATE KEY UPDATE b = VALUES(b)",
    "INSERT INTO t SELECT ?",
    "INSERT INTO t (a) SELECT a FROM (VALUES (?)) AS v",
    "INSERT INTO t VALUES ROW(?)",
    "INSERT INTO t PARTITION VALUES (?)",
    "INSERT INTO t VALUES (?), (?)",
    "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = ?",
    "INSERT INTO t VALUES (?) AS new ON DUPLICATE KEY UPDATE a = new.a + ?",
    "INSERT INTO t VALUES (?); INSERT INTO t VALUES (1)",
    "INSERT INTO t VALUES ((SELECT MAX(a) FROM t) + ?)",
    "INSERT INTO t VALUES (LAST_INSERT_ID(), ?)",
    "INSERT INTO t VALUES (@n := @n + 1, ?)",
    "INSERT INTO t /*! (a) */ VALUES (?)",
    "INSERT INTO t VALUES (?",
    "INSERT INTO t",
    ""
  ])("%j", (sql) => {
    expect(twice(sql)).toBe(undefined)
  })
})

describe("what is known about the rows", () => {
  it("the table as written, the columns by name, the elements by kind", () => {
    const template = InsertTemplate.parse(
      "INSERT INTO `d b` . t (id, `a``b`, t.c, x, y) VALUES (NULL, ?, DEFAULT, 'x', IF(?, 1, (2)))",
      plain
    )
    expect(template).toMatchObject({
      table: "`d b` . t",
      columns: ["id", "a`b", "c", "x", "y"],
      elements: [
        { _tag: "null" },
        { _tag: "placeholder", index: 0 },
        { _tag: "default" },
        { _tag: "other" },
        { _tag: "other" }
      ],
      everyRowIsNew: true
    })
  })

  it.each([
    "REPLACE INTO t VALUES (?)",
    "INSERT IGNORE INTO t VALUES (?)",
    "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = 1"
  ])("not every row is new: %s", (sql) => {
    expect(InsertTemplate.parse(sql, plain)?.everyRowIsNew).toBe(false)
  })
})
