/**
 * What goes out: commands in their order, with whatever rides in front of them. Those of one tick go out in one write,
 * and there is one write at a time: what waits for it can still be taken back.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { MysqlError } from "../MysqlError.ts"
import type { Entry } from "./Entry.ts"

/** Bytes that are no entry of their own. */
interface Rider {
  readonly bytes: Buffer
  readonly state: "rider"
}

const isEntry = (item: Entry | Rider): item is Entry => item.state !== "rider"

export class Outbox {
  private queue: Array<Entry | Rider> = []
  /** They wait for a command to go with. */
  private readonly riders: Array<Rider> = []
  private scheduled = false
  private writing = false
  private closed = false
  private readonly afterWrite: Array<() => void> = []
  private readonly write: (bytes: Uint8Array) => Effect.Effect<void, MysqlError>
  private readonly onFailure: (error: MysqlError | undefined) => void

  constructor(
    write: (bytes: Uint8Array) => Effect.Effect<void, MysqlError>,
    onFailure: (error: MysqlError | undefined) => void
  ) {
    this.write = write
    this.onFailure = onFailure
  }

  /** The socket has not taken everything yet. */
  get busy(): boolean {
    return this.writing
  }

  /** Ends when the socket has taken what was given to it. */
  get idle(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (!this.writing) return resume(Effect.void)
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

  /** At once, or together with the others of this tick. */
  send(entry: Entry, at: "once" | "tick"): void {
    entry.state = "unsent"
    if (this.riders.length > 0) this.queue.push(...this.riders.splice(0))
    this.queue.push(entry)
    if (at === "once") {
      this.flush()
    } else if (!this.scheduled) {
      this.scheduled = true
      queueMicrotask(() => {
        this.scheduled = false
        this.flush()
      })
    }
  }

  /** Before everything that has not been written: the reply is read by an entry that has. */
  sendFirst(bytes: Buffer): void {
    this.queue.unshift({ bytes, state: "rider" })
    this.flush()
  }

  /** Of an entry that is `unsent`. */
  takeBack(entry: Entry): void {
    this.queue.splice(this.queue.indexOf(entry), 1)
  }

  /** Nothing is written any more. */
  close(): void {
    this.closed = true
    this.queue = []
  }

  private flush(): void {
    if (this.writing || this.queue.length === 0 || this.closed) return
    const batch = this.queue
    this.queue = []
    for (const item of batch) if (isEntry(item)) item.state = "sent"
    this.writing = true
    const bytes = batch.length === 1 ? batch[0]!.bytes : Buffer.concat(batch.map((item) => item.bytes))
    // Run apart from the fibers whose commands these are: interrupting one of them must not tear the batch.
    const fiber = Effect.runFork(this.write(bytes))
    const immediate = fiber.pollUnsafe()
    if (immediate !== undefined) this.written(immediate, batch)
    else fiber.addObserver((exit) => this.written(exit, []))
  }

  /** `refused`: where it failed at once, not a byte of these has left. */
  private written(exit: Exit.Exit<void, MysqlError>, refused: ReadonlyArray<Entry | Rider>): void {
    this.writing = false
    if (Exit.isSuccess(exit)) {
      this.flush()
    } else {
      for (const item of refused) if (isEntry(item)) item.state = "unsent"
      const error = Exit.findErrorOption(exit)
      this.onFailure(error._tag === "Some" ? error.value : undefined)
    }
    if (!this.writing) for (const resume of this.afterWrite.splice(0)) resume()
  }
}
