/** A connection of a pool, as the pool sees it: how old it is, when it was known to be alive, and who has it. */

/** Somebody who has a connection or wants one. */
export interface Borrower {
  /** An identity and nothing else, as is the scope. */
  readonly fiber: object
  /** What gives the connection back when it closes; without one the way back of the fiber itself does. */
  readonly scope: object | undefined
  /** He puts up with others on the same connection. */
  readonly shares: boolean
}

export interface Slot<C> {
  readonly connection: C
  /** From this time on it is replaced at the next occasion; never while it is used. */
  readonly expiresAt: number
  /** It is asked for a sign of life after so long without one; `Infinity`: never. */
  readonly keepaliveMillis: number
  /** That of the pool when connecting began. */
  readonly generation: number
  idleSince: number
  /** When it was known to be alive. */
  provenAt: number
  /** It is to be closed when it comes back. */
  doomed: boolean
  /** Since when it is lent, to whom if that is one alone, and to how many. */
  lentAt: number
  borrower: Borrower | undefined
  users: number
  shared: boolean
  /** That it has been lent for too long has been told. */
  overdue: boolean
}

/** A connection that has just been opened. */
export const slotOf = <C>(
  connection: C,
  age: Pick<Slot<C>, "expiresAt" | "keepaliveMillis" | "generation" | "provenAt">
): Slot<C> => ({
  connection,
  ...age,
  idleSince: age.provenAt,
  doomed: false,
  lentAt: age.provenAt,
  borrower: undefined,
  users: 0,
  shared: false,
  overdue: false
})
