/**
 * Node's sockets as a `Transport`. The only module that knows `node:net` and `node:tls`.
 *
 * A plain line is read into memory that is used again and again (`Receiver`), which saves 2 to 3 of the 15 to 18
 * microseconds that a round trip takes with a stream in between; TLS and runtimes other than Node hand over memory of
 * their own. Either way back-pressure reaches the server.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Tls from "node:tls"
import * as directLine from "./internal/directLine.ts"
import { Receiver } from "./internal/Receiver.ts"
import { addressOf } from "./internal/target.ts"
import { TlsSessions } from "./internal/tlsSessions.ts"
import type { TlsOptions } from "./MysqlConfig.ts"
import * as MysqlError from "./MysqlError.ts"
import type { DirectLine, Target, Transport, TransportConnection } from "./Transport.ts"

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

/** Other runtimes have `onread` in parts. */
const readsIntoBuffer = process.versions.bun === undefined && process.versions.deno === undefined

const open = (target: Target, keepAlive: Duration.Duration): Line => {
  const address =
    "socketPath" in target
      ? { path: target.socketPath }
      : {
          host: target.host,
          port: target.port,
          noDelay: true,
          keepAlive: Duration.isFinite(keepAlive),
          keepAliveInitialDelay: Duration.toMillis(keepAlive)
        }
  if (!readsIntoBuffer) return flow(Net.createConnection(address))
  const receiver = new Receiver(() => void socket.resume())
  const onread = { buffer: receiver.buffer, callback: receiver.received }
  const socket: Net.Socket = Net.createConnection({ ...address, onread })
  return { socket, receiver }
}

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

/** A write on a line that died while idle would wait for ever. */
const closedBefore = (socket: Net.Socket): MysqlError.MysqlError =>
  lost("notSent", socket.errored ?? new Error(lineClosed))

const isAlive = (socket: Net.Socket): boolean => !socket.destroyed && !socket.readableEnded && socket.writable

/** Deno calls a line authorized whose certificate it was not to refuse: there nothing can be put off. */
const tellsUnauthorized = !("Deno" in globalThis)

const isVerifying = ({ mode }: TlsOptions): boolean => mode === "verify-ca" || mode === "verify-identity"

