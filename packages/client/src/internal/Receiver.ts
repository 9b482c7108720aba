/**
 * What a socket reads into, and whoever waits for it. A reader that waits is resumed in the socket's own callback: no
 * event, no stream, no tick in between. It says with `release` when it has done with what it got. Until then the memory
 * is the reader's, and a pull gives the same again: a fiber that yields between a pull and the use of it, and is
 * interrupted there, has lost nothing. Afterwards the socket reads into the same memory.
 *
 * Back-pressure: when something arrives that nobody waits for, it is kept and reading stops until the next pull.
 *
 * It knows nothing of sockets but the two functions that `node:net` calls `onread`.
 */
import * as Effect from "effect/Effect"
import type { MysqlError } from "../MysqlError.ts"
import type { TransportConnection } from "../Transport.ts"

type Chunks = readonly [Uint8Array, ...Array<Uint8Array>]

/** Enough for what most statements answer. */
const firstBytes = 16 * 1024
/** For results that fill the buffer: fewer calls into the kernel. */
const largestBytes = 256 * 1024

export class Receiver {
  private bytes = firstBytes
  private current: Buffer | undefined = undefined
  /** Somebody may still look at `current`. */
  private lent = false
  /** Handed out and not released. */
  protected handed: Array<Uint8Array> = []
  protected kept: Array<Uint8Array> = []
  private failure: MysqlError | undefined = undefined
  private waiter: ((effect: Effect.Effect<Chunks, MysqlError>) => void) | undefined = undefined
  private readonly restart: () => void

  /** `restart` lets the socket read on after it was stopped. */
  constructor(restart: () => void) {
    this.restart = restart
  }

  /** Bytes have arrived that nobody has pulled. */
  get hasBytes(): boolean {
    return this.kept.length > 0
  }

  /** Where the socket reads into next. */
  readonly buffer = (): Buffer => {
    if (this.current === undefined || this.lent || this.current.length < this.bytes) {
      this.current = Buffer.allocUnsafeSlow(this.bytes)
      this.lent = false
    }
    return this.current
  }

  /** The socket has read so many bytes into the buffer; `false`: it is to stop. */
  readonly received = (count: number, buffer: Uint8Array): boolean => {
    if (count === buffer.length) this.bytes = Math.min(largestBytes, count * 4)
    this.lent = true
    this.kept.push(buffer.subarray(0, count))
    const { waiter } = this
    if (waiter === undefined) return false
    this.waiter = undefined
    waiter(Effect.succeed(this.hand()))
    return true
  }

  /** Nothing more will come. What has arrived is handed out before. */
  fail(error: MysqlError): void {
    this.failure ??= error
    const { waiter } = this
    this.waiter = undefined
    waiter?.(Effect.fail(this.failure))
  }

  readonly pull: TransportConnection["pull"] = Effect.callback<Chunks, MysqlError>((resume) => {
    if (this.kept.length > 0 || this.handed.length > 0) {
      if (this.kept.length > 0) this.restart()
      return resume(Effect.succeed(this.hand()))
    }
    if (this.failure !== undefined) return resume(Effect.fail(this.failure))
    this.waiter = resume
    return this.giveUp
  })

  /** There is one reader at a time. */
  private readonly giveUp: Effect.Effect<void> = Effect.sync(() => {
    this.waiter = undefined
  })

  /** The reader has done with all that it got. */
  release(): void {
    this.handed = []
    this.lent = this.kept.length > 0
  }

  private hand(): Chunks {
    this.handed = this.handed.length === 0 ? this.kept : [...this.handed, ...this.kept]
    this.kept = []
    return this.handed as unknown as Chunks
  }
}
