/**
 * A server that is nothing but a script, on a TCP port of this machine: for what a real server will not do on demand. It
 * is made of the protocol's own channels and messages, and of nothing that a client is made of.
 *
 * A script is given each connection as a conversation of packets. `answering` is the script of a server that lets
 * everybody in and answers statements by a function; what a test needs beyond that it writes itself.
 *
 * @since 0.1.0
 */
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import type { Writer } from "@effect-mysql/protocol/Bytes"
import { ColumnType } from "@effect-mysql/protocol/ColumnType"
import * as CommandPacket from "@effect-mysql/protocol/command/CommandPacket"
import { type Capabilities, Flag, negotiate } from "@effect-mysql/protocol/connect/Capabilities"
import * as Greeting from "@effect-mysql/protocol/connect/Greeting"
import * as HandshakeResponse from "@effect-mysql/protocol/connect/HandshakeResponse"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import type { ProtocolError } from "@effect-mysql/protocol/ProtocolError"
import type { Column } from "@effect-mysql/protocol/reply/Column"
import * as Err from "@effect-mysql/protocol/reply/Err"
import * as Ok from "@effect-mysql/protocol/reply/Ok"
import * as PrepareOk from "@effect-mysql/protocol/reply/PrepareOk"
import * as ResultSet from "@effect-mysql/protocol/reply/ResultSet"
import { ServerStatus } from "@effect-mysql/protocol/ServerStatus"
import type { Parameter, ParameterError } from "@effect-mysql/protocol/value/Parameter"
import * as Placeholders from "@effect-mysql/protocol/value/Placeholders"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Socket from "effect/socket/Socket"
import type { SocketServerError } from "effect/socket/SocketServer"

/**
 * Where it listens.
 *
 * @since 0.1.0
 * @category services
 */
export class ScriptedServer extends Context.Service<ScriptedServer, { readonly host: string; readonly port: number }>()(
  "@effect-mysql/test-utils/ScriptedServer"
) {}

/**
 * Why a conversation is over: the client has gone, or has said what breaks the protocol.
 *
 * @since 0.1.0
 * @category errors
 */
export type ConversationError = Cause.Done | Socket.SocketError | ProtocolError

/**
 * The server's end of one line.
 *
 * @since 0.1.0
 * @category models
 */
export interface Conversation {
  /** Which of the connections it is, from 0 on. */
  readonly index: number
  /** The client's next packet; waits for it. */
  readonly receive: Effect.Effect<Packet.Packet, ConversationError>
  /** Payloads as packets, numbered on from the last packet of either side. */
  readonly send: (...payloads: ReadonlyArray<Writer | Uint8Array>) => Effect.Effect<void>
}

/**
 * Its end closes the line.
 *
 * @since 0.1.0
 * @category models
 */
export type Script = (conversation: Conversation) => Effect.Effect<void, ConversationError | ParameterError>

const localhost = "127.0.0.1"

