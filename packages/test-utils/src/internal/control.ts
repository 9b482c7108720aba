/**
 * The control connection: the kit's own way to ask a server something, made of the protocol's functions. It is for
 * readiness, accounts and databases; one connection a call, one statement after the other, nothing to configure.
 *
 * It uses the unix socket where there is one, else TCP, with TLS (unverified) where the server offers it.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import * as Authentication from "@effect-mysql/protocol/connect/Authentication"
import { disclosureOver } from "@effect-mysql/protocol/connect/AuthPlugin"
import { type Capabilities, Flag, has, negotiate } from "@effect-mysql/protocol/connect/Capabilities"
import * as Greeting from "@effect-mysql/protocol/connect/Greeting"
import * as HandshakeResponse from "@effect-mysql/protocol/connect/HandshakeResponse"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import * as Err from "@effect-mysql/protocol/reply/Err"
import * as Reply from "@effect-mysql/protocol/reply/Reply"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { createConnection, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import type { Address } from "./provider.ts"

export class ControlError extends Data.TaggedError("ControlError")<{
  readonly message: string
  /** What the server said; `undefined` when it could not be reached or understood. */
  readonly err: Err.Err | undefined
}> {}

export type Row = ReadonlyArray<unknown>

export interface Answer {
  /** Of the last statement. */
  readonly rows: ReadonlyArray<Row>
  /** As the greeting tells it. */
  readonly version: string
}

/** utf8mb4_general_ci, which every server knows. */
const collation = 45
const maxPacketBytes = 16 * 1024 * 1024

class Refused extends Error {
  readonly err: Err.Err
  constructor(err: Err.Err) {
    super(`${err.message} (${err.errno}, ${err.sqlState})`)
    this.err = err
  }
}

const getOrThrow = <A, E extends Error>(result: Result.Result<A, E>): A => {
  if (Result.isSuccess(result)) return result.success
  throw result.failure
}

const once = (stream: Socket, ...names: ReadonlyArray<string>): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      for (const name of names) stream.off(name, onEvent)
      stream.off("error", onError)
      stream.off("close", onClose)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onEvent = (): void => settle()
    const onError = (error: Error): void => settle(error)
    const onClose = (): void => settle(new Error("the server closed the connection"))
    for (const name of names) stream.on(name, onEvent)
    stream.on("error", onError)
    stream.on("close", onClose)
  })

class Line {
  stream: Socket
  readonly parser: Packet.Parser = Packet.makeParser()

  constructor(stream: Socket) {
    this.stream = stream
  }

  async feed(): Promise<void> {
    for (;;) {
      const chunk: Buffer | null = this.stream.read()
      if (chunk !== null) return this.parser.feed(chunk)
      if (this.stream.readableEnded || this.stream.destroyed) throw new Error("the server closed the connection")
      await once(this.stream, "readable", "end")
    }
  }

  async packet(): Promise<Uint8Array> {
    while (!this.parser.next()) {
      if (this.parser.error !== undefined) throw this.parser.error
      await this.feed()
    }
    return this.parser.bytes.subarray(this.parser.start, this.parser.end)
  }

  async upgrade(): Promise<void> {
    const encrypted = connectTls({ socket: this.stream, rejectUnauthorized: false })
    await once(encrypted, "secureConnect")
    this.stream = encrypted
  }
}

const login = async (line: Line, address: Address): Promise<{ capabilities: Capabilities; version: string }> => {
  const first = await line.packet()
  if (first[0] === 0xff) throw new Refused(getOrThrow(Err.decode(first)))
  const greeting = getOrThrow(Greeting.decode(first))
  const local = address.socketPath !== undefined
  const encrypt = !local && has(greeting.capabilities, Flag.SSL)
  const capabilities = negotiate(greeting.capabilities, encrypt ? Flag.SSL : 0)
  const head = { capabilities, maxPacketBytes, collation }
  let sequence = 1
  if (encrypt) {
    line.stream.write(Packet.seal(HandshakeResponse.encodeTlsRequest(head), sequence++))
    await line.upgrade()
  }
  const authentication = getOrThrow(
    Authentication.make({
      capabilities,
      greeting,
      password: Redacted.value(address.password),
      disclosure: disclosureOver(local ? "verified" : encrypt ? "encrypted" : "no"),
      tls: encrypt
    })
  )
  const response = HandshakeResponse.encode({
    ...head,
    username: address.username,
    authPlugin: authentication.authPlugin,
    authResponse: authentication.authResponse,
    database: undefined,
    connectAttributes: { program_name: "effect-mysql test-utils" }
  })
  line.parser.expect(sequence + 1)
  line.stream.write(Packet.seal(response, sequence))
  for (;;) {
    const step = getOrThrow(authentication.next(await line.packet()))
    if (step._tag === "Accepted") return { capabilities, version: greeting.version }
    if (step._tag === "Refused") throw new Refused(step.err)
    if (step._tag === "Send") {
      const next = line.parser.sequence + 1
      line.parser.expect(next + 1)
      line.stream.write(Packet.frame(step.bytes, next))
    }
  }
}

const execute = async (line: Line, capabilities: Capabilities, sql: string): Promise<ReadonlyArray<Row>> => {
  const reply = new Reply.Reply({
    command: "query",
    capabilities,
    rows: { shape: "array", decoding: {}, offsetMinutes: 0 }
  })
  line.parser.expect(1)
  line.stream.write(Command.query(sql))
  while (!reply.consume(line.parser)) await line.feed()
  if (reply.failure !== undefined) throw reply.failure
  if (reply.err !== undefined) throw new Refused(reply.err)
  if (reply.decodeError !== undefined) throw reply.decodeError
  return (reply.results.at(-1)?.rows ?? []) as ReadonlyArray<Row>
}

/** A server that is stuck or paused answers nothing, and keeps the connection open. */
const answerLimit = "60 seconds"

/** Connects, runs the statements one after the other, and closes. The first that fails ends it. */
export const query = (address: Address, ...statements: ReadonlyArray<string>): Effect.Effect<Answer, ControlError> =>
  Effect.timeoutOrElse(ask(address, statements), {
    duration: answerLimit,
    orElse: () => Effect.fail(new ControlError({ message: `no answer within ${answerLimit}`, err: undefined }))
  })

const ask = (address: Address, statements: ReadonlyArray<string>): Effect.Effect<Answer, ControlError> =>
  Effect.tryPromise({
    try: async (signal) => {
      const stream = createConnection(
        address.socketPath === undefined ? { host: address.host, port: address.port } : { path: address.socketPath }
      )
      const line = new Line(stream)
      const abort = (): void => void stream.destroy(new Error("interrupted"))
      signal.addEventListener("abort", abort)
      try {
        await once(stream, "connect")
        const { capabilities, version } = await login(line, address)
        let rows: ReadonlyArray<Row> = []
        for (const sql of statements) rows = await execute(line, capabilities, sql)
        line.stream.write(Command.quit)
        return { rows, version }
      } finally {
        signal.removeEventListener("abort", abort)
        line.stream.destroy()
        stream.destroy()
      }
    },
    catch: (cause) =>
      new ControlError({
        message: cause instanceof Error ? cause.message : String(cause),
        err: cause instanceof Refused ? cause.err : undefined
      })
  })

/** A text as a literal, for sessions without `NO_BACKSLASH_ESCAPES`. */
export const quoteText = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`

export const quoteName = (name: string): string => `\`${name.replaceAll("`", "``")}\``
