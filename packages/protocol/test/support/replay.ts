/**
 * Runs the reply machine over bytes, whole or in pieces, and shows what came of it in a form that can be compared.
 */
import { Writer } from "../../src/Bytes.ts"
import type { Capabilities } from "../../src/connect/Capabilities.ts"
import * as Packet from "../../src/framing/Packet.ts"
import * as LocalInfile from "../../src/reply/LocalInfile.ts"
import * as Reply from "../../src/reply/Reply.ts"
import type { DecodingOptions } from "../../src/row/Decoding.ts"

export interface ReplayOptions {
  readonly command?: Reply.ReplyOptions["command"] | undefined
  readonly capabilities: Capabilities
  readonly shape?: "object" | "array" | undefined
  readonly decoding?: DecodingOptions | undefined
  readonly offsetMinutes?: number | undefined
  readonly metadata?: Reply.Metadata | undefined
  readonly codeGeneration?: boolean | undefined
  /** What a server gets that asks for a file; the bytes of each upload go to `sent`. Default: it may not ask. */
  readonly file?: ReadonlyArray<Uint8Array> | undefined
  readonly sent?: Array<Buffer> | undefined
  readonly onProgress?: Reply.ReplyOptions["onProgress"]
}

/** The machine after it was fed these pieces, one after the other. */
export const replay = (pieces: Iterable<Uint8Array>, options: ReplayOptions): Reply.Reply => {
  const parser = Packet.makeParser()
  parser.expect(1)
  const reply = new Reply.Reply({
    command: options.command ?? "query",
    capabilities: options.capabilities,
    rows: {
      shape: options.shape ?? "array",
      decoding: options.decoding ?? {},
      offsetMinutes: options.offsetMinutes ?? 0,
      codeGeneration: options.codeGeneration
    },
    metadata: options.metadata,
    localInfile: options.file !== undefined,
    onProgress: options.onProgress
  })
  for (const piece of pieces) {
    parser.feed(piece)
    while (!reply.consume(parser) && reply.localInfile !== undefined) {
      const upload = new LocalInfile.Upload(parser.sequence)
      const parts = (options.file ?? []).map((part) => upload.part(new Writer().bytes(part)))
      options.sent?.push(Buffer.concat([...parts, upload.end()]))
      reply.uploaded(parser, upload)
    }
    if (reply.done) break
  }
  return reply
}

/** Everything that the machine says about the reply. */
export const shown = (reply: Reply.Reply) => ({
  done: reply.done,
  prepared: reply.prepared,
  err: reply.err,
  failure: reply.failure?.message,
  decodeError: reply.decodeError?.message,
  columns: reply.metadata?.columns,
  results: reply.results.map(({ metadata, ok, rows }) => ({ columns: metadata?.columns, rows, ok })),
  rowsUnderWay: [...reply.rows]
})

/** Every way to cut the bytes in two, none of the parts empty. */
export function* cuts(bytes: Buffer): Generator<readonly [Buffer, Buffer]> {
  for (let at = 1; at < bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)]
}

export const byteByByte = (bytes: Buffer): ReadonlyArray<Buffer> =>
  Array.from(bytes, (_, index) => bytes.subarray(index, index + 1))
