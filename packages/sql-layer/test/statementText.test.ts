import { describe, expect, it } from "@effect/vitest"
import * as statementText from "../src/internal/statementText.ts"

describe("what a statement can do to its transaction", () => {
  it.each([
    ["SELECT 1", true],
    ["  \n/* why */ insert into t values (';')", false],
    ["/* why */ insert into t values (1);  ", true],
    ["-- why\nUPDATE t SET a = 1", true],
    ["WITH c AS (SELECT 1) DELETE FROM t", true],
    ["ROLLBACK TO SAVEPOINT a", true],
    ["rollback work to a", true],
    ["ROLLBACK", false],
    ["COMMIT", false],
    ["CALL p()", false],
    ["ALTER TABLE t ADD b INT", false],
    ["SET autocommit = 1", false],
    ["UPDATE t SET a = 1; COMMIT", false],
    ["/*! ALTER */ SELECT 1", false],
    ["INSERTED", false]
  ])("never commits: %j %s", (sql, expected) => {
    expect(statementText.neverCommits(sql)).toBe(expected)
  })

  it.each([
    ["START TRANSACTION", true],
    ["begin", true],
    ["START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;", true],
    ["SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION", true],
    ["SET SESSION TRANSACTION READ ONLY; BEGIN", true],
    ["START TRANSACTION; DELETE FROM t", false],
    ["SET TRANSACTION READ ONLY", false],
    ["START SLAVE", false],
    ["beginning", false]
  ])("begins: %j %s", (sql, expected) => {
    expect(statementText.begins(sql)).toBe(expected)
  })

  it.each([
    ["ROLLBACK", true],
    ["/* no */ rollback work;", true],
    ["INSERT INTO t VALUES (1); ROLLBACK", true],
    ["ROLLBACK TO a", false],
    ["ROLLBACK WORK TO SAVEPOINT a", false],
    ["ROLLBACK; COMMIT", false],
    ["INSERT INTO t VALUES ('rollback')", false]
  ])("rolls back: %j %s", (sql, expected) => {
    expect(statementText.rollsBack(sql)).toBe(expected)
  })
})