const sessionOf = (
  options: TlsOptions,
  deferred: boolean,
  socket: Net.Socket,
  host: string | undefined
): Tls.ConnectionOptions => {
  const verified = !deferred && isVerifying(options)
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

const sessions = new TlsSessions<Buffer>()

const handshake = (
  socket: Net.Socket,
  options: TlsOptions,
  deferred: boolean,
  host: string | undefined
): Effect.Effect<Tls.TLSSocket, MysqlError.MysqlError> =>
  Effect.callback<Tls.TLSSocket, MysqlError.MysqlError>((resume) => {
    const fail = (cause: unknown): void => {
      resume(Effect.fail(MysqlError.make(new MysqlError.TlsError({ problem: problemOf(cause), cause }))))
    }
    const server = `${host} ${socket.remoteAddress} ${socket.remotePort}`
    // A resumed session shows no certificate: whoever has yet to look at it needs a new one.
    const resumable = isVerifying(options) && !deferred
    let secured: Tls.TLSSocket
    try {
      const session = resumable ? sessions.get(options, server) : undefined
      secured = Tls.connect({ ...sessionOf(options, deferred, socket, host), ...(session && { session }) })
    } catch (cause) {
      return fail(cause)
    }
    const onClose = (): void => fail(new Error("the line was closed during the TLS handshake"))
    secured.once("error", fail)
    secured.once("close", onClose)
    secured.once("secureConnect", () => {
      secured.off("error", fail)
      secured.off("close", onClose)
      // Only of a line that has passed. Until TLS 1.2 it is there now, in TLS 1.3 it comes with what the server says next.
      if (resumable) {
        if (secured.getProtocol() !== "TLSv1.3") sessions.set(options, server, secured.getSession()!)
        secured.on("session", (session) => sessions.set(options, server, session))
      }
      resume(Effect.succeed(secured))
    })
    return Effect.sync(() => secured.destroy())
  })

/** A socket and what reads from it, which TLS replaces. */
interface Line {
  readonly socket: Net.Socket
  readonly receiver: Receiver
}

/** Reads a socket that does not read into the receiver by itself. */
const flow = (socket: Net.Socket): Line => {
  const receiver = new Receiver(() => void socket.resume())
  socket.on("data", (chunk: Buffer) => {
    if (!receiver.received(chunk.length, chunk)) socket.pause()
  })
  return { socket, receiver }
}

/** Tells the receiver when nothing more will come. */
const watch = (line: Line): Line => {
  const { receiver, socket } = line
  const onEnd = (): void => receiver.fail(lost("sent", socket.errored ?? new Error(lineClosed)))
  socket.on("error", (cause) => receiver.fail(lost("sent", cause)))
  socket.on("end", onEnd)
  socket.on("close", onEnd)
  return line
}

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

  readonly direct: DirectLine = {
    take: (onArrival) => this.line.receiver.take(onArrival),
    offer: (bytes, onRoom) => {
      const { socket } = this.line
      if (!isAlive(socket)) return closedBefore(socket)
      if (socket.write(bytes)) return true
      whenDrained(socket, onRoom)
      return false
    },
    lend: (bytes, onReturn) => {
      const { socket } = this.line
      if (!isAlive(socket)) return closedBefore(socket)
      writeThrough(socket, bytes, onReturn)
      return false
    }
  }

  readonly pull = directLine.pullOf(this.direct.take)

  readonly write = directLine.writeOf(this.direct.offer)

  readonly release = (): void => this.line.receiver.release()

  readonly startTls = (options: TlsOptions, wanted = false): Effect.Effect<void, MysqlError.MysqlError> =>
    Effect.gen({ self: this }, function* () {
      const deferred = wanted && tellsUnauthorized
      const secured = yield* handshake(this.line.socket, options, deferred, this.host)
      this.line = watch(flow(secured))
      const verified = secured.authorized && options.mode === "verify-identity"
      // A unix socket ends at the server in any case.
      if (this.secure !== "verified") this.secure = verified ? "verified" : "encrypted"
      this.tls = {
        protocol: secured.getProtocol() ?? "unknown",
        cipher: secured.getCipher().name,
        resumed: secured.isSessionReused()
      }
    })

  readonly idle: TransportConnection["idle"] = Effect.sync(() => {
    const { receiver, socket } = this.line
    if (receiver.hasBytes || socket.readableLength > 0) return "bytes"
    return isAlive(socket) ? "quiet" : "closed"
  })

  readonly peerCertificate: TransportConnection["peerCertificate"] = Effect.sync(() => {
    const { socket } = this.line
    if (!(socket instanceof Tls.TLSSocket)) return Option.none()
    return Option.fromNullishOr(socket.getPeerCertificate().raw)
  })

  /** Lets what was written reach the server when the line is alive, and cuts it in any case. */
  readonly close: Effect.Effect<void> = Effect.sync(() => {
    const { receiver, socket } = this.line
    if (isAlive(socket)) socket.destroySoon()
    else socket.destroy()
    receiver.fail(lost("sent", new Error("the line was closed here")))
  })
}

const whenDrained = (socket: Net.Socket, done: (error?: MysqlError.MysqlError) => void): void => {
  const end = (error?: MysqlError.MysqlError): void => {
    socket.off("drain", onDrain)
    socket.off("close", onClose)
    done(error)
  }
  const onDrain = (): void => end()
  const onClose = (): void => end(lost("sent", socket.errored ?? new Error(lineClosed)))
  socket.on("drain", onDrain)
  socket.on("close", onClose)
}

/** `done` when the kernel has taken the bytes; below TLS those that they were encrypted to. */
const writeThrough = (socket: Net.Socket, bytes: Uint8Array, done: (error?: MysqlError.MysqlError) => void): void => {
  const onClose = (): void => done(lost("sent", socket.errored ?? new Error(lineClosed)))
  socket.on("close", onClose)
  socket.write(bytes, (cause) => {
    // A line on which a write has failed is closed.
    if (cause) return
    socket.off("close", onClose)
    done()
  })
}

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
    const line = open(target, options?.keepAlive ?? defaultKeepAlive)
    // From its first moment on the socket belongs to the scope: whatever happens, it is closed.
    const connection = { current: undefined as NodeConnection | undefined }
    yield* Effect.addFinalizer(() => connection.current?.close ?? Effect.sync(() => line.socket.destroy()))
    yield* connected(line.socket, target)
    connection.current = new NodeConnection(target, watch(line))
    return connection.current
  })
}
