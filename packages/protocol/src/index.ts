/**
 * The MySQL and MariaDB wire protocol: bytes to messages and back. No sockets, no timers.
 *
 * @since 0.1.0
 */
export * as Bytes from "./Bytes.ts"
export * as ColumnType from "./ColumnType.ts"
export * as Command from "./command/Command.ts"
export * as Execute from "./command/Execute.ts"
export * as Auth from "./connect/Auth.ts"
export * as AuthPacket from "./connect/AuthPacket.ts"
export * as AuthPlugin from "./connect/AuthPlugin.ts"
export * as Capabilities from "./connect/Capabilities.ts"
export * as Greeting from "./connect/Greeting.ts"
export * as HandshakeResponse from "./connect/HandshakeResponse.ts"
export * as Packet from "./framing/Packet.ts"
export * as ProtocolError from "./ProtocolError.ts"
export * as Column from "./reply/Column.ts"
export * as Err from "./reply/Err.ts"
export * as Ok from "./reply/Ok.ts"
export * as Reply from "./reply/Reply.ts"
export * as SessionTrack from "./reply/SessionTrack.ts"
export * as Decoding from "./row/Decoding.ts"
export * as RowDecoder from "./row/RowDecoder.ts"
export * as ServerStatus from "./ServerStatus.ts"
export * as DecodeError from "./value/DecodeError.ts"
export * as Literal from "./value/Literal.ts"
export * as Parameter from "./value/Parameter.ts"
export * as Placeholders from "./value/Placeholders.ts"
