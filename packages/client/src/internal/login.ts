/**
 * From an open line to a session: greeting, TLS, authentication, and the statements that give the session the
 * configured state. What fails here has run nothing.
 */
import * as ChangeUser from "@effect-mysql/protocol/command/ChangeUser"
import * as Command from "@effect-mysql/protocol/command/Command"
import * as Capabilities from "@effect-mysql/protocol/connect/Capabilities"
import * as Greeting from "@effect-mysql/protocol/connect/Greeting"
import * as HandshakeResponse from "@effect-mysql/protocol/connect/HandshakeResponse"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import * as Err from "@effect-mysql/protocol/reply/Err"
import * as Reply from "@effect-mysql/protocol/reply/Reply"
import * as Charset from "@effect-mysql/protocol/value/Charset"
import * as Literal from "@effect-mysql/protocol/value/Literal"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Resolved } from "../MysqlConfig.ts"
import * as MysqlError from "../MysqlError.ts"
import { Transport, type TransportConnection } from "../Transport.ts"
import { authenticate, begin, feed, mayProve, readPacket, verifyServer } from "./authentication.ts"
import * as compressedLine from "./compressedLine.ts"
import * as failures from "./failures.ts"
import { addressOf } from "./target.ts"
import { version } from "./version.ts"

/** A line that is logged in, and what both sides said on the way. */
export interface Session {
  readonly transport: TransportConnection
  readonly parser: Packet.Parser
  readonly greeting: Greeting.Greeting
  readonly capabilities: Capabilities.Capabilities
  readonly authPlugin: string
  /** The server is who it says: by its certificate, by a proof that it knows the account, or on a unix socket. */
  readonly verified: boolean
  readonly compression: Resolved["compression"]
  /** The server's own id, by which a second line knows that it reaches the same server. */
  readonly identity: string | undefined
  /** Packets are shorter than this, in bytes of payload; infinite where the server does not say. */
  readonly maxAllowedPacket: number
  readonly collation: string
  /** After so long without a statement the server ends the session, as far as it tells. */
  readonly waitTimeout: Duration.Duration | undefined
  /** Status flags of the last reply. */
  readonly status: number
  readonly database: string | undefined
}

const preLoginPacketBytes = 64 * 1024
/** utf8mb4_general_ci: known to every version; the configured collation is set with `SET NAMES`. */
const loginCollation = 45
const auxiliaryConnectTimeout = Duration.seconds(10)

const orProtocolError = Effect.mapError(failures.protocol)

const readGreeting = Effect.fnUntraced(function* (
  transport: TransportConnection,
  parser: Packet.Parser,
  address: string
) {
  const bytes = yield* readPacket(transport, parser)
  if (bytes[0] === 0xff) {
    const err = yield* Effect.fromResult(Err.decode(bytes)).pipe(orProtocolError)
    return yield* MysqlError.make(
      new MysqlError.ConnectError({
        address,
        problem: `${err.message} (${err.errno})`,
        cause: failures.server(err, "", undefined)
      })
    )
  }
  return yield* Effect.fromResult(Greeting.decode(bytes)).pipe(orProtocolError)
})

/** Whether to speak TLS; a server that cannot, where it has to, is refused before the user's name is sent. */
const wantsTls = (
  config: Resolved,
  transport: TransportConnection,
  offered: boolean
): Effect.Effect<boolean, MysqlError.MysqlError> => {
  const { mode } = config.tls
  if (mode === "disabled") return Effect.succeed(false)
  // Nobody listens on a unix socket; encrypting it is for those who ask for it.
  if (mode === "preferred") return Effect.succeed(offered && transport.secure === "no")
  return offered
    ? Effect.succeed(true)
    : Effect.fail(
        MysqlError.make(
          new MysqlError.TlsError({ problem: `the server does not offer TLS, and the mode is "${mode}"` })
        )
      )
}

/**
 * The statements that give a session the configured state: after the login, and after each reset, which on MySQL falls
 * back to the server's global settings.
 */
