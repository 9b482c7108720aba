/**
 * The way to a session as servers can spoil it: what is refused, what is never sent, and that nothing stays open.
 */
import { describe, expect, it } from "@effect/vitest"
import { Flag } from "@effect-mysql/protocol/connect/Capabilities"
import * as Packet from "@effect-mysql/protocol/framing/Packet"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import type { MysqlConfig } from "../src/MysqlConfig.ts"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import type { Reason } from "../src/MysqlError.ts"
import { Transport } from "../src/Transport.ts"
import { inMemory, type Line, listen, logIn, reasonOf, type Script } from "./support/script.ts"
import * as wire from "./support/wire.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const password = "s3cret"

/** How connecting ends, in the scope of the attempt. */
const attempt = (config: MysqlConfig) =>
  Effect.map(
    Effect.exit(Effect.scoped(MysqlConnection.make({ username: "ann", password: Redacted.make(password), ...config }))),
    reasonOf
  )

const attemptInMemory = (script: Script, config?: MysqlConfig) =>
  Effect.provideService(attempt(config ?? {}), Transport, inMemory(script))

const greets = (line: Line, options?: Parameters<typeof wire.greeting>[0]) =>
  line.send(wire.packets([wire.greeting(options)], 0))

/** Greets, takes the response, and says this. */
const answers =
  (...payloads: ReadonlyArray<Uint8Array>): Script =>
  (line) =>
    Effect.andThen(greets(line), Effect.andThen(line.receive, line.send(wire.packets(payloads, 2))))

const text = (value: string): Uint8Array => Buffer.from(value, "latin1")

const authSwitch = (plugin: string, data: Uint8Array = Uint8Array.from([...wire.scramble, 0])): Uint8Array =>
  Buffer.concat([Buffer.from([0xfe]), text(`${plugin}\0`), data])

const withTls = { capabilities: { flags: wire.serverFlags | Flag.SSL, extended: 0 } }

interface Spoiled {
  readonly what: string
  readonly script: Script
  readonly reason: object
  readonly config?: MysqlConfig
}

