/**
 * A progress report: how far a long statement (ALTER TABLE, LOAD DATA …) is. MariaDB sends it between the command and
 * its reply, in the form of an ERR with the number 65,535, to clients that agreed on `MARIADB_CLIENT_PROGRESS`.
 *
 * Manual: "Progress Reporting" and "ERR_Packet" (MariaDB).
 *
 * @since 0.1.0
 */
import { type Reader, Writer } from "../Bytes.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  /** Counted from 1. */
  readonly stage: number
  readonly stages: number
  /** Of this stage, to three places. */
  readonly percent: number
  /** What the server does, as its process list says it. */
  readonly info: string
}

/**
 * The number that such an ERR has in place of that of an error.
 *
 * @since 0.1.0
 * @category constants
 */
export const errno = 0xffff

/** Reads what follows header byte and number. */
export const read = (reader: Reader): Progress => {
  reader.skip(1)
  const stage = reader.u8()
  const stages = reader.u8()
  const percent = reader.u24() / 1000
  return { stage, stages, percent, info: reader.lengthEncodedText() }
}

/**
 * The payload, as a server writes it. Manual: "Progress Reporting" (MariaDB).
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (progress: Progress): Writer =>
  new Writer()
    .u8(0xff)
    .u16(errno)
    .u8(1)
    .u8(progress.stage)
    .u8(progress.stages)
    .u24(Math.round(progress.percent * 1000))
    .lengthEncodedText(progress.info)
