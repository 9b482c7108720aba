/**
 * Node's sockets as a `Transport`. The only module that knows `node:net` and `node:tls`.
 *
 * It holds the socket itself and reads through `effect/socket`, which pulls from the paused stream: back-pressure reaches
 * the server. TLS is started here and not by the reader, because the modes need Node's own options.
 *
 * @since 0.1.0
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Tls from "node:tls"
import { addressOf } from "./internal/target.ts"
import type { TlsOptions } from "./MysqlConfig.ts"
import * as MysqlError from "./MysqlError.ts"
import type { Target, Transport, TransportConnection } from "./Transport.ts"

const defaultKeepAlive = Duration.minutes(1)

/** What the system's errors of an open line mean. */
const meanings: Readonly<Record<string, string>> = {
  ECONNRESET: "the server, or something on the way to it, broke the line off",
  EPIPE: "the server, or something on the way to it, had closed the line",
  ETIMEDOUT: "the other side does not answer any more"
}

const problemOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  const problem = cause.message || cause.name
  const meaning = meanings[String((cause as NodeJS.ErrnoException).code)]
  return meaning === undefined ? problem : `${meaning} (${problem})`
}

const open = (target: Target, keepAlive: Duration.Duration): Net.Socket =>
  "socketPath" in target
    ? Net.createConnection({ path: target.socketPath })
    : Net.createConnection({
        host: target.host,
        port: target.port,
        noDelay: true,
        keepAlive: Duration.isFinite(keepAlive),
        keepAliveInitialDelay: Duration.toMillis(keepAlive)
      })

const connected = (socket: Net.Socket, target: Target): Effect.Effect<void, MysqlError.MysqlError> =>
  Effect.callback<void, MysqlError.MysqlError>((resume) => {
    const fail = (cause: unknown): void => {
      const error = new MysqlError.ConnectError({ address: addressOf(target), problem: problemOf(cause), cause })
      resume(Effect.fail(MysqlError.make(error)))
    }
    const onClose = (): void => fail(new Error("the line was closed here"))
    socket.once("error", fail)
    socket.once("close", onClose)
    socket.once("connect", () => {
      socket.off("error", fail)
      socket.off("close", onClose)
      resume(Effect.void)
    })
  })

const lost = (phase: "notSent" | "sent", cause: unknown): MysqlError.MysqlError =>
  MysqlError.make(new MysqlError.ConnectionLost({ phase, problem: problemOf(cause), cause }))

const lineClosed = "the server closed the line"

/** What a reader of `effect/socket` fails with, in words. */
const readProblem = (error: Socket.SocketError): MysqlError.MysqlError => {
  const { reason } = error
  return reason._tag === "SocketCloseError"
    ? lost("sent", new Error(lineClosed))
    : lost("sent", "cause" in reason ? reason.cause : error)
}

const isAlive = (socket: Net.Socket): boolean => !socket.destroyed && !socket.readableEnded && socket.writable

const sessionOf = (options: TlsOptions, socket: Net.Socket, host: string | undefined): Tls.ConnectionOptions => {
  const verified = options.mode === "verify-ca" || options.mode === "verify-identity"
  const name = options.servername ?? host ?? "localhost"
  const secret = (value: Redacted.Redacted<string | Uint8Array>): string | Buffer => {
    const plain = Redacted.value(value)
    return typeof plain === "string" ? plain : Buffer.from(plain)
  }
  const certificate = (value: string | Uint8Array): string | Buffer =>
    typeof value === "string" ? value : Buffer.from(value)
  return {
    socket,
    rejectUnauthorized: verified,
    // The name in the certificate is checked against the host that was asked for, also where that is an address.
    checkServerIdentity:
      options.mode === "verify-identity" ? (_, peer) => Tls.checkServerIdentity(name, peer) : () => undefined,
    ...(Net.isIP(name) === 0 ? { servername: name } : {}),
    ...(options.ca === undefined
      ? {}
      : { ca: Array.isArray(options.ca) ? options.ca.map(certificate) : certificate(options.ca as string) }),
    ...(options.cert === undefined ? {} : { cert: certificate(options.cert) }),
    ...(options.key === undefined ? {} : { key: secret(options.key) }),
    ...(options.passphrase === undefined ? {} : { passphrase: Redacted.value(options.passphrase) }),
    ...(options.minVersion === undefined ? {} : { minVersion: options.minVersion })
  }
}

const handshake = (
  socket: Net.Socket,
  options: TlsOptions,
  host: string | undefined
): Effect.Effect<Tls.TLSSocket, MysqlError.MysqlError> =>
  Effect.callback<Tls.TLSSocket, MysqlError.MysqlError>((resume) => {
    const fail = (cause: unknown): void => {
      resume(Effect.fail(MysqlError.make(new MysqlError.TlsError({ problem: problemOf(cause), cause }))))
    }
    let secured: Tls.TLSSocket
    try {
      secured = Tls.connect(sessionOf(options, socket, host))
    } catch (cause) {
      return fail(cause)
    }
    const onClose = (): void => fail(new Error("the line was closed during the TLS handshake"))
    secured.once("error", fail)
    secured.once("close", onClose)
    secured.once("secureConnect", () => {
      secured.off("error", fail)
      secured.off("close", onClose)
      resume(Effect.succeed(secured))
    })
    return Effect.sync(() => secured.destroy())
  })

