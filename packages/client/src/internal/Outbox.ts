/**
 * What goes out: commands in their order, with whatever rides in front of them. Those of one tick go out in one write,
 * and nothing more is written while the line has no room: what waits can still be taken back.
 */
import * as Effect from "effect/Effect"
import type { MysqlError } from "../MysqlError.ts"
import type { DirectLine } from "../Transport.ts"
import type { Entry } from "./Entry.ts"

/** Bytes that are no entry of their own. */
interface Rider {
  readonly bytes: Buffer
  /** `lent`: what the bytes lie in is used again. */
  readonly state: "rider" | "lent"
}

const isEntry = (item: Entry | Rider): item is Entry => item.state !== "rider" && item.state !== "lent"

export class Outbox {
  private queue: Array<Entry | Rider> = []
  /** They wait for a command to go with. */
  private readonly riders: Array<Rider> = []
  private scheduled = false
  private full = false
  private closed = false
  private readonly afterWrite: Array<() => void> = []
  private readonly line: DirectLine
  private readonly onFailure: (error: MysqlError) => void

  constructor(line: DirectLine, onFailure: (error: MysqlError) => void) {
    this.line = line
    this.onFailure = onFailure
  }

  /** The line has no room at the moment. */
  get busy(): boolean {
    return this.full
  }

  /** Ends when the line has room for more, and what was lent is not looked at any more. */
  get idle(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (!this.full) return resume(Effect.void)
      this.afterWrite.push(() => resume(Effect.void))
    })
  }

  /** Goes in front of the next command: it has no reply. */
  ride(bytes: Buffer): void {
    this.riders.push({ bytes, state: "rider" })
  }

  /** For whoever writes past this queue. */
  takeRiders(): Buffer {
    return Buffer.concat(this.riders.splice(0).map(({ bytes }) => bytes))
  }

  /** At once, together with the others of this tick, or when somebody calls `flush`. */
  send(entry: Entry, at: "once" | "tick" | "flush"): void {
    entry.state = "unsent"
    if (this.riders.length > 0) this.queue.push(...this.riders.splice(0))
    this.queue.push(entry)
    if (at === "once") {
      this.flush()
    } else if (at === "tick" && !this.scheduled) {
      this.scheduled = true
      queueMicrotask(() => {
        this.scheduled = false
        this.flush()
      })
    }
  }

  /** Before everything that has not been written: the reply is read by an entry that has. */
  sendFirst(bytes: Buffer, lent: boolean = false): void {
    this.queue.unshift({ bytes, state: lent ? "lent" : "rider" })
    this.flush()
  }

  /** Of an entry that is `unsent`. */
  takeBack(entry: Entry): void {
    const index = this.queue.indexOf(entry)
    if (index >= 0) this.queue.splice(index, 1)
  }

  /** Nothing is written any more. */
  close(): void {
    this.closed = true
    this.queue = []
  }

  /** Writes what has gathered. */
  flush(): void {
    while (!this.full && this.queue.length > 0 && !this.closed) {
      const items = this.queue.length === 1 ? undefined : this.queue.splice(0)
      if (items === undefined) {
        const item = this.queue.pop()!
        this.write(item.bytes, item)
      } else {
        this.write(Buffer.concat(items.map((item) => item.bytes)), ...items)
      }
    }
  }

  private write(bytes: Buffer, ...items: ReadonlyArray<Entry | Rider>): void {
    mark(items, "sent")
    // Before it is known: a reply may come, and somebody send more, before the line has returned.
    this.full = true
    const lent = items.length === 1 && items[0]!.state === "lent"
    const taken = lent ? this.line.lend(bytes, this.onRoom) : this.line.offer(bytes, this.onRoom)
    if (taken === false) return
    if (taken !== true) mark(items, "unsent")
    this.ready(taken === true ? undefined : taken)
  }

  private readonly onRoom = (error?: MysqlError): void => {
    this.ready(error)
    if (error === undefined) this.flush()
  }

  private ready(error: MysqlError | undefined): void {
    this.full = false
    if (error !== undefined) {
      this.closed = true
      this.onFailure(error)
    }
    if (this.afterWrite.length > 0) for (const resume of this.afterWrite.splice(0)) resume()
  }
}

const mark = (items: ReadonlyArray<Entry | Rider>, state: "sent" | "unsent"): void => {
  for (const item of items) if (isEntry(item)) item.state = state
}