export const setUpStatements = (config: Resolved, { greeting }: Pick<Session, "greeting">): ReadonlyArray<string> => {
  // What a backslash means depends on the mode that the server is in, and what a byte means on the character set.
  const text = (value: string): string =>
    /[^ -[\]-~]/.test(value)
      ? `_utf8mb4 x'${Buffer.from(value, "utf8").toString("hex")}'`
      : `'${value.replaceAll("'", "''")}'`
  const pauseSeconds = Math.max(1, Math.ceil(Duration.toSeconds(config.streamPauseLimit)))
  const assignments = [
    // Escaping needs to know the mode: an explicit one is set first.
    ...(config.sqlMode === undefined ? [] : [`sql_mode=${text(config.sqlMode)}`]),
    `time_zone=${text(config.timezone)}`,
    `net_write_timeout=${pauseSeconds}`,
    ...(config.serverStatementTimeout === undefined
      ? []
      : [statementLimit(config.serverStatementTimeout, greeting.product)]),
    ...(config.autocommit === "server" ? [] : [`autocommit=${config.autocommit ? 1 : 0}`]),
    "session_track_schema=ON",
    "session_track_state_change=ON",
    ...Object.entries(config.sessionVariables).map(
      ([name, value]) => `${Literal.identifier(name)}=${typeof value === "number" ? value : text(value)}`
    )
  ]
  return [
    ...setNames(config.charset, config.collation),
    `SET ${assignments.map((assignment) => `SESSION ${assignment}`).join(",")}`,
    ...config.initSql
  ]
}

/** Both products take 0 for no limit. */
const statementLimit = (timeout: Duration.Duration, product: Greeting.Greeting["product"]): string => {
  const millis = Math.max(1, Math.round(Duration.toMillis(timeout)))
  return product === "mysql" ? `max_execution_time=${millis}` : `max_statement_time=${millis / 1000}`
}

/** Results come as utf8mb4 whatever is sent: it has every character, and the decoders know no other set. */
export const setNames = (charset: string, collation: string | undefined): ReadonlyArray<string> => [
  `SET NAMES ${charset}${collation === undefined ? "" : ` COLLATE ${collation}`}`,
  ...(charset === "utf8mb4" ? [] : ["SET SESSION character_set_results=utf8mb4"])
]

/** The set-up as commands: in the character set of the session, which its first statement has chosen. */
export const setUpCommands = (
  config: Resolved,
  session: Pick<Session, "greeting" | "capabilities">
): ReadonlyArray<Buffer> => {
  const charset = Charset.named(config.charset)
  const { capabilities } = session
  return setUpStatements(config, session).map((sql) => Command.query(charset?.encode(sql) ?? sql, capabilities))
}

/** Sends several COM_QUERY in one flight and reads all replies. */
export const flight = Effect.fnUntraced(function* (
  transport: TransportConnection,
  parser: Packet.Parser,
  capabilities: Capabilities.Capabilities,
  commands: ReadonlyArray<Buffer>
) {
  yield* transport.write(Buffer.concat(commands))
  const replies: Array<Reply.Reply> = []
  for (const _ of commands) {
    parser.expect(1)
    const reply = new Reply.Reply({
      command: "query",
      capabilities,
      rows: { shape: "array", decoding: {}, offsetMinutes: 0 }
    })
    while (!reply.consume(parser)) {
      yield* feed(transport, parser)
    }
    if (reply.failure !== undefined) return yield* failures.protocol(reply.failure)
    replies.push(reply)
  }
  return replies
})

/** What the session is like that was set up, and by which a second line knows that it reaches the same server. */
const questions = (product: Greeting.Greeting["product"]): ReadonlyArray<string> => [
  "SELECT @@max_allowed_packet,@@collation_connection,@@wait_timeout",
  product === "mysql" ? "SELECT @@server_uuid" : "SELECT @@server_uid"
]