const spoiled: ReadonlyArray<Spoiled> = [
  {
    what: "an error before the greeting",
    script: (line) =>
      line.send(Packet.frame(Buffer.concat([Buffer.from([0xff, 0x10, 0x04]), text("Too many connections")]), 0)),
    reason: {
      _tag: "ConnectError",
      problem: "Too many connections (1040)",
      cause: { reason: { _tag: "ServerError", errno: 1040 } }
    }
  },
  {
    what: "a banner of another protocol",
    script: (line) => line.send(text("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n")),
    reason: { _tag: "ProtocolError", phase: "packet header" }
  },
  {
    what: "protocol version 9",
    script: (line) => line.send(wire.packets([Buffer.concat([Buffer.from([9]), text("3.22\0")])], 0)),
    reason: { _tag: "ProtocolError", phase: "greeting", expected: "protocol version 10", got: "9" }
  },
  {
    what: "an empty greeting",
    script: (line) => line.send(wire.packets([new Uint8Array(0)], 0)),
    reason: { _tag: "ProtocolError", phase: "greeting" }
  },
  {
    what: "a greeting whose version does not end",
    script: (line) => line.send(wire.packets([Buffer.from([10, 57, 46, 55])], 0)),
    reason: { _tag: "ProtocolError", phase: "greeting" }
  },
  {
    what: "a greeting that is cut off",
    script: (line) => line.send(wire.packets([wire.greeting().subarray(0, 40)], 0)),
    reason: { _tag: "ProtocolError", phase: "greeting" }
  },
  {
    what: "a greeting with a wrong sequence number",
    script: (line) => line.send(wire.packets([wire.greeting()], 1)),
    reason: { _tag: "ProtocolError", phase: "packet header" }
  },
  {
    what: "a greeting of more than 64 KiB",
    script: (line) => line.send(Buffer.from([0x01, 0x00, 0x01, 0x00])),
    reason: { _tag: "ProtocolError", phase: "packet header", expected: "a packet of at most 65536 bytes" }
  },
  {
    what: "no greeting before the line is closed",
    script: (line) => line.end,
    reason: { _tag: "ConnectError" }
  },
  {
    what: "half a greeting before the line is closed",
    script: (line) => Effect.andThen(line.send(wire.packets([wire.greeting()], 0).subarray(0, 20)), line.end),
    reason: { _tag: "ConnectError" }
  },
  {
    what: "a closed line in place of an answer",
    script: (line) => Effect.andThen(greets(line), Effect.andThen(line.receive, line.end)),
    reason: { _tag: "ConnectError" }
  },
  {
    what: "a broken line in place of an answer",
    script: (line) => Effect.andThen(greets(line), Effect.andThen(line.receive, line.reset)),
    reason: { _tag: "ConnectError" }
  },
  {
    what: "a wrong password",
    script: answers(wire.err(1045, "Access denied for user 'ann'@'localhost' (using password: YES)", "28000")),
    reason: { _tag: "LoginError", errno: 1045, plugin: "caching_sha2_password" }
  },
  {
    what: "the switch to a plugin that sends the password as it is",
    script: answers(authSwitch("mysql_clear_password", new Uint8Array(0))),
    reason: { _tag: "LoginError", errno: undefined, plugin: "mysql_clear_password" }
  },
  {
    what: "the switch to a dialog",
    script: answers(authSwitch("dialog", text("Password: "))),
    reason: { _tag: "LoginError", errno: undefined, plugin: "dialog" }
  },
  {
    what: "the switch to a plugin that has long been broken",
    script: answers(authSwitch("mysql_old_password")),
    reason: { _tag: "LoginError", errno: undefined, plugin: "mysql_old_password" }
  },
  {
    what: "a plugin whose name is one of JavaScript's",
    script: answers(authSwitch("constructor")),
    reason: { _tag: "LoginError", errno: undefined, plugin: "constructor" }
  },
  {
    what: "a scramble that is too short",
    script: answers(authSwitch("mysql_native_password", new Uint8Array(0))),
    reason: { _tag: "ProtocolError", phase: "authentication", expected: "a scramble of 20 bytes", got: "0" }
  },
  {
    what: "a second switch of the plugin",
    script: (line) =>
      Effect.gen(function* () {
        yield* greets(line)
        yield* line.receive
        yield* line.send(wire.packets([authSwitch("mysql_native_password")], 2))
        yield* line.receive
        yield* line.send(wire.packets([authSwitch("mysql_native_password")], 4))
      }),
    reason: { _tag: "ProtocolError", phase: "authentication", expected: "one auth switch" }
  },
  {
    what: "the demand for the password itself on a line that others can read",
    script: answers(Buffer.from([1, 4])),
    reason: { _tag: "LoginError", errno: undefined, plugin: "caching_sha2_password" }
  },
  {
    what: "the switch to the passwords of before 4.1",
    script: answers(Buffer.from([0xfe])),
    reason: { _tag: "ProtocolError", phase: "authentication" }
  },
  {
    what: "an answer that is none",
    script: answers(Buffer.from([0x42])),
    reason: { _tag: "ProtocolError", phase: "authentication" }
  },
  {
    what: "an empty answer",
    script: answers(new Uint8Array(0)),
    reason: { _tag: "ProtocolError", phase: "authentication" }
  },
  {
    what: "an OK with a wrong sequence number",
    script: (line) =>
      Effect.andThen(greets(line), Effect.andThen(line.receive, line.send(wire.packets([wire.ok()], 3)))),
    reason: { _tag: "ProtocolError", phase: "packet header" }
  },
  {
    what: "no TLS where it is required",
    script: (line) => greets(line),
    reason: { _tag: "TlsError" },
    config: { tls: { mode: "required" } }
  },
  {
    what: "unencrypted bytes where TLS begins",
    script: (line) =>
      line.send(Buffer.concat([wire.packets([wire.greeting(withTls)], 0), wire.packets([wire.ok()], 2)])),
    reason: { _tag: "ProtocolError", phase: "TLS upgrade", expected: "silence" }
  },
  {
    what: "a setting that the server refuses",
    script: (line) =>
      Effect.gen(function* () {
        yield* greets(line)
        yield* line.receive
        yield* line.send(wire.packets([wire.ok()], 2))
        yield* line.reply(wire.err(1273, "Unknown collation", "HY000"))
        yield* line.reply(wire.ok())
        yield* line.reply(...wire.texts("@@max_allowed_packet", ["1048576"]))
        yield* line.reply(...wire.texts("@@server_uuid", ["x"]))
      }),
    reason: { _tag: "ServerError", errno: 1273, sql: expect.stringContaining("SET NAMES") }
  }
]

describe("a login meets", () => {
  it.effect.each(spoiled)("$what", ({ config, reason, script }) =>
    Effect.gen(function* () {
      expect(yield* attemptInMemory(script, config)).toMatchObject(reason)
    })
  )

  it.live.each(spoiled)("$what, and closes its socket", ({ config, reason, script }) =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const address = yield* listen((line) =>
        Effect.andThen(script(line), Effect.andThen(line.closed, Deferred.succeed(closed, undefined)))
      )
      expect(yield* attempt({ ...address, ...config })).toMatchObject(reason)
      yield* Deferred.await(closed)
    })
  )
})