/** A socket and the reader on it, which TLS replaces. */
interface Line {
  readonly socket: Net.Socket
  readonly pull: TransportConnection["pull"]
  readonly readerScope: Scope.Closeable
}

const attach = Effect.fnUntraced(function* (socket: Net.Socket) {
  const readerScope = yield* Scope.make()
  // The reader listens for errors too, but only while it is attached.
  socket.on("error", () => {})
  const wrapped = yield* NodeSocket.fromDuplex(Effect.succeed(socket))
  const reader = yield* Scope.provide(wrapped.reader, readerScope).pipe(Effect.mapError(readProblem))
  return {
    socket,
    readerScope,
    pull: Effect.mapError(reader.pull, readProblem) as TransportConnection["pull"]
  } satisfies Line
})

class NodeConnection implements TransportConnection {
  readonly target: Target
  secure: TransportConnection["secure"]
  tls: TransportConnection["tls"] = undefined
  private line: Line
  private readonly host: string | undefined

  constructor(target: Target, line: Line) {
    this.line = line
    this.host = "host" in target ? target.host : undefined
    this.secure = "socketPath" in target ? "verified" : "no"
    this.target =
      "socketPath" in target
        ? target
        : { host: line.socket.remoteAddress ?? target.host, port: line.socket.remotePort ?? target.port }
  }

  get pull(): TransportConnection["pull"] {
    return this.line.pull
  }

  readonly write = (bytes: Uint8Array): Effect.Effect<void, MysqlError.MysqlError> =>
    Effect.suspend(() => {
      const { socket } = this.line
      // A write on a line that died while idle would wait for ever.
      if (!isAlive(socket)) return Effect.fail(lost("notSent", socket.errored ?? new Error(lineClosed)))
      return socket.write(bytes) ? Effect.void : drained(socket)
    })

  readonly startTls = (options: TlsOptions): Effect.Effect<void, MysqlError.MysqlError> =>
    Effect.gen({ self: this }, function* () {
      yield* Scope.close(this.line.readerScope, Exit.void)
      const secured = yield* handshake(this.line.socket, options, this.host)
      this.line = yield* attach(secured)
      this.secure = secured.authorized && options.mode === "verify-identity" ? "verified" : "encrypted"
      this.tls = { protocol: secured.getProtocol() ?? "unknown", cipher: secured.getCipher().name }
    })

  readonly idle: TransportConnection["idle"] = Effect.sync(() => {
    const { socket } = this.line
    if (socket.readableLength > 0) return "bytes"
    return isAlive(socket) ? "quiet" : "closed"
  })

  readonly peerCertificate: TransportConnection["peerCertificate"] = Effect.sync(() => {
    const { socket } = this.line
    if (!(socket instanceof Tls.TLSSocket)) return Option.none()
    return Option.fromNullishOr(socket.getPeerCertificate().raw)
  })

  /** Lets what was written reach the server when the line is alive, and cuts it in any case. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const { readerScope, socket } = this.line
    if (isAlive(socket)) socket.destroySoon()
    else socket.destroy()
    return Scope.close(readerScope, Exit.void)
  })
}

const drained = (socket: Net.Socket): Effect.Effect<void, MysqlError.MysqlError> =>
  Effect.callback<void, MysqlError.MysqlError>((resume) => {
    const cleanup = (): void => {
      socket.off("drain", onDrain)
      socket.off("close", onClose)
    }
    const onDrain = (): void => {
      cleanup()
      resume(Effect.void)
    }
    const onClose = (): void => {
      cleanup()
      resume(Effect.fail(lost("sent", socket.errored ?? new Error(lineClosed))))
    }
    socket.on("drain", onDrain)
    socket.on("close", onClose)
    return Effect.sync(cleanup)
  })

/**
 * Node's sockets. TCP without Nagle's delay and with keep-alive; unix sockets.
 *
 * @since 0.1.0
 * @category constructors
 */
export const nodeTransport: Transport = {
  osUser: Effect.sync(() => {
    try {
      return Os.userInfo().username
    } catch {
      // A container's user need not have a name.
      return "unknown"
    }
  }),
  connect: Effect.fnUntraced(function* (target, options) {
    const socket = open(target, options?.keepAlive ?? defaultKeepAlive)
    // From its first moment on the socket belongs to the scope: whatever happens, it is closed.
    const connection = { current: undefined as NodeConnection | undefined }
    yield* Effect.addFinalizer(() => connection.current?.close ?? Effect.sync(() => socket.destroy()))
    yield* connected(socket, target)
    connection.current = new NodeConnection(target, yield* attach(socket))
    return connection.current
  })
}
