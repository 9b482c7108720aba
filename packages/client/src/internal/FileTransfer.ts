/**
 * The file that a server has asked for, on its way out: packets in their order, with an empty one as the end. It knows
 * neither where the bytes come from nor what the server makes of them.
 */
import * as LocalInfile from "@effect-mysql/protocol/reply/LocalInfile"

export class FileTransfer {
  private readonly send: (bytes: Buffer) => void
  private upload: LocalInfile.Upload | undefined = undefined
  /**
   * The last part of the file is sent with its end: a server looks whether it has been killed before it reads a row, and
   * not at the end.
   */
  private held: Buffer | undefined = undefined

  constructor(send: (bytes: Buffer) => void) {
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

  part(bytes: Uint8Array): void {
    const { held } = this
    this.held = this.upload?.part(bytes)
    if (held !== undefined) this.send(held)
  }

  /** What has been sent, for the one who reads the answer to it; `undefined` where nobody waits for a file. */
  end(): LocalInfile.Upload | undefined {
    const { held, upload } = this
    this.upload = undefined
    this.held = undefined
    if (upload !== undefined) this.send(held === undefined ? upload.end() : Buffer.concat([held, upload.end()]))
    return upload
  }
}
