/**
 * LOAD DATA LOCAL INFILE: in place of a result the server asks for a file by name, and the client sends its bytes in
 * packets of any size, an empty one at the end. Which bytes those are is for the one to decide who sent the statement:
 * the name is what the server says, and a server can say anything.
 *
 * Manual: "LOCAL INFILE Request", "LOCAL INFILE Data".
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import { decode as decodeWith, type Reader, Writer } from "../Bytes.ts"
import * as Packet from "../framing/Packet.ts"
import type { ProtocolError } from "../ProtocolError.ts"

const header = 0xfb

/** Reads what follows the header byte. */
export const read = (reader: Reader): string => reader.text(reader.remaining)

/**
 * The name of the file that is asked for.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array): Result.Result<string, ProtocolError> =>
  decodeWith("LOCAL INFILE request", bytes, (reader) => {
    const first = reader.u8()
    if (first !== header) reader.fail("0xfb", `0x${first.toString(16)}`)
    return read(reader)
  })

/**
 * The payload of the request, as a server writes it. Manual: "LOCAL INFILE Request".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (fileName: string): Writer => new Writer().u8(header).text(fileName)

/**
 * The client's side of an upload: it counts the sequence numbers, which go on from those of the request.
 *
 * @since 0.1.0
 * @category models
 */
export class Upload {
  /** The sequence number of the next frame. */
  sequence: number

  /** `requestSequence`: of the packet that asked for the file. */
  constructor(requestSequence: number) {
    this.sequence = (requestSequence + 1) & 0xff
  }

  /**
   * A part of the file as packets, in the memory of the message where one is enough; empty for an empty part. An upload
   * that is given up ends without an ERR of its own.
   */
  part(message: Writer): Buffer {
    return message.size === 0 ? Buffer.alloc(0) : this.packet(message)
  }

  /** The end of the file. The server goes on with the number that `sequence` has then. */
  end(): Buffer {
    return this.packet(new Writer(0))
  }

  private packet(message: Writer): Buffer {
    const sealed = Packet.seal(message, this.sequence)
    this.sequence = (this.sequence + Packet.frameCount(message.size)) & 0xff
    return sealed
  }
}
