/**
 * The file that a server has asked for, on its way out: packets in their order, with an empty one as the end. It knows
 * neither where the bytes come from nor what the server makes of them.
 *
 * A gibibyte goes through the memory of two parts, the one that is held back and the one that is on its way: V8 lets 64
 * MiB and more of what was sent pile up before it looks for garbage.
 */
import { Writer } from "@effect-mysql/protocol/Bytes"
import * as LocalInfile from "@effect-mysql/protocol/reply/LocalInfile"

interface Part {
  /** Whose memory the packets lie in. */
  readonly memory: Writer
  readonly packets: Buffer
}

export class FileTransfer {
  private readonly send: (bytes: Buffer, lent: boolean) => void
  private upload: LocalInfile.Upload | undefined = undefined
  /**
   * The last part of the file is sent with its end: a server looks whether it has been killed before it reads a row, and
   * not at the end.
   */
  private held: Part | undefined = undefined
  /** Of the part that was sent last. */
  private sent: Writer | undefined = undefined

  /** `lent`: the memory is used again. */
  constructor(send: (bytes: Buffer, lent: boolean) => void) {
    this.send = send
  }

  /** The server waits for the file, or for its end. */
  get isOpen(): boolean {
    return this.upload !== undefined
  }

  /** The server has asked for it, in a packet with this sequence number. */
  begin(sequence: number): void {
    this.upload = new LocalInfile.Upload(sequence)
  }

  /** Takes a copy, and sends the part before. Whoever calls it again has waited until nobody looks at what was sent. */
  part(pieces: ReadonlyArray<Uint8Array>): void {
    const { held, upload } = this
    if (upload === undefined) return
    const memory = this.sent ?? new Writer(bytesOf(pieces))
    memory.truncate(0)
    for (const piece of pieces) memory.bytes(piece)
    this.held = { memory, packets: upload.part(memory) }
    this.sent = held?.memory
    if (held !== undefined) this.send(held.packets, true)
  }

  /** What has been sent, for the one who reads the answer to it; `undefined` where nobody waits for a file. */
  end(): LocalInfile.Upload | undefined {
    const { held, upload } = this
    this.upload = undefined
    this.held = undefined
    this.sent = undefined
    if (upload !== undefined) this.send(Buffer.concat([held?.packets ?? Buffer.alloc(0), upload.end()]), false)
    return upload
  }
}

const bytesOf = (pieces: ReadonlyArray<Uint8Array>): number => pieces.reduce((sum, piece) => sum + piece.length, 0)
