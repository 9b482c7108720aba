/**
 * Who may send next on a connection that several fibers share: commands, and those who want it to themselves, first come,
 * first served. Behind somebody who wants it to himself only those go who have it already. It sends nothing.
 */
import type { Entry, Owner } from "./Entry.ts"

/** Someone who wants the connection to himself, in the same queue as the commands. */
export interface Reservation {
  readonly owner: Owner
  /** Who has the connection to himself and wants it for one thing at a time. */
  readonly within: Owner | undefined
  readonly granted: () => void
}

type Waiter = { readonly _tag: "command"; readonly entry: Entry } | ({ readonly _tag: "reservation" } & Reservation)

/** The line, as far as it decides what may be sent now. */
export interface Line {
  readonly hasRoomFor: (entry: Entry) => boolean
  /** Nothing is under way. */
  readonly isFree: () => boolean
}

export class Admission {
  private readonly line: Line
  private readonly waiting: Array<Waiter> = []
  private reservedBy: Owner | undefined = undefined
  /** Who has it again after that one. */
  private reservedAround: Owner | undefined = undefined

  constructor(line: Line) {
    this.line = line
  }

  /** Nobody waits. */
  get isEmpty(): boolean {
    return this.waiting.length === 0
  }

  /** `true`: the command may be sent now. Otherwise it waits. */
  admit(entry: Entry): boolean {
    const ahead = this.waiting.some((waiter) =>
      waiter._tag === "reservation"
        ? entry.owner === undefined || entry.owner === waiter.within
        : waiter.entry.owner === entry.owner
    )
    if (!ahead && this.maySend(entry)) return true
    entry.state = "waiting"
    this.waiting.push({ _tag: "command", entry })
    return false
  }

  /** Waits for the connection to be free. The function takes it back: `false` where it has been granted already. */
  reserve(reservation: Reservation): () => boolean {
    const waiter: Waiter = { _tag: "reservation", ...reservation }
    this.waiting.push(waiter)
    return () => this.remove((other) => other === waiter)
  }

  /** `true` where that frees the connection for others. */
  unreserve(owner: Owner): boolean {
    if (this.reservedAround === owner) this.reservedAround = undefined
    if (this.reservedBy !== owner) return false
    this.reservedBy = this.reservedAround
    this.reservedAround = undefined
    return true
  }

  /** The command does not wait any more. */
  withdraw(entry: Entry): void {
    this.remove((waiter) => waiter._tag === "command" && waiter.entry === entry)
  }

  /** Sends what may go now, and gives those who have the connection to themselves from now on. */
  letIn(send: (entry: Entry) => void): ReadonlyArray<Reservation> {
    const granted: Array<Reservation> = []
    let index = 0
    while (index < this.waiting.length) {
      const waiter = this.waiting[index]!
      const mine =
        this.reservedBy === undefined ||
        this.reservedBy === (waiter._tag === "command" ? waiter.entry.owner : waiter.within)
      if (!mine) {
        index++
      } else if (waiter._tag === "command") {
        if (!this.maySend(waiter.entry)) break
        this.waiting.splice(index, 1)
        send(waiter.entry)
      } else {
        if (!this.line.isFree()) break
        this.waiting.splice(index, 1)
        this.reservedAround = this.reservedBy
        this.reservedBy = waiter.owner
        granted.push(waiter)
      }
    }
    return granted
  }

  /** The line is lost: all who wait, who do not wait any more. */
  dismiss(): { readonly entries: ReadonlyArray<Entry>; readonly reservations: ReadonlyArray<Reservation> } {
    const entries: Array<Entry> = []
    const reservations: Array<Reservation> = []
    for (const waiter of this.waiting.splice(0)) {
      if (waiter._tag === "command") entries.push(waiter.entry)
      else reservations.push(waiter)
    }
    return { entries, reservations }
  }

  private maySend(entry: Entry): boolean {
    return (this.reservedBy === undefined || this.reservedBy === entry.owner) && this.line.hasRoomFor(entry)
  }

  private remove(is: (waiter: Waiter) => boolean): boolean {
    const index = this.waiting.findIndex(is)
    if (index >= 0) this.waiting.splice(index, 1)
    return index >= 0
  }
}
