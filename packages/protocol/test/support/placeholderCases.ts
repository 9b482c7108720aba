/**
 * Statements whose number of placeholders the servers were asked for: the recorded sessions hold one prepare for each.
 */

export interface PlaceholderCase {
  readonly sql: string
  readonly placeholders: number
  /** Default: neither ANSI_QUOTES nor NO_BACKSLASH_ESCAPES. */
  readonly mode?: "ansiQuotes" | "noBackslashEscapes" | undefined
}

export const placeholderCases: ReadonlyArray<PlaceholderCase> = [
  { sql: "SELECT 1", placeholders: 0 },
  { sql: "SELECT ?, ?", placeholders: 2 },
  { sql: "SELECT ?;", placeholders: 1 },
  { sql: "SELECT '?', ?", placeholders: 1 },
  { sql: "SELECT 'it''s ?', ?", placeholders: 1 },
  { sql: "SELECT 'it\\'s ?', ?", placeholders: 1 },
  { sql: "SELECT '\\\\', ?, '?'", placeholders: 1 },
  { sql: 'SELECT "?", ?', placeholders: 1 },
  { sql: 'SELECT "a""?", ?', placeholders: 1 },
  { sql: 'SELECT "a\\"?", ?', placeholders: 1 },
  { sql: "SELECT '\"?', ?, \"'?\"", placeholders: 1 },
  { sql: "SELECT N'?', _utf8mb4'?', x'3F', ?", placeholders: 1 },
  { sql: "SELECT ? AS `a?b`", placeholders: 1 },
  { sql: "SELECT ? AS `a``?`", placeholders: 1 },
  { sql: "SELECT ? AS `a\\`, ?", placeholders: 2 },
  { sql: "SELECT ? -- ?, '\n, ?", placeholders: 2 },
  { sql: "SELECT ? --\t?\n, ?", placeholders: 2 },
  { sql: "SELECT ? --\n, ?", placeholders: 2 },
  { sql: "SELECT ? --", placeholders: 1 },
  { sql: "SELECT 1 --?", placeholders: 1 },
  { sql: "SELECT 1 --5 - ?", placeholders: 1 },
  { sql: 'SELECT ? # ?, "\n, ?', placeholders: 2 },
  { sql: "SELECT ? # ?", placeholders: 1 },
  { sql: "SELECT /* ? ' */ ?", placeholders: 1 },
  { sql: "SELECT /*+ NO_MERGE() ? */ ?", placeholders: 1 },
  { sql: "SELECT /**/?/* **/", placeholders: 1 },
  { sql: "SELECT /*! ?, */ ?", placeholders: 2 },
  { sql: "SELECT /*!40101 ?, */ ?", placeholders: 2 },
  { sql: "SELECT /*! '*/ ?', */ ?", placeholders: 1 },
  { sql: "SELECT /*! ? # */ ?\n */", placeholders: 1 },
  { sql: "SELECT 4 /*! * */ ?", placeholders: 1 },
  { sql: "SELECT 'a\\', ?", placeholders: 1, mode: "noBackslashEscapes" },
  { sql: "SELECT 'a''\\', ?", placeholders: 1, mode: "noBackslashEscapes" },
  { sql: 'SELECT "a\\", ?', placeholders: 1, mode: "noBackslashEscapes" },
  { sql: 'SELECT ? AS "a?b"', placeholders: 1, mode: "ansiQuotes" },
  { sql: 'SELECT ? AS "a\\", ?', placeholders: 2, mode: "ansiQuotes" },
  { sql: "SELECT 'a\\'?', ?", placeholders: 1, mode: "ansiQuotes" }
]
