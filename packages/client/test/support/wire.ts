/**
 * What a server says, made of the protocol's own encoders: for servers that follow a script.
 */
import { Writer } from "@effect-mysql/protocol/Bytes"
import { ColumnFlag, ColumnType } from "@effect-mysql/protocol/ColumnType"
import { type Capabilities, Flag, negotiate } from "@effect-mysql/protocol/connect/Capabilities"
import * as Greeting from "@effect-mysql/protocol/connect/Greeting"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import * as Column from "@effect-mysql/protocol/reply/Column"
import * as Err from "@effect-mysql/protocol/reply/Err"
import * as Ok from "@effect-mysql/protocol/reply/Ok"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"

/** The first byte of the commands that scripts tell apart. */
export const Code = {
  QUIT: 0x01,
  INIT_DB: 0x02,
  QUERY: 0x03,
  PING: 0x0e,
  STMT_PREPARE: 0x16,
  STMT_EXECUTE: 0x17,
  STMT_CLOSE: 0x19,
  SET_OPTION: 0x1b,
  RESET_CONNECTION: 0x1f
} as const

export const serverFlags: number =
  Flag.LONG_PASSWORD |
  Flag.FOUND_ROWS |
  Flag.LONG_FLAG |
  Flag.CONNECT_WITH_DB |
  Flag.PROTOCOL_41 |
  Flag.TRANSACTIONS |
  Flag.SECURE_CONNECTION |
  Flag.MULTI_STATEMENTS |
  Flag.MULTI_RESULTS |
  Flag.PS_MULTI_RESULTS |
  Flag.PLUGIN_AUTH |
  Flag.PLUGIN_AUTH_LENENC |
  Flag.CONNECT_ATTRS |
  Flag.SESSION_TRACK |
  Flag.DEPRECATE_EOF

/** What a client without particular wishes agrees on with a server that greets by default. */
export const agreed: Capabilities = negotiate({ flags: serverFlags, extended: 0 }, 0)

export const scramble: Uint8Array = Uint8Array.from({ length: 20 }, (_, index) => index + 1)

export const greeting = (options?: Partial<Greeting.Greeting>): Uint8Array =>
  Greeting.encode({
    product: "mysql",
    version: "9.7.0-scripted",
    connectionId: 42,
    capabilities: { flags: serverFlags, extended: 0 },
    collation: 255,
    status: ServerStatus.autocommit,
    authPlugin: "caching_sha2_password",
    scramble,
    ...options
  }).payload()

export const ok = (options?: Partial<Ok.Ok>): Uint8Array =>
  Ok.encode({ affectedRows: 0, insertId: 0, status: ServerStatus.autocommit, warningCount: 0, ...options }).payload()

/** The OK that ends rows. */
export const endOfRows = (status: number = ServerStatus.autocommit): Uint8Array =>
  Ok.encode({ affectedRows: 0, insertId: 0, status, warningCount: 0 }, 0xfe).payload()

export const err = (errno: number, message: string = `error ${errno}`, sqlState: string = "HY000"): Uint8Array =>
  Err.encode({ errno, sqlState, message }).payload()

export const column = (name: string, options?: Partial<Column.Column>): Uint8Array =>
  Column.encode(
    {
      name,
      table: "",
      database: "",
      originalName: "",
      originalTable: "",
      collation: 255,
      length: 1024,
      type: ColumnType.VAR_STRING,
      flags: 0,
      decimals: 0,
      extendedType: undefined,
      format: undefined,
      ...options
    },
    agreed
  ).payload()

export const bigint = (name: string): Uint8Array =>
  column(name, { type: ColumnType.LONGLONG, collation: 63, flags: ColumnFlag.NOT_NULL, length: 20 })

export const count = (columns: number): Uint8Array => new Writer().lengthEncoded(columns).payload()

export const textRow = (...values: ReadonlyArray<string | null>): Uint8Array => {
  const writer = new Writer()
  for (const value of values) {
    if (value === null) writer.u8(0xfb)
    else writer.lengthEncodedText(value)
  }
  return writer.payload()
}

/** One text column of this name, and a row for each value. */
export const texts = (
  name: string,
  values: ReadonlyArray<string | null>,
  status?: number
): ReadonlyArray<Uint8Array> => [count(1), column(name), ...values.map((value) => textRow(value)), endOfRows(status)]

/** The reply to a prepare. */
export const prepareOk = (statementId: number, parameters: number, columns: ReadonlyArray<Uint8Array> = []) => [
  new Writer().u8(0).u32(statementId).u16(columns.length).u16(parameters).u8(0).u16(0).payload(),
  ...Array.from({ length: parameters }, () => column("?")),
  ...columns
]

/** Payloads as packets, numbered from `first` on. */
export const packets = (payloads: ReadonlyArray<Uint8Array>, first: number = 1): Buffer =>
  Buffer.concat(payloads.map((payload, index) => Packet.frame(payload, first + index)))

export const rawPacket = (sequence: number, ...bytes: ReadonlyArray<number>): Buffer =>
  Packet.frame(Uint8Array.from(bytes), sequence)