/**
 * Listens on a free port as long as the scope lasts. A script that fails because its client has gone, or breaks the
 * protocol, ends that line and no other.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (script: Script): Layer.Layer<ScriptedServer, SocketServerError> =>
  Layer.effect(
    ScriptedServer,
    Effect.gen(function* () {
      const server = yield* NodeSocketServer.make({ host: localhost, port: 0 })
      let connections = 0
      yield* Effect.forkScoped(server.run((socket) => Effect.ignore(converse(connections++, socket, script))))
      const { address } = server
      if (address._tag === "UnixPathAddress") return yield* Effect.die(new Error("not listening on TCP"))
      return { host: localhost, port: address.port }
    })
  )

const converse = Effect.fnUntraced(function* (index: number, socket: Socket.Socket, script: Script) {
  const inbox = yield* Queue.make<Packet.Packet, ConversationError>()
  const outbox = yield* Queue.make<Packet.Packet, Cause.Done>()
  let last = -1
  const conversation: Conversation = {
    index,
    receive: Effect.tap(Queue.take(inbox), (packet) =>
      Effect.sync(() => {
        last = packet.sequence
      })
    ),
    send: (...payloads) =>
      Effect.sync(() => {
        for (const one of payloads) {
          const payload = one instanceof Uint8Array ? one : Uint8Array.from(one.payload())
          Queue.offerUnsafe(outbox, { sequence: (last + 1) & 0xff, payload })
          last += Packet.frameCount(payload.length)
        }
      })
  }
  const line = Packet.duplex(Socket.toChannel<never>(socket), { sequence: "report" })
  const reading = Stream.fromQueue(outbox).pipe(Stream.pipeThroughChannelOrFail(line), Stream.runIntoQueue(inbox))
  yield* Effect.forkChild(reading)
  yield* script(conversation)
  yield* Queue.end(outbox)
}, Effect.scoped)

/**
 * A statement as `answering` hears it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Heard {
  readonly connection: number
  readonly sql: string
  /** `undefined` for a statement that came as text. */
  readonly parameters: ReadonlyArray<Parameter | undefined> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type Answer =
  | { readonly _tag: "Ok"; readonly ok?: Partial<Ok.OkFields> | undefined }
  | { readonly _tag: "Err"; readonly err: Err.Err }
  | {
      readonly _tag: "Rows"
      readonly columns: ReadonlyArray<Column>
      /** Values that a column of the type can hold. */
      readonly rows: ReadonlyArray<ReadonlyArray<unknown>>
    }

/**
 * @since 0.1.0
 * @category constructors
 */
export const ok = (ok?: Partial<Ok.OkFields>): Answer => ({ _tag: "Ok", ok })

/**
 * @since 0.1.0
 * @category constructors
 */
export const err = (errno: number, message: string, sqlState: string = "HY000"): Answer => ({
  _tag: "Err",
  err: { errno, sqlState, message }
})

const utf8mb4 = 45

/**
 * Columns of texts by their names, and their rows.
 *
 * @since 0.1.0
 * @category constructors
 */