const firstRow = (reply: Reply.Reply): ReadonlyArray<unknown> | undefined =>
  reply.results[0]?.rows[0] as ReadonlyArray<unknown> | undefined

/** Gives the session the configured state, and asks what the client has to know about it, in one flight. */
export const setUp = Effect.fnUntraced(function* (
  config: Resolved,
  line: Pick<Session, "transport" | "parser" | "capabilities" | "greeting">
) {
  const statements = setUpStatements(config, line)
  const asked = questions(line.greeting.product)
  const commands = [...setUpCommands(config, line), ...asked.map((sql) => Command.query(sql, line.capabilities))]
  const replies = yield* flight(line.transport, line.parser, line.capabilities, commands)
  let status = line.greeting.status
  let database = config.database
  for (const [index, reply] of replies.entries()) {
    const { err } = reply
    if (err !== undefined && index < statements.length)
      return yield* failures.server(err, statements[index]!, line.greeting.product)
    if (reply.ok !== undefined) status = reply.ok.status
    if (reply.database !== undefined) database = reply.database
  }
  // A server that does not answer these is still usable: then only the address tells it from another.
  const [limits, identity] = replies.slice(statements.length).map(firstRow)
  return {
    status,
    database,
    identity: identity === undefined ? undefined : String(identity[0]),
    maxAllowedPacket: limits === undefined ? Number.POSITIVE_INFINITY : Number(limits[0]),
    collation: limits === undefined ? (config.collation ?? config.charset) : String(limits[1]),
    waitTimeout: limits?.[2] === undefined ? undefined : Duration.seconds(Number(limits[2]))
  }
})

/** Also where there is no `process`: then without its number. */
const ownAttributes = (): Readonly<Record<string, string>> => {
  const pid = globalThis.process?.pid
  return { _client_name: "effect-mysql", _client_version: version, ...(pid === undefined ? {} : { _pid: String(pid) }) }
}

/** What the server does not offer it would take for garbage: that is told before the user's name is sent. */
const compressionWith = (
  { compression }: Resolved,
  offered: Capabilities.Capabilities
): Effect.Effect<{ readonly algorithm: Resolved["compression"]; readonly flag: number }, MysqlError.MysqlError> => {
  if (compression === "none") return Effect.succeed({ algorithm: compression, flag: 0 })
  const flag = compression === "zlib" ? Capabilities.Flag.COMPRESS : Capabilities.Flag.ZSTD_COMPRESSION
  return Capabilities.has(offered, flag)
    ? Effect.succeed({ algorithm: compression, flag })
    : Effect.fail(
        MysqlError.make(
          new MysqlError.ConfigurationError({ faults: [`the server does not offer the compression ${compression}`] })
        )
      )
}

