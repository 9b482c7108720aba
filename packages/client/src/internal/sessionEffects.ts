/**
 * What a statement can leave behind in its session, judged by its text alone.
 *
 * The verdict is kept with the text, so each text is read once. It errs on the safe side: only what is plainly data
 * manipulation or transaction control, and names nothing that is known to outlive the statement, counts as plain.
 */

const plainStart =
  /^\s*(?:select|insert|update|delete|replace|with|values|table|\(|begin|start\s+transaction|commit|rollback|savepoint|release\s+savepoint|do|show|explain|describe|desc)\b/i

/** User variables, locks, and whatever else outlives a statement that begins like one of the list above. */
const leavesBehind =
  /@|;|\b(?:get_lock|release_lock|release_all_locks|last_insert_id\s*\(\s*[^)\s]|sql_calc_found_rows|handler)\b/i

/** The statement leaves nothing behind but its effect on data and on the transaction. */
export const isPlain = (sql: string): boolean => plainStart.test(sql) && !leavesBehind.test(sql)

const beginningBranch = /\bxa\s+(?:start|begin)\b/i

/** It may begin a branch of a distributed transaction. */
export const beginsBranch = (sql: string): boolean => beginningBranch.test(sql)

/** White space and comments; the beginning of a comment whose text is code counts as one. */
const blank = /\s+|\/\*M?!\d*|\/\*[\s\S]*?\*\/|#[^\n]*|--(?=\s)[^\n]*/y

/** Statements whose interruption would leave open whether they happened. */
const ending = /(?:commit|rollback|xa)\b/iy

/**
 * It may be stopped half-way: the server undoes what it did. Of a text with several statements every one is looked at,
 * and a semicolon that separates none does no harm.
 */
export const isKillable = (sql: string): boolean => {
  for (let start = 0; start !== -1; start = sql.indexOf(";", start)) {
    if (sql[start] === ";") start++
    blank.lastIndex = start
    while (blank.test(sql)) start = blank.lastIndex
    ending.lastIndex = start
    if (ending.test(sql)) return false
  }
  return true
}

/** The text may hold a LOAD DATA LOCAL; more texts than those that do. */
export const mayUpload = (sql: string): boolean => /\bload\b[\s\S]*\blocal\b/i.test(sql)
