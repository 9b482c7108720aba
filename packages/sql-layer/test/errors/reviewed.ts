/**
 * The numbers of server errors that tests have met and that are `UnknownError`, each looked at by somebody: no other
 * reason of `effect/sql` says more, and no retry can be right without knowing more.
 */
export const reviewedAsUnknown: ReadonlyMap<number, string> = new Map([
  [1, "a file cannot be created"],
  [13, "no right to a file of the server's"],
  [1047, "the server does not know the command"],
  [1086, "a file is there already"],
  [1094, "no such connection to kill"],
  [1264, "a number is out of the range of its column"],
  [1290, "an option of the server forbids the statement; that it only reads is told apart"],
  [1317, "somebody stopped the statement"],
  [1366, "text that is no number, or not of the character set"],
  [1397, "XA: no such branch, or it is resolved already"],
  [1399, "XA: not in this state"],
  [1440, "XA: the name is in use"],
  [1461, "the server has no room for more prepared statements"],
  [3854, "somebody's bytes are no text, and stand in a table of the server's"]
])
