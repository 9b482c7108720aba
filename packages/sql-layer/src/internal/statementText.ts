/**
 * What a statement can do to the transaction it runs in, judged by its text. The server's status flags say whether a
 * transaction is open; the text is asked only for what flags do not tell, and when in doubt it answers no.
 */

/** White space and comments in front of the first word; comments whose text is code do not count. */
const leading = /^(?:\s|--[^\n]*\n|#[^\n]*\n|\/\*(?![!M])[\s\S]*?\*\/)+/

const start = (sql: string): string => sql.replace(leading, "")

const dataStatement =
  /^(?:select|insert|update|delete|replace|with|values|savepoint|release\s+savepoint|rollback(?:\s+work)?\s+to)\b/i

/** It can neither commit nor end the transaction in another way, but by failing. */
export const neverCommits = (sql: string): boolean => dataStatement.test(start(sql)) && !/;\s*\S/.test(sql)

const beginning = /^(?:set\s+(?:session\s+)?transaction\b[^;]*;\s*)?(?:begin|start\s+transaction)\b[^;]*;?\s*$/i

/** It begins a transaction and does nothing else. */
export const begins = (sql: string): boolean => beginning.test(start(sql))

const rollingBack = /(?:^|;)\s*rollback(?!(?:\s+work)?\s+to\b)[^;]*;?\s*$/i

/** It ends with a ROLLBACK of the whole transaction. */
export const rollsBack = (sql: string): boolean => rollingBack.test(start(sql))