const connectAndLogIn = Effect.fnUntraced(function* (config: Resolved) {
  const address = addressOf(config.target)
  const transport = yield* (yield* Transport).connect(config.target, { keepAlive: config.keepAlive })
  const parser = Packet.makeParser({ maxPacketBytes: preLoginPacketBytes })
  const greeting = yield* readGreeting(transport, parser, address)
  const offered = Capabilities.has(greeting.capabilities, Capabilities.Flag.SSL)
  const withTls = yield* wantsTls(config, transport, offered)
  const { Flag } = Capabilities
  const compression = yield* compressionWith(config, greeting.capabilities)
  const capabilities = Capabilities.negotiate(
    greeting.capabilities,
    Flag.LOCAL_FILES |
      compression.flag |
      (withTls ? Flag.SSL : 0) |
      (config.database === undefined ? 0 : Flag.CONNECT_WITH_DB) |
      (config.foundRows ? Flag.FOUND_ROWS : 0) |
      (config.multiStatements ? Flag.MULTI_STATEMENTS : 0) |
      (config.queryAttributes ? Flag.QUERY_ATTRIBUTES : 0)
  )
  const head = { capabilities, maxPacketBytes: config.maxPacketBytes, collation: loginCollation }
  let sequence = 1
  if (withTls) {
    yield* transport.write(Packet.seal(HandshakeResponse.encodeTlsRequest(head), sequence++))
    // Whatever came in the clear before TLS could have been put there by anybody.
    if (parser.pendingBytes > 0 || (yield* transport.idle) === "bytes") {
      return yield* MysqlError.make(
        new MysqlError.ProtocolError({ phase: "TLS upgrade", expected: "silence", got: "unencrypted bytes" })
      )
    }
    yield* transport.startTls(config.tls, mayProve(config, greeting))
  }
  const authentication = yield* begin(config, transport, { capabilities, greeting })
  const response = HandshakeResponse.encode({
    ...head,
    username: config.username,
    authPlugin: authentication.authPlugin,
    authResponse: authentication.authResponse,
    database: config.database,
    connectAttributes: { ...ownAttributes(), ...config.connectAttributes }
  })
  yield* transport.write(Packet.seal(response, sequence++))
  parser.expect(sequence)
  const ok = yield* authenticate(transport, parser, authentication)
  const verified = yield* verifyServer(config, transport, authentication, ok)
  parser.maxPacketBytes = config.maxPacketBytes
  const { algorithm } = compression
  const line = {
    transport: algorithm === "none" ? transport : compressedLine.make(transport, parser, { algorithm }),
    parser,
    greeting,
    capabilities,
    verified,
    compression: algorithm
  }
  return { ...line, authPlugin: authentication.pluginName, ...(yield* setUp(config, line)) } satisfies Session
})

/**
 * Connects and logs in, all of it within one deadline. The line belongs to the scope. A line that is lost on the way is
 * a `ConnectError`: nothing ran.
 */
export const connect = (config: Resolved): Effect.Effect<Session, MysqlError.MysqlError, Scope.Scope> => {
  const address = addressOf(config.target)
  return connectAndLogIn(config).pipe(
    Effect.catchReason("MysqlError", "ConnectionLost", (reason) =>
      Effect.fail(
        MysqlError.make(
          new MysqlError.ConnectError({
            address,
            problem: `the line was lost before the session was ready: ${reason.problem}`,
            cause: reason
          })
        )
      )
    ),
    Effect.timeoutOrElse({
      duration: config.connectTimeout,
      orElse: () =>
        Effect.fail(
          MysqlError.make(
            new MysqlError.ConnectError({
              address,
              problem: `not connected within ${Duration.format(config.connectTimeout)}`
            })
          )
        )
    })
  )
}

/**
 * Logs in as the user of `config` on a line that is open, and sets the session up as after a login. `before` goes out in
 * front. The line is of no use where this fails: servers cut it, or the user is one that nobody asked for.
 */
export const changeUser = Effect.fnUntraced(function* (config: Resolved, session: Session, before: Uint8Array) {
  const { capabilities, parser, transport } = session
  const authentication = yield* begin(config, transport, session)
  const command = ChangeUser.encode(
    {
      username: config.username,
      authPlugin: authentication.authPlugin,
      authResponse: authentication.authResponse,
      database: config.database,
      collation: loginCollation,
      connectAttributes: { ...ownAttributes(), ...config.connectAttributes }
    },
    capabilities
  )
  yield* transport.write(Buffer.concat([before, command]))
  parser.expect(1)
  yield* authenticate(transport, parser, authentication)
  return { ...session, authPlugin: authentication.pluginName, ...(yield* setUp(config, session)) } satisfies Session
})

/** The same server and user, by the address that was really reached, for a second line beside an open one. */
export const beside = (config: Resolved, session: Session): Resolved => {
  const { target } = session.transport
  const named =
    "host" in config.target && config.tls.servername === undefined
      ? { ...config.tls, servername: config.target.host }
      : config.tls
  return {
    ...config,
    target,
    tls: named,
    database: undefined,
    compression: "none",
    sessionVariables: {},
    initSql: [],
    connectTimeout: auxiliaryConnectTimeout
  }
}