describe("what is not sent", () => {
  it.effect("is the user's name, to a server without TLS where TLS is required", () =>
    Effect.gen(function* () {
      for (const mode of ["required", "verify-ca", "verify-identity"] as const) {
        const sent: Array<Uint8Array> = []
        const transport = inMemory(greets, (bytes) => sent.push(bytes))
        const reason = yield* Effect.provideService(attempt({ tls: { mode } }), Transport, transport)
        expect(reason?._tag).toBe("TlsError")
        expect(sent).toEqual([])
      }
    })
  )

  it.effect("is the password, whatever a server asks for on a line that others can read", () =>
    Effect.gen(function* () {
      const sent: Array<Uint8Array> = []
      for (const { config, script } of spoiled) {
        const transport = inMemory(script, (bytes) => sent.push(bytes))
        yield* Effect.provideService(attempt(config ?? {}), Transport, transport)
      }
      expect(sent.length).toBeGreaterThan(10)
      expect(Buffer.concat(sent).includes(password)).toBe(false)
    })
  )

  it.effect("is anything secret in an error", () =>
    Effect.gen(function* () {
      for (const { config, script } of spoiled) {
        const reason = yield* attemptInMemory(script, config)
        expect(`${reason?.message} ${JSON.stringify(reason)}`).not.toContain(password)
      }
    })
  )
})

describe("the deadline", () => {
  const silences: ReadonlyArray<readonly [string, Script]> = [
    ["before the greeting", () => Effect.void],
    ["within the greeting", (line) => line.send(wire.packets([wire.greeting()], 0).subarray(0, 30))],
    ["after the response", (line) => Effect.andThen(greets(line), line.receive)],
    ["after the login", answers(wire.ok())]
  ]

  it.effect.each(silences)("ends a login that meets silence $0", ([, script]) =>
    Effect.gen(function* () {
      const connecting = yield* fork(attemptInMemory(script))
      yield* TestClock.adjust("9 seconds")
      expect(connecting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(connecting)).toMatchObject({
        _tag: "ConnectError",
        problem: "not connected within 10s"
      })
    })
  )

  it.effect("is one for all steps together", () =>
    Effect.gen(function* () {
      const slow: Script = (line) =>
        Effect.gen(function* () {
          for (const byte of wire.packets([wire.greeting()], 0)) {
            yield* Effect.sleep("900 millis")
            yield* line.send(Uint8Array.of(byte))
          }
        })
      const connecting = yield* fork(attemptInMemory(slow, { connectTimeout: "20 seconds" }))
      yield* TestClock.adjust("20 seconds")
      expect(yield* Fiber.join(connecting)).toMatchObject({ _tag: "ConnectError" })
    })
  )

  it.effect("holds for a password that is fetched, too", () =>
    Effect.gen(function* () {
      const connecting = yield* fork(attemptInMemory(greets, { password: Effect.never, connectTimeout: "1 second" }))
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(connecting)).toMatchObject({ _tag: "ConnectError" })
    })
  )
})

describe("a login that is given up", () => {
  const stages: ReadonlyArray<readonly [string, Script]> = [
    ["before the greeting", () => Effect.void],
    ["before the answer", (line) => Effect.andThen(greets(line), line.receive)],
    ["within the TLS handshake", (line) => Effect.andThen(greets(line, withTls), line.receive)],
    ["before the session is set up", (line) => Effect.andThen(answers(wire.ok())(line), line.receive)]
  ]

  const ways: ReadonlyArray<readonly [string, (connecting: Fiber.Fiber<Reason | undefined>) => Effect.Effect<void>]> = [
    ["by interruption", Fiber.interrupt],
    [
      "by its deadline",
      (connecting) =>
        Effect.andThen(
          TestClock.adjust("10 seconds"),
          Effect.map(Fiber.join(connecting), (reason) => {
            expect(reason).toMatchObject({ _tag: "ConnectError", problem: "not connected within 10s" })
          })
        )
    ]
  ]

  describe.each(ways)("%s", (_, giveUp) => {
    it.effect.each(stages)("%s closes the socket", ([, script]) =>
      Effect.gen(function* () {
        const reached = yield* Deferred.make<void>()
        const closed = yield* Deferred.make<void>()
        const address = yield* listen((line) =>
          Effect.gen(function* () {
            yield* script(line)
            yield* Deferred.succeed(reached, undefined)
            yield* line.closed
            yield* Deferred.succeed(closed, undefined)
          })
        )
        const connecting = yield* fork(attempt(address))
        yield* Deferred.await(reached)
        yield* giveUp(connecting)
        yield* Deferred.await(closed)
      })
    )
  })
})