export const rows = (names: ReadonlyArray<string>, values: ReadonlyArray<ReadonlyArray<string | null>>): Answer => ({
  _tag: "Rows",
  columns: names.map((name) => ({
    name,
    table: "",
    database: "",
    originalName: "",
    originalTable: "",
    collation: utf8mb4,
    length: 1024,
    type: ColumnType.VAR_STRING,
    flags: 0,
    decimals: 0,
    extendedType: undefined,
    format: undefined
  })),
  rows: values
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ServerOptions {
  /** What it says of itself. Default: a MySQL 9.7 that offers most of what there is. */
  readonly greeting?: Partial<Greeting.Greeting> | undefined
}

const offered =
  Flag.LONG_PASSWORD |
  Flag.FOUND_ROWS |
  Flag.LONG_FLAG |
  Flag.CONNECT_WITH_DB |
  Flag.PROTOCOL_41 |
  Flag.TRANSACTIONS |
  Flag.SECURE_CONNECTION |
  Flag.MULTI_RESULTS |
  Flag.PS_MULTI_RESULTS |
  Flag.PLUGIN_AUTH |
  Flag.PLUGIN_AUTH_LENENC |
  Flag.CONNECT_ATTRS |
  Flag.SESSION_TRACK |
  Flag.DEPRECATE_EOF

/**
 * Greets, and lets everybody in whatever the password. Returns what both sides have agreed on.
 *
 * @since 0.1.0
 * @category scripts
 */
export const welcome = Effect.fnUntraced(function* (conversation: Conversation, options?: ServerOptions) {
  const greeting: Greeting.Greeting = {
    product: "mysql",
    version: "9.7.0-scripted",
    connectionId: conversation.index + 1,
    capabilities: { flags: offered, extended: 0 },
    collation: 255,
    status: ServerStatus.autocommit,
    authPlugin: "caching_sha2_password",
    scramble: Uint8Array.from({ length: 20 }, (_, index) => index + 1),
    ...options?.greeting
  }
  yield* conversation.send(Greeting.encode(greeting))
  const { payload } = yield* conversation.receive
  const answer = yield* Effect.fromResult(HandshakeResponse.decode(payload))
  yield* conversation.send(Ok.encode({ ...nothing }, 0x00, answer.capabilities))
  return negotiate(greeting.capabilities, answer.capabilities.flags, answer.capabilities.extended)
})

const nothing = { affectedRows: 0, insertId: 0, status: ServerStatus.autocommit, warningCount: 0 } as const

const noSuchStatement = err(1243, "Unknown prepared statement")
const unknownCommand = err(1047, "Unknown command", "08S01")

/**
 * A server that lets everybody in, and answers each statement, text or prepared, by a function. What changes the session
 * it takes note of with an OK.
 *
 * @since 0.1.0
 * @category scripts
 */
export const answering =
  (answer: (heard: Heard) => Answer, options?: ServerOptions): Script =>
  (conversation) =>
    Effect.gen(function* () {
      const capabilities = yield* welcome(conversation, options)
      const prepared = new Map<number, { readonly sql: string } & CommandPacket.Statement>()
      let statements = 0
      while (true) {
        const { payload } = yield* conversation.receive
        const command = yield* Effect.fromResult(
          CommandPacket.decode(payload, { capabilities, statements: (id) => prepared.get(id) })
        )
        switch (command._tag) {
          case "Quit":
            return
          case "CloseStatement":
            prepared.delete(command.statementId)
            break
          case "SendLongData":
            break
          case "Prepare": {
            const statementId = ++statements
            const parameterCount = parametersOf(command.sql)
            prepared.set(statementId, { sql: command.sql, parameterCount })
            yield* conversation.send(...prepareReply(statementId, parameterCount, capabilities))
            break
          }
          case "Execute": {
            const statement = prepared.get(command.statementId)
            if (statement !== undefined) prepared.set(command.statementId, { ...statement, types: command.types })
            const said =
              statement === undefined
                ? noSuchStatement
                : answer({ connection: conversation.index, sql: statement.sql, parameters: command.parameters })
            yield* conversation.send(...(yield* Effect.fromResult(write(said, "binary", capabilities))))
            break
          }
          case "Query": {
            const said = answer({ connection: conversation.index, sql: command.sql, parameters: undefined })
            yield* conversation.send(...(yield* Effect.fromResult(write(said, "text", capabilities))))
            break
          }
          case "Ping":
          case "InitDatabase":
          case "ResetConnection":
          case "ResetStatement":
          case "SetMultiStatements":
            yield* conversation.send(Ok.encode(nothing, 0x00, capabilities))
            break
          default:
            yield* conversation.send(...(yield* Effect.fromResult(write(unknownCommand, "text", capabilities))))
        }
      }
    })

const parametersOf = (sql: string): number => {
  const template = Placeholders.parse(sql, { noBackslashEscapes: false, ansiQuotes: false })
  return template.parts.length - 1
}

/** Columns are told with each execution, as of a CALL. */
const prepareReply = (
  statementId: number,
  parameterCount: number,
  capabilities: Capabilities
): ReadonlyArray<Writer> => {
  const prepared = { statementId, parameterCount, columnCount: 0, warningCount: 0, follows: true }
  const placeholders = rows(
    Array.from({ length: parameterCount }, () => "?"),
    []
  )
  if (placeholders._tag !== "Rows" || parameterCount === 0) return [PrepareOk.encode(prepared, capabilities)]
  // A result without rows is its count of columns, their definitions and an end.
  const definitions = ResultSet.definitions(placeholders.columns, capabilities)
  return [PrepareOk.encode(prepared, capabilities), ...definitions]
}

const write = (
  answer: Answer,
  protocol: "text" | "binary",
  capabilities: Capabilities
): Result.Result<ReadonlyArray<Writer>, ParameterError> => {
  switch (answer._tag) {
    case "Ok":
      return Result.succeed([Ok.encode({ ...nothing, ...answer.ok }, 0x00, capabilities)])
    case "Err":
      return Result.succeed([Err.encode(answer.err)])
    case "Rows":
      return ResultSet.encode({ columns: answer.columns, rows: answer.rows, protocol }, capabilities)
  }
}
