/**
 * The status flags that every OK and EOF carries: the server's word about the session.
 *
 * Manual: "SERVER_STATUS_flags_enum".
 *
 * @since 0.1.0
 */

/**
 * The bits of `status` in an OK and an EOF. Manual: "SERVER_STATUS_flags_enum".
 *
 * @since 0.1.0
 * @category constants
 */
export const ServerStatus = {
  inTransaction: 0x0001,
  autocommit: 0x0002,
  moreResultsExist: 0x0008,
  cursorExists: 0x0040,
  lastRowSent: 0x0080,
  databaseDropped: 0x0100,
  noBackslashEscapes: 0x0200,
  metadataChanged: 0x0400,
  outParameters: 0x1000,
  inReadOnlyTransaction: 0x2000,
  sessionStateChanged: 0x4000,
  ansiQuotes: 0x8000
} as const