describe("TLS", () => {
  const handshakes: ReadonlyArray<readonly [string, Script]> = [
    ["is answered with something else", (line) => line.send(text("SSH-2.0-OpenSSH_9.2\r\n"))],
    ["is answered with a closed line", (line) => line.end],
    ["is answered with a broken line", (line) => line.reset]
  ]

  it.live.each(handshakes)("that $0 is a TlsError, and never goes on without", ([, script]) =>
    Effect.gen(function* () {
      for (const mode of ["preferred", "required"] as const) {
        let unencrypted = 0
        const closed = yield* Deferred.make<void>()
        const address = yield* listen((line) =>
          Effect.gen(function* () {
            yield* greets(line, withTls)
            yield* line.receive
            yield* script(line)
            yield* line.closed
            unencrypted = line.unread()
            yield* Deferred.succeed(closed, undefined)
          })
        )
        expect(yield* attempt({ ...address, tls: { mode } })).toMatchObject({ _tag: "TlsError" })
        yield* Deferred.await(closed)
        expect(unencrypted).toBe(0)
      }
    })
  )
})

describe("a session", () => {
  it.effect("is the same when every byte of the server comes alone", () =>
    Effect.gen(function* () {
      const bytewise: Script = (line) =>
        logIn({
          ...line,
          send: (bytes) => Effect.forEach(bytes, (byte) => line.send(Uint8Array.of(byte)), { discard: true }),
          reply: (...payloads) =>
            Effect.forEach(wire.packets(payloads), (byte) => line.send(Uint8Array.of(byte)), { discard: true })
        })
      const connection = yield* Effect.provideService(MysqlConnection.make({}), Transport, inMemory(bytewise))
      expect(connection.info).toMatchObject({ connectionId: 42, version: "9.7.0-scripted", product: "mysql" })
    })
  )

  it.effect("is had from a server that has no id of its own, too", () =>
    Effect.gen(function* () {
      const nameless: Script = (line) =>
        Effect.gen(function* () {
          yield* greets(line)
          yield* line.receive
          yield* line.send(wire.packets([wire.ok()], 2))
          yield* line.reply(wire.ok())
          yield* line.reply(wire.ok())
          yield* line.reply(wire.err(1193, "Unknown system variable 'max_allowed_packet'"))
          yield* line.reply(wire.err(1193, "Unknown system variable 'server_uuid'"))
        })
      const connection = yield* Effect.provideService(MysqlConnection.make({}), Transport, inMemory(nameless))
      expect(connection.statusUnsafe()).toMatchObject({ closed: false, inTransaction: false, autocommit: true })
    })
  )

  it.effect("is had by several factors, each with a password of its own, or an empty one", () =>
    Effect.gen(function* () {
      const severalFactors = {
        capabilities: { flags: wire.serverFlags | Flag.MULTI_FACTOR_AUTHENTICATION, extended: 0 }
      }
      const nextFactor = Buffer.concat([Buffer.from([2]), text("mysql_clear_password\0")])
      const answered: Array<string> = []
      const script: Script = (line) =>
        Effect.gen(function* () {
          yield* greets(line, severalFactors)
          yield* line.receive
          for (const sequence of [2, 4]) {
            yield* line.send(wire.packets([nextFactor], sequence))
            answered.push((yield* line.receive).payload.toString("utf8"))
          }
          yield* line.send(wire.packets([wire.ok()], 6))
          for (let command = 0; command < 4; command++) {
            yield* line.receive
            yield* line.reply(wire.ok())
          }
        })
      const connecting = (...further: ReadonlyArray<string>) =>
        attemptInMemory(script, {
          allowCleartextPassword: true,
          furtherPasswords: further.map((one) => Redacted.make(one))
        })
      expect(yield* connecting("second", "thïrd")).toBeUndefined()
      expect(answered).toEqual(["second\0", "thïrd\0"])
      expect(yield* connecting("second")).toBeUndefined()
      expect(answered.slice(2)).toEqual(["second\0", "\0"])
    })
  )

  it.effect("says goodbye when its scope closes", () =>
    Effect.gen(function* () {
      const sent: Array<Uint8Array> = []
      const transport = inMemory(logIn, (bytes) => sent.push(bytes))
      yield* Effect.scoped(Effect.provideService(MysqlConnection.make({}), Transport, transport))
      expect([...sent.at(-1)!]).toEqual([1, 0, 0, 0, wire.Code.QUIT])
    })
  )
})
