/**
 * What a server says of itself: enough of it is kept to tell why it did not start.
 */

/** How many of the server's last lines are kept, and how many an error shows. */
const keptLines = 200
const shownLines = 8

const errorLine = /\[ERROR\]|error:/i

export interface ServerLog {
  readonly add: (line: string) => void
  /** Its errors, or its last words where it names none. */
  readonly lastWords: () => ReadonlyArray<string>
}

export const make = (): ServerLog => {
  const lines: Array<string> = []
  return {
    add: (line) => {
      if (lines.push(line) > keptLines) lines.shift()
    },
    lastWords: () => {
      const errors = lines.filter((line) => errorLine.test(line))
      return (errors.length > 0 ? errors : lines).slice(-shownLines)
    }
  }
}
