/**
 * What a socket reads into, and whoever waits for it. A reader that waits is called in the socket's own callback: no
 * event, no stream, no tick in between. It says with `release` when it has done with what it took. Until then the memory
 * is the reader's, and it is given the same again: a fiber that yields between a pull and the use of it, and is
 * interrupted there, has lost nothing. Afterwards the socket reads into the same memory.
 *
 * Back-pressure: when something arrives that nobody waits for, it is kept and reading stops until somebody takes it.
 *
 * It knows nothing of sockets but the two functions that `node:net` calls `onread`.
 */
import type { MysqlError } from "../MysqlError.ts"
import type { Chunks, DirectLine } from "../Transport.ts"

const nothing: ReadonlyArray<Uint8Array> = []

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
  protected handed: ReadonlyArray<Uint8Array> = nothing
  protected kept: Array<Uint8Array> = []
  private failure: MysqlError | undefined = undefined
  private onArrival: (() => void) | undefined = undefined
  /** The socket was told to stop. */
  private stopped = false
  private readonly restart: () => void

  /** `restart` lets the socket read on after it was stopped. */
  constructor(restart: () => void) {
    this.restart = restart
  }

  /** Bytes have arrived that nobody has taken. */
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
    return !(this.stopped = !this.arrived())
  }

  /** Nothing more will come. What has arrived is handed out before. */
  fail(error: MysqlError): void {
    this.failure ??= error
    this.arrived()
  }

  readonly take: DirectLine["take"] = (onArrival) => {
    if (this.kept.length > 0 || this.handed.length > 0) {
      if (this.stopped) {
        this.stopped = false
        this.restart()
      }
      return this.hand()
    }
    if (this.failure === undefined) this.onArrival = onArrival
    return this.failure
  }

  /** Whether somebody has waited for it. */
  private arrived(): boolean {
    const { onArrival } = this
    this.onArrival = undefined
    onArrival?.()
    return onArrival !== undefined
  }

  /** The reader has done with all that it got. */
  release(): void {
    this.handed = nothing
    this.lent = this.kept.length > 0
  }

  private hand(): Chunks {
    this.handed = this.handed.length === 0 ? this.kept : [...this.handed, ...this.kept]
    this.kept = []
    return this.handed as unknown as Chunks
  }
}
